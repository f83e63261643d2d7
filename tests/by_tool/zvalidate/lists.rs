//! `--missing`, `--corrupt` and `--combined` of a comparison, and outputs that are in the way.

use std::fs;

use harness::{Outcome, Tool};

use crate::made::{Data, FORMATS, Format, Made, Scene, arrays};

fn against(ours: &Scene, theirs: &Scene, flags: &[&str]) -> Outcome {
    let tool = Tool::new("zvalidate").arg("--json").arg(ours.store()).arg("--against").arg(theirs.store());
    tool.args(flags).run()
}

/// The same values in other chunks.
fn rechunked(format: Format) -> Scene {
    let other = |array: Made| match array.dims.len() {
        3 => Made { chunk: vec![5, 11, 4], shard: Some(vec![10, 11, 8]), ..array },
        _ => array,
    };
    Scene::of(format, arrays().into_iter().map(other).collect())
}

/// A chunk that the other store has and ours has not is missing; one that cannot be decoded, or has other values, is corrupt; one that
/// neither has is neither.
#[test]
fn a_comparison_lists_missing_and_corrupt_objects() {
    for (format, theirs) in FORMATS.into_iter().flat_map(|format| {
        [Scene::sound(Format::V2), Scene::sound(format), rechunked(Format::V3)].map(|theirs| (format, theirs))
    }) {
        let ours = Scene::sound(format);
        // With shards, objects hold more chunks: each fault has one of its own.
        let (missing, damaged, other) = match format {
            Format::Sharded => ([0, 0, 0], [5, 0, 0], [8, 0, 0]),
            _ => ([1, 0, 0], [2, 1, 0], [8, 0, 0]),
        };
        ours.set("t2m", |index, value| *value += if index[0] == 49 && index[1] == 0 { 1.0 } else { 0.0 });
        ours.remove(&ours.key("t2m", missing));
        ours.change(&ours.key("t2m", damaged), |bytes| bytes[24..90].fill(0xff));
        // Neither has it, and the fill value 0 is what both read.
        for scene in [&ours, &theirs] {
            fs::remove_dir_all(scene.path(if scene.format == Format::V2 { "tp" } else { "tp/c" })).unwrap();
            if scene.format == Format::V2 {
                let made = arrays().into_iter().find(|array| array.name == "tp").unwrap();
                Made { data: Data::F32(vec![0.0; 4400]), ..made }.write(&scene.store(), Format::V2);
                for entry in fs::read_dir(scene.path("tp")).unwrap().map(|entry| entry.unwrap().path()) {
                    let is_chunk = !entry.file_name().unwrap().to_str().unwrap().starts_with('.');
                    if is_chunk {
                        fs::remove_file(entry).unwrap();
                    }
                }
            }
        }
        let what = format!("{format:?} against {:?}", theirs.format);
        let line = |index| format!("{}/{}\n", ours.store().display(), ours.key("t2m", index));
        let listed = |flag: &str| against(&ours, &theirs, &[flag, "-"]).expect(1).stdout;
        assert_eq!(listed("--missing"), line(missing), "{what}");
        let corrupt = if damaged == other { line(damaged) } else { line(damaged) + &line(other) };
        assert_eq!(listed("--corrupt"), corrupt, "{what}");
        let combined = listed("--combined");
        for (sign, index) in [("-", missing), ("*", damaged), ("*", other)] {
            assert!(combined.contains(&format!("{sign} {}", line(index))), "{what}: {sign} {index:?}\n{combined}");
        }
        assert_eq!(combined.lines().filter(|line| !line.starts_with("= ")).count(), 3, "{what}\n{combined}");
        let outcome = against(&ours, &theirs, &[]).expect(1);
        let found = outcome.of_type("finding");
        let damage = found.iter().find(|finding| finding["key"] == ours.key("t2m", damaged)).unwrap();
        assert!(["undecodable", "block_table", "bad_header"].iter().any(|kind| damage["kind"] == *kind), "{damage}");
    }
}

/// What cannot be decoded of the other store says nothing about ours.
#[test]
fn damage_of_the_other_store_is_an_error() {
    let (ours, theirs) = (Scene::sound(Format::V2), Scene::sound(Format::V2));
    theirs.change(&theirs.key("t2m", [2, 1, 0]), |bytes| bytes[24..90].fill(0xff));
    let outcome = against(&ours, &theirs, &["--corrupt", "-"]).expect(3);
    assert_eq!(outcome.stdout, "");
    let combined = against(&ours, &theirs, &["--combined", "-"]).expect(3).stdout;
    let not_compared: Vec<&str> = combined.lines().filter(|line| !line.starts_with("= ")).collect();
    assert_eq!(not_compared, [format!("! {}/{}", ours.store().display(), ours.key("t2m", [2, 1, 0]))]);
    let outcome = against(&ours, &theirs, &[]).expect(3);
    assert_eq!(outcome.of_type("error").len(), 1, "{}", outcome.stdout);
    assert_eq!(outcome.record("compare", "/t2m")["result"], "not_compared");
}

/// The totals of checks are those of checks.
#[test]
fn the_summary_of_a_comparison_has_its_own_totals() {
    let (ours, theirs) = (Scene::sound(Format::V2), Scene::sound(Format::V3));
    let summary = against(&ours, &theirs, &[]).expect(0).summary();
    for field in ["chunks_checked", "objects_present", "objects_expected", "stored_bytes", "decoded_bytes", "level"] {
        assert!(summary.get(field).is_none(), "{field}: {summary}");
    }
    assert_eq!((&summary["arrays_compared"], &summary["values_differing"]), (&7.into(), &0.into()), "{summary}");
}

/// A file that is in the way is an error record, too, and stays as it is.
#[test]
fn an_existing_file_is_an_error_record() {
    let scene = Scene::sound(Format::V2);
    let taken = scene.directory.path().join("taken.svg");
    fs::write(&taken, "mine").unwrap();
    for flag in ["--missing", "--corrupt", "--combined", "--map"] {
        let outcome = Tool::new("zvalidate").arg("--json").arg(flag).arg(&taken).arg(scene.store()).run().expect(7);
        let errors = outcome.of_type("error");
        assert_eq!(errors.len(), 1, "{flag}: {}", outcome.stdout);
        assert!(errors[0]["path"].as_str().unwrap().ends_with("taken.svg"), "{flag}: {}", errors[0]);
        assert_eq!((&outcome.summary()["exit"], &outcome.summary()["errors"]), (&7.into(), &1.into()), "{flag}");
    }
    assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
}

/// Files of an array that the consolidated metadata does not have belong to it: nobody is told to remove them.
#[test]
fn files_of_an_array_are_no_unknown_keys() {
    for format in FORMATS {
        let mut scene = Scene::sound(format);
        scene.arrays.retain(|array| array.name != "tp");
        scene.consolidate();
        scene.put("notes.txt", b"hello");
        for level in ["list", "full"] {
            let outcome = Tool::new("zvalidate").args(["--json", "--level", level]).arg(scene.store()).run().expect(1);
            let found = outcome.of_type("finding");
            let of = |kind: &str| found.iter().filter(|finding| finding["kind"] == kind).collect::<Vec<_>>();
            assert_eq!((of("consolidated_stale").len(), &of("consolidated_stale")[0]["path"]), (1, &"/tp".into()));
            assert_eq!((of("unknown_key").len(), &of("unknown_key")[0]["key"]), (1, &"notes.txt".into()), "{found:#?}");
        }
    }
}
