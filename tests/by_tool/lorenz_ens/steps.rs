//! Steps of prepared batches: all batches, as the plan says, with the faults that were planned.

use std::fs;
use std::path::Path;

use harness::{ObjectServer, Tool, tree};
use serde_json::json;

use crate::lorenz;

const GRID: [&str; 9] =
    ["--grid", "90:-90:19,0:350:36", "--times", "6", "--variables", "5", "--batches", "3", "--faults"];

fn step(directory: &Path, arguments: &[&str]) -> harness::Outcome {
    lorenz(directory, &[arguments, &["-o", "parts"]].concat())
}

#[test]
fn the_union_of_the_parts_of_faulty_batches_is_the_whole() {
    let directory = tempfile::tempdir().unwrap();
    let whole = lorenz(directory.path(), &[&GRID[..], &["-o", "whole"]].concat()).expect(0).summary();
    lorenz(directory.path(), &[&GRID[..], &["--prepare", "--parts", "2", "-o", "parts"]].concat()).expect(0);
    step(directory.path(), &["--part", "2/2"]).expect(0);
    let status = step(directory.path(), &["--status"]).expect(1).summary();
    assert_eq!([&status["parts"], &status["done"], &status["missing"]], [&json!(2), &json!(1), &json!("1")]);
    let early = step(directory.path(), &["--finish"]).expect(1);
    assert!(early.stderr.contains("--part I/2 -o parts"), "{}", early.stderr);
    step(directory.path(), &["--part", "1/2"]).expect(0);
    assert_eq!(step(directory.path(), &["--part", "1/2"]).expect(0).summary()["already_done"], true);
    assert_eq!(step(directory.path(), &["--status"]).expect(0).summary()["missing"], "");
    let finished = step(directory.path(), &["--finish"]).expect(0).summary();
    assert_eq!([&finished["stores"], &finished["faults"]], [&json!(3), &whole["faults"]]);
    assert_eq!(whole["faults"], 3);
    let expected = tree(&directory.path().join("whole"));
    assert!(tree(&directory.path().join("parts")) == expected);
    // The damaged chunk has no Blosc header.
    let (key, chunk) = expected.iter().find(|(_, bytes)| bytes.starts_with(&[0; 16])).expect("a damaged chunk");
    assert!(key.starts_with("batch_02.zarr/t2m/c/") && chunk.len() > 1000, "{key}");
    // Everything again: finished.
    for again in [&["--finish"][..], &["--part", "1/2"], &["--status"]] {
        step(directory.path(), again).expect(0);
    }
    assert!(tree(&directory.path().join("parts")) == expected);
}

/// Behind a URL, all is the same.
#[test]
fn faulty_batches_behind_a_url_are_the_same() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = ObjectServer::start_writable(bucket.path(), vec![]);
    lorenz(directory.path(), &[&GRID[..], &["-o", "whole"]].concat()).expect(0);
    let run = |name: &str, more: &[&str]| {
        let tool = Tool::hermetic("lorenz-ens").args(more).args(["--json", "--anonymous", "--endpoint"]);
        tool.arg(server.endpoint()).args(["-o", &server.s3_url(name)]).run()
    };
    run("direct", &GRID).expect(0);
    run("parts", &[&GRID[..], &["--prepare", "--parts", "2"]].concat()).expect(0);
    run("parts", &["--part", "1/2"]).expect(0);
    assert_eq!(run("parts", &["--status"]).expect(1).summary()["missing"], "2");
    run("parts", &["--part", "2/2"]).expect(0);
    run("parts", &["--finish"]).expect(0);
    let files = |root: &Path| {
        let mut files = tree(root);
        files.retain(|key, _| !key.ends_with('/'));
        files
    };
    let expected = files(&directory.path().join("whole"));
    for name in ["direct", "parts"] {
        assert!(files(&bucket.path().join(name)) == expected, "{name}");
        run(name, &[&GRID[..], &["--resume"]].concat()).expect(0);
        let other = run(name, &[&GRID[..], &["--resume", "--seed", "7"]].concat()).expect(7);
        assert!(other.stderr.contains("--seed 42, not with --seed 7"), "{}", other.stderr);
        run(name, &GRID).expect(7);
    }
}

/// `--status` looks at all batches: here only the first one has all parts.
#[test]
fn the_status_is_that_of_all_batches() {
    let directory = tempfile::tempdir().unwrap();
    lorenz(directory.path(), &[&GRID[..], &["--prepare", "--parts", "3", "-o", "parts"]].concat()).expect(0);
    for part in ["1/3", "2/3", "3/3"] {
        step(directory.path(), &["--part", part]).expect(0);
    }
    for (batch, part) in [("00", 1), ("01", 3)] {
        fs::remove_file(directory.path().join(format!("parts/batch_{batch}.zarr.plan/done/{part}"))).unwrap();
    }
    let status = step(directory.path(), &["--status"]).expect(1).summary();
    assert_eq!((&status["done"], &status["missing"]), (&json!(1), &json!("1,3")));
    let missing = step(directory.path(), &["--status", "--missing"]).expect(1);
    assert_eq!(missing.stdout, "1,3\n");
}

#[test]
fn the_number_of_batches_is_that_of_the_plan() {
    let directory = tempfile::tempdir().unwrap();
    let parts = directory.path().join("parts");
    lorenz(directory.path(), &[&GRID[..], &["--prepare", "--parts", "2", "-o", "parts"]].concat()).expect(0);
    for step_of in [&["--part", "1/2"][..], &["--status"], &["--finish"]] {
        for batches in ["1", "2", "22"] {
            let refused = step(directory.path(), &[step_of, &["--batches", batches]].concat()).expect(2);
            assert!(refused.stderr.contains("does not match the plan, which has 3 batches"), "{}", refused.stderr);
        }
    }
    assert!(!parts.join("batch_00.zarr.plan/done").exists(), "no part is done");
    step(directory.path(), &["--part", "1/2", "--batches", "3"]).expect(0);
    step(directory.path(), &["--part", "2/2"]).expect(0);
    step(directory.path(), &["--finish"]).expect(0);
    // A store is no directory of batches.
    lorenz(directory.path(), &["-m", "3", "--steps", "9", "--prepare", "--parts", "1", "-o", "a.zarr"]).expect(0);
    lorenz(directory.path(), &["--part", "1/1", "--batches", "1", "-o", "a.zarr"]).expect(2);
    lorenz(directory.path(), &["--part", "1/1", "-o", "a.zarr"]).expect(0);
    lorenz(directory.path(), &["--status", "-o", "nothing"]).expect(4);
}

/// An archive is never continued with other parameters, wherever it ended.
#[test]
fn an_archive_of_other_parameters_is_not_continued() {
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("a");
    let run = |more: &[&str]| lorenz(directory.path(), &[&GRID[..8], more, &["--resume", "-o", "a"]].concat());
    run(&[]).expect(0);
    fs::remove_dir_all(archive.join("batch_00.zarr")).unwrap();
    let before = tree(&archive);
    for (more, words) in [
        (&["--seed", "7"][..], "--seed 42, not with --seed 7"),
        (&["--rho", "27"], "--rho 28.0, not with --rho 27.0"),
        (&["--center", "1,2,3"], "--center -10.0,-10.0,25.0"),
        (&["--spread", "1"], "--spread 0.5"),
        (&["--dt", "0.01"], "--dt 0.02"),
        (&["--every", "3"], "--every 2"),
        (&["--file-ids", "3"], "--file-ids 4:8, not with --file-ids 3:6"),
        (&["--faults", "--file-ids", "4"], "--faults 0, not with --faults 3"),
    ] {
        let refused = run(more).expect(7);
        assert!(refused.stderr.contains(words), "{more:?}: {}", refused.stderr);
        assert!(tree(&archive) == before, "{more:?}: nothing is written");
    }
    let other =
        ["--grid", "90:-90:19,0:340:35", "--resume", "--times", "6", "--variables", "5", "--batches", "3", "-o", "a"];
    let refused = lorenz(directory.path(), &other).expect(7);
    assert!(refused.stderr.contains("--grid 90:-90:19,0:350:36, not with --grid"), "{}", refused.stderr);
    run(&[]).expect(0);
    assert_eq!(fs::read_dir(&archive).unwrap().count(), 3);
    run(&["--seed", "7"]).expect(7);
    // Without --resume, what exists is noticed before anything is computed or written.
    fs::remove_dir_all(archive.join("batch_00.zarr")).unwrap();
    lorenz(directory.path(), &[&GRID[..8], &["-o", "a"]].concat()).expect(7);
    assert!(tree(&archive) == before);
}

/// Steps of a single store report what they did, and which members diverge, also when all is published.
#[test]
fn steps_of_a_store_report_what_they_did() {
    let directory = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| lorenz(directory.path(), &[more, &["-o", "a.zarr"]].concat());
    let diverging = ["-m", "3", "--steps", "40", "--dt", "1"];
    run(&[&diverging[..], &["--prepare", "--parts", "2"]].concat()).expect(1);
    let tool = Tool::new("lorenz-ens").current_dir(directory.path());
    let part = tool.args(["--part", "1/2", "-o", "a.zarr", "--format", "table"]).run().expect(0);
    assert!(part.stdout.contains("3 members × 40 steps") && part.stdout.contains("verified"), "{}", part.stdout);
    let early = run(&["--finish"]).expect(1);
    assert!(early.stderr.contains("part 2 of 2 is missing"), "{}", early.stderr);
    run(&["--part", "2/2"]).expect(0);
    for words in ["member 0 is not finite from step", "3 members diverged"] {
        let finished = run(&["--finish"]).expect(1);
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
        assert_eq!(finished.summary()["diverged"], 3);
    }
    run(&[&diverging[..], &["--resume"]].concat()).expect(1);
    lorenz(directory.path(), &[&diverging[..], &["-o", "b.zarr"]].concat()).expect(1);
    assert!(tree(&directory.path().join("a.zarr")) == tree(&directory.path().join("b.zarr")));
}

#[test]
fn a_dry_run_of_batches_describes_all_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let planned = lorenz(directory.path(), &[&GRID[..8], &["-n", "-o", "a"]].concat()).expect(0);
    let written = lorenz(directory.path(), &[&GRID[..8], &["-o", "a"]].concat()).expect(0).summary();
    let plan = planned.summary();
    for (expected, done) in
        [("arrays", "arrays"), ("objects_expected", "objects"), ("uncompressed_bytes", "uncompressed_bytes")]
    {
        assert_eq!(plan[expected], written[done], "{expected}: {plan}");
    }
    let stores: Vec<String> = planned.of_type("plan").iter().map(|plan| plan["store"].to_string()).collect();
    for batch in ["a/batch_00.zarr", "a/batch_01.zarr", "a/batch_02.zarr"] {
        assert_eq!(stores.iter().filter(|store| store.contains(batch)).count(), 9, "{stores:?}");
    }
    // The same after a run in parts.
    lorenz(directory.path(), &[&GRID[..8], &["--prepare", "--parts", "2", "-o", "parts"]].concat()).expect(0);
    step(directory.path(), &["--part", "1/2"]).expect(0);
    step(directory.path(), &["--part", "2/2"]).expect(0);
    assert_eq!(step(directory.path(), &["--finish"]).expect(0).summary()["arrays"], written["arrays"]);
}
