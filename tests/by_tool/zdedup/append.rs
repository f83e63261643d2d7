//! `--append-to`: what a store has is never changed, and whatever ends the run, it can be read and the run continued.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use harness::{Outcome, Tool, copy_tree, spawn, tree};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{Batch, batches, zdedup};

fn append(store: &Path, batches: &[PathBuf], more: &[&str]) -> Outcome {
    let tool = Tool::new("zdedup").args(["--json", "--dim", "file_id", "--append-to"]).arg(store);
    tool.args(more).args(batches).run()
}

/// A store of the first batch with consolidated metadata, and the other batches.
fn archive(all: &[Batch]) -> (TempDir, PathBuf, Vec<PathBuf>) {
    let (directory, mut paths) = batches(all);
    let first = paths.remove(0);
    let store = directory.path().join("archive.zarr");
    zdedup(&[first], &["-o", store.to_str().unwrap()]).expect(0);
    assert!(store.join(".zmetadata").exists());
    (directory, store, paths)
}

/// File_ids and first values, as the consolidated metadata shows them to readers.
fn seen(store: &Path) -> Vec<(i64, f32)> {
    let text = fs::read(store.join(".zmetadata")).unwrap();
    let documents: Value = serde_json::from_slice(&text).unwrap();
    let number =
        |array: &str, member: &str| documents["metadata"][format!("{array}/.zarray")][member][0].as_u64().unwrap();
    let length = number("t2m", "shape");
    assert_eq!(number("file_id", "shape"), length, "arrays of different lengths");
    let bytes = |array: &str, row: u64, size: usize, rest: &str, elements: usize| {
        let chunk = number(array, "chunks");
        let chunk_bytes = fs::read(store.join(format!("{array}/{}{rest}", row / chunk))).unwrap();
        let at = (row % chunk) as usize * elements * size;
        chunk_bytes[at..at + size].to_vec()
    };
    let row = |row: u64| {
        let id = i64::from_le_bytes(bytes("file_id", row, 8, "", 1).try_into().unwrap());
        (id, f32::from_le_bytes(bytes("t2m", row, 4, ".0.0", 6).try_into().unwrap()))
    };
    (0..length).map(row).collect()
}

fn expected(ids: std::ops::Range<i64>) -> Vec<(i64, f32)> {
    ids.map(|id| (id, 100.0 * id as f32)).collect()
}

#[test]
fn new_values_are_appended_and_known_ones_left_out() {
    for chunk in [1, 2, 3, 5] {
        let with = |ids: std::ops::Range<i64>| Batch { chunk, ..Batch::of(ids) };
        let (directory, store, paths) = archive(&[with(0..7), with(5..9), with(9..10)]);
        assert_eq!(seen(&store), expected(0..7));
        let done = append(&store, &paths, &[]).expect(0).summary();
        assert_eq!((&done["kept"], &done["duplicates"]), (&json!(10), &json!(2)), "chunks of {chunk}");
        assert_eq!(seen(&store), expected(0..10), "chunks of {chunk}");
        assert!(!directory.path().join("archive.zarr.plan").exists());
        // All documents agree with the consolidated ones: another tool reads the same.
        let whole = zdedup(std::slice::from_ref(&store), &[]).expect(0).summary();
        assert_eq!((&whole["values"], &whole["gaps"]), (&json!(10), &json!(0)));
        Tool::new("zvalidate").args(["--json", "--level", "full"]).arg(&store).run().expect(0);
        // Once more, nothing happens.
        let before = tree(&store);
        let again = append(&store, &paths, &[]).expect(0);
        assert!(again.stderr.contains("nothing to append"), "{}", again.stderr);
        assert_eq!(tree(&store), before);
    }
}

#[test]
fn conflicts_and_flags_that_would_change_the_store_are_refused() {
    let (_directory, store, paths) = archive(&[Batch::of(0..4), Batch { offset: 1.0, ..Batch::of(3..6) }]);
    let before = tree(&store);
    append(&store, &paths, &[]).expect(1);
    for flags in [&["--keep", "last"][..], &["--keep", "none"], &["--overlap", "replace"], &["--sort"]] {
        append(&store, &paths, flags).expect(2);
    }
    append(&store, std::slice::from_ref(&store), &[]).expect(2);
    let dry = append(&store, &paths, &["--keep", "first", "-n"]).expect(0);
    assert!(!dry.of_type("plan").is_empty());
    assert_eq!(tree(&store), before);
    append(&store, &paths, &["--overlap", "retain"]).expect(0);
    assert_eq!(seen(&store)[..4], expected(0..4));
    assert_eq!(seen(&store)[4..], [(4, 401.0), (5, 501.0)]);
}

#[test]
fn chunks_left_beyond_the_shape_are_not_read_as_data() {
    let (_directory, store, paths) = archive(&[Batch::of(0..4), Batch::of(4..6)]);
    // Left by a program that was killed; and the batch has no such chunk.
    fs::write(store.join("t2m/5.0.0"), [9; 24]).unwrap();
    fs::remove_file(paths[0].join("t2m/1.0.0")).unwrap();
    append(&store, &paths, &[]).expect(0);
    assert!(!store.join("t2m/5.0.0").exists(), "it would be read in place of the fill value");
}

/// What an unfinished run may have changed: nothing that readers see.
fn unchanged(before: &BTreeMap<String, Vec<u8>>, store: &Path) -> bool {
    let now = tree(store);
    before.iter().filter(|(key, _)| key.ends_with(".zmetadata")).all(|(key, text)| now.get(key) == Some(text))
}

#[test]
fn a_killed_append_is_continued() {
    let mut interrupted = 0;
    for round in 0..12 {
        let with = |ids: std::ops::Range<i64>| Batch { chunk: 3, ..Batch::of(ids) };
        let (directory, store, paths) = archive(&[with(0..7), with(7..160), with(150..300)]);
        let before = tree(&store);
        let tool = |more: &[&str]| {
            let tool = Tool::new("zdedup").args(["--json", "--dim", "file_id", "--checkpoint", "10ms", "--append-to"]);
            tool.arg(&store).args(more).args(&paths)
        };
        let plan = directory.path().join("archive.zarr.plan");
        let mut running = spawn(tool(&[]));
        running.reaches(|| plan.join("plan.json").exists());
        std::thread::sleep(std::time::Duration::from_millis(4 * round));
        running.kill();
        let old = seen(&store);
        assert!(old == expected(0..7) || old == expected(0..300), "round {round}: {} values", old.len());
        if plan.join("plan.json").exists() {
            interrupted += 1;
            assert!(old.len() == 300 || unchanged(&before, &store));
            let refused = append(&store, &paths, &[]);
            assert!(refused.code != 0 && refused.stderr.contains("--resume"), "{}", refused.stderr);
        }
        tool(&["--resume"]).run().expect(0);
        assert_eq!(seen(&store), expected(0..300), "round {round}");
        assert!(!plan.exists());
    }
    assert!(interrupted > 0, "no run was killed before it ended");
}

/// A run that was killed while some documents were new and others old: the store is no store then, and --resume makes it one.
#[test]
fn an_append_that_was_killed_while_it_changed_the_metadata_is_ended() {
    let mut half_changed = 0;
    for round in 0..10 {
        let (directory, store, paths) = archive(&[Batch::of(0..3), Batch::of(3..7)]);
        // Many variables, which take a while.
        for at in [&store, &paths[0]] {
            for number in 0..150 {
                copy_tree(&at.join("t2m"), &at.join(format!("v{number:03}")));
            }
        }
        fs::remove_file(store.join(".zmetadata")).unwrap();
        let tool = |more: &[&str]| {
            let tool = Tool::new("zdedup").args(["--json", "--dim", "file_id", "--append-to"]);
            tool.arg(&store).args(more).args(&paths)
        };
        let lengths = || {
            let length = |path: PathBuf| {
                let document: Value = serde_json::from_slice(&fs::read(path.join(".zarray")).unwrap()).unwrap();
                document["shape"][0].as_u64().unwrap()
            };
            let variables = (0..150).map(|number| store.join(format!("v{number:03}")));
            let all = variables.chain([store.join("t2m"), store.join("file_id")]);
            all.map(length).collect::<std::collections::BTreeSet<u64>>()
        };
        let plan = directory.path().join("archive.zarr.plan");
        let mut running = spawn(tool(&[]));
        running.reaches(|| plan.join("finishing").exists());
        std::thread::sleep(std::time::Duration::from_millis(round));
        running.kill();
        half_changed += u64::from(lengths().len() > 1);
        tool(&["--resume"]).run().expect(0);
        assert_eq!(lengths(), [7].into(), "round {round}");
        assert!(!plan.exists());
    }
    assert!(half_changed > 0, "no run was killed between two documents");
}

#[test]
fn two_appends_at_once_do_not_mix() {
    for _ in 0..4 {
        let all: Vec<Batch> = [0..10, 10..90, 90..160].into_iter().map(Batch::of).collect();
        let (_directory, store, paths) = archive(&all);
        let tool = |batch: usize| {
            let tool = Tool::new("zdedup").args(["--json", "--dim", "file_id", "--append-to"]);
            tool.arg(&store).arg(&paths[batch])
        };
        let (one, other) = (spawn(tool(0)), spawn(tool(1)));
        let codes = [one.end().code, other.end().code];
        // One of them may be refused because of the other; none may lose what the other wrote.
        for (batch, code) in codes.iter().enumerate() {
            assert!([0, 7].contains(code), "{codes:?}");
            let ids: Vec<i64> = seen(&store).iter().map(|row| row.0).collect();
            let own = if batch == 0 { 10..90 } else { 90..160 };
            assert_eq!(own.into_iter().all(|id| ids.contains(&id)), *code == 0, "{codes:?}");
        }
        assert_eq!(seen(&store)[..10], expected(0..10));
        for batch in 0..2 {
            tool(batch).run().expect(0);
        }
        let mut rows = seen(&store);
        rows.sort_by_key(|row| row.0);
        assert_eq!(rows, expected(0..160));
    }
}

/// A group inside an archive: readers that use the consolidated metadata of the archive see the old length until it is made again.
#[test]
fn stale_copies_above_a_group_are_reported() {
    let (directory, batch_paths) = batches(&[Batch::of(0..4), Batch::of(4..6)]);
    let archive = directory.path().join("archive.zarr");
    let group = archive.join("deep/group");
    fs::create_dir_all(archive.join("deep")).unwrap();
    fs::rename(&batch_paths[0], &group).unwrap();
    for path in [&archive, &archive.join("deep")] {
        fs::write(path.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    }
    fs::write(archive.join(".zmetadata"), r#"{"metadata": {}, "zarr_consolidated_format": 1}"#).unwrap();
    let done = append(&group, &batch_paths[1..], &[]).expect(0);
    let appended: Value = serde_json::from_slice(&fs::read(group.join("file_id/.zarray")).unwrap()).unwrap();
    assert_eq!(appended["shape"], json!([6]));
    let warning = format!("{}: consolidated metadata is out of date", archive.display());
    assert!(done.stderr.contains(&warning), "{}", done.stderr);
}

/// A store that is not there is one error, also where it ends the run.
#[test]
fn a_store_that_cannot_be_opened_is_reported_once() {
    let (directory, paths) = batches(&[Batch::of(0..4)]);
    let missing = directory.path().join("missing.zarr");
    for output in [&[][..], &["-o", "all.zarr"]] {
        let tool = Tool::new("zdedup").args(["--json", "--dim", "file_id"]).args(output).current_dir(directory.path());
        let outcome = tool.arg(&paths[0]).arg(&missing).run();
        let outcome = outcome.expect(if output.is_empty() { 3 } else { 4 });
        assert_eq!(outcome.of_type("error").len(), 1, "{}", outcome.stdout);
        assert_eq!(outcome.summary()["errors"], json!(1));
        assert_eq!(outcome.stderr.matches("missing.zarr").count(), 1, "{}", outcome.stderr);
    }
    let outcome = append(&missing, &paths, &[]).expect(4);
    assert_eq!(outcome.of_type("error").len(), 1, "{}", outcome.stdout);
}
