//! `--in-place` and `--backup` without accidents: what is replaced, what is kept, what is left alone.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use harness::{Tool, copy_tree, fixture, repository, tree};

use crate::sample::{Form, GZIP, LZ4, Sample, decoded};
use crate::scene::{Scene, directory, inodes, rewrite};

fn in_place(store: &Path, flags: &[&str]) -> Tool {
    Tool::new("zrecompress").arg("--in-place").arg(store).args(flags)
}

#[test]
fn the_backup_has_the_old_chunks_and_documents_byte_for_byte() {
    for (form, codec) in
        [(Form::V2, LZ4), (Form::V2, GZIP), (Form::Checked, LZ4), (Form::V3, GZIP), (Form::Shards, LZ4)]
    {
        let scene = Scene::in_place(Sample::new(form, codec), &["--codec", "blosc", "--cname", "zstd"]).with_backup();
        let (values, before, after) = (decoded(&scene.source), tree(&scene.source), scene.undisturbed());
        scene.run(&[]).expect(0).records();
        assert!(tree(&scene.source) == after && decoded(&scene.source) == values, "{form:?}");
        scene.assert_kept(&before, &after);
        // Put back over the new store, it is the old one.
        for (key, content) in scene.kept().iter().filter(|(key, _)| !key.ends_with('/')) {
            fs::write(scene.source.join(key), content).unwrap();
        }
        assert!(tree(&scene.source) == before, "{form:?}");
    }
}

#[test]
fn a_store_that_is_one_array_is_kept_whole() {
    for codec in [LZ4, GZIP] {
        let directory = directory();
        let (store, old) = (directory.path().join("array.zarr"), directory.path().join("old"));
        Sample::new(Form::V2, codec).write_array(&store, 0);
        let (values, before) = (decoded(&store), tree(&store));
        in_place(&store, &["--cname", "zstd"]).arg("--backup").arg(&old).run().expect(0);
        assert!(decoded(&store) == values);
        let kept = tree(&old);
        let after = tree(&store);
        for (key, content) in before.iter().filter(|(key, content)| after.get(*key) != Some(content)) {
            assert!(kept.get(key) == Some(content), "{key} is not in the backup");
        }
        assert!(kept.len() > 20);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}

/// Chunks are copied there; arrays, which are moved, cannot be.
#[test]
fn a_backup_on_another_file_system_takes_chunks_and_no_arrays() {
    let (here, there) = (directory(), tempfile::tempdir_in(repository().join("target")).unwrap());
    if fs::metadata(here.path()).unwrap().dev() == fs::metadata(there.path()).unwrap().dev() {
        return println!("skipped: there is only one file system here");
    }
    for (codec, code) in [(LZ4, 0), (GZIP, 2)] {
        let (store, old) = (here.path().join("s.zarr"), there.path().join("old"));
        Sample { chunks: 8, ..Sample::new(Form::V2, codec) }.write(&store);
        let (values, before) = (decoded(&store), tree(&store));
        let outcome = in_place(&store, &["--cname", "zstd"]).arg("--backup").arg(&old).run().expect(code);
        assert!(decoded(&store) == values && (tree(&store) == before) == (code == 2));
        assert!(code == 0 || outcome.stderr.contains("must be on the same file system"), "{}", outcome.stderr);
        assert!(code == 2 || tree(&old)["a1/0"] == before["a1/0"]);
        assert_eq!(old.exists(), code == 0, "nothing is left of what was refused");
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 1);
        fs::remove_dir_all(&store).unwrap();
        fs::remove_dir_all(&old).unwrap_or_default();
    }
}

/// What is no chunk is somebody's, and is not removed with the array that is replaced.
#[test]
fn foreign_files_are_not_lost() {
    let make = || {
        let scene = Scene::in_place(Sample { chunks: 8, ..Sample::new(Form::V2, GZIP) }, &["--cname", "zstd"]);
        fs::write(scene.source.join("a0/notes.txt"), "mine").unwrap();
        scene
    };
    let scene = make();
    let before = tree(&scene.source);
    let outcome = scene.run(&[]);
    let notes = fs::read(scene.source.join("a0/notes.txt")).unwrap();
    assert_eq!(notes, b"mine", "{}", outcome.stderr);
    assert!(decoded(&scene.source).values().all(Option::is_some));
    assert!(outcome.code == 0 || outcome.stderr.contains("--backup"), "{}", outcome.stderr);
    let scene = make().with_backup();
    scene.run(&[]).expect(0);
    let kept = [scene.source.join("a0/notes.txt"), scene.path("old/a0/notes.txt")];
    assert!(kept.iter().any(|path| fs::read(path).is_ok_and(|text| text == b"mine")));
    assert!(before.keys().any(|key| key.ends_with("notes.txt")));
}

#[test]
fn a_refusal_for_a_foreign_file_can_be_got_over() {
    let scene = Scene::in_place(Sample { chunks: 8, ..Sample::new(Form::V2, GZIP) }, &["--cname", "zstd"]);
    fs::write(scene.source.join("a0/notes.txt"), "mine").unwrap();
    let values = decoded(&scene.source);
    if scene.run(&[]).code != 0 {
        fs::rename(scene.source.join("a0/notes.txt"), scene.path("notes.txt")).unwrap();
        scene.run(&["--resume"]).expect(0);
        fs::remove_file(scene.path("notes.txt")).unwrap();
    }
    assert!(decoded(&scene.source) == values);
    scene.assert_left(&[]);
}

#[test]
fn a_link_to_a_store_stands_for_the_store() {
    let scene = Scene::in_place(Sample { chunks: 8, ..Sample::new(Form::V2, GZIP) }, &["--cname", "zstd"]);
    let (link, after) = (scene.path("link"), scene.undisturbed());
    std::os::unix::fs::symlink(&scene.source, &link).unwrap();
    in_place(&link, &["--cname", "zstd", "--prepare", "--parts", "2"]).run().expect(0);
    for flags in [&["--part", "1/2"][..], &["--part", "2/2"], &["--status"], &["--finish"]] {
        Tool::new("zrecompress").args(flags).arg(&link).run().expect(0);
    }
    assert!(tree(&scene.source) == after && link.is_symlink());
    fs::remove_file(&link).unwrap();
    scene.assert_left(&[]);
}

#[test]
fn what_is_not_selected_is_not_touched() {
    for codec in [LZ4, GZIP] {
        let scene = Scene::in_place(Sample::new(Form::V2, codec), &["--cname", "zstd", "--var", "a0"]);
        let (inode, values) = (inodes(&scene.source.join("a1")), decoded(&scene.source));
        scene.run(&[]).expect(0);
        assert_eq!(inodes(&scene.source.join("a1")), inode);
        assert!(decoded(&scene.source) == values && tree(&scene.source) == scene.undisturbed());
        // A second time there is nothing left to do.
        let before = inodes(&scene.source.join("a0"));
        let outcome = scene.run(&[]).expect(0);
        assert_eq!(outcome.record("recompress", "/a0")["action"], "copy");
        let after = inodes(&scene.source.join("a0"));
        assert!(after.iter().all(|(key, inode)| before[key] == *inode), "nothing is written again");
    }
}

/// Of what changes while an unfinished run waits, nothing is lost.
#[test]
fn what_others_write_meanwhile_is_kept() {
    let scene = Scene::in_place(Sample::new(Form::V2, LZ4), &["--cname", "zstd"]);
    scene.all_but("a1/5");
    let sample = Sample::new(Form::V2, LZ4);
    rewrite(&scene.source.join("a0/1"), &sample.stored(99));
    fs::write(scene.source.join("a0/3"), sample.stored(98)).unwrap();
    fs::remove_file(scene.source.join("a0/2")).unwrap();
    fs::write(scene.source.join("a0/.zattrs"), "{\"units\": \"degC\"}").unwrap();
    let values = decoded(&scene.source);
    scene.run(&["--resume"]).expect(0);
    assert!(decoded(&scene.source) == values);
    assert_eq!(fs::read_to_string(scene.source.join("a0/.zattrs")).unwrap(), "{\"units\": \"degC\"}");
    scene.assert_left(&[]);
}

/// The same beside: the old array is still the only one that others can write to.
#[test]
fn what_others_write_meanwhile_is_kept_beside_too() {
    let scene = Scene::in_place(Sample::new(Form::V2, GZIP), &["--cname", "zstd"]);
    scene.all_but("a1/5");
    let sample = Sample::new(Form::V2, GZIP);
    rewrite(&scene.source.join("a0/1"), &sample.stored(99));
    fs::write(scene.source.join("a0/3"), sample.stored(98)).unwrap();
    fs::remove_file(scene.source.join("a0/2")).unwrap();
    fs::write(scene.source.join("a0/.zattrs"), "{\"units\": \"degC\"}").unwrap();
    let (values, after) = (decoded(&scene.source), scene.undisturbed());
    scene.run(&["--resume"]).expect(0);
    assert!(decoded(&scene.source) == values && tree(&scene.source) == after);
    scene.assert_left(&[]);
}

/// zlib to Blosc, with the consolidated copy of the metadata.
#[test]
fn consolidated_copies_change_with_their_arrays() {
    let directory = directory();
    let store = directory.path().join("weather.zarr");
    copy_tree(&fixture("weather-v2.zarr"), &store);
    let values = decoded(&store);
    in_place(&store, &["--min-size", "0"]).run().expect(0);
    assert!(decoded(&store) == values);
    let copy = fs::read_to_string(store.join(".zmetadata")).unwrap();
    let own = zarray::json::parse(&fs::read(store.join("t2m/.zarray")).unwrap()).unwrap();
    assert_eq!(zarray::json::parse(copy.as_bytes()).unwrap()["metadata"]["t2m/.zarray"], own);
    assert!(!copy.contains("zlib"), "{copy}");
}
