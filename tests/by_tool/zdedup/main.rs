//! `zdedup`: duplicates are found and told apart by their data; the concatenation holds each value once, and is safe under faults.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod append;
mod many;
mod places;
mod scene;

use std::fs;

use harness::{Tool, spawn, tree};
use scene::{Batch, batches, rows, zdedup};
use serde_json::json;

/// The batches of the archive that this tool was made for: 22 with 95 file_ids, of which 26 occur twice.
fn seed() -> Vec<Batch> {
    let mut all = vec![Batch::of(0..4), Batch::of(0..4), Batch::of(4..7)];
    let mut next = 7;
    for number in 0..19 {
        let start = if number < 11 { next - 2 } else { next };
        let length = if number < 8 { 5 } else { 4 };
        next = start + length;
        all.push(Batch::of(start..next));
    }
    all
}

#[test]
fn the_26_duplicates_of_22_batches() {
    let (directory, paths) = batches(&seed());
    let found = zdedup(&paths, &[]).expect(1);
    let summary = found.summary();
    let number = |key: &str| summary[key].as_u64().unwrap();
    assert_eq!((number("batches"), number("values"), number("unique")), (22, 95, 69));
    assert_eq!((number("duplicates"), number("identical"), number("conflicting")), (26, 26, 0));
    let first = &found.of_type("duplicate")[0];
    assert_eq!((&first["value"], &first["data"]), (&json!("0"), &json!("identical")));
    assert_eq!(first["indices"], json!([0, 0]));
    assert!(first["stores"][1].as_str().unwrap().ends_with("batch_01.zarr"));
    let batch = &found.of_type("batch")[1];
    assert_eq!((&batch["duplicates"], &batch["kept"], &batch["last"]), (&json!(4), &json!(0), &json!("3")));
    let output = directory.path().join("all.zarr");
    let written = zdedup(&paths, &["-o", output.to_str().unwrap()]).expect(0).summary();
    assert_eq!((&written["kept"], &written["recoded"]), (&json!(69), &json!(1)), "only file_id is encoded again");
    let expected: Vec<(i64, f32)> = (0..69).map(|id| (id, 100.0 * id as f32)).collect();
    assert_eq!(rows(&output), expected);
    // Nothing is left to do.
    let again = zdedup(&paths, &["--resume", "-o", output.to_str().unwrap()]).expect(0);
    assert!(again.stderr.contains("already complete"), "{}", again.stderr);
    assert_eq!(zdedup(&[output], &[]).expect(0).summary()["duplicates"], 0);
}

/// A finished output holds the values of one choice, and is not complete for another.
#[test]
fn a_finished_output_of_another_choice_is_not_complete() {
    let changed = Batch { offset: 0.5, ..Batch::of(2..5) };
    let (directory, paths) = batches(&[Batch::of(0..4), changed]);
    let output = directory.path().join("all.zarr");
    let target = output.to_str().unwrap();
    let run = |flags: &[&str]| zdedup(&paths, &[flags, &["--sort", "-o", target]].concat());
    for more in [&[][..], &["--compare", "none"], &["--chunks", "file_id=3"]] {
        let with = |flags: &[&'static str]| [flags, more].concat();
        run(&with(&["--keep", "first", "--overwrite"])).expect(0);
        let again = run(&with(&["--keep", "first", "--resume"])).expect(0);
        assert!(again.stderr.contains("already complete"), "{}", again.stderr);
        run(&with(&["--overlap", "retain", "--resume"])).expect(0);
        for other in [&["--keep", "last"][..], &["--prefer", "batch_01*"]] {
            let refused = run(&[&with(other)[..], &["--resume"]].concat()).expect(7);
            assert!(refused.stderr.contains("another choice between values that differ"), "{}", refused.stderr);
            assert!(refused.stderr.contains("t2m/"), "{}", refused.stderr);
        }
    }
}

#[test]
fn conflicts_are_located_and_stop_the_run() {
    let changed = Batch { offset: 0.5, ..Batch::of(2..5) };
    let (directory, paths) = batches(&[Batch::of(0..4), changed]);
    let found = zdedup(&paths, &[]).expect(1);
    assert_eq!(found.summary()["conflicting"], 2);
    let conflict = &found.of_type("conflict")[0];
    assert_eq!(
        (&conflict["path"], &conflict["value"], &conflict["differing"]),
        (&json!("/t2m"), &json!("2"), &json!(6))
    );
    assert_eq!((&conflict["index"], &conflict["other_index"]), (&json!(2), &json!(0)));
    assert_eq!(conflict["max_abs_difference"], 0.5);
    let output = directory.path().join("all.zarr");
    let target = output.to_str().unwrap();
    let refused = zdedup(&paths, &["-o", target]).expect(1);
    assert!(refused.stderr.contains("2 values occur more than once with different data"), "{}", refused.stderr);
    assert!(!output.exists() && !directory.path().join("all.zarr.plan").exists());
    let first = |id: i64| 100.0 * id as f32;
    for (flags, kept) in [
        (&["--keep", "first"][..], vec![first(2), first(3)]),
        (&["--keep", "last"], vec![first(2) + 0.5, first(3) + 0.5]),
        (&["--prefer", "batch_01*"], vec![first(2) + 0.5, first(3) + 0.5]),
        (&["--overlap", "retain"], vec![first(2), first(3)]),
        (&["--overlap", "replace"], vec![first(2) + 0.5, first(3) + 0.5]),
        (&["--overlap", "newer"], vec![first(2), first(3)]),
    ] {
        zdedup(&paths, &[&["--sort", "--overwrite", "-o", target], flags].concat()).expect(0);
        let rows = rows(&output);
        assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4], "{flags:?}");
        assert_eq!([rows[2].1, rows[3].1], kept[..], "{flags:?}");
    }
    zdedup(&paths, &["--keep", "none", "--overwrite", "-o", target]).expect(0);
    assert_eq!(rows(&output).iter().map(|row| row.0).collect::<Vec<_>>(), [0, 1, 4]);
    zdedup(&paths, &["--keep", "error", "--overwrite", "-o", target]).expect(1);
    zdedup(&paths, &["--overlap", "error", "--overwrite", "-o", target]).expect(1);
}

#[test]
fn other_chunks_are_put_together() {
    for chunk in [2, 3, 5] {
        let all = [(0..4), (2..7), (7..8), (8..8), (9..14)];
        let all: Vec<Batch> = all.into_iter().map(|ids| Batch { chunk, ..Batch::of(ids) }).collect();
        let (directory, paths) = batches(&all);
        let output = directory.path().join("all.zarr");
        let written = zdedup(&paths, &["-o", output.to_str().unwrap()]).expect(0).summary();
        assert!(written["recoded"].as_u64().unwrap() > 1);
        let expected: Vec<(i64, f32)> = (0..14).filter(|id| *id != 8).map(|id| (id, 100.0 * id as f32)).collect();
        assert_eq!(rows(&output), expected, "chunks of {chunk}");
        assert_eq!(written["gaps"], 1);
        let raw = zdedup(&paths, &["--copy", "raw", "--overwrite", "-o", output.to_str().unwrap()]).expect(2);
        assert!(raw.stderr.contains("--copy raw"), "{}", raw.stderr);
    }
}

#[test]
fn batches_that_do_not_agree_are_refused() {
    for (name, batch, exit, words) in [
        ("grid", Batch { latitudes: vec![51.5, 51.0], ..Batch::of(4..6) }, 5, "1 value is not those in"),
        ("units", Batch { units: "degC", ..Batch::of(4..6) }, 5, "units is \"degC\""),
        ("dtype", Batch { dtype: "<f8", ..Batch::of(4..6) }, 5, "has data type float64, and float32"),
    ] {
        let (directory, paths) = batches(&[Batch::of(0..4), batch]);
        let output = directory.path().join("all.zarr");
        let refused = zdedup(&paths, &["-o", output.to_str().unwrap()]).expect(exit);
        assert!(refused.stderr.contains(words), "{name}: {}", refused.stderr);
        assert!(!output.exists(), "{name}");
    }
    let jitter = Batch { latitudes: vec![51.5, 51.25 + 1e-9], ..Batch::of(4..6) };
    let (directory, paths) = batches(&[Batch::of(0..4), jitter]);
    let output = directory.path().join("all.zarr");
    let target = output.to_str().unwrap();
    zdedup(&paths, &["-o", target]).expect(5);
    zdedup(&paths, &["--coord-tolerance", "1e-6", "-o", target]).expect(0);
    assert_eq!(fs::read(output.join("lat/0")).unwrap(), fs::read(paths[0].join("lat/0")).unwrap());
    zdedup(&paths, &["--join", "override", "--overwrite", "-o", target]).expect(0);
}

#[test]
fn what_is_missing_is_named() {
    let (directory, paths) = batches(&[Batch::of(0..4), Batch::of(4..6)]);
    let absent = Tool::new("zdedup").args(["--json", "--dim", "file_ids"]).args(&paths[..1]).run().expect(4);
    assert!(absent.stderr.contains("did you mean file_id"), "{}", absent.stderr);
    let scalar = Tool::new("zdedup").args(["--json", "--dim", "lon"]).args(&paths).run().expect(4);
    assert!(scalar.stderr.contains("has no coordinate"), "{}", scalar.stderr);
    Tool::new("zdedup").args(["--json"]).args(&paths).run().expect(2);
    let gone = directory.path().join("gone.zarr");
    let partial = Tool::new("zdedup").args(["--json", "--dim", "file_id"]).args(&paths).arg(&gone).run().expect(3);
    assert_eq!(partial.of_type("error").len(), 1);
    fs::remove_dir_all(paths[1].join("t2m")).unwrap();
    let output = directory.path().join("all.zarr");
    let refused = zdedup(&paths, &["-o", output.to_str().unwrap()]).expect(5);
    assert!(refused.stderr.contains("no array /t2m"), "{}", refused.stderr);
}

#[test]
fn parts_together_are_the_whole() {
    let (directory, paths) = batches(&seed());
    let whole = directory.path().join("whole.zarr");
    let parts = directory.path().join("parts.zarr");
    zdedup(&paths, &["-o", whole.to_str().unwrap()]).expect(0);
    let target = parts.to_str().unwrap();
    zdedup(&paths, &["--prepare", "--parts", "3", "-o", target]).expect(0);
    // The second and the first, the latter as cloud array jobs count.
    for part in [&["--part", "2/3"][..], &["--part-index", "0", "--parts", "3"]] {
        Tool::new("zdedup").args(["--json", "-o", target]).args(part).run().expect(0);
    }
    let missing = Tool::new("zdedup").args(["--status", "--missing", "--from-zero", "-o", target]).run().expect(1);
    assert_eq!(missing.stdout, "2\n");
    for (part, parts) in [("3", "3"), ("4294967295", "4294967295")] {
        let outside = ["--json", "--part-index", part, "--parts", parts, "-o", target];
        let refused = Tool::new("zdedup").args(outside).run().expect(2);
        assert!(refused.stderr.contains("not in the range 0 to"), "{}", refused.stderr);
    }
    let status = Tool::new("zdedup").args(["--json", "--status", "-o", target]).run().expect(1);
    assert_eq!(status.summary()["missing"], "3");
    Tool::new("zdedup").args(["--json", "--finish", "-o", target]).run().expect(1);
    Tool::new("zdedup").args(["--json", "--part", "3/3", "-o", target]).run().expect(0);
    let missing = Tool::new("zdedup").args(["--status", "--missing", "-o", target]).run().expect(0);
    assert_eq!(missing.stdout, "");
    Tool::new("zdedup").args(["--json", "--finish", "-o", target]).run().expect(0);
    assert_eq!(tree(&whole), tree(&parts));
}

#[test]
fn a_batch_that_changes_is_noticed() {
    let (directory, paths) = batches(&[Batch::of(0..4), Batch::of(4..6)]);
    let output = directory.path().join("all.zarr");
    let target = output.to_str().unwrap();
    zdedup(&paths, &["--prepare", "--parts", "1", "-o", target]).expect(0);
    Tool::new("zdedup").args(["--json", "--part", "1/1", "-o", target]).run().expect(0);
    fs::write(paths[1].join("t2m/0.0.0"), [7; 24]).unwrap();
    let refused = Tool::new("zdedup").args(["--json", "--finish", "-o", target]).run().expect(7);
    assert!(refused.stderr.contains("another program"), "{}", refused.stderr);
    assert!(!output.exists());
}

#[test]
fn killed_runs_resume_to_the_same_bytes() {
    let all: Vec<Batch> = (0..12).map(|number| Batch::of(number * 40..number * 40 + 50)).collect();
    let (directory, paths) = batches(&all);
    let whole = directory.path().join("whole.zarr");
    zdedup(&paths, &["-o", whole.to_str().unwrap()]).expect(0);
    for round in 0..6 {
        let output = directory.path().join(format!("killed_{round}.zarr"));
        let tool = || {
            let tool =
                Tool::new("zdedup").args(["--json", "--dim", "file_id", "--resume", "--checkpoint", "10ms", "-o"]);
            tool.arg(&output).args(&paths)
        };
        let plan = output.with_extension("zarr.plan");
        let mut running = spawn(tool());
        running.reaches(|| plan.exists() || output.exists());
        std::thread::sleep(std::time::Duration::from_millis(7 * round));
        running.kill();
        tool().run().expect(0);
        assert_eq!(tree(&output), tree(&whole), "round {round}");
    }
}

/// The story of the manual page: its commands on these batches print what stands there.
#[test]
fn the_story_of_the_manual_page_is_true() {
    let (directory, _) = batches(&seed());
    let run = harness::run_story("tools/zdedup/src/cli.rs", "DUPLICATES", directory.path());
    let has_jq = std::process::Command::new("jq").arg("--version").output().is_ok();
    assert!(run == if has_jq { 3 } else { 1 }, "{run} commands");
}

/// Times in units that cannot be converted are no finding of `zvalidate`, so that the hint is another one, also for several batches.
#[test]
fn the_hint_about_units_of_time_leads_somewhere() {
    let all = [Batch::of(0..3), Batch::of(3..6), Batch::of(6..9)];
    let (directory, paths) = batches(&all);
    for (path, units) in paths.iter().zip(["hours since 2019-01-01", "days since 2019-01-01", "days since 2019-01-01"])
    {
        let attributes = json!({"_ARRAY_DIMENSIONS": ["file_id"], "units": units});
        fs::write(path.join("file_id/.zattrs"), attributes.to_string()).unwrap();
    }
    let output = directory.path().join("all.zarr");
    let outcome = zdedup(&paths, &["-o", output.to_str().unwrap()]).expect(5);
    assert!(outcome.stderr.contains("1 more disagreement"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("same units and calendar"), "{}", outcome.stderr);
}
