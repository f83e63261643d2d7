//! Batches on a grid: the same bytes at any number of workers and parts, and what all the other tools find in them.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Tool, tree};
use serde_json::json;

use crate::lorenz;

const GRID: [&str; 8] = ["--grid", "90:-90:19,0:350:36", "--times", "6", "--variables", "5", "--batches", "3"];

fn stores(directory: &Path) -> Vec<PathBuf> {
    let mut stores: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    stores.sort();
    stores
}

#[test]
fn batches_are_the_same_at_any_j_in_parts_and_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| lorenz(directory.path(), &[&GRID[..], more].concat());
    let whole = run(&["--faults", "-j1", "-o", "whole"]).expect(0);
    assert_eq!((&whole.summary()["stores"], &whole.summary()["faults"]), (&json!(3), &json!(3)));
    run(&["--faults", "-j3", "-o", "j3"]).expect(0);
    let expected = tree(&directory.path().join("whole"));
    assert!(expected == tree(&directory.path().join("j3")));
    assert!(expected.keys().any(|key| key.starts_with("batch_02.zarr/")));
    // Again: all is there already, and the faults stay.
    let again = run(&["--faults", "--resume", "-o", "whole"]).expect(0);
    assert!(again.stderr.contains("already complete") && expected == tree(&directory.path().join("whole")));
    // Each batch says how it is stored.
    assert!(whole.of_type("generated").iter().all(|batch| batch["codec"].as_str().unwrap().contains("blosc")));
    let planned = run(&["-n", "-o", "none"]).expect(0);
    assert!(!planned.of_type("plan").is_empty() && !directory.path().join("none").exists());
}

#[test]
fn options_of_a_grid_that_do_not_fit_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (&["--grid", "90:-90:19,0:350:36"][..], "missing option: -o DST"),
        (&["--grid", "90:-90,0:350:36", "-o", "a"], "FIRST:LAST:COUNT"),
        (&["--grid", "95:-90:3,0:350:36", "-o", "a"], "latitudes"),
        (&["--grid", "90:-90:0,0:350:36", "-o", "a"], "at least one cell"),
        (&["--grid", "90:-90:9,0:350:36", "--file-ids", "0:2", "--batches", "2", "-o", "a"], "--file-ids has 1 range"),
        (&["--grid", "90:-90:9,0:350:36", "--faults", "--variables", "2", "-o", "a"], "at least 3 variables"),
        (&["--grid", "90:-90:9,0:350:36", "--integrator", "rk4", "-o", "a"], "Euler"),
        (&["--grid", "90:-90:9000,0:350:36000", "--max-memory", "64M", "-o", "a"], "but --max-memory is"),
        (&["--grid", "90:-90:9,0:350:36", "--members", "3", "-o", "a"], "--members"),
        (&["--batches", "2", "-o", "a"], "missing option: --grid"),
    ] {
        let outcome = lorenz(directory.path(), arguments).expect(2);
        assert!(outcome.stderr.contains(words), "{arguments:?}: {}", outcome.stderr);
    }
    let grid = ["--grid", "90:-90:9,0:350:36", "--dt", "0.4", "-o", "a"];
    let diverged = lorenz(directory.path(), &grid).expect(1);
    assert!(diverged.stderr.contains("file_id 0 become infinite or NaN"), "{}", diverged.stderr);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Faults are where no other batch holds the same values intact.
#[test]
fn faults_are_planted_in_file_ids_of_a_single_batch() {
    let directory = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let grid = ["--grid", "90:-90:9,0:350:36", "--times", "2", "--variables", "3", "--faults"];
        lorenz(directory.path(), &[&grid[..], more].concat())
    };
    run(&["--batches", "2", "--file-ids", "0:8,2:6", "-o", "a"]).expect(0);
    let missing =
        |batch: &str, file: u64| !directory.path().join(format!("a/batch_{batch}.zarr/v10/c/{file}/0/0/0")).exists();
    assert!(missing("00", 7) && !missing("00", 5) && !missing("01", 3));
    let refused = run(&["--batches", "2", "--file-ids", "0:4,0:4", "-o", "b"]).expect(2);
    assert!(refused.stderr.contains("--faults needs a file_id that only one batch has"), "{}", refused.stderr);
    assert!(!directory.path().join("b").exists());
}

/// The archive of the demonstration, from one tool to the next.
#[test]
fn a_generated_archive_feeds_all_other_tools() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let run =
        |tool: &str, arguments: &[&str]| Tool::new(tool).current_dir(directory.path()).arg("--json").args(arguments);
    let grid = ["--grid", "90:-90:19,0:350:36", "--faults", "--times", "4", "--variables", "5", "-o", "archive"];
    run("lorenz-ens", &grid).run().expect(0);
    let batches = stores(&at("archive"));
    assert_eq!(batches.len(), 22);

    let inspected = run("zinspect", &["--sizes", "archive/batch_00.zarr"]).run().expect(0);
    assert_eq!(inspected.of_type("array").len(), 4 + 5);
    assert_eq!(inspected.summary()["objects_present"], inspected.summary()["objects_expected"]);

    // The duplicates of the archive in which they were found.
    let duplicates = run("zdedup", &["--dim", "file_id"]).args(&batches).run().expect(1).summary();
    let number = |key: &str| duplicates[key].as_u64().unwrap();
    assert_eq!((number("batches"), number("values"), number("unique"), number("duplicates")), (22, 95, 69, 26));
    assert_eq!((number("identical"), number("conflicting")), (26, 0));

    // The faults are all in the last batch.
    let sound = run("zvalidate", &["archive/batch_20.zarr"]).run().expect(0);
    assert_eq!(sound.summary()["findings"], 0, "{}", sound.stdout);
    let faulty = run("zvalidate", &["archive/batch_21.zarr"]).run().expect(1);
    let findings: Vec<String> = faulty
        .of_type("finding")
        .iter()
        .map(|finding| format!("{} {}", finding["kind"].as_str().unwrap(), finding["path"].as_str().unwrap()))
        .collect();
    for path in ["/t2m", "/u10", "/v10"] {
        assert!(findings.iter().any(|finding| finding.contains(path)), "{path}: {findings:?}");
    }

    // A file that is all NaN is a step along file_id that is missing.
    let findings = faulty.of_type("finding");
    let empty = findings.iter().find(|finding| finding["kind"] == "nan_steps").unwrap();
    assert_eq!((&empty["path"], &empty["dim"]), (&"/u10".into(), &"file_id".into()), "{empty}");

    let concat =
        run("zdedup", &["--dim", "file_id", "--var", "msl", "--var", "tp", "-o", "all.zarr"]).args(&batches).run();
    assert_eq!(concat.expect(0).summary()["kept"], 69);
    run("zfetch", &["all.zarr", "--to", "part.zarr", "--bbox=-10,35,30,60"]).run().expect(0);
    let written = run("zrecompress", &["part.zarr", "small.zarr", "--cname", "zstd", "--clevel", "9"]).run().expect(0);
    assert_eq!(written.summary()["verified"], written.summary()["objects"]);
    let points = run("zpoint", &["--lat", "50", "--lon", "10", "small.zarr"]).run().expect(0);
    let rows = points.of_type("row");
    assert_eq!(rows.len(), 69 * 4);
    let direct = run("zpoint", &["--lat", "50", "--lon", "10", "--var", "msl", "--var", "tp", "archive/batch_02.zarr"]);
    let direct = direct.run().expect(0).of_type("row");
    assert_eq!((&rows[4 * 4]["msl"], &rows[4 * 4]["file_id"]), (&direct[0]["msl"], &direct[0]["file_id"]));
    run("zvalidate", &["small.zarr"]).run().expect(0);
}
