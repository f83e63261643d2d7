//! `zvalidate --write-manifest` and `--manifest`, and the lists of keys.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[allow(dead_code, reason = "shared with the tests of other checks")]
#[path = "zvalidate/made.rs"]
mod made;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use harness::{Outcome, Tool, Zip};
use made::{FORMATS, Format, Made, Scene, arrays};
use serde_json::Value;
use zcodec::{Compressor, Stream};

fn write(store: &Path, manifest: &Path) -> Outcome {
    Tool::new("zvalidate").arg("--json").arg(store).arg("--write-manifest").arg(manifest).run()
}

fn check(store: &Path, manifest: &Path, more: &[&str]) -> Outcome {
    Tool::new("zvalidate").arg("--json").arg(store).arg("--manifest").arg(manifest).args(more).run()
}

/// The manifest of a store, written now.
fn manifest_of(scene: &Scene) -> PathBuf {
    let manifest = scene.directory.path().join("manifest");
    write(&scene.store(), &manifest).expect(0).records();
    manifest
}

fn lines(manifest: &Path) -> Vec<Value> {
    fs::read_to_string(manifest).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The hash of the values of each array.
fn values(manifest: &Path) -> BTreeMap<String, String> {
    let of = |line: Value| (line["path"].as_str().unwrap().to_owned(), line["values"].as_str().unwrap().to_owned());
    lines(manifest).into_iter().filter(|line| line["type"] == "values").map(of).collect()
}

/// Findings by kind, severity and key.
fn findings(outcome: &Outcome) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |finding: &Value| (text(&finding["kind"]), text(&finding["severity"]), text(&finding["key"]));
    outcome.of_type("finding").iter().map(of).collect()
}

fn found(kind: &str, severity: &str, key: &str) -> (String, String, String) {
    (kind.to_owned(), severity.to_owned(), key.to_owned())
}

fn rechunked() -> Vec<Made> {
    let mut all = arrays();
    for array in all.iter_mut().filter(|array| array.shape.len() == 3) {
        array.chunk = vec![25, 2, 3];
        array.shard = Some(vec![50, 4, 9]);
        array.compressor = Compressor::Stream(Stream::Gzip { level: 1 });
        array.checksum = false;
    }
    all
}

#[test]
fn hashes_do_not_depend_on_format_chunks_and_codecs() {
    let expected = values(&manifest_of(&Scene::sound(Format::V2)));
    assert_eq!(expected.len(), 7);
    for format in [Format::V2, Format::V3] {
        assert_eq!(values(&manifest_of(&Scene::sound(format))), expected, "{format:?}");
        assert_eq!(values(&manifest_of(&Scene::of(format, rechunked()))), expected, "{format:?}");
    }
    assert_eq!(values(&manifest_of(&Scene::sound(Format::Sharded))), expected);
    let changed = Scene::sound(Format::V3);
    changed.set("t2m", |index, value| {
        if index == [31, 7, 5] {
            *value = f32::from_bits(value.to_bits() ^ 1);
        }
    });
    let mut others = values(&manifest_of(&changed));
    assert_ne!(others.insert("/t2m".into(), expected["/t2m"].clone()).unwrap(), expected["/t2m"]);
    assert_eq!(others, expected);
}

#[test]
fn a_manifest_has_every_object_and_sha256sum_agrees() {
    for format in FORMATS {
        let scene = Scene::sound(format);
        scene.put("notes.txt", b"abc");
        let manifest = manifest_of(&scene);
        let all = lines(&manifest);
        let objects: BTreeMap<String, Value> = all
            .iter()
            .filter(|line| line["type"] == "object")
            .map(|line| (line["key"].as_str().unwrap().to_owned(), line.clone()))
            .collect();
        let files = harness::tree(&scene.store());
        let files: Vec<&String> = files.keys().filter(|key| !key.ends_with('/')).collect();
        assert_eq!(objects.keys().collect::<Vec<_>>(), files);
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((&objects["notes.txt"]["sha256"], &objects["notes.txt"]["size"]), (&digest.into(), &3.into()));
        assert_eq!(all.last().unwrap()["objects"], objects.len());
        // The hash of an array is the sum of those of its objects.
        let sum = |prefix: &str| {
            let of = |value: &Value| u128::from_str_radix(value.as_str().unwrap(), 16).unwrap();
            let values =
                objects.iter().filter(|(key, _)| key.starts_with(prefix)).filter_map(|(_, line)| line.get("values"));
            format!("{:032x}", values.map(of).fold(0u128, u128::wrapping_add))
        };
        assert_eq!(values(&manifest)["/t2m"], sum("t2m/"));
        // Any number of workers writes the same bytes, and no file is replaced.
        let again = scene.directory.path().join("again");
        Tool::new("zvalidate").arg(scene.store()).args(["-j1", "--write-manifest"]).arg(&again).run().expect(0);
        assert_eq!(fs::read(&again).unwrap(), fs::read(&manifest).unwrap());
        write(&scene.store(), &again).expect(7);
        check(&scene.store(), &manifest, &[]).expect(0);
    }
}

#[test]
fn changed_missing_and_new_objects_are_found() {
    for format in FORMATS {
        let scene = Scene::sound(format);
        let manifest = manifest_of(&scene);
        let [changed, missing] = [[2, 0, 0], [8, 1, 0]].map(|index| scene.key("u10", index));
        scene.change(&changed, |bytes| bytes[11] ^= 4);
        scene.remove(&missing);
        scene.put("t2m/notes", b"x");
        let outcome = check(&scene.store(), &manifest, &[]).expect(1);
        let expected = [
            found("object_new", "warning", "t2m/notes"),
            found("object_changed", "error", &changed),
            found("object_missing", "error", &missing),
        ];
        assert_eq!(findings(&outcome), expected, "{format:?}");
        let summary = outcome.summary();
        assert_eq!((&summary["objects_changed"], &summary["objects_gone"]), (&1.into(), &1.into()));
        // By name and size, the changed byte is not seen.
        let outcome = check(&scene.store(), &manifest, &["--level", "list"]).expect(1);
        assert_eq!(findings(&outcome), [expected[0].clone(), expected[2].clone()]);
        scene.change(&changed, |bytes| bytes.truncate(30));
        let outcome = check(&scene.store(), &manifest, &["--level", "list"]).expect(1);
        assert_eq!(findings(&outcome), expected);
        // The lists name the same keys.
        let lists = ["missing", "corrupt"].map(|flag| {
            let tool = Tool::new("zvalidate").arg(scene.store()).arg("--manifest").arg(&manifest);
            tool.args([&format!("--{flag}"), "-"]).run().expect(1).stdout
        });
        let store = scene.store().display().to_string();
        assert_eq!(lists, [format!("{store}/{missing}\n"), format!("{store}/{changed}\n")]);
        let all = check(&scene.store(), &manifest, &["--combined", "-"]).expect(1).stdout;
        for line in [format!("* {store}/{changed}"), format!("- {store}/{missing}"), format!("+ {store}/t2m/notes")] {
            assert!(all.lines().any(|found| found == line), "{line}: {all}");
        }
        assert!(all.lines().filter(|line| line.starts_with("= ")).count() > 10);
    }
}

#[test]
fn other_bytes_with_the_same_values_are_only_noted() {
    let scene = Scene::sound(Format::V2);
    let manifest = manifest_of(&scene);
    scene.rewrite("t2m", |array| {
        array.compressor = Compressor::Blosc(zcodec::Blosc::new(zcodec::Cname::Lz4, 1, zcodec::Shuffle::Noshuffle));
    });
    // The document of the array has changed, and is restored: Blosc describes itself.
    let outcome = check(&scene.store(), &manifest, &[]).expect(1);
    let found = findings(&outcome);
    assert_eq!(found.iter().filter(|(kind, severity, _)| kind == "object_recoded" && severity == "info").count(), 18);
    assert_eq!(found.len(), 19, "{found:?}");
    assert!(found.iter().any(|(kind, _, key)| kind == "object_changed" && key == "t2m/.zarray"));
    // Another store with other chunks: its documents differ, its values do not.
    let other = Scene::of(Format::V2, rechunked());
    let outcome = check(&other.store(), &manifest, &[]).expect(1);
    let kinds: Vec<_> = findings(&outcome).into_iter().filter(|(kind, ..)| kind.starts_with("array_")).collect();
    assert!(kinds.iter().all(|(kind, ..)| kind == "array_rechunked") && kinds.len() == 4, "{kinds:?}");
    // And with another value.
    other.set("t2m", |index, value| *value += if index == [1, 1, 1] { 1.0 } else { 0.0 });
    let outcome = check(&other.store(), &manifest, &[]).expect(1);
    let changed: Vec<Value> =
        outcome.of_type("finding").into_iter().filter(|finding| finding["kind"] == "array_changed").collect();
    assert_eq!((changed.len(), &changed[0]["path"], &changed[0]["severity"]), (1, &"/t2m".into(), &"error".into()));
}

#[test]
fn archives_are_hashed_like_directories() {
    let scene = Scene::sound(Format::V3);
    let manifest = manifest_of(&scene);
    let archive = scene.directory.path().join("in.zarr.zip");
    fs::write(&archive, Zip::of(&scene.store(), "", true).finish()).unwrap();
    check(&archive, &manifest, &[]).expect(0);
}

/// In a terminal, too: what was written, and what was checked.
#[test]
fn the_table_says_what_was_done() {
    let scene = Scene::sound(Format::V2);
    let manifest = scene.directory.path().join("manifest");
    let table = |flag: &str| {
        Tool::new("zvalidate").args(["--format", "table", flag]).arg(&manifest).arg(scene.store()).run().stdout
    };
    let text = table("--write-manifest");
    let objects = lines(&manifest).last().unwrap()["objects"].as_u64().unwrap();
    let wrote = format!("wrote {}: {objects} objects with metadata, 7 arrays", manifest.display());
    assert!(text.contains(&wrote) && !text.contains("level none"), "{text}");
    scene.remove(&scene.key("t2m", [1, 0, 0]));
    let text = table("--manifest");
    let checked = format!("checked against {}: {objects} objects", manifest.display());
    let same = format!("{} same, 0 changed, 1 missing, 0 new", objects - 1);
    assert!(text.contains(&checked) && text.contains(&same) && !text.contains("level none"), "{text}");
}

#[test]
fn a_manifest_that_is_cut_or_is_none_is_refused() {
    let scene = Scene::sound(Format::V2);
    let manifest = manifest_of(&scene);
    let text = fs::read_to_string(&manifest).unwrap();
    let write = |name: &str, text: &str| {
        let path = scene.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let all: Vec<&str> = text.lines().collect();
    let cut = check(&scene.store(), &write("cut", &format!("{}\n", all[..all.len() - 5].join("\n"))), &[]).expect(1);
    assert!(findings(&cut).iter().any(|(kind, ..)| kind == "manifest_invalid"), "{}", cut.stdout);
    check(&scene.store(), &write("half", &text[..text.len() / 2]), &[]).expect(5);
    check(&scene.store(), &write("other", "{\"type\":\"array\"}\n"), &[]).expect(5);
    check(&scene.store(), &write("empty", ""), &[]).expect(5);
    check(&scene.store(), &write("later", &text.replacen("\"v\":1", "\"v\":9", 1)), &[]).expect(5);
    check(&scene.store(), Path::new("/nowhere/manifest"), &[]).expect(4);
    Tool::new("zvalidate").args([scene.store(), scene.store()]).arg("--manifest").arg(&manifest).run().expect(2);
}

/// Without a manifest, the lists have what the checks found.
#[test]
fn lists_of_the_checks() {
    for format in FORMATS {
        let scene = Scene::sound(format);
        let [damaged, missing] = [[2, 0, 0], [8, 1, 0]].map(|index| scene.key("t2m", index));
        scene.change(&damaged, |bytes| bytes[17] ^= 0xff);
        if format == Format::Sharded {
            scene.change(&damaged, |bytes| bytes.truncate(100));
        }
        scene.remove(&missing);
        let run = |arguments: &[&str]| Tool::new("zvalidate").arg(scene.store()).args(arguments).run();
        let [damaged, missing] = [&damaged, &missing].map(|key| format!("{}/{key}", scene.store().display()));
        assert_eq!(run(&["--missing", "-"]).expect(1).stdout, format!("{missing}\n"));
        assert_eq!(run(&["--corrupt", "-"]).expect(1).stdout, format!("{damaged}\n"));
        let all = run(&["--combined", "-"]).expect(1).stdout;
        assert!(all.contains(&format!("* {damaged}\n")) && all.contains(&format!("- {missing}\n")), "{all}");
        // The records go to a file as always.
        let (records, list) = (scene.directory.path().join("records"), scene.directory.path().join("list"));
        let flags = ["-o", records.to_str().unwrap(), "--corrupt", "-", "--missing", list.to_str().unwrap()];
        assert_eq!(run(&flags).expect(1).stdout, format!("{damaged}\n"));
        assert_eq!(fs::read_to_string(list).unwrap(), format!("{missing}\n"));
        assert!(fs::read_to_string(records).unwrap().contains("\"type\":\"summary\""));
        run(&["--missing", "-", "--corrupt", "-"]).expect(2);
        let outcome =
            Tool::new("zvalidate").args([scene.store(), scene.store()]).args(["--corrupt", "-"]).run().expect(1);
        assert_eq!(outcome.stdout, format!("{damaged}\n").repeat(2));
    }
}
