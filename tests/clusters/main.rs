//! The scripts for Slurm and PBS, on a real Slurm: every output equals that of one process, also after a node was killed.
//! Skipped where Slurm is not installed, unless `ZTOOLS_SERVERS=all`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod cluster;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cluster::Cluster;
use harness::{Fault, MakeArray, ObjectServer, Tool, copy_tree, directory, fixture, is_installed, tools, tree};
use serde_json::Value;

/// What is divided: a name of the output, flags of the script, and the command line without the output.
type Job = (&'static str, &'static [&'static str], &'static [&'static str]);

const JOBS: [Job; 6] = [
    ("recompressed.zarr", &[], &["zrecompress", "weather.zarr", "--clevel", "5"]),
    ("fetched.zarr", &[], &["zfetch", "weather.zarr", "--var", "u10", "--var", "tp"]),
    ("all.zarr", &[], &["zdedup", "--dim", "time", "--keep", "first", "a.zarr", "b.zarr"]),
    ("series.csv", &[], &["zpoint", "--points", "points.csv", "weather.zarr", "--var", "t2m"]),
    ("ensemble.zarr", &[], &["lorenz-ens", "--members", "2000", "--steps", "200"]),
    ("report.jsonl", &["-l", "stores"], &["zvalidate", "--level", "full"]),
];

fn jobs() -> impl Iterator<Item = Job> {
    JOBS.into_iter().filter(|(_, _, command)| tools().iter().any(|tool| tool == command[0]))
}

/// A directory with what the jobs read, and with the outputs of single processes in `one`.
fn scene(directory: &Path) {
    copy_tree(&fixture("weather-v2.zarr"), &directory.join("weather.zarr"));
    fs::write(directory.join("points.csv"), "id,lat,lon\na,51.5,-0.1\nb,10,20\n").unwrap();
    fs::create_dir(directory.join("one")).unwrap();
    let era5 = fixture("era5-uk-v2.zarr");
    for (name, days) in [("a.zarr", "time=2019-03-01:2019-03-17"), ("b.zarr", "time=2019-03-15:2019-03-31")] {
        let fetch = Tool::new("zfetch").arg(&era5).arg("--to").arg(directory.join(name)).args(["--sel", days]);
        fetch.run().expect(0);
    }
    fs::remove_file(directory.join("b.zarr/t2m/4.0.0")).unwrap();
    copy_tree(&directory.join("a.zarr"), &directory.join("c.zarr"));
    fs::write(directory.join("c.zarr/t2m/0.0.0"), "torn").unwrap();
    fs::write(directory.join("stores"), "a.zarr\nb.zarr\nweather.zarr\nc.zarr\nnowhere.zarr\n").unwrap();
    for (name, _, command) in jobs() {
        let tool = Tool::new(command[0]).current_dir(directory).args(&command[1..]);
        let one = format!("one/{name}");
        match command[0] {
            "zrecompress" => tool.arg(one).run().expect(0),
            "zfetch" => tool.args(["--to", &one]).run().expect(0),
            "zvalidate" => tool.args(["--stores-from", "stores", "-o", &one]).run().expect(1),
            _ => tool.args(["-o", &one]).run().expect(0),
        };
    }
}

#[track_caller]
fn assert_equal(directory: &Path, name: &str) {
    let [found, expected] = [directory.join(name), directory.join("one").join(name)];
    if found.is_dir() {
        assert!(tree(&found) == tree(&expected), "{name}");
    } else if name == "report.jsonl" {
        assert!(sorted(&found) == sorted(&expected), "{}", fs::read_to_string(&found).unwrap());
    } else {
        assert_eq!(fs::read_to_string(&found).unwrap(), fs::read_to_string(&expected).unwrap(), "{name}");
    }
}

/// Records in any order: findings across stores come last where stores are divided.
fn sorted(report: &Path) -> Vec<Value> {
    let text = fs::read_to_string(report).unwrap();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.contains("summary")).collect();
    lines.sort_unstable();
    lines.push(text.lines().last().unwrap());
    lines.into_iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn parts_on_a_cluster_equal_one_process() {
    let Some(cluster) = Cluster::start() else { return };
    let root = directory();
    scene(root.path());
    let submit = |(name, flags, command): Job| {
        let script = cluster.script("slurm/submit.sh", root.path()).args(["-n", "4"]).args(flags);
        script.args(["-o", name, "--"]).args(command)
    };
    for (number, job) in jobs().enumerate() {
        // The memory of a job is that of its tool.
        let mut script = submit(job);
        script.0.env("PART_OPTS", "--mem=400M");
        script.run().expect(0);
        if number == 0 {
            let refused = submit(job).run().expect(7);
            assert!(refused.stderr.contains("in the queue"), "{}", refused.stderr);
        }
    }
    cluster.wait_for_jobs();
    for (name, _, _) in jobs() {
        assert_equal(root.path(), name);
        assert!(
            !root.path().join(format!("{name}.plan")).exists() && !root.path().join(format!("{name}.parts")).exists()
        );
    }
    // Again: there is nothing to do.
    for job in jobs() {
        submit(job).run().expect(0);
    }
    cluster.wait_for_jobs();
    assert_equal(root.path(), "recompressed.zarr");

    // A part that fails is the exit code of who waits.
    let wait = |name: &str, source: &str| {
        let script = cluster.script("slurm/submit.sh", root.path()).args(["-w", "-n", "2", "-o", name, "--"]);
        script.args(["zrecompress", source]).run()
    };
    wait("torn.zarr", "c.zarr").expect(1);
    assert!(!root.path().join("torn.zarr").exists());
    wait("again.zarr", "a.zarr").expect(0);
}

#[test]
fn only_what_failed_runs_again_and_a_dead_node_is_no_loss() {
    let Some(mut cluster) = Cluster::start() else { return };
    let root = directory();
    let bucket = root.path().join("bucket");
    fs::create_dir(&bucket).unwrap();
    // Sixteen chunks, of which each takes a second: four for each part.
    MakeArray { chunk: 1 << 12, chunks: 16, ..MakeArray::default() }.write(&bucket.join("slow.zarr"));
    Tool::new("zrecompress").arg(bucket.join("slow.zarr")).arg(root.path().join("one.zarr")).run().expect(0);
    let server = ObjectServer::start(&bucket, vec![Fault::Slow { milliseconds: 1000 }]);
    let submit = |cluster: &Cluster| {
        let mut script = cluster.script("slurm/submit.sh", root.path()).args(["-n", "4", "-o", "out.zarr", "--"]);
        script.0.env("AWS_ENDPOINT_URL", server.endpoint());
        script.args(["zrecompress", "s3://bucket/slow.zarr", "--anonymous", "--requests", "1"]).run().expect(0)
    };
    submit(&cluster);

    // Once all four parts run: one node dies, and one part is cancelled.
    let running = wait_for_parts(&cluster);
    let (lost, cancelled) = (&running[0], &running[1]);
    let job = lost.job.clone();
    cluster.ask("scancel", &[&format!("{job}_{}", cancelled.index)]);
    cluster.kill_node(lost.node);
    // Slurm would hold it for two minutes.
    let element = format!("jobid={job}_{}", lost.index);
    let begin = Instant::now();
    while cluster.tool("scontrol").args(["update", &element, "StartTime=now"]).run().code != 0 {
        assert!(begin.elapsed() < Duration::from_secs(30), "the part is not requeued");
        sleep(Duration::from_millis(100));
    }
    cluster.wait_for_jobs();
    let restarts = cluster.ask("scontrol", &["show", "job", &format!("{job}_{}", lost.index)]);
    assert!(restarts.contains("Restarts=1") && restarts.contains("JobState=COMPLETED"), "{restarts}");
    assert!(!root.path().join("out.zarr").exists(), "without a part nothing is published");

    submit(&cluster);
    let queued = cluster.ask("squeue", &["-h", "-r", "-o", "%K"]);
    let parts: Vec<&str> = queued.split_whitespace().filter(|index| *index != "N/A").collect();
    assert_eq!(parts, [cancelled.index.as_str()], "only the part that is missing");
    cluster.wait_for_jobs();
    assert!(tree(&root.path().join("out.zarr")) == tree(&root.path().join("one.zarr")));
}

/// A part that runs.
struct Part {
    job: String,
    index: String,
    node: usize,
}

fn wait_for_parts(cluster: &Cluster) -> Vec<Part> {
    let begin = Instant::now();
    loop {
        let running = cluster.ask("squeue", &["-h", "-r", "-t", "R", "-o", "%F %K %N"]);
        let parts = running.lines().filter(|line| !line.contains("N/A"));
        let part = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Part { job: words[0].into(), index: words[1].into(), node: words[2][1..].parse().unwrap() }
        };
        let parts: Vec<Part> = parts.map(part).collect();
        if parts.len() == 4 {
            return parts;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "the parts do not start: {running}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn pbs_scripts_run_on_the_qsub_of_slurm() {
    if !is_installed("qsub") {
        return;
    }
    let Some(cluster) = Cluster::start() else { return };
    let root = directory();
    scene(root.path());
    for (name, flags, command) in jobs() {
        let script = cluster.script("pbs/submit.sh", root.path()).args(["-n", "3"]).args(flags);
        script.args(["-o", name, "--"]).args(command).run().expect(0);
    }
    cluster.wait_for_jobs();
    for (name, _, _) in jobs() {
        assert_equal(root.path(), name);
    } // A single missing part is no array.
    let parts = |step: &[&str]| {
        let script = cluster.script("parts.sh", root.path()).args(step).args(["-o", "second.zarr", "-n", "3", "--"]);
        script.args(["zrecompress", "weather.zarr", "--clevel", "5"]).run().expect(0);
    };
    for step in [&["prepare"][..], &["part", "-i", "1"], &["part", "-i", "3"]] {
        parts(step);
    }
    let script = cluster.script("pbs/submit.sh", root.path()).args(["-n", "3", "-o", "second.zarr", "--"]);
    script.args(JOBS[0].2).run().expect(0);
    cluster.wait_for_jobs();
    assert!(tree(&root.path().join("second.zarr")) == tree(&root.path().join("one/recompressed.zarr")));
}
