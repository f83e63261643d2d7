//! `zfetch --repair`, end to end: what was found damaged or missing in the cache is fetched again, and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use harness::{ObjectServer, Outcome, Tool, copy_tree, fixture, fixtures, tree};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn path_of(outcome: &Outcome) -> PathBuf {
    outcome.of_type("fetched")[0]["path"].as_str().unwrap().into()
}

/// Of 31 chunks, ten are selected.
const ERA5: &str = "era5-uk-v2.zarr";

/// Damages some chunks of what was fetched: one has a flipped byte, one is empty, one is gone.
fn damage(store: &Path) -> Vec<PathBuf> {
    let is_chunk = |key: &String| key.strip_prefix("t2m/").is_some_and(|name| name.starts_with(char::is_numeric));
    let damaged: Vec<String> = tree(store).into_keys().filter(is_chunk).take(3).collect();
    let [flipped, empty, gone] = [0, 1, 2].map(|number| store.join(&damaged[number]));
    let mut bytes = fs::read(&flipped).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&flipped, bytes).unwrap();
    fs::write(&empty, b"").unwrap();
    fs::remove_file(&gone).unwrap();
    vec![flipped, empty, gone]
}

#[test]
fn damaged_objects_of_the_cache_are_fetched_again() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    for layout in ["crop", "mirror"] {
        let directory = directory();
        let cache = directory.path().join("cache");
        let url = server.http_url(ERA5);
        let select = ["--var", "t2m", "--isel", "time=240:480", "--layout", layout, "--cache"];
        let first = Tool::hermetic("zfetch").arg(&url).args(select).arg(&cache).arg("--json").run().expect(0);
        let store = path_of(&first);
        let before = tree(&store);
        let damaged = damage(&store);
        let verify = || Tool::hermetic("zfetch").args(["cache", "verify", "--json", "--cache"]).arg(&cache).run();
        assert_eq!(verify().expect(1).summary()["failed"], 3);
        let served = server.served().len();
        let mut lines: Vec<String> = damaged[..2].iter().map(|path| path.display().to_string()).collect();
        let key = damaged[2].strip_prefix(&store).unwrap();
        lines.push(serde_json::json!({"type": "finding", "store": store, "key": key}).to_string());
        let repair = |lines: &str| {
            Tool::hermetic("zfetch").args(["--repair", "-", "--json", "--cache"]).arg(&cache).run_on(lines)
        };
        let repaired = repair(&lines.join("\n")).expect(0);
        assert_eq!(repaired.summary()["objects"], 3, "{repaired:?}");
        assert_eq!(repaired.summary()["unknown_versions"], 0, "{repaired:?}");
        assert_eq!(path_of(&repaired), store);
        let asked: Vec<_> =
            server.served().split_off(served).into_iter().filter(|asked| asked.key.contains("t2m/1")).collect();
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert_eq!(tree(&store), before, "{layout}");
        assert_eq!(verify().expect(0).summary()["failed"], 0);
        // What is no chunk of the entry is named, and the others are repaired.
        let gone = &damaged[2];
        fs::remove_file(gone).unwrap();
        let strange = store.join("t2m/77.0.0");
        let partly = repair(&format!("{}\n{}\n/elsewhere/t2m/0.0.0\n", gone.display(), strange.display())).expect(3);
        assert!(partly.stderr.contains("77.0.0") && partly.stderr.contains("/elsewhere"), "{}", partly.stderr);
        assert_eq!(tree(&store), before);
    }
}

#[test]
fn what_the_source_has_no_more_is_no_success() {
    let directory = directory();
    let (source, cache) = (directory.path().join("in.zarr"), directory.path().join("cache"));
    copy_tree(&fixture(ERA5), &source);
    let fetch = Tool::hermetic("zfetch").arg(&source).args(["--json", "--var", "t2m", "--cache"]).arg(&cache);
    let store = path_of(&fetch.run().expect(0));
    let chunk = store.join("t2m/3.0.0");
    fs::write(&chunk, b"damaged").unwrap();
    fs::remove_file(source.join("t2m/3.0.0")).unwrap();
    let repair = Tool::hermetic("zfetch").args(["--repair", "-", "--json", "--cache"]).arg(&cache);
    let kept = repair.run_on(&chunk.display().to_string()).expect(3);
    assert!(kept.stderr.contains("t2m/3.0.0") && kept.stderr.contains("not in the source any more"), "{}", kept.stderr);
    assert_eq!(fs::read(&chunk).unwrap(), b"damaged", "gone, it would be read as fill values");
    // What is not an object of the current version is named.
    let entry = store.parent().unwrap().parent().unwrap().join("entry.json");
    let repair = Tool::hermetic("zfetch").args(["--repair", "-", "--json", "--cache"]).arg(&cache);
    let other = repair.run_on(&entry.display().to_string()).expect(3);
    assert!(other.stderr.contains("not in the current version"), "{}", other.stderr);
}

#[test]
fn arguments_that_are_not_utf8_are_taken() {
    use std::os::unix::ffi::OsStrExt;
    let directory = directory();
    let source = directory.path().join(std::ffi::OsStr::from_bytes(b"\xff.zarr"));
    copy_tree(&fixture(ERA5), &source);
    let cache = directory.path().join(std::ffi::OsStr::from_bytes(b"\xfe"));
    Tool::hermetic("zfetch").arg(&source).args(["--json", "--var", "t2m", "--cache"]).arg(&cache).run().expect(0);
}

#[test]
fn a_repair_refuses_a_source_that_has_changed() {
    let directory = directory();
    let (source, cache) = (directory.path().join("in.zarr"), directory.path().join("cache"));
    copy_tree(&fixture(ERA5), &source);
    let store = path_of(
        &Tool::hermetic("zfetch").arg(&source).args(["--json", "--var", "t2m", "--cache"]).arg(&cache).run().expect(0),
    );
    let chunk = tree(&store).into_keys().find(|key| key.starts_with("t2m/0.")).unwrap();
    let before = fs::read(store.join(&chunk)).unwrap();
    fs::write(store.join(&chunk), b"").unwrap();
    let text = fs::read_to_string(source.join(".zmetadata")).unwrap();
    fs::write(source.join(".zmetadata"), text + "\n").unwrap();
    let repair = Tool::hermetic("zfetch").args(["--repair", "-", "--json", "--cache"]).arg(&cache);
    let refused = repair.run_on(&store.join(&chunk).display().to_string()).expect(4);
    assert!(refused.stderr.contains("has changed since it was fetched"), "{}", refused.stderr);
    assert!(fs::read(store.join(&chunk)).unwrap().is_empty() && !before.is_empty());
}

/// Only a chunk has changed, which the metadata do not tell: its old checksum does. Where the old bytes were wrong, that is what the
/// repair is for.
#[test]
fn a_repaired_chunk_of_another_version_is_reported() {
    let directory = directory();
    let (source, cache) = (directory.path().join("in.zarr"), directory.path().join("cache"));
    copy_tree(&fixture(ERA5), &source);
    let fetch = Tool::hermetic("zfetch").arg(&source).args(["--json", "--var", "t2m", "--cache"]).arg(&cache);
    let store = path_of(&fetch.run().expect(0));
    let chunks = [store.join("t2m/0.0.0"), store.join("t2m/1.0.0")];
    chunks.iter().for_each(|chunk| fs::write(chunk, b"").unwrap());
    // Another chunk of the same form.
    fs::copy(source.join("t2m/2.0.0"), source.join("t2m/1.0.0")).unwrap();
    let repair = |more: &[&str]| {
        let tool = Tool::hermetic("zfetch").args(["--repair", "-", "--json", "--cache"]).arg(&cache).args(more);
        chunks.iter().for_each(|chunk| fs::write(chunk, b"").unwrap());
        tool.run_on(&chunks.clone().map(|chunk| chunk.display().to_string()).join("\n"))
    };
    let stopped = repair(&["--on-change", "stop"]).expect(3);
    let errors = stopped.of_type("error");
    assert_eq!(errors.len(), 1, "{}", stopped.stdout);
    assert!(errors[0]["path"].as_str().unwrap().ends_with("in.zarr/t2m/1.0.0"), "{}", errors[0]);
    assert!(errors[0]["error"].as_str().unwrap().contains("has changed since it was fetched"), "{}", errors[0]);
    let verify = || Tool::hermetic("zfetch").args(["cache", "verify", "--json", "--cache"]).arg(&cache).run();
    assert_eq!(verify().expect(1).summary()["failed"], 1, "it does not pass for sound");
    fs::copy(source.join("t2m/3.0.0"), source.join("t2m/1.0.0")).unwrap();
    let repaired = repair(&[]).expect(0);
    verify().expect(0);
    assert!(repaired.stderr.contains("1 object fetched again with other bytes than before"), "{}", repaired.stderr);
    assert_eq!(fs::read(&chunks[1]).unwrap(), fs::read(source.join("t2m/3.0.0")).unwrap());
    assert!(!repair(&[]).expect(0).stderr.contains("other bytes"), "as it was the last time");
}

/// A store with an array in four chunks and a coordinate in one, which a selection cuts: it is encoded again.
fn write_cut(store: &Path) {
    let array = |shape: &[u64], chunks: &[u64], dimensions: &[&str]| {
        let metadata = serde_json::json!({
            "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": "<f4", "fill_value": "NaN", "order": "C",
            "filters": null, "compressor": null,
        });
        (metadata.to_string(), serde_json::json!({"_ARRAY_DIMENSIONS": dimensions}).to_string())
    };
    fs::create_dir_all(store).unwrap();
    fs::write(store.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    let arrays = [("a", array(&[8, 8], &[2, 8], &["y", "x"])), ("y", array(&[8], &[8], &["y"]))];
    for (name, (metadata, attributes)) in arrays {
        fs::create_dir_all(store.join(name)).unwrap();
        fs::write(store.join(name).join(".zarray"), metadata).unwrap();
        fs::write(store.join(name).join(".zattrs"), attributes).unwrap();
    }
    for row in 0..4 {
        write_values(&store.join(format!("a/{row}.0")), 16, row as f32);
    }
    write_values(&store.join("y/0"), 8, 0.0);
}

/// Writes a chunk of so many ascending values.
fn write_values(chunk: &Path, count: usize, first: f32) {
    let values = (0..count).flat_map(|number| (first + number as f32).to_le_bytes());
    fs::write(chunk, values.collect::<Vec<u8>>()).unwrap();
}

/// With `--on-change stop`, nothing of another version takes the place of what is there, and what was found damaged stays so: the
/// entry does not pass as complete.
#[test]
fn a_refused_object_is_not_put_in_place_and_its_entry_is_not_complete() {
    let directory = directory();
    let (source, cache) = (directory.path().join("in.zarr"), directory.path().join("cache"));
    write_cut(&source);
    let fetch = |more: &[&str]| {
        let tool = Tool::hermetic("zfetch").arg(&source).args(["--json", "--isel", "y=1:3", "--cache"]).arg(&cache);
        tool.args(more).run()
    };
    let store = path_of(&fetch(&[]).expect(0));
    let listed = ["a/0.0", "a/1.0", "y/0"].map(|key| store.join(key));
    let before = listed.clone().map(|chunk| fs::read(chunk).unwrap());
    let damage = || listed.iter().for_each(|chunk| fs::write(chunk, b"damaged").unwrap());
    let change = |first: f32| {
        write_values(&source.join("a/1.0"), 16, first);
        write_values(&source.join("y/0"), 8, first);
    };
    let repair = |more: &[&str]| {
        let tool = Tool::hermetic("zfetch").args(["--repair", "-", "--json", "--cache"]).arg(&cache).args(more);
        tool.run_on(&listed.clone().map(|chunk| chunk.display().to_string()).join("\n"))
    };
    let entry = || {
        let list = Tool::hermetic("zfetch").args(["cache", "list", "--json", "--cache"]).arg(&cache).run();
        list.expect(0).of_type("cache_entry")[0].clone()
    };
    damage();
    change(100.0);
    let stopped = repair(&["--on-change", "stop"]).expect(3);
    assert_eq!(stopped.of_type("error").len(), 2, "{}", stopped.stdout);
    assert_eq!(stopped.summary()["objects"], 1, "{}", stopped.stdout);
    assert_eq!(fs::read(&listed[0]).unwrap(), before[0], "it has not changed");
    for chunk in &listed[1..] {
        assert_eq!(fs::read(chunk).unwrap(), b"damaged", "{} is refused", chunk.display());
    }
    assert_eq!(entry()["complete"], false, "{}", entry());
    let offline = fetch(&["--offline"]).expect(4);
    assert!(offline.stderr.contains("not in the cache"), "{}", offline.stderr);
    // Refused again; once they are taken, it is complete.
    assert_eq!(repair(&["--on-change", "stop"]).expect(3).of_type("error").len(), 2);
    repair(&[]).expect(0);
    assert_eq!(entry()["complete"], true, "{}", entry());
    assert_eq!(fetch(&[]).expect(0).of_type("fetched")[0]["already_complete"], true);
    // Refused, and the whole fetched again beside it.
    damage();
    change(200.0);
    repair(&["--on-change", "stop"]).expect(3);
    let fetched = fetch(&[]).expect(0);
    assert_eq!(fetched.of_type("fetched")[0]["already_complete"], false, "{}", fetched.stdout);
    assert_ne!(path_of(&fetched), store);
    assert_eq!(fetch(&[]).expect(0).of_type("fetched")[0]["already_complete"], true);
}

/// Rewritten with the same bytes, it has another time and says the same.
#[test]
fn a_repair_takes_a_source_that_was_rewritten_without_a_change() {
    let directory = directory();
    let (source, cache) = (directory.path().join("in.zarr"), directory.path().join("cache"));
    copy_tree(&fixture(ERA5), &source);
    let fetch = Tool::hermetic("zfetch").arg(&source).args(["--json", "--var", "t2m", "--cache"]).arg(&cache);
    let store = path_of(&fetch.run().expect(0));
    let before = tree(&store);
    let chunk = store.join("t2m/0.0.0");
    fs::write(&chunk, b"").unwrap();
    let documents: Vec<String> =
        tree(&source).into_keys().filter(|key| key.contains("/.z") || key.starts_with(".z")).collect();
    for key in &documents {
        let path = source.join(key);
        let text = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    }
    let repair = || {
        let tool = Tool::hermetic("zfetch").args(["--repair", "-", "--json", "--cache"]).arg(&cache);
        tool.run_on(&chunk.display().to_string())
    };
    let repaired = repair().expect(0);
    assert!(repaired.stderr.contains("was rewritten"), "{}", repaired.stderr);
    assert_eq!(tree(&store), before);
    // As long as before, but the values mean something else.
    fs::write(&chunk, b"").unwrap();
    for key in documents {
        let text = fs::read_to_string(source.join(&key)).unwrap();
        fs::write(source.join(&key), text.replace("\"units\": \"K\"", "\"units\": \"C\"")).unwrap();
    }
    let refused = repair().expect(7);
    assert!(refused.stderr.contains("was not written by this command"), "{}", refused.stderr);
    assert!(fs::read(&chunk).unwrap().is_empty());
}

#[test]
fn damaged_objects_of_an_output_are_fetched_again() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    let directory = directory();
    let store = directory.path().join("out.zarr");
    let command = |more: &[&str]| {
        let tool = Tool::hermetic("zfetch").arg(server.http_url(ERA5)).args(["--var", "t2m", "--isel", "time=240:480"]);
        tool.arg("--to").arg(&store).arg("--json").args(more)
    };
    command(&[]).run().expect(0);
    let before = tree(&store);
    let damaged = damage(&store);
    let served = server.served().len();
    let lines: Vec<String> = damaged.iter().map(|path| path.display().to_string()).collect();
    let repaired = command(&["--repair", "-"]).run_on(&lines.join("\n")).expect(0);
    assert_eq!((repaired.summary()["objects"].as_u64(), path_of(&repaired)), (Some(3), store.clone()));
    // No checksums are kept beside an output: another version would not be noticed.
    assert_eq!(repaired.summary()["unknown_versions"], 3, "{}", repaired.stdout);
    assert_eq!(repaired.of_type("fetched")[0]["unknown_versions"], 3, "{}", repaired.stdout);
    assert!(repaired.stderr.contains("3 objects: no checksums were kept"), "{}", repaired.stderr);
    let asked = server.served().split_off(served).into_iter().filter(|asked| asked.key.contains("t2m/1")).count();
    assert_eq!((asked, tree(&store) == before), (3, true));
    assert!(!directory.path().join("out.zarr.plan").exists());
    // What is elsewhere is named; another selection, or no store, is refused.
    let elsewhere = command(&["--repair", "-"]).run_on("/elsewhere/t2m/0.0.0").expect(3);
    assert!(elsewhere.stderr.contains("/elsewhere/t2m/0.0.0: not in"), "{}", elsewhere.stderr);
    let other =
        Tool::hermetic("zfetch").arg(server.http_url(ERA5)).args(["--repair", "-", "--json", "--to"]).arg(&store);
    let other = other.run_on(&lines.join("\n")).expect(7);
    assert!(other.stderr.contains("was not written by this command"), "{}", other.stderr);
    let nothing =
        Tool::hermetic("zfetch").args(["--repair", "-", "--json", "--to"]).arg(&store).run_on(&lines[0]).expect(2);
    assert!(nothing.stderr.contains("--repair needs the store"), "{}", nothing.stderr);
    assert_eq!(tree(&store), before);
}

/// Whatever the list names: what is not there cannot be repaired.
#[test]
fn an_output_that_is_not_there_is_not_repaired() {
    let directory = directory();
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for output in [directory.path().join("gone.zarr"), empty] {
        let inside = output.join("t2m/0.0.0").display().to_string();
        for line in [inside.as_str(), "/elsewhere/t2m/0.0.0", ""] {
            let tool = Tool::hermetic("zfetch").arg(fixture(ERA5)).arg("--to").arg(&output);
            let refused = tool.args(["--repair", "-", "--json"]).run_on(line).expect(4);
            assert!(refused.stderr.contains(output.to_str().unwrap()), "{line:?}: {}", refused.stderr);
            assert!(refused.stderr.contains("no store to repair"), "{line:?}: {}", refused.stderr);
        }
    }
    assert!(!directory.path().join("gone.zarr").exists());
}

#[test]
fn what_zvalidate_finds_in_the_cache_is_fetched_again() {
    let directory = directory();
    let cache = directory.path().join("cache");
    let select = ["--var", "t2m", "--isel", "time=240:480", "--json", "--cache"];
    let fetched = Tool::hermetic("zfetch").arg(fixture(ERA5)).args(select).arg(&cache).run().expect(0);
    let store = path_of(&fetched);
    let before = tree(&store);
    let damaged = damage(&store);
    let list = |flag| Tool::hermetic("zvalidate").arg(&store).args([flag, "-"]).run().expect(1).stdout;
    let lines = [list("--corrupt"), list("--missing")].concat();
    assert!(damaged[1..].iter().all(|path| lines.contains(path.to_str().unwrap())), "{lines}");
    let repair = Tool::hermetic("zfetch").args(["--repair", "-", "--json", "--cache"]).arg(&cache);
    assert!(repair.run_on(&lines).expect(0).summary()["objects"].as_u64().unwrap() >= 2, "{lines}");
    let after = tree(&store);
    let differs: Vec<_> =
        before.iter().filter(|(key, bytes)| after.get(*key) != Some(bytes)).map(|(key, _)| key).collect();
    // A flipped byte may decode: only a manifest, or zfetch cache verify, finds every one.
    assert!(differs.iter().all(|key| damaged[0].ends_with(key)), "{differs:?}");
}

/// Another selection of the same shape has the same keys: its coordinates tell it apart.
#[test]
fn an_output_of_another_selection_is_not_repaired() {
    let directory = directory();
    let store = directory.path().join("out.zarr");
    let fetch = |time: &str| {
        let tool =
            Tool::hermetic("zfetch").arg(fixture(ERA5)).args(["--isel", &format!("time={time}"), "--json", "--to"]);
        tool.arg(&store)
    };
    fetch("0:24").run().expect(0);
    let before = tree(&store);
    fs::remove_file(store.join("t2m/0.0.0")).unwrap();
    let missing = Tool::hermetic("zvalidate").arg(&store).args(["--missing", "-"]).run().expect(1).stdout;
    let refused = fetch("24:48").args(["--repair", "-"]).run_on(&missing).expect(7);
    assert!(refused.stderr.contains("another selection or source: time differs"), "{}", refused.stderr);
    assert!(refused.stderr.contains("expected 2019-03-02"), "{}", refused.stderr);
    assert!(!store.join("t2m/0.0.0").exists());
    // A coordinate that is to be repaired does not tell, and others do.
    fs::write(store.join("time/0"), b"damaged").unwrap();
    let both = format!("{missing}\n{}\n", store.join("time/0").display());
    fetch("0:24").args(["--repair", "-"]).run_on(&both).expect(0);
    assert_eq!(tree(&store), before);
}

/// Where all coordinates are the same, so is no object of another source.
#[test]
fn an_output_of_another_source_is_not_repaired() {
    let directory = directory();
    let (source, store) = (directory.path().join("in.zarr"), directory.path().join("out.zarr"));
    copy_tree(&fixture(ERA5), &source);
    let fetch = |source: &Path| Tool::hermetic("zfetch").arg(source).args(["--json", "--to"]).arg(&store);
    fetch(&source).run().expect(0);
    let chunk = |number: usize| format!("t2m/{number}.0.0");
    (0..31).for_each(|number| {
        fs::copy(fixture(ERA5).join(chunk((number + 1) % 31)), source.join(chunk(number))).unwrap();
    });
    let gone = store.join(chunk(5));
    fs::remove_file(&gone).unwrap();
    let refused = fetch(&source).args(["--repair", "-"]).run_on(&gone.display().to_string()).expect(7);
    assert!(refused.stderr.contains("another selection or source"), "{}", refused.stderr);
    assert!(!gone.exists());
    fetch(&fixture(ERA5)).args(["--repair", "-"]).run_on(&gone.display().to_string()).expect(0);
    assert_eq!(fs::read(&gone).unwrap(), fs::read(fixture(ERA5).join(chunk(5))).unwrap());
}

/// A finding that stands for many chunks names none of them.
#[test]
fn records_of_damage_that_name_no_object_are_no_success() {
    let directory = directory();
    let store = directory.path().join("out.zarr");
    let fetch = || Tool::hermetic("zfetch").arg(fixture(ERA5)).args(["--json", "--to"]).arg(&store);
    fetch().run().expect(0);
    let before = tree(&store);
    (0..31).for_each(|number| fs::remove_file(store.join(format!("t2m/{number}.0.0"))).unwrap());
    let findings = Tool::hermetic("zvalidate").arg(&store).arg("--json").run().expect(1).stdout;
    assert!(findings.contains("no_chunks"), "{findings}");
    let refused = fetch().args(["--repair", "-"]).run_on(&findings).expect(3);
    assert!(refused.stderr.contains("no object is named"), "{}", refused.stderr);
    assert!(refused.stderr.contains("zvalidate --missing"), "{}", refused.stderr);
    let missing = Tool::hermetic("zvalidate").arg(&store).args(["--missing", "-"]).run().expect(1).stdout;
    fetch().args(["--repair", "-"]).run_on(&missing).expect(0);
    assert_eq!(tree(&store), before);
}

/// What `cache verify` finds is named by its errors.
#[test]
fn what_cache_verify_finds_is_fetched_again() {
    let directory = directory();
    let cache = directory.path().join("cache");
    let fetch = Tool::hermetic("zfetch").arg(fixture(ERA5)).args(["--var", "t2m", "--json", "--cache"]).arg(&cache);
    let store = path_of(&fetch.run().expect(0));
    let before = tree(&store);
    damage(&store);
    let verify = || Tool::hermetic("zfetch").args(["cache", "verify", "--json", "--cache"]).arg(&cache).run();
    let found = verify().expect(1).stdout;
    let repair = Tool::hermetic("zfetch").args(["--repair", "-", "--json", "--cache"]).arg(&cache);
    assert_eq!(repair.run_on(&found).expect(0).summary()["objects"], 3, "{found}");
    assert_eq!(tree(&store), before);
    verify().expect(0);
}
