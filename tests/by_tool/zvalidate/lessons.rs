//! The examples of the manual page for what went wrong once: each, as it is printed, passes a sound store and finds the fault.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::{Tool, binary};
use serde_json::json;

use crate::made::{Data, Format, Made, Scene, arrays};

/// The example that holds these words.
#[track_caller]
fn example(words: &str) -> String {
    let help = Tool::new("zvalidate").arg("--help").run().stdout;
    let examples = help.split_once("Examples:\n").unwrap().1.split_once("\nExit status:").unwrap().0;
    let lines = examples.lines().filter_map(|line| line.strip_prefix("       "));
    let commands = lines.collect::<Vec<_>>().join("\n").replace("\\\n", "");
    commands.lines().find(|line| line.contains(words)).unwrap().to_owned()
}

/// Exit code and output of an example in a directory.
fn run(words: &str, directory: &Path) -> (i32, String) {
    let path = format!("{}:{}", binary("zvalidate").parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-c", &example(words)]).current_dir(directory).stdin(Stdio::null()).env("PATH", path);
    let output = bash.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// The example passes the first directory, and finds all of `kinds` in the second.
#[track_caller]
fn assert_finds(words: &str, sound: &Path, faulty: &Path, kinds: &[&str]) {
    let (code, stdout) = run(words, sound);
    assert_eq!(code, 0, "{words}\n{stdout}");
    let (code, stdout) = run(words, faulty);
    assert_eq!(code, 1, "{words}\n{stdout}");
    for kind in kinds {
        assert!(stdout.contains(&format!("\"{kind}\"")), "{words}: {kind} not in {stdout}");
    }
}

/// A directory with stores of these names.
fn directory(stores: Vec<(&str, Scene)>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("cache")).unwrap();
    for (name, scene) in stores {
        fs::rename(scene.store(), directory.path().join(name)).unwrap();
    }
    directory
}

/// A batch along `file_id`.
fn batch(ids: impl IntoIterator<Item = i64>) -> Scene {
    let ids: Vec<i64> = ids.into_iter().collect();
    let length = ids.len() as u64;
    let own = Made {
        name: "file_id",
        dims: vec!["file_id"],
        shape: vec![length],
        chunk: vec![length],
        attributes: json!({}),
        data: Data::I64(ids),
        ..arrays().remove(0)
    };
    Scene::of(Format::V2, vec![own])
}

/// Section 7: what is in a cache is checked before it is used.
#[test]
fn a_cache_is_checked_before_it_is_used() {
    let cut = Scene::sound(Format::V2);
    cut.change(&cut.key("t2m", [2, 1, 0]), |bytes| bytes.truncate(bytes.len() / 2));
    let faulty = directory(vec![("cache/batch_0.zarr", cut)]);
    let sound = directory(vec![("cache/batch_0.zarr", Scene::sound(Format::V2))]);
    assert_finds("--level header cache/batch_*.zarr", sound.path(), faulty.path(), &["truncated"]);
}

/// Section 8: 22 batches had 95 values of which 26 were there twice, and nobody noticed.
#[test]
fn every_file_id_is_there_once() {
    let merged = |scene| directory(vec![("merged.zarr", scene)]);
    let twice = batch((0..4).chain(0..4).chain(4..91));
    let words = "--expect file_id=0:94";
    assert_finds(words, merged(batch(0..95)).path(), merged(twice).path(), &["coordinate_duplicates"]);
    assert_finds(words, merged(batch(0..95)).path(), merged(batch(0..69)).path(), &["coordinate_values"]);
    let batches = |second| directory(vec![("batch_0.zarr", batch(0..4)), ("batch_1.zarr", batch(second))]);
    for (second, kind) in [(1..4, "stores_overlap"), (3..7, "stores_overlap"), (6..9, "stores_gap")] {
        assert_finds("--dim file_id batch_*.zarr", batches(4..7).path(), batches(second).path(), &[kind]);
    }
    // Three values and two tell the step, too.
    let few = |second| directory(vec![("batch_0.zarr", batch(0..3)), ("batch_1.zarr", batch(second))]);
    assert_finds("--dim file_id batch_*.zarr", few(3..5).path(), few(5..7).path(), &["stores_gap"]);
}

/// Section 12: a cache of 0.4 instead of 286 GB held metadata and no data; another was all NaN.
#[test]
fn a_cache_without_data_is_not_used() {
    let cache =
        |scene| directory(vec![("cache/batch_0.zarr", Scene::sound(Format::V2)), ("cache/batch_1.zarr", scene)]);
    let later = |change: fn(&Scene)| {
        let mut arrays = arrays();
        let Data::I64(times) = &mut arrays[0].data else { panic!("times") };
        times.iter_mut().for_each(|time| *time += 50);
        let scene = Scene::of(Format::V2, arrays);
        change(&scene);
        scene
    };
    let empty = later(|scene| {
        for name in ["t2m", "u10", "tp", "raw"] {
            for entry in fs::read_dir(scene.path(name)).unwrap().map(|entry| entry.unwrap().path()) {
                if !entry.file_name().unwrap().to_str().unwrap().starts_with('.') {
                    fs::remove_file(entry).unwrap();
                }
            }
        }
    });
    let nan = later(|scene| scene.set("t2m", |_, value| *value = f32::NAN));
    let words = "--min-ratio 5%";
    let sound = cache(later(|_| {}));
    assert_finds(words, sound.path(), cache(empty).path(), &["no_chunks", "low_ratio", "small_store"]);
    assert_finds(words, sound.path(), cache(nan).path(), &["too_many_nan", "all_nan"]);
    let (_, ready) = run(words, sound.path());
    assert!(ready.ends_with("ready\n"), "{ready}");
}

#[test]
fn is_my_copy_complete_and_which_hours_are_missing() {
    let store = |scene| directory(vec![("era5.zarr", scene)]);
    let sound = store(Scene::sound(Format::V2));
    let hole = Scene::sound(Format::V2);
    hole.remove(&hole.key("u10", [3, 0, 0]));
    assert_finds("--expect-chunks all era5.zarr", sound.path(), store(hole).path(), &["missing_chunks"]);
    let gap = Scene::sound(Format::V2);
    gap.rewrite("time", |array| {
        let Data::I64(times) = &mut array.data else { panic!("times") };
        times[30..].iter_mut().for_each(|time| *time += 3);
    });
    let gap = store(gap);
    let words = "--expect-step 1h era5.zarr";
    assert_finds(words, sound.path(), gap.path(), &["coordinate_step"]);
    let (_, found) = run(words, gap.path());
    assert!(found.contains("3 steps missing between 2019-03-02T05:00:00Z and 2019-03-02T09:00:00Z"), "{found}");
}

#[test]
fn is_my_rechunked_store_equal() {
    let rechunked = |by: f32| {
        let scene = Scene::of(Format::V3, arrays());
        scene.rewrite("t2m", |array| {
            array.chunk = vec![50, 3, 3];
            let Data::F32(values) = &mut array.data else { panic!("floats") };
            values[777] += by;
        });
        directory(vec![("era5.zarr", scene), ("archive.zarr", Scene::sound(Format::V2))])
    };
    let words = "era5.zarr --against archive.zarr";
    assert_finds(words, rechunked(0.0).path(), rechunked(0.5).path(), &["values_differ"]);
    let (_, found) = run(words, rechunked(0.5).path());
    assert!(found.contains("[8,9,1]") && found.contains("\"differing\":1"), "{found}");
    assert_finds("--rtol 1e-3", rechunked(0.1).path(), rechunked(5.0).path(), &["values_differ"]);
}

/// Chunks of whole steps are listed, too.
#[test]
fn missing_and_damaged_chunks_are_listed() {
    let scene = Scene::sound(Format::V2);
    [[2, 0, 0], [2, 1, 0], [5, 1, 0]].iter().for_each(|index| scene.remove(&scene.key("t2m", *index)));
    scene.change(&scene.key("tp", [1, 0, 0]), |bytes| bytes.truncate(50));
    let directory = directory(vec![("era5.zarr", scene)]);
    let (code, missing) = run("--missing - --corrupt", directory.path());
    assert_eq!((code, missing.as_str()), (1, "era5.zarr/t2m/2.0.0\nera5.zarr/t2m/2.1.0\nera5.zarr/t2m/5.1.0\n"));
    let damaged = fs::read_to_string(directory.path().join("damaged.txt")).unwrap();
    assert_eq!(damaged, "era5.zarr/tp/1.0.0\n");
}
