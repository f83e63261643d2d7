//! `--part I/N`: parts together find what one process finds.

use std::collections::BTreeSet;

use harness::{ObjectServer, Outcome, Tool};

use crate::made::{FORMATS, Format, Scene};

/// The findings of a run, and what it says of each array, as lines. Duplicates would show in the counts.
fn found(outcomes: &[Outcome]) -> Vec<String> {
    let records = outcomes.iter().flat_map(|outcome| [outcome.of_type("finding"), outcome.of_type("check")].concat());
    let mut lines: Vec<String> = records.map(|record| record.to_string()).collect();
    lines.sort();
    lines
}

/// Faults of all kinds of owners: the store, metadata, coordinates, objects, values of a whole array, and stores together.
fn faulty(format: Format, number: i64) -> Scene {
    let mut arrays = crate::made::arrays();
    let crate::made::Data::I64(times) = &mut arrays[0].data else { panic!("times") };
    // With a gap of three hours before the second batch.
    times.iter_mut().for_each(|time| *time += 53 * number);
    let scene = Scene::of(format, arrays);
    scene.set("t2m", |index, value| {
        if (7..40).contains(&index[0]) {
            *value = f32::NAN;
        }
    });
    scene.set("tp", |_, value| *value = 3.0);
    if number == 1 {
        scene.set("u10", |_, value| *value *= 1e6);
    }
    scene.change(&scene.key("u10", [2, 1, 0]), |bytes| bytes.truncate(60));
    scene.remove(&scene.key("raw", [0, 0, 0]));
    scene.put("notes.txt", b"hello");
    scene.put(&scene.key("t2m", [100, 0, 0]), b"0123456789abcdef");
    scene.edit_attributes("latitude", |attributes| attributes["bounds"] = "lat_bnds".into());
    scene
}

#[track_caller]
fn assert_parts(stores: &[String], flags: &[&str], kinds: &[&str]) {
    let run = |more: &[&str]| Tool::hermetic("zvalidate").arg("--json").args(flags).args(more).args(stores).run();
    let whole = run(&[]).expect(1);
    for kind in kinds {
        assert!(whole.stdout.contains(&format!("\"{kind}\"")), "{kind}: {}", whole.stdout);
    }
    for of in [2, 3, 20] {
        let parts = Vec::from_iter((1..=of).map(|part| run(&["--part", &format!("{part}/{of}")])));
        assert_eq!(found(&parts), found(std::slice::from_ref(&whole)), "{of} parts");
        for total in ["arrays", "chunks_checked", "chunks_damaged", "objects_missing", "stored_bytes", "findings"] {
            let sum = |outcomes: &[Outcome]| -> u64 {
                outcomes.iter().map(|outcome| outcome.summary()[total].as_u64().unwrap()).sum()
            };
            assert_eq!(sum(&parts), sum(std::slice::from_ref(&whole)), "{total} of {of} parts");
        }
        let codes: BTreeSet<i32> = parts.iter().map(|part| part.code).collect();
        assert!(codes.contains(&1) && codes.is_subset(&[0, 1].into()), "{codes:?}");
    }
}

const KINDS: [&str; 7] =
    ["nan_steps", "constant_array", "unknown_key", "outside_grid", "coordinate_bounds", "stores_gap", "ranges_differ"];

#[test]
fn parts_find_together_what_one_process_finds() {
    for format in FORMATS {
        let scenes = [faulty(format, 0), faulty(format, 1)];
        let stores = scenes.each_ref().map(|scene| scene.store().display().to_string());
        assert_parts(&stores, &[], &KINDS);
        assert_parts(&stores, &["--level", "list", "--min-ratio", "99%"], &["low_ratio", "outside_grid", "stores_gap"]);
    }
}

#[test]
fn parts_of_an_object_store_list_only_their_arrays() {
    let scene = faulty(Format::V3, 0);
    let server = ObjectServer::start(scene.directory.path(), vec![]);
    let endpoint = server.endpoint();
    let flags = ["--level", "full", "--anonymous", "--endpoint", &endpoint];
    assert_parts(&[server.s3_url("in.zarr")], &flags, &KINDS[..5]);
    // A server without lists: each object is asked for.
    scene.consolidate();
    assert_parts(&[server.http_url("in.zarr")], &["--level", "full"], &["nan_steps", "constant_array"]);
}

/// An index counts from 0, and each array has one part.
#[test]
fn parts_are_also_counted_from_zero() {
    let scene = Scene::sound(Format::V2);
    let run = |flags: &[&str]| Tool::new("zvalidate").arg("--json").args(flags).arg(scene.store()).run();
    let second = run(&["--part", "2/3"]).expect(0);
    assert!(second.summary()["arrays"].as_u64().unwrap() > 0);
    assert_eq!(found(&[run(&["--part-index", "1", "--parts", "3"]).expect(0)]), found(&[second]));
    assert!(run(&["--part-index", "3", "--parts", "3"]).expect(2).stderr.contains("0 to 2"));
    run(&["--part", "4/3"]).expect(2);
    run(&["--part", "1/3", "--write-manifest", "/tmp/never"]).expect(2);
}

/// A comparison is divided in the same way.
#[test]
fn parts_of_a_comparison() {
    let (ours, theirs) = (faulty(Format::V2, 0), Scene::sound(Format::V3));
    ours.put("more/.zarray", &std::fs::read(ours.path("tp/.zarray")).unwrap());
    let run = |part: &[&str]| {
        let tool = Tool::new("zvalidate").arg("--json").arg(ours.store()).arg("--against").arg(theirs.store());
        tool.args(part).run()
    };
    let lines = |outcomes: &[Outcome]| {
        let records =
            outcomes.iter().flat_map(|outcome| [outcome.of_type("finding"), outcome.of_type("compare")].concat());
        let mut lines: Vec<String> = records.map(|record| record.to_string()).collect();
        lines.sort();
        lines
    };
    let whole = run(&[]).expect(1);
    assert!(whole.stdout.contains("only_in_one"), "{}", whole.stdout);
    let parts = ["1/3", "2/3", "3/3"].map(|part| run(&["--part", part]));
    assert_eq!(lines(&parts), lines(&[whole]));
}
