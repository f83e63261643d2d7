//! Runs that are divided into parts, killed and resumed, and outputs behind URLs: always the same bytes.

use std::time::Duration;

use harness::{ObjectServer, Tool, spawn, tree};

use crate::lorenz;

const ENSEMBLE: [&str; 6] = ["--members", "60", "--steps", "3000", "--chunks", "20,500"];

#[test]
fn the_union_of_the_parts_is_the_whole() {
    let directory = tempfile::tempdir().unwrap();
    lorenz(directory.path(), &[&ENSEMBLE[..], &["-o", "whole.zarr"]].concat()).expect(0);
    let prepare = ["--prepare", "--parts", "3", "-o", "parts.zarr"];
    lorenz(directory.path(), &[&ENSEMBLE[..], &prepare].concat()).expect(0);
    for part in ["3/3", "1/3"] {
        lorenz(directory.path(), &["--part", part, "-o", "parts.zarr"]).expect(0);
    }
    let status = lorenz(directory.path(), &["--status", "-o", "parts.zarr"]).expect(1).summary();
    assert_eq!((&status["done"], &status["missing"]), (&2.into(), &"2".into()));
    lorenz(directory.path(), &["--finish", "-o", "parts.zarr"]).expect(1);
    lorenz(directory.path(), &["--part", "2/3", "-o", "parts.zarr"]).expect(0);
    lorenz(directory.path(), &["--finish", "-o", "parts.zarr"]).expect(0);
    assert!(tree(&directory.path().join("parts.zarr")) == tree(&directory.path().join("whole.zarr")));
}

#[test]
fn killed_runs_resume_to_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole.zarr");
    lorenz(directory.path(), &[&ENSEMBLE[..], &["-o", "whole.zarr"]].concat()).expect(0);
    for round in 0..6 {
        let output = directory.path().join(format!("killed_{round}.zarr"));
        let tool = || {
            let tool =
                Tool::new("lorenz-ens").args(ENSEMBLE).args(["--json", "--resume", "--checkpoint", "10ms", "-o"]);
            tool.arg(&output)
        };
        let plan = output.with_extension("zarr.plan");
        let mut running = spawn(tool());
        running.reaches(|| plan.exists() || output.exists());
        std::thread::sleep(Duration::from_millis(5 * round));
        running.kill();
        tool().run().expect(0);
        assert!(tree(&output) == tree(&whole), "round {round}");
    }
}

#[test]
fn a_resumed_run_must_be_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let prepare = ["--prepare", "--parts", "1", "-o", "a.zarr"];
    lorenz(directory.path(), &[&ENSEMBLE[..], &prepare].concat()).expect(0);
    for (more, flag) in [
        (&["--seed", "7"][..], "--seed"),
        (&["--rho", "27"], "--rho"),
        (&["--cname", "lz4"], "--cname"),
        (&["--zarr-format", "2"], "--zarr-format"),
        (&["--every", "2"], "--every"),
    ] {
        let resume = [&ENSEMBLE[..], more, &["--resume", "-o", "a.zarr"]].concat();
        let outcome = lorenz(directory.path(), &resume).expect(2);
        assert!(outcome.stderr.contains(&format!("{flag} differs from the unfinished run")), "{}", outcome.stderr);
    }
    lorenz(directory.path(), &[&ENSEMBLE[..], &["--resume", "-o", "a.zarr"]].concat()).expect(0);
}

#[test]
fn a_store_behind_a_url_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = tempfile::tempdir().unwrap();
    let server = ObjectServer::start_writable(bucket.path(), vec![]);
    lorenz(directory.path(), &[&ENSEMBLE[..], &["-o", "local.zarr"]].concat()).expect(0);
    let url = server.s3_url("remote.zarr");
    let tool = Tool::hermetic("lorenz-ens").args(ENSEMBLE).args(["--json", "--anonymous", "--endpoint"]);
    tool.arg(server.endpoint()).args(["-o", &url]).run().expect(0);
    let files = |store: &str, root: &std::path::Path| {
        let mut files = tree(&root.join(store));
        files.retain(|key, _| !key.ends_with('/'));
        files
    };
    assert!(files("remote.zarr", bucket.path()) == files("local.zarr", directory.path()));
}

/// Output much larger than the memory for it.
#[test]
fn memory_is_bounded() {
    let directory = harness::directory();
    let more = ["--members", "2000", "--steps", "4000", "--max-memory", "40M", "--codec", "none", "--timing"];
    let outcome = lorenz(directory.path(), &[&more[..], &["--verify", "none", "-o", "a.zarr"]].concat()).expect(0);
    let summary = outcome.summary();
    assert!(summary["uncompressed_bytes"].as_u64().unwrap() > 190_000_000);
    let peak = summary["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < 90_000_000, "{peak}");
}
