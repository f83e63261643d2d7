//! `parts.sh`, which divides the work of a tool, and what asks engines for parts: job scripts and requests, run as the engine
//! would run them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use harness::{Fault, MakeArray, ObjectServer, Outcome, Tool, copy_tree, directory, fixture, tree};
use serde_json::{Value, json};

use crate::script;

/// Writes a program into the directory `bin`, which comes first on the PATH of a script with [`with_programs`].
fn program(directory: &Path, name: &str, text: &str) {
    let path = directory.join("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/usr/bin/env bash\n{text}")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_programs(mut tool: Tool, directory: &Path) -> Tool {
    let path = tool.0.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap().to_string_lossy().into_owned();
    let scripts = harness::repository().join("scripts");
    tool.0.env("PATH", format!("{}:{path}:{}", directory.join("bin").display(), scripts.display()));
    tool.current_dir(directory)
}

#[test]
fn parts_are_prepared_listed_and_published_once() {
    let root = directory();
    let Some(_) = script("parts.sh") else { return };
    let source = fixture("weather-v2.zarr");
    let parts = |step: &str, flags: &[&str]| {
        let tool =
            script("parts.sh").unwrap().current_dir(root.path()).arg(step).args(["-o", "my out.zarr", "-n", "5"]);
        tool.args(flags).args(["--", "zrecompress"]).arg(&source).args(["--clevel", "5"])
    };
    let missing = || {
        let run = parts("missing", &[]).run();
        (run.code, run.stdout.trim().to_owned())
    };
    assert_eq!(missing(), (1, "1-5".to_owned()), "nothing is prepared");
    parts("prepare", &[]).run().expect(0);
    parts("prepare", &[]).run().expect(0);
    for index in ["2", "5"] {
        parts("part", &["-i", index, "-j", "1", "-m", "500M"]).run().expect(0);
    }
    assert_eq!(missing(), (1, "1,3-4".to_owned()));
    parts("finish", &[]).run().expect(1);
    assert!(!root.path().join("my out.zarr").exists());
    for index in ["1", "2", "3", "4"] {
        parts("part", &["-i", index]).run().expect(0);
    }
    assert_eq!(missing(), (0, String::new()));
    parts("finish", &[]).run().expect(0);
    parts("finish", &[]).run().expect(0);
    assert_eq!(missing(), (0, String::new()));
    let one = root.path().join("one.zarr");
    Tool::new("zrecompress").arg(&source).arg(&one).args(["--clevel", "5"]).run().expect(0);
    assert!(tree(&root.path().join("my out.zarr")) == tree(&one));
}

/// All steps of `parts.sh`, with the flags that they need.
const STEPS: [&[&str]; 4] = [&["prepare"], &["part", "-i", "1"], &["missing"], &["finish"]];

#[test]
fn what_is_there_is_of_the_same_command_or_refused() {
    let root = directory();
    let Some(_) = script("parts.sh") else { return };
    copy_tree(&fixture("weather-v2.zarr"), &root.path().join("a.zarr"));
    copy_tree(&fixture("era5-uk-v2.zarr"), &root.path().join("b.zarr"));
    let run = |step: &[&str], out: &str, parts: &str, command: &[&str]| -> Outcome {
        let tool = script("parts.sh").unwrap().current_dir(root.path()).args(step).args(["-o", out, "-n", parts, "--"]);
        tool.args(command).run()
    };
    let same = ["zrecompress", "a.zarr", "--clevel", "5"];
    run(STEPS[0], "out.zarr", "2", &same).expect(0);
    let others = [
        ("2", ["zrecompress", "a.zarr", "--clevel", "9"]),
        ("2", ["zrecompress", "b.zarr", "--clevel", "5"]),
        ("3", same),
    ];
    for step in STEPS {
        for (parts, other) in &others {
            let refused = run(step, "out.zarr", parts, other).expect(7);
            assert!(refused.stderr.contains("other arguments"), "{step:?} {other:?}: {}", refused.stderr);
        }
    }
    // A plan that the tool itself prepared: what it says of itself is compared.
    fs::remove_file(root.path().join("out.zarr.plan/arguments")).unwrap();
    run(STEPS[2], "out.zarr", "3", &same).expect(7);
    run(STEPS[2], "out.zarr", "2", &["zrecompress", "b.zarr"]).expect(7);
    for index in ["1", "2"] {
        // The name of the tool is enough for a part.
        run(&["part", "-i", index], "out.zarr", "2", &["zrecompress"]).expect(0);
    }
    run(STEPS[3], "out.zarr", "2", &same).expect(0);
    for step in STEPS {
        run(step, "out.zarr", "2", &same).expect(0);
        run(step, "out.zarr", "2", &["zrecompress", "b.zarr", "--clevel", "5"]).expect(7);
        // Made by hand.
        run(step, "b.zarr", "2", &same).expect(7);
        run(step, "b.zarr", "2", &["zfetch", "a.zarr"]).expect(7);
    }
    assert!(tree(&root.path().join("b.zarr")) == tree(&fixture("era5-uk-v2.zarr")));

    fs::write(root.path().join("old.csv"), "mine").unwrap();
    let points = ["zpoint", "a.zarr", "--lat", "51.5", "--lon", "-0.1"];
    for step in STEPS {
        let refused = run(step, "old.csv", "2", &points).expect(7);
        assert!(refused.stderr.contains("already exists"), "{}", refused.stderr);
    }
    assert!(!root.path().join("old.csv.parts").exists());
    run(STEPS[0], "new.csv", "1", &points).expect(0);
    run(STEPS[1], "new.csv", "1", &points).expect(0);
    run(STEPS[3], "new.csv", "1", &points).expect(0);
    for step in STEPS {
        run(step, "new.csv", "1", &points).expect(0);
        run(step, "new.csv", "2", &points).expect(7);
    }
    assert!(!root.path().join("new.csv.parts").exists(), "nothing is prepared again");
    run(STEPS[0], "/proc/new.csv", "2", &points).expect(7);
}

#[test]
fn a_table_with_holes_is_exit_code_3() {
    let root = directory();
    let Some(_) = script("parts.sh") else { return };
    copy_tree(&fixture("weather-v2.zarr"), &root.path().join("torn.zarr"));
    fs::write(root.path().join("torn.zarr/u10/3.0.0"), "torn").unwrap();
    let command = ["zpoint", "torn.zarr", "--lat", "51.5", "--lon", "-0.1"];
    let run = |step: &[&str]| {
        let tool =
            script("parts.sh").unwrap().current_dir(root.path()).args(step).args(["-o", "t.csv", "-n", "4", "--"]);
        tool.args(command).run()
    };
    run(&["prepare"]).expect(0);
    for index in ["1", "2", "3", "4"] {
        let part = run(&["part", "-i", index]).expect(0);
        assert_eq!(part.stderr.contains("some items failed"), index == "1", "{}", part.stderr);
    }
    run(&["missing"]).expect(0);
    run(&["finish"]).expect(3);
    run(&["finish"]).expect(3);
    let one = Tool::new(command[0]).current_dir(root.path()).args(&command[1..]).args(["-o", "one.csv"]);
    one.run().expect(3);
    let text = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
    assert_eq!(text("t.csv"), text("one.csv"));
}

#[test]
fn tables_of_points_are_joined() {
    let root = directory();
    let Some(_) = script("parts.sh") else { return };
    fs::write(root.path().join("points.csv"), "lat,lon\n51.5,-0.1\n10,20\n").unwrap();
    let source = fixture("weather-v2.zarr");
    let parts = |step: &str, out: &str, flags: &[&str], more: &[&str]| {
        let tool =
            script("parts.sh").unwrap().current_dir(root.path()).arg(step).args(["-o", out, "-n", "3"]).args(flags);
        tool.args(["--", "zpoint", "--points", "points.csv"]).arg(&source).args(more)
    };
    for out in ["t.csv", "t.parquet"] {
        parts("part", out, &["-i", "1"], &[]).run().expect(4);
        parts("prepare", out, &[], &[]).run().expect(0);
        for index in ["3", "1"] {
            parts("part", out, &["-i", index], &[]).run().expect(0);
        }
        let early = parts("finish", out, &[], &[]).run().expect(1);
        assert!(early.stderr.contains("parts are missing: 2"), "{}", early.stderr);
        let other = parts("part", out, &["-i", "2"], &["--var", "t2m"]).run().expect(7);
        assert!(other.stderr.contains("other arguments"), "{}", other.stderr);
        parts("part", out, &["-i", "2"], &[]).run().expect(0);
        parts("finish", out, &[], &[]).run().expect(0);
        parts("finish", out, &[], &[]).run().expect(0);
        assert!(!root.path().join(format!("{out}.parts")).exists());
    }
    let zpoint = Tool::new("zpoint").current_dir(root.path()).args(["--points", "points.csv"]).arg(&source);
    zpoint.args(["-o", "one.csv"]).run().expect(0);
    for name in ["", ".columns.jsonl"] {
        let text = |table: &str| fs::read_to_string(root.path().join(format!("{table}{name}"))).unwrap();
        assert_eq!(text("t.csv"), text("one.csv"));
    }
    assert_eq!(fs::read_dir(root.path().join("t.parquet")).unwrap().count(), 3);
}

/// Without a file of stores, the arrays are divided: the report is that of one process.
#[test]
fn reports_of_arrays_are_joined() {
    let root = directory();
    let Some(_) = script("parts.sh") else { return };
    let source = fixture("weather-v2.zarr");
    let parts = |step: &str, flags: &[&str]| {
        let tool =
            script("parts.sh").unwrap().current_dir(root.path()).arg(step).args(["-o", "report.jsonl", "-n", "3"]);
        tool.args(flags).args(["--", "zvalidate"]).arg(&source)
    };
    parts("prepare", &[]).run().expect(0);
    for index in ["3", "1", "2"] {
        parts("part", &["-i", index, "-j", "1"]).run().expect(0);
    }
    parts("finish", &[]).run().expect(1);
    let one = Tool::new("zvalidate").arg("--json").arg(&source).run().expect(1);
    let sorted = |text: &str| {
        let parsed = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap().to_string());
        let mut lines: Vec<String> = parsed.collect();
        lines.sort();
        lines
    };
    let report = fs::read_to_string(root.path().join("report.jsonl")).unwrap();
    assert_eq!(sorted(&report), sorted(&one.stdout));
}

/// A store that is not there is one error, as of one process.
#[test]
fn a_report_of_a_missing_store_has_one_error() {
    let root = directory();
    let Some(_) = script("parts.sh") else { return };
    fs::write(root.path().join("stores.txt"), "nowhere.zarr\n").unwrap();
    for (out, from) in [("arrays.jsonl", &[][..]), ("stores.jsonl", &["-l", "stores.txt"])] {
        let parts = |step: &str, flags: &[&str]| {
            let tool = script("parts.sh").unwrap().current_dir(root.path()).arg(step).args(["-o", out, "-n", "2"]);
            let tool = tool.args(from).args(flags).args(["--", "zvalidate"]);
            if from.is_empty() { tool.arg("nowhere.zarr") } else { tool }
        };
        parts("prepare", &[]).run().expect(0);
        for index in ["1", "2"] {
            parts("part", &["-i", index]).run().expect(0);
        }
        parts("finish", &[]).run().expect(4);
        let report = fs::read_to_string(root.path().join(out)).unwrap();
        let records: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.iter().filter(|record| record["type"] == "error").count(), 1, "{out}: {report}");
        let summary = records.last().unwrap();
        assert_eq!((&summary["exit"], &summary["errors"], &summary["stores"]), (&4.into(), &1.into(), &1.into()));
    }
}

/// What is asked of the values was looked at by the parts; what follows from all stores needs no values.
#[test]
fn a_report_with_a_limit_of_nan_is_that_of_one_process() {
    let root = directory();
    let Some(_) = script("parts.sh") else { return };
    fs::write(root.path().join("stores.txt"), format!("{}\n", fixture("weather-v2.zarr").display())).unwrap();
    for limit in [&["--max-nan", "0.9"][..], &["--max-nan=0.9"]] {
        let out = format!("{}.jsonl", limit.len());
        let parts = |step: &str, flags: &[&str]| {
            let tool = script("parts.sh").unwrap().current_dir(root.path()).arg(step).args(["-o", &out, "-n", "2"]);
            tool.args(["-l", "stores.txt"]).args(flags).args(["--", "zvalidate"]).args(limit).run()
        };
        parts("prepare", &[]).expect(0);
        for index in ["1", "2"] {
            parts("part", &["-i", index]).expect(0);
        }
        let whole =
            Tool::new("zvalidate").current_dir(root.path()).args(limit).args(["--stores-from", "stores.txt"]).run();
        assert!([0, 1].contains(&whole.code), "{whole:?}");
        parts("finish", &[]).expect(whole.code);
        assert!(root.path().join(&out).exists());
    }
}

#[test]
fn mistakes_are_named() {
    let Some(_) = script("parts.sh") else { return };
    for (arguments, says) in [
        (&["run"][..], "unknown step"),
        (&["part", "-n", "3", "zpoint"], "no output"),
        (&["part", "-o", "a.csv", "-n", "0", "zpoint"], "-n takes"),
        (&["part", "-o", "a.csv", "-n", "3", "-i", "4", "zpoint"], "-i takes"),
        (&["prepare", "-o", "a.npy", "-n", "3", "zpoint"], ".csv or .parquet"),
        (&["prepare", "-o", "a", "-n", "3", "zinspect"], "not a tool that can be divided"),
        (&["prepare", "-o", "a", "-n", "3"], "no tool"),
    ] {
        let run = script("parts.sh").unwrap().args(arguments).run().expect(2);
        assert!(run.stderr.contains(says), "{arguments:?}: {}", run.stderr);
    }
    let list = ["prepare", "-o", "a.jsonl", "-n", "3", "-l", "nowhere", "zvalidate"];
    script("parts.sh").unwrap().args(list).run().expect(4);
}

/// Before anything is printed or submitted.
#[test]
fn scripts_that_submit_check_their_arguments() {
    let root = directory();
    let Some(_) = script("parts.sh") else { return };
    let remote = ["-o", "s3://bucket/out.zarr"];
    let run = |name: &str, arguments: &[&str]| {
        let tool = script(&format!("{name}/submit.sh")).unwrap().current_dir(root.path()).args(arguments);
        tool.run().expect(2)
    };
    for name in ["slurm", "pbs", "k8s", "awsbatch"] {
        for (flags, tool, says) in [
            (&["-n", "0"][..], "zrecompress", "-n takes a number"),
            (&["-n", "abc"], "zrecompress", "-n takes a number"),
            (&[], "zrecompres", "not a tool that can be divided: zrecompres"),
        ] {
            let refused = run(name, &[flags, &remote, &[tool, "s3://bucket/a.zarr"]].concat());
            assert!(refused.stderr.contains(says) && refused.stdout.is_empty(), "{name} {flags:?}: {}", refused.stderr);
        }
    }
    for name in ["k8s", "awsbatch"] {
        for (flags, says) in [
            (&["-p", "-o", "out.zarr"][..], "out.zarr: is on this machine"),
            (&["-p", "-o", "file:///out.zarr"], "is on this machine"),
            (&["-p", "-d", "soon", "-o", "s3://bucket/out.zarr"], "-d takes a number"),
        ] {
            let refused = run(name, &[flags, &["zrecompress", "s3://bucket/a.zarr"]].concat());
            assert!(refused.stderr.contains(says) && refused.stdout.is_empty(), "{name} {flags:?}: {}", refused.stderr);
        }
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

/// A part has the cores and seven tenths of the memory of its job; only a network that failed is tried again.
#[test]
fn a_part_of_slurm_uses_its_job_and_is_requeued_for_exit_code_6() {
    let root = directory();
    program(root.path(), "scontrol", "echo scontrol \"$@\"");
    for (code, restarts, requeued) in [(0, 0, false), (6, 0, true), (6, 3, false), (2, 0, false), (5, 0, false)] {
        program(root.path(), "split", &format!("echo \"$@\"; exit {code}"));
        let Some(tool) = script("slurm/part.sbatch") else { return };
        let mut tool =
            with_programs(tool, root.path()).args(["split", "-o", "my out.zarr", "-n", "4", "--", "zrecompress"]);
        for (name, value) in [("SLURM_ARRAY_JOB_ID", 7), ("SLURM_ARRAY_TASK_ID", 3), ("SLURM_CPUS_PER_TASK", 2)] {
            tool.0.env(name, value.to_string());
        }
        tool.0.env("SLURM_MEM_PER_CPU", "500").env("SLURM_RESTART_COUNT", restarts.to_string());
        let run = tool.run().expect(code);
        assert!(
            run.stdout.starts_with("part -i 3 -j 2 -m 700M -o my out.zarr -n 4 -- zrecompress\n"),
            "{}",
            run.stdout
        );
        assert_eq!(run.stdout.contains("scontrol requeue 7_3\n"), requeued, "{}", run.stdout);
    }
}

/// Runs a container as an engine would: a shell reads the command line from the manifest or request.
const RUN_CONTAINER: &str = r#"
run() { # JSON WITH command AND args
    local words=()
    while IFS= read -r word; do words+=("$(jq -r . <<<"$word")"); done < <(jq -c '(.command + (.args // []))[]' <<<"$1")
    CPUS=1 MEMORY=1000000000 "${words[@]}" >>log 2>&1
}
"#;

/// The store in a bucket, whose chunks a tool on Kubernetes or AWS Batch reads and writes.
fn bucket(root: &Path) -> ObjectServer {
    fs::create_dir(root.join("bucket")).unwrap();
    MakeArray { chunk: 1 << 10, chunks: 9, ..MakeArray::default() }.write(&root.join("bucket/it's in.zarr"));
    Tool::new("zrecompress")
        .arg(root.join("bucket/it's in.zarr"))
        .arg(root.join("one.zarr"))
        .args(["--clevel", "5"])
        .run()
        .expect(0);
    ObjectServer::start_writable(&root.join("bucket"), vec![Fault::Slow { milliseconds: 1 }])
}

fn with_bucket(tool: Tool, root: &Path, server: &ObjectServer) -> Tool {
    let mut tool = with_programs(tool, root);
    tool.0
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    let out = ["-n", "3", "-o", "s3://bucket/out.zarr"];
    tool.args(out).args(["zrecompress", "s3://bucket/it's in.zarr", "--clevel", "5"])
}

fn assert_published(root: &Path) {
    let log = fs::read_to_string(root.join("log")).unwrap_or_default();
    let stored =
        |path: &str| tree(&root.join(path)).into_iter().filter(|(key, _)| !key.ends_with('/')).collect::<Vec<_>>();
    assert!(stored("bucket/out.zarr") == stored("one.zarr"), "{log}");
    let plan = root.join("bucket/out.zarr.plan");
    assert!(
        !plan.exists() || stored("bucket/out.zarr.plan").is_empty(),
        "the plan is removed: {:?}",
        tree(&plan).keys()
    );
}

#[test]
fn kubernetes_jobs_run_each_index() {
    let root = directory();
    let Some(tool) = script("k8s/submit.sh") else { return };
    let server = bucket(root.path());
    let manifests = with_bucket(tool.arg("-p"), root.path(), &server).run().expect(0).stdout;
    let jobs: Vec<Value> = serde_json::Deserializer::from_str(&manifests).into_iter().map(Result::unwrap).collect();
    assert_eq!(jobs.len(), 3);
    let part = &jobs[1]["spec"];
    assert_eq!((&part["completionMode"], &part["completions"]), (&json!("Indexed"), &json!(3)));
    // 6 and signals match no rule, and are counted and tried again.
    for job in &jobs {
        let rules = job["spec"]["podFailurePolicy"]["rules"].as_array().unwrap();
        let of = |code: i64| {
            let holds = |rule: &&Value| {
                rule["onExitCodes"]["values"].as_array().is_some_and(|codes| codes.contains(&json!(code)))
            };
            rules.iter().find(holds).map(|rule| rule["action"].as_str().unwrap())
        };
        assert_eq!([2, 4, 5].map(of), [Some("FailJob"); 3]);
        assert_eq!([6, 130, 137, 143].map(of), [None; 4]);
        assert!(of(3).is_some());
    }
    // kubectl runs what it is given.
    let kubectl = format!(
        "set -u\n{RUN_CONTAINER}
        case $1 in
        apply)
            job=$(cat) count=$(jq '.spec.completions // 1' <<<\"$job\") state=Complete
            for ((index = count - 1; index >= 0; index--)); do
                JOB_COMPLETION_INDEX=$index run \"$(jq -c '.spec.template.spec.containers[0]' <<<\"$job\")\" || state=Failed
            done
            echo \"$state\" >state ;;
        get) printf '{{\"status\": {{\"conditions\": [{{\"type\": \"%s\", \"status\": \"True\"}}]}}}}' \"$(cat state)\" ;;
        esac"
    );
    program(root.path(), "kubectl", &kubectl);
    let run = with_bucket(script("k8s/submit.sh").unwrap(), root.path(), &server).run();
    assert_eq!(run.code, 0, "{}: {}", run.stderr, fs::read_to_string(root.path().join("log")).unwrap());
    assert_published(root.path());
    let failing =
        script("k8s/submit.sh").unwrap().args(["-o", "s3://bucket/b.zarr", "zrecompress", "s3://bucket/none.zarr"]);
    let run = with_programs(failing, root.path()).run().expect(1);
    assert!(run.stderr.contains("-prepare has failed"), "{}", run.stderr);
}

#[test]
fn jobs_of_aws_batch_run_each_index() {
    let root = directory();
    let Some(tool) = script("awsbatch/submit.sh") else { return };
    let server = bucket(root.path());
    let requests = with_bucket(tool.arg("-p"), root.path(), &server).run().expect(0).stdout;
    let jobs: Vec<Value> = serde_json::Deserializer::from_str(&requests).into_iter().map(Result::unwrap).collect();
    assert_eq!(
        (&jobs[1]["arrayProperties"]["size"], &jobs[2]["dependsOn"][0]["jobId"]),
        (&json!(3), &json!("ID-OF-PART"))
    );
    assert_eq!(jobs[0]["retryStrategy"]["evaluateOnExit"][4], json!({"onExitCode": "*", "action": "EXIT"}));
    let aws = format!(
        "set -u\n{RUN_CONTAINER}
        request=$4 count=$(jq '.arrayProperties.size // 1' <<<\"$4\")
        for ((index = 0; index < count; index++)); do
            AWS_BATCH_JOB_ARRAY_INDEX=$index run \"$(jq -c .containerOverrides <<<\"$request\")\" || exit
        done
        echo \"id-of-$(jq -r .jobName <<<\"$request\")\""
    );
    program(root.path(), "aws", &aws);
    let run = with_bucket(script("awsbatch/submit.sh").unwrap(), root.path(), &server).run().expect(0);
    assert!(run.stdout.starts_with("id-of-zrecompress-") && run.stdout.ends_with("-finish\n"), "{}", run.stdout);
    assert_published(root.path());
}
