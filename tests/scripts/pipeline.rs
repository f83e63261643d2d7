//! `pipeline.sh`: from batches to tables, interrupted, repaired and run again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Fault, ObjectServer, Outcome, Tool, copy_tree, directory, spawn, tree};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::archive::{seed_batches, write_batch, write_batches};
use crate::script;

/// Two sources of 22 batches each behind a slow object server, and a directory to work in, whose name has a space.
struct Scene {
    root: TempDir,
    server: ObjectServer,
}

impl Scene {
    fn new(faults: Vec<Fault>) -> Scene {
        let root = directory();
        for (source, names) in [("era5", ["t2m", "msl"]), ("gfs", ["tp", "u10"])] {
            write_batches(&root.path().join("bucket").join(source), &seed_batches(), &names);
        }
        fs::create_dir(root.path().join("my work")).unwrap();
        let server = ObjectServer::start(&root.path().join("bucket"), faults);
        let scene = Scene { root, server };
        for source in ["era5", "gfs"] {
            let urls = (0..22).map(|number| format!("s3://bucket/{source}/batch_{number:02}.zarr\n"));
            fs::write(scene.work().join(source), urls.collect::<String>()).unwrap();
        }
        scene
    }

    fn work(&self) -> PathBuf {
        self.root.path().join("my work")
    }

    fn run(&self, arguments: &[&str]) -> Option<Tool> {
        let mut tool = script("pipeline.sh")?.current_dir(&self.work());
        tool.0.env("AWS_ENDPOINT_URL", self.server.endpoint()).env_remove("AWS_PROFILE");
        let point = ["--lat", "57.1", "--lon", "-1.9", "--store-flag", "--anonymous", "--format", "csv"];
        Some(
            tool.args(["--source", "era5=era5", "--source", "gfs=gfs"]).args(point).args(["-o", "out"]).args(arguments),
        )
    }

    /// The tables are those of the 69 `file_id`s of both sources, in order.
    fn check_tables(&self) {
        for (source, offset) in [("era5", 0), ("gfs", 1)] {
            let text = fs::read_to_string(self.work().join(format!("out/{source}.csv"))).unwrap();
            let column =
                text.lines().next().unwrap().split(',').position(|name| name == ["msl", "u10"][offset]).unwrap();
            let values: Vec<f64> =
                text.lines().skip(1).map(|row| row.split(',').nth(column).unwrap().parse().unwrap()).collect();
            // The cell 57 N, 2 W: the first chunk, row 3, column 3, and variables one apart.
            let expected: Vec<f64> = (0..69).map(|id| f64::from(id * 1000 + 18 + 1)).collect();
            assert_eq!(values, expected, "{source}");
        }
    }
}

fn total(run: &Outcome, step: &str) -> Value {
    run.of_type("step_total").into_iter().find(|record| record["step"] == step).unwrap_or_default()
}

fn counts(run: &Outcome, step: &str) -> [u64; 3] {
    let total = total(run, step);
    ["runs", "skipped", "failed"].map(|name| total[name].as_u64().unwrap_or(0))
}

#[test]
fn two_sources_of_22_batches_over_a_slow_network() {
    let scene = Scene::new(vec![Fault::Slow { milliseconds: 20 }]);
    let Some(plan) = scene.run(&["--dry-run"]) else { return };
    let plan = plan.run().expect(0);
    assert_eq!(counts(&plan, "plan"), [44, 0, 0], "{}", plan.stdout);
    assert!(!scene.work().join("out").exists(), "a dry run writes nothing");

    let first = scene.run(&["--recompress"]).unwrap().run().expect(0);
    for (step, count) in [("fetch", 44), ("validate", 44), ("dedup", 2), ("point", 2), ("recompress", 2)] {
        assert_eq!(counts(&first, step), [count, 0, 0], "{step}: {}", first.stdout);
    }
    assert!(total(&first, "fetch")["bytes"].as_u64().unwrap() > 44 * 3 * 80);
    scene.check_tables();
    let log = fs::read_to_string(scene.work().join("out/log.jsonl")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let duplicates: u64 = lines.iter().filter_map(|line| line["duplicates"].as_u64()).sum();
    assert_eq!((duplicates, &lines[lines.len() - 1]["type"]), (52, &"summary".into()));

    // Again: only metadata is requested, and nothing is written.
    let (before, requests) = (tree(&scene.work().join("out/era5.zarr")), scene.server.served().len());
    let again = scene.run(&["--recompress"]).unwrap().run().expect(0);
    assert_eq!((counts(&again, "fetch"), counts(&again, "verify")), ([44, 44, 0], [44, 0, 0]), "{}", again.stdout);
    for step in ["dedup", "point", "recompress"] {
        assert_eq!(counts(&again, step), [2, 2, 0], "{step}");
    }
    let chunks = scene.server.served()[requests..].iter().filter(|served| served.key.contains(".0.")).count();
    assert_eq!((tree(&scene.work().join("out/era5.zarr")) == before, chunks), (true, 0));

    // An output that was damaged, one that is missing, and one of other options are made again; the others are kept.
    fs::write(scene.work().join("out/era5.csv"), "damaged").unwrap();
    fs::remove_file(scene.work().join("out/gfs.zarr/tp/0.0.0")).unwrap();
    let mended = scene.run(&["--recompress"]).unwrap().run().expect(0);
    assert_eq!((counts(&mended, "dedup"), counts(&mended, "point")), ([2, 1, 0], [2, 1, 0]), "{}", mended.stdout);
    scene.check_tables();
}

#[test]
fn a_run_goes_on_after_ctrl_c_and_after_a_kill() {
    let scene = Scene::new(vec![Fault::Slow { milliseconds: 20 }]);
    let Some(tool) = scene.run(&["--jobs", "3"]) else { return };
    let state = scene.work().join("out/state");
    let validated = |count: usize| {
        let names = fs::read_dir(state.join("era5")).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".valid")).count() >= count
    };
    let mut running = spawn(tool);
    assert!(running.reaches(|| validated(5)), "five batches");
    running.signal(Signal::INT);
    let stopped = running.end().expect(130);
    assert!(stopped.stderr.contains("the same command continues"), "{}", stopped.stderr);
    assert_eq!(stopped.of_type("summary")[0]["exit"], 130);
    let mut running = spawn(scene.run(&["--jobs", "3"]).unwrap());
    assert!(running.reaches(|| validated(9)), "four more");
    running.signal(Signal::HUP);
    assert_eq!(running.end().expect(129).of_type("summary")[0]["exit"], 129);
    assert!(!scene.work().join("out/era5.zarr").exists());

    let mut running = spawn(scene.run(&["--jobs", "3"]).unwrap());
    assert!(running.reaches(|| validated(20)), "twenty batches");
    running.signal(Signal::KILL);
    // Its steps may still be at work: the next run waits for them.
    let second = scene.run(&["--jobs", "3"]).unwrap().run().expect(0);
    let [runs, skipped, failed] = counts(&second, "fetch");
    assert!((runs, failed) == (44, 0) && (18..44).contains(&skipped), "{}", second.stdout);
    drop(running);
    scene.check_tables();
}

#[test]
fn two_runs_do_not_share_an_output() {
    let scene = Scene::new(vec![Fault::Slow { milliseconds: 50 }]);
    let Some(tool) = scene.run(&["--jobs", "1"]) else { return };
    let lock = scene.work().join("out/log.jsonl");
    let mut running = spawn(tool);
    assert!(running.reaches(|| lock.exists()));
    let refused = scene.run(&[]).unwrap().run().expect(7);
    assert!(refused.stderr.contains("another run"), "{}", refused.stderr);
    running.signal(Signal::TERM);
    running.end().expect(143);
}

#[test]
fn a_server_that_does_not_answer_meets_the_deadline_of_the_step() {
    let scene = Scene::new(vec![Fault::Silence { key_contains: "gfs/batch_03".to_owned() }]);
    let Some(tool) = scene.run(&["--deadline", "12s"]) else { return };
    let run = tool.run_within(Duration::from_secs(60)).expect(3);
    assert_eq!(counts(&run, "fetch"), [44, 0, 1], "{}", run.stdout);
    assert!(run.stderr.contains("time limit of 12s") && run.stderr.contains("1 of 44 batches"), "{}", run.stderr);
    assert!(!scene.work().join("out/gfs.zarr").exists(), "a concatenation without a batch would look complete");
    assert!(scene.work().join("out/era5.csv").exists(), "the other source has all of its batches");
}

/// A local archive with one source.
fn local(root: &Path, count: usize) -> PathBuf {
    let archive = root.join("an archive");
    write_batches(&archive, &seed_batches()[..count], &["t2m"]);
    archive
}

fn run_local(root: &Path, arguments: &[&str]) -> Tool {
    script("pipeline.sh").unwrap().current_dir(root).args(["--lat=57.1", "--lon=-1.9", "-o", "out"]).args(arguments)
}

#[test]
fn damage_in_the_cache_is_repaired_and_holes_of_the_source_stop_the_run() {
    let root = directory();
    let archive = local(root.path(), 4);
    if script("pipeline.sh").is_none() {
        return;
    }
    let stores: Vec<String> = (0..4).map(|number| format!("an archive/batch_{number:02}.zarr")).collect();
    let stores: Vec<&str> = stores.iter().map(String::as_str).collect();
    run_local(root.path(), &stores).run().expect(0);
    let expected = tree(&root.path().join("out/all.zarr"));

    // Damage of the cache is found by its checksums, and mended from the source.
    let cached =
        tree(&root.path().join("out/cache")).into_keys().find(|key| key.ends_with("batch_02.zarr/t2m/1.0.0")).unwrap();
    fs::write(root.path().join("out/cache").join(cached), [1; 40]).unwrap();
    let repaired = run_local(root.path(), &stores).run().expect(0);
    assert_eq!(
        (counts(&repaired, "repair"), counts(&repaired, "validate-again")),
        ([1, 0, 0], [1, 0, 0]),
        "{}",
        repaired.stdout
    );
    assert!(tree(&root.path().join("out/all.zarr")) == expected);

    // Also where other values are as good as any: these chunks have no checksum of their own.
    let cached =
        tree(&root.path().join("out/cache")).into_keys().find(|key| key.ends_with("batch_01.zarr/t2m/0.0.0")).unwrap();
    fs::write(root.path().join("out/cache").join(cached), [7; 80]).unwrap();
    let repaired = run_local(root.path(), &stores).run().expect(0);
    assert_eq!(
        (counts(&repaired, "verify"), counts(&repaired, "repair")),
        ([5, 0, 1], [1, 0, 0]),
        "{}",
        repaired.stdout
    );
    let again = run_local(root.path(), &stores).run().expect(0);
    assert_eq!((counts(&again, "verify"), counts(&again, "dedup")), ([4, 0, 0], [1, 1, 0]), "{}", again.stdout);
    assert!(tree(&root.path().join("out/all.zarr")) == expected);

    // A hole of the source cannot be mended: the fill value would be taken for data.
    fs::remove_file(archive.join("batch_03.zarr/t2m/3.0.0")).unwrap();
    fs::remove_dir_all(root.path().join("out")).unwrap();
    let stopped = run_local(root.path(), &stores).run().expect(1);
    assert!(
        stopped.stderr.contains("missing_null_fill of /t2m") && !root.path().join("out/all.zarr").exists(),
        "{}",
        stopped.stderr
    );
    run_local(root.path(), &["--accept"]).args(&stores).run().expect(0);
}

#[test]
fn batches_that_cannot_be_used_are_left_out_if_that_is_asked_for() {
    let root = directory();
    let archive = local(root.path(), 4);
    if script("pipeline.sh").is_none() {
        return;
    }
    let names: Vec<String> = (0..4).map(|number| format!("an archive/batch_{number:02}.zarr")).collect();
    let stores: Vec<&str> = names.iter().map(String::as_str).chain(["--format", "csv"]).collect();
    let metadata = archive.join("batch_03.zarr/t2m/.zarray");
    let sound = fs::read(&metadata).unwrap();
    fs::write(&metadata, "{").unwrap();
    let table = root.path().join("out/all.csv");

    // The other batches are fetched and validated all the same.
    let stopped = run_local(root.path(), &stores).run().expect(3);
    assert_eq!((counts(&stopped, "fetch"), counts(&stopped, "validate")), ([4, 0, 1], [3, 0, 0]), "{}", stopped.stdout);
    assert!(stopped.stderr.contains("1 of 4 batches") && stopped.stderr.contains("--partial"), "{}", stopped.stderr);
    assert!(!table.exists());
    let partial = run_local(root.path(), &["--partial"]).args(&stores).run().expect(3);
    assert_eq!(counts(&partial, "fetch"), [4, 3, 1], "{}", partial.stdout);
    let rows = |table: &Path| fs::read_to_string(table).unwrap().lines().count() - 1;
    assert_eq!(rows(&table), 7, "file_ids 0 to 6");

    // A damaged chunk is not fetched.
    fs::write(archive.join("batch_00.zarr/t2m/1.0.0"), [1; 40]).unwrap();
    fs::write(&metadata, &sound).unwrap();
    fs::remove_dir_all(root.path().join("out")).unwrap();
    let damaged = run_local(root.path(), &["--partial"]).args(&stores).run().expect(3);
    assert!(damaged.stderr.contains("batch_00.zarr/t2m/1.0.0"), "{}", damaged.stderr);
    assert_eq!(rows(&table), 11, "of the first two batches, which are the same, one is left");

    // With all of the batches, the table is made again.
    write_batch(&archive.join("batch_00.zarr"), &[0, 1, 2, 3], &["t2m"]);
    write_batch(&archive.join("batch_07.zarr"), &[30, 31], &["t2m"]);
    let mended = run_local(root.path(), &["an archive/batch_07.zarr"]).args(&stores).run().expect(0);
    assert_eq!((counts(&mended, "point"), rows(&table)), ([1, 0, 0], 13), "{}", mended.stdout);
}

#[test]
fn batches_outside_of_the_selection_are_left_out() {
    let root = directory();
    local(root.path(), 5);
    if script("pipeline.sh").is_none() {
        return;
    }
    let stores: Vec<String> = (0..5).map(|number| format!("an archive/batch_{number:02}.zarr")).collect();
    let run = run_local(root.path(), &["--sel", "file_id=4:6", "--format", "csv"]).args(&stores).run().expect(0);
    // Of five batches, 4, 5 and 6 are in the third, and 5 and 6 in the fourth.
    assert_eq!(
        (counts(&run, "fetch"), counts(&run, "validate")),
        ([5, 3, 0], [2, 0, 0]),
        "{} {}",
        run.stdout,
        run.stderr
    );
    assert_eq!(fs::read_to_string(root.path().join("out/all.csv")).unwrap().lines().count(), 4);
    let none = run_local(root.path(), &["--sel", "file_id=400"]).args(&stores).run().expect(2);
    assert!(none.stderr.contains("matches no batch"), "{}", none.stderr);
}

#[test]
fn conflicts_stop_the_run_until_the_user_decides() {
    let root = directory();
    let archive = local(root.path(), 2);
    fs::write(archive.join("batch_01.zarr/t2m/2.0.0"), [7; 80]).unwrap();
    if script("pipeline.sh").is_none() {
        return;
    }
    let config = "output = 'out'\n";
    fs::write(root.path().join("bad.toml"), config).unwrap();
    run_local(root.path(), &["bad.toml"]).run().expect(2);

    let config = "# The weather of one point.\noutput = \"out # 1\"   # a directory\nlat = 57.1\nlon = -1.9\nvar = [\"t2m\"]\n\
        max-memory = \"1G\"\nformat = \"csv\"\n\n[sources]\nweather = [\n  \"an archive/batch_*.zarr\", # all of them\n]\n";
    fs::write(root.path().join("job.toml"), config).unwrap();
    // Relative paths of the file count from where it is.
    let job = root.path().join("job.toml");
    let stopped = script("pipeline.sh").unwrap().arg(&job).run().expect(1);
    assert!(stopped.stderr.contains("dedup of weather"), "{}", stopped.stderr);
    script("pipeline.sh").unwrap().arg(&job).args(["--keep", "last"]).run().expect(0);
    let rows = fs::read_to_string(root.path().join("out # 1/weather.csv")).unwrap().lines().count();
    assert_eq!(rows, 5);
    // With other batches, the same output is made again.
    write_batch(&archive.join("batch_07.zarr"), &[30, 31], &["t2m"]);
    script("pipeline.sh").unwrap().arg(&job).args(["--keep", "last"]).run().expect(0);
    let rows = fs::read_to_string(root.path().join("out # 1/weather.csv")).unwrap().lines().count();
    assert_eq!(rows, 7);
}

/// The outputs of others, and the sources themselves.
#[test]
fn nothing_is_replaced_that_the_pipeline_did_not_make() {
    let root = directory();
    let archive = local(root.path(), 2);
    if script("pipeline.sh").is_none() {
        return;
    }
    let stores = ["an archive/batch_00.zarr", "an archive/batch_01.zarr", "--format", "csv", "--recompress"];
    let out = root.path().join("out");
    fs::create_dir(&out).unwrap();
    copy_tree(&archive.join("batch_00.zarr"), &out.join("era5.zarr"));
    fs::write(root.path().join("list"), "out/era5.zarr\n").unwrap();
    let (before, refuse) = (tree(&out), "is a source, and would be replaced");
    for flags in [vec!["--source", "era5=list"], vec!["-n", "--source", "era5=list"]] {
        let run = run_local(root.path(), &flags).run().expect(2);
        assert!(run.stderr.contains(refuse), "{}", run.stderr);
    }
    let inside = ["--lat=57.1", "--lon=-1.9", "-o", "an archive/batch_00.zarr/out", "an archive/batch_00.zarr"];
    script("pipeline.sh").unwrap().current_dir(root.path()).args(inside).run().expect(2);
    assert!(tree(&out) == before);
    fs::remove_dir_all(out.join("era5.zarr")).unwrap();

    for name in ["all.zarr", "all.csv", "all.csv.columns.jsonl", "all.recompressed.zarr", "all.zarr.plan"] {
        fs::write(out.join(name), "mine").unwrap();
        let run = run_local(root.path(), &stores).run().expect(7);
        let says = format!("out/{name}: already exists, and was not made by this pipeline");
        assert!(run.stderr.contains(&says) && run.stdout.is_empty(), "{}", run.stderr);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "nothing is fetched");
        fs::remove_file(out.join(name)).unwrap();
    }
    run_local(root.path(), &stores).run().expect(0);
    // Of another format: what is there was not made as that.
    fs::write(out.join("all.parquet"), "mine").unwrap();
    run_local(root.path(), &stores[..2]).run().expect(7);
    assert_eq!(fs::read_to_string(out.join("all.parquet")).unwrap(), "mine");
    run_local(root.path(), &stores).run().expect(0);
}

#[test]
fn a_torn_line_of_the_log_does_no_harm() {
    let root = directory();
    local(root.path(), 1);
    if script("pipeline.sh").is_none() {
        return;
    }
    // More than the numbers of some implementations of awk.
    let flags = ["--max-memory", "3G", "an archive/batch_00.zarr"];
    run_local(root.path(), &flags).run().expect(0);
    let log = root.path().join("out/log.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("\"max_memory_bytes\":3221225472"), "{text}");
    fs::write(&log, &text[..text.len() - 20]).unwrap();
    let again = run_local(root.path(), &flags).run().expect(0);
    assert_eq!((counts(&again, "dedup"), &again.of_type("summary")[0]["tool"]), ([1, 1, 0], &"pipeline.sh".into()));
    let text = fs::read_to_string(&log).unwrap();
    let unread = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count();
    assert_eq!(unread, 1, "{text}");
}

#[test]
fn flags_replace_keys_of_the_file_wherever_they_are() {
    let root = directory();
    local(root.path(), 1);
    if script("pipeline.sh").is_none() {
        return;
    }
    let config = "output = \"out\"\nlat = 57.1\nlon = -1.9\nvar = [\"none\", \"other\"]\nformat = \"parquet\"\n\
        [sources]\nall = [\"an archive/batch_00.zarr\"]\n";
    fs::write(root.path().join("job.toml"), config).unwrap();
    for flags in [
        ["--lat", "59.9", "--format=csv", "--var", "t2m", "job.toml"],
        ["job.toml", "--lat=59.9", "--format=csv", "--var", "t2m", "--"],
    ] {
        script("pipeline.sh").unwrap().current_dir(root.path()).args(flags).run().expect(0);
        let table = fs::read_to_string(root.path().join("out/all.csv")).unwrap();
        assert!(table.lines().nth(1).unwrap().starts_with("0,59.9,-1.9,60.0,-2.0,"), "{table}");
        fs::remove_dir_all(root.path().join("out")).unwrap();
    }
    // The points of a file replace the point of another.
    fs::write(root.path().join("points.csv"), "lat,lon\n58.1,-3.9\n").unwrap();
    let flags = ["--points", "points.csv", "--format=csv", "--var", "t2m", "job.toml"];
    script("pipeline.sh").unwrap().current_dir(root.path()).args(flags).run().expect(0);
    let table = fs::read_to_string(root.path().join("out/all.csv")).unwrap();
    assert!(table.lines().nth(1).unwrap().starts_with("0,58.1,-3.9,"), "{table}");
}

#[test]
fn tables_of_different_lengths_are_exit_code_1() {
    let root = directory();
    local(root.path(), 3);
    if script("pipeline.sh").is_none() {
        return;
    }
    fs::write(root.path().join("one"), "an archive/batch_00.zarr\n").unwrap();
    fs::write(root.path().join("two"), "an archive/batch_02.zarr\n").unwrap();
    let run = run_local(root.path(), &["--source", "one=one", "--source", "two=two"]).run().expect(1);
    assert!(run.stderr.contains("two has 3 rows, one has 4"), "{}", run.stderr);
    assert_eq!(counts(&run, "compare"), [1, 0, 1], "{}", run.stdout);
    assert!(root.path().join("out/two.parquet").exists());
}

#[test]
fn mistakes_are_named_before_anything_is_written() {
    let root = directory();
    local(root.path(), 1);
    if script("pipeline.sh").is_none() {
        return;
    }
    let store = "an archive/batch_00.zarr";
    fs::write(root.path().join("a file"), "").unwrap();
    for (arguments, code, says) in [
        (vec!["--lat=57", "--lon=-2", "--keep", "bogus"], 2, "bogus"),
        (vec!["--lat=57", "--lon=-2", "--dim", "nodim"], 4, "no dimension nodim"),
        (vec!["--lat=57"], 2, "1 latitude and 0 longitudes"),
        (vec!["--lat=95", "--lon=-2"], 2, "latitude 95 is outside"),
        (vec!["--points", "nowhere.csv"], 4, "nowhere.csv: no such file"),
        (vec!["--points", "/dev/null"], 2, "--points takes a file"),
        (vec!["--lat=57", "--lon=-2", "--max-memory", "200%"], 2, "--max-memory"),
        (vec!["--lat=57", "--lon=-2", "-o", "a file"], 7, "a file: cannot be written"),
        (vec!["--lat=57", "--lon=-2", "-o", "/proc/x"], 7, "/proc/x: cannot be written"),
    ] {
        for first in ["-n", "--json"] {
            let given = [&[first, "-o", "out"], &arguments[..], &[store]].concat();
            let is_written = first == "--json" || code != 7;
            let run = script("pipeline.sh").unwrap().current_dir(root.path()).args(&given).run();
            let is_named = run.code == code && run.stderr.contains(says);
            assert!(is_named || !is_written, "{given:?}: {} {}", run.code, run.stderr);
        }
        assert!(!root.path().join("out").exists(), "{arguments:?}");
    }
    for (arguments, code, says) in [
        (vec!["--lat=1", "--lon=1", store], 2, "no output directory"),
        (vec!["-o", "out", store], 2, "no point"),
        (vec!["-o", "out", "--lat=1", "--lon=1"], 2, "no stores"),
        (vec!["-o", "out", "--points", "p.csv", "--nope", "1", store], 2, "unknown option: nope"),
        (vec!["-o", "out", "--lat=1", "--lon=1", "--deadline", "soon", store], 2, "--deadline"),
        (vec!["-o", "out", "--lat=1", "--lon=1", "--max-memory", "lots", store], 2, "--max-memory"),
        (vec!["-o", "out", "--lat=1", "--lon=1", "--jobs", "0", store], 2, "--jobs"),
        (vec!["-o", "out", "--lat=1", "--lon=1", "--source", "a=nowhere"], 2, "NAME=FILE"),
        (vec!["-o", "out", "--lat=1", "--lon=1", "--rules", "nowhere.rules", store], 4, "nowhere.rules: no such file"),
        (vec!["nowhere.toml"], 4, "nowhere.toml"),
        (vec!["-o", "out", "--lat=57", "--lon=-2", "nowhere.zarr"], 4, "nowhere.zarr"),
        (vec!["-n", "-o", "out", "--lat=57", "--lon=-2", "nowhere.zarr"], 4, "nowhere.zarr"),
    ] {
        let run = script("pipeline.sh").unwrap().current_dir(root.path()).args(&arguments).run();
        assert!(run.code == code && run.stderr.contains(says), "{arguments:?}: {} {}", run.code, run.stderr);
    }
    let help = script("pipeline.sh").unwrap().arg("--help").run().expect(0).stdout;
    assert!(help.contains("--dry-run") && !help.contains("set -eu"), "{help}");
}
