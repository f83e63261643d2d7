//! `zfetch --verify`, end to end: what each level finds, and how the checks are named.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Fault, ObjectServer, Outcome, Tool, copy_tree, fixture, fixtures};
use serde_json::{Value, json};
use tempfile::TempDir;

const WEATHER: &str = "weather-v2.zarr";
const SHARDED: &str = "v3-sharded.zarr";

struct Scene {
    directory: TempDir,
}

impl Scene {
    fn of(store: &str) -> Scene {
        let scene = Scene { directory: tempfile::tempdir().unwrap() };
        copy_tree(&fixture(store), &scene.path("in.zarr"));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn fetch(&self, source: &Path, flags: &[&str]) -> Outcome {
        for left in ["out.zarr", "out.zarr.plan"] {
            let _ = fs::remove_dir_all(self.path(left));
        }
        let tool = Tool::hermetic("zfetch").args(["--json", "-v"]).arg(source).arg("--to").arg(self.path("out.zarr"));
        tool.args(flags).run()
    }

    fn level(&self, level: &str) -> Outcome {
        self.fetch(&self.path("in.zarr"), &["--verify", level])
    }

    fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path("in.zarr").join(key);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }
}

fn checks(outcome: &Outcome) -> Value {
    outcome.of_type("summary").pop().unwrap()["checks"].clone()
}

#[test]
fn checks_are_named_and_counted() {
    let scene = Scene::of(WEATHER);
    let objects = scene.level("none").expect(0).of_type("summary")[0]["objects"].as_u64().unwrap();
    assert_eq!(checks(&scene.level("none")), Value::Null);
    assert_eq!(checks(&scene.level("size")), json!({"size": objects}));
    assert_eq!(checks(&scene.level("decode")), json!({"decode": objects}));
    let auto = scene.level("auto").expect(0);
    let blosc = auto.record("fetch", "/latitude");
    assert_eq!((&blosc["checks"]["blosc"], &blosc["verified"]), (&blosc["objects"], &blosc["objects"]));
    let counts = checks(&auto);
    let sum: u64 = counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(sum, objects, "each object by its strongest check: {counts}");
    // Where ETags are sums, they are checked.
    let server = ObjectServer::start(&fixtures(), vec![]);
    let url = server.s3_url(WEATHER);
    let flags = ["--anonymous", "--endpoint", &server.endpoint()];
    assert_eq!(checks(&scene.fetch(Path::new(&url), &flags)), json!({"md5": objects}));
    // Parts count together.
    let out = scene.path("parts.zarr");
    let tool = |flags: &[&str]| Tool::hermetic("zfetch").args(["--json", "--to"]).arg(&out).args(flags);
    tool(&["--prepare", "--parts", "2"]).arg(scene.path("in.zarr")).run().expect(0);
    tool(&["--part", "1/2", "--verify", "size"]).run().expect(0);
    tool(&["--part", "2/2", "--verify", "decode"]).run().expect(0);
    let counts = checks(&tool(&["--finish"]).run().expect(0));
    assert_eq!(counts["size"].as_u64().unwrap() + counts["decode"].as_u64().unwrap(), objects, "{counts}");
}

#[test]
fn a_damaged_chunk_is_found_by_decoding_it() {
    let scene = Scene::of(WEATHER);
    let before = scene.level("auto").expect(0);
    // The source itself is damaged: the header is right, and the rest is not.
    let key = fs::read_dir(scene.path("in.zarr/t2m")).unwrap().map(|entry| entry.unwrap().file_name());
    let key = key.map(|name| name.into_string().unwrap()).find(|name| !name.starts_with('.')).unwrap();
    scene.change(&format!("t2m/{key}"), |bytes| bytes[16..].fill(0xff));
    assert_eq!(checks(&scene.level("auto").expect(0)), checks(&before));
    let outcome = scene.level("decode").expect(3);
    assert!(outcome.stderr.contains(&format!("t2m/{key}")), "{}", outcome.stderr);
    assert!(!scene.path("out.zarr").exists());
}

#[test]
fn a_flipped_byte_is_not_noticed_where_only_sizes_are_checked() {
    let scene = Scene::of(WEATHER);
    let server = ObjectServer::start(&fixtures(), vec![Fault::FlipByte { key_contains: "t2m/0".into() }]);
    let url = server.s3_url(WEATHER);
    let fetch = |level| {
        let flags = ["--anonymous", "--endpoint", &server.endpoint(), "--verify", level];
        scene.fetch(Path::new(&url), &flags)
    };
    fetch("size").expect(0);
    fetch("none").expect(0);
    fetch("auto").expect(3);
    fetch("decode").expect(3);
}

#[test]
fn shard_indexes_are_checked_and_all_inner_chunks_decoded() {
    let scene = Scene::of(SHARDED);
    let counts = checks(&scene.level("auto").expect(0));
    assert!(counts["shard_index"].as_u64().unwrap() > 10, "{counts}");
    scene.level("decode").expect(0);
    let key = "blosc_inner/c/0/1";
    let good = fs::read(scene.path("in.zarr").join(key)).unwrap();
    let fails = |level: &str, words: &str| {
        let outcome = scene.level(level).expect(3);
        assert!(outcome.stderr.contains(key) && outcome.stderr.contains(words), "{}", outcome.stderr);
    };
    // One bit of the index, which has six entries and its checksum at the end.
    scene.change(key, |bytes| {
        let at = bytes.len() - 50;
        bytes[at] ^= 1;
    });
    fails("auto", "crc32c mismatch");
    scene.level("size").expect(0);
    // An index that is right by its checksum, and impossible.
    fs::write(scene.path("in.zarr").join(key), &good).unwrap();
    scene.change(key, |bytes| {
        let at = bytes.len() - 100;
        let second: Vec<u8> = bytes[at + 16..at + 24].to_vec();
        let moved = u64::from_le_bytes(second.try_into().unwrap()) - 1;
        bytes[at + 16..at + 24].copy_from_slice(&moved.to_le_bytes());
        let sum = zcodec::crc32c(&bytes[at..at + 96]);
        bytes[at + 96..].copy_from_slice(&sum.to_le_bytes());
    });
    fails("auto", "overlaps");
    // An inner chunk: its header is right, and the rest is not.
    fs::write(scene.path("in.zarr").join(key), &good).unwrap();
    scene.change(key, |bytes| bytes[16..60].fill(0xff));
    scene.level("auto").expect(0);
    fails("decode", "c/0/1");
}
