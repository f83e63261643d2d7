//! Runs that are divided into parts, killed and resumed, and outputs behind URLs: always the same bytes.

use std::fs;
use std::time::Duration;

use harness::{ObjectServer, Tool, spawn, tree};
use rustix::process::Signal;

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

/// The attributes of a finished store tell of which ensemble it is.
#[test]
fn a_finished_store_of_another_ensemble_is_not_complete() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ics.csv"), "1,2,3\n4,5,6\n").unwrap();
    fs::write(directory.path().join("other.csv"), "1,2,3\n4,5,7\n").unwrap();
    let run =
        |base: &[&str], more: &[&str]| lorenz(directory.path(), &[base, more, &["--steps", "50", "--resume"]].concat());
    for format in ["2", "3"] {
        let (drawn, given) = (format!("drawn{format}.zarr"), format!("given{format}.zarr"));
        let drawn = ["--members", "9", "--zarr-format", format, "-o", &drawn];
        run(&drawn, &[]).expect(0);
        assert!(run(&drawn, &[]).expect(0).stderr.contains("already complete"));
        for (more, words) in [
            (&["--seed", "7"][..], "--seed 42, not with --seed 7"),
            (&["--rng", "philox"], "--rng numpy, not with --rng philox"),
            (&["--center", "-10,-10,25.5"], "--center -10.0,-10.0,25.0, not with --center -10.0,-10.0,25.5"),
            (&["--spread", "0.25"], "--spread 0.5"),
            (&["--sigma", "11"], "--sigma 10.0"),
            (&["--rho", "27"], "--rho 28.0"),
            (&["--beta", "2"], "--beta 2.66"),
            (&["--dt", "0.02"], "--dt 0.01"),
            (&["--integrator", "rk4"], "--integrator euler"),
        ] {
            let refused = run(&drawn, more).expect(7);
            assert!(refused.stderr.contains(words), "{more:?}: {}", refused.stderr);
        }
        let given = ["--zarr-format", format, "-o", &given];
        run(&given, &["--ics", "ics.csv"]).expect(0);
        run(&given, &["--ics", "ics.csv"]).expect(0);
        assert!(run(&given, &["--ics", "other.csv"]).expect(7).stderr.contains("--ics crc32c:"));
        assert!(run(&given, &["--members", "2"]).expect(7).stderr.contains("do not have rng"));
    }
    let refused =
        lorenz(directory.path(), &["--members", "9", "--steps", "60", "--resume", "-o", "drawn3.zarr"]).expect(7);
    assert!(refused.stderr.contains("--steps 50, not with --steps 60"), "{}", refused.stderr);
    let other = ["--members", "9", "--steps", "50", "--zarr-format", "2", "--resume", "-o", "drawn3.zarr"];
    assert!(lorenz(directory.path(), &other).expect(7).stderr.contains("--zarr-format 2"));
}

/// A signal ends an integration at once, however far the next time is.
#[test]
fn a_signal_ends_a_long_integration() {
    let directory = tempfile::tempdir().unwrap();
    let far = ["--steps", "9007199254740992", "--every", "4503599627370496"];
    let grid = ["--grid", "90:-90:181,0:359:360", "--times", "2", "--every", "10000000", "--dt", "1e-9"];
    for arguments in [
        [&["-m", "3000", "-o", "a.zarr"][..], &far].concat(),
        [&["-m", "3", "--prepare", "--parts", "2", "-o", "b.zarr"], &far[..]].concat(),
        [&["-m", "3", "--stats", "-o", "a.csv"], &far[..]].concat(),
        [&["-m", "3", "-o", "b.csv"], &far[..]].concat(),
        [&["-m", "3", "--plot", "a.svg"], &far[..]].concat(),
        [&["-m", "3", "--compare"], &far[..2]].concat(),
        [&["-o", "grid"], &grid[..]].concat(),
    ] {
        let running = spawn(Tool::new("lorenz-ens").current_dir(directory.path()).arg("--json").args(&arguments));
        std::thread::sleep(Duration::from_millis(700));
        running.signal(Signal::TERM);
        let outcome = running.end_within(Duration::from_secs(20));
        assert!([143, -15].contains(&outcome.code), "{arguments:?}: {} {}", outcome.code, outcome.stderr);
    }
    assert!(!directory.path().join("a.csv").exists() && !directory.path().join("a.svg").exists());
}

/// Without a store, a stopped run also says so, in a message and as records.
#[test]
fn a_run_that_is_stopped_ends_with_an_error_and_a_summary() {
    let directory = tempfile::tempdir().unwrap();
    let far = ["-m", "300", "--steps", "9007199254740992"];
    for more in [&[][..], &["--stats"], &["--check"], &["--to", "csv", "-o", "a.csv"]] {
        let arguments = [&far[..], more].concat();
        let late = lorenz(directory.path(), &[&arguments[..], &["--deadline", "300ms"]].concat()).expect(6);
        assert!(late.stderr.starts_with("lorenz-ens: stopped: the deadline"), "{more:?}: {}", late.stderr);
        assert!(late.stderr.contains("raise --deadline") && !late.stderr.contains("--resume"), "{}", late.stderr);
        assert_eq!((late.of_type("error").len(), &late.summary()["exit"]), (1, &6.into()), "{more:?}");
        let running = spawn(Tool::new("lorenz-ens").current_dir(directory.path()).arg("--json").args(&arguments));
        std::thread::sleep(Duration::from_millis(500));
        running.signal(Signal::TERM);
        let outcome = running.end_within(Duration::from_secs(20));
        assert_eq!(outcome.code, 143, "{more:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("lorenz-ens: interrupted by a signal"), "{more:?}: {}", outcome.stderr);
        assert_eq!(outcome.summary()["exit"], 143, "{more:?}");
    }
    let store = [&far[..], &["--every", "4503599627370496", "-o", "a.zarr", "--deadline", "300ms"]].concat();
    assert!(lorenz(directory.path(), &store).expect(6).stderr.contains("--resume"));
}

/// `--every` beyond `--steps`: only the initial conditions, and nothing is integrated after them.
#[test]
fn nothing_is_integrated_after_the_last_time() {
    let directory = tempfile::tempdir().unwrap();
    let far = ["-m", "3", "--steps", "10", "--every", "9007199254740992"];
    for output in ["a.zarr", "a.csv", "a.jsonl"] {
        let tool = Tool::new("lorenz-ens").current_dir(directory.path()).args(far).args(["-o", output]);
        tool.run_within(Duration::from_secs(20)).expect(0);
    }
    let grid = ["--grid", "90:-90:19,0:350:36", "--times", "1", "--every", "9007199254740992", "-o", "grid"];
    let tool = Tool::new("lorenz-ens").current_dir(directory.path()).args(grid);
    tool.run_within(Duration::from_secs(20)).expect(0);
    assert_eq!(fs::read_to_string(directory.path().join("a.csv")).unwrap().lines().count(), 4);
}

#[test]
fn what_exists_is_noticed_before_anything_is_computed() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a.csv", "a.jsonl", "a.svg"] {
        fs::write(directory.path().join(name), "mine").unwrap();
    }
    lorenz(directory.path(), &["-m", "3", "--steps", "9", "-o", "a.zarr"]).expect(0);
    let before = tree(directory.path());
    // This would take years.
    let far = ["-m", "3", "--steps", "9007199254740992", "--every", "4503599627370496"];
    for more in [
        &["-o", "a.zarr"][..],
        &["-o", "a.csv"],
        &["-o", "a.jsonl"],
        &["--plot", "a.svg"],
        &["--stats", "-o", "a.zarr"],
        &["--stats", "-o", "a.csv"],
        &["--stats", "--plot", "a.svg"],
        &["--stats", "--on-divergence", "stop", "-o", "a.csv"],
    ] {
        let tool = Tool::new("lorenz-ens").current_dir(directory.path()).args(far).args(more);
        let outcome = tool.run_within(Duration::from_secs(20)).expect(7);
        assert!(outcome.stderr.contains("already exists"), "{more:?}: {}", outcome.stderr);
    }
    assert!(tree(directory.path()) == before);
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
