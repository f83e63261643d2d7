//! What a tool gets from the common writer alone, shown with `copy_store`, which adds nothing: copies, parts, status, finish,
//! resume, refusals.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;

use harness::{Tool, fixture, spawn, tree};
use tempfile::TempDir;

fn copy_store(directory: &TempDir, more: &[&str]) -> Tool {
    Tool::new("copy_store").current_dir(directory.path()).args(more)
}

fn source() -> String {
    fixture("weather-v2.zarr").display().to_string()
}

/// The metadata documents and chunks of a store.
fn objects(store: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    tree(store)
}

#[test]
fn a_copy_has_the_same_bytes() {
    for name in ["weather-v2.zarr", "v3-sharded.zarr", "v2-codecs.zarr", "v3-codecs.zarr"] {
        let directory = tempfile::tempdir().unwrap();
        let source = fixture(name);
        let outcome = copy_store(&directory, &[source.to_str().unwrap(), "out.zarr"]).run().expect(0);
        let summary = outcome.records().pop().unwrap();
        assert_eq!(summary["verified"], summary["objects"], "{name}: everything is read back");
        assert_eq!(summary["recompressed"], 0);
        assert_eq!(objects(&directory.path().join("out.zarr")), objects(&source), "{name}");
        assert!(!directory.path().join("out.zarr.plan").exists());
    }
}

#[test]
fn parts_make_the_same_store_and_status_tells_which_are_missing() {
    let directory = tempfile::tempdir().unwrap();
    let source = source();
    let prepared = copy_store(&directory, &["--prepare", "--parts", "3", &source, "out.zarr"]).run().expect(0);
    assert_eq!(prepared.records().pop().unwrap()["parts"], 3);
    copy_store(&directory, &["--part", "2/3", "out.zarr"]).run().expect(0);
    let status = copy_store(&directory, &["--status", "out.zarr"]).run().expect(1).records().pop().unwrap();
    assert_eq!((&status["done"], &status["missing"]), (&1.into(), &"1,3".into()));
    let refused = copy_store(&directory, &["--finish", "out.zarr"]).run().expect(1);
    assert!(refused.stderr.contains("copy_store --part I/3 out.zarr"), "{}", refused.stderr);
    assert!(!directory.path().join("out.zarr").exists(), "nobody can open it yet");
    for part in ["1/3", "3/3", "2/3"] {
        copy_store(&directory, &["--part", part, "out.zarr"]).run().expect(0);
    }
    copy_store(&directory, &["--status", "out.zarr"]).run().expect(0);
    let finished = copy_store(&directory, &["--finish", "out.zarr"]).run().expect(0).records().pop().unwrap();
    assert!(finished["objects"].as_u64().unwrap() > 0);
    assert_eq!(objects(&directory.path().join("out.zarr")), objects(&fixture("weather-v2.zarr")));
}

#[test]
fn a_run_that_was_killed_is_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let source = source();
    copy_store(&directory, &["--prepare", "--parts", "2", &source, "out.zarr"]).run().expect(0);
    // Killed at some moment, early or late: whatever it leaves, the next run completes.
    for _ in 0..3 {
        let running = spawn(copy_store(&directory, &["--part", "1/2", "out.zarr", "--checkpoint", "1ms"]));
        running.kill();
    }
    let resumed = copy_store(&directory, &["--resume", &source, "out.zarr"]).run();
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(objects(&directory.path().join("out.zarr")), objects(&fixture("weather-v2.zarr")));
    assert!(!directory.path().join("out.zarr.plan").exists());
}

#[test]
fn what_is_there_is_refused_and_a_plan_of_another_tool_too() {
    let directory = tempfile::tempdir().unwrap();
    let source = source();
    std::fs::create_dir(directory.path().join("out.zarr")).unwrap();
    std::fs::write(directory.path().join("out.zarr/letter.txt"), "dear").unwrap();
    copy_store(&directory, &[&source, "out.zarr"]).run().expect(7);
    copy_store(&directory, &["--overwrite", &source, "out.zarr"]).run().expect(7);
    assert_eq!(std::fs::read(directory.path().join("out.zarr/letter.txt")).unwrap(), b"dear");
    let prepared = Tool::new("zrecompress").current_dir(directory.path());
    prepared.args(["--prepare", "--parts", "2", &source, "other.zarr"]).run().expect(0);
    let refused = copy_store(&directory, &["--part", "1/2", "other.zarr"]).run().expect(5);
    assert!(refused.stderr.contains("written by zrecompress"), "{}", refused.stderr);
}

#[test]
fn a_dry_run_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = copy_store(&directory, &["-n", &source(), "out.zarr"]).run().expect(0);
    assert!(outcome.of_type("plan").iter().all(|plan| plan["action"] == "copy"));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
