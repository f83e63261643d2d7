//! `zfetch` of parts of shards, end to end: which bytes are asked for, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::PathBuf;

use harness::{Fault, ObjectServer, Outcome, Tool, directory, tree};
use serde_json::{Value, json};
use tempfile::TempDir;
use zarray::{IndexLayout, ShardBuilder};

/// Chunks along each dimension: 4 x 4 shards of 8 x 8 inner chunks of 32 x 32 bytes.
const SHARDS: usize = 4;
const INNER: usize = 8;
const EDGE: usize = 32;
const INNER_BYTES: usize = EDGE * EDGE;

struct Scene {
    directory: TempDir,
}

/// The value of all elements of an inner chunk, by its row and column in the array.
fn value(row: usize, column: usize) -> u8 {
    (row * 31 + column * 7) as u8
}

/// Whether an inner chunk is stored.
fn is_stored(row: usize, column: usize) -> bool {
    !(row + column).is_multiple_of(5)
}

impl Scene {
    fn new(index: &str) -> Scene {
        let directory = directory();
        let length = SHARDS * INNER * EDGE;
        let codecs = json!([{"name": "sharding_indexed", "configuration": {
            "chunk_shape": [EDGE, EDGE], "codecs": [{"name": "bytes"}], "index_location": index,
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}}]);
        let metadata = json!({
            "zarr_format": 3, "node_type": "array", "shape": [length, length], "data_type": "uint8", "fill_value": 255,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [INNER * EDGE, INNER * EDGE]}},
            "chunk_key_encoding": {"name": "default"}, "dimension_names": ["y", "x"], "attributes": {}, "codecs": codecs});
        let scene = Scene { directory };
        for row in 0..SHARDS {
            fs::create_dir_all(scene.path("in.zarr/c").join(row.to_string())).unwrap();
            for column in 0..SHARDS {
                let shard = shard(index == "end", row * INNER, column * INNER);
                fs::write(scene.path("in.zarr/c").join(format!("{row}/{column}")), shard).unwrap();
            }
        }
        fs::write(scene.path("in.zarr/zarr.json"), metadata.to_string()).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn fetch(&self, server: &ObjectServer, flags: &[&str]) -> Outcome {
        let _ = fs::remove_dir_all(self.path("out.zarr"));
        let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json", "-v"]);
        tool.arg(server.s3_url("in.zarr")).arg("--to").arg(self.path("out.zarr")).args(flags).run()
    }

    fn shape(&self) -> Vec<u64> {
        let text = fs::read(self.path("out.zarr/zarr.json")).unwrap();
        serde_json::from_value(serde_json::from_slice::<Value>(&text).unwrap()["shape"].clone()).unwrap()
    }

    /// Checks the inner chunks of the output, which starts at this inner chunk of the source; the bytes of its shards.
    fn check(&self, at_end: bool, origin: [usize; 2], counts: [usize; 2]) -> u64 {
        assert_eq!(self.shape(), counts.map(|count| (count * EDGE) as u64));
        let mut bytes = 0;
        for row in 0..counts[0].div_ceil(INNER) {
            for column in 0..counts[1].div_ceil(INNER) {
                let shard = fs::read(self.path("out.zarr/c").join(format!("{row}/{column}"))).unwrap();
                bytes += shard.len() as u64;
                for number in 0..INNER * INNER {
                    let at = [row * INNER + number / INNER, column * INNER + number % INNER];
                    let from = [origin[0] + at[0], origin[1] + at[1]];
                    let is_needed = at[0] < counts[0] && at[1] < counts[1] && is_stored(from[0], from[1]);
                    let found = inner(&shard, at_end, number);
                    if is_needed || found.is_some() {
                        assert!(found.unwrap().iter().all(|byte| *byte == value(from[0], from[1])), "{at:?}");
                    }
                }
            }
        }
        bytes
    }
}

fn layout(at_end: bool) -> IndexLayout {
    IndexLayout { at_end, checksum: true, big_endian: false, chunks: (INNER * INNER) as u64 }
}

/// A shard, whose inner chunks are stored in descending order.
fn shard(at_end: bool, row: usize, column: usize) -> Vec<u8> {
    let layout = layout(at_end);
    let mut builder = ShardBuilder::new(layout);
    let mut bytes = vec![0; layout.reserved() as usize];
    for number in (0..INNER * INNER).rev() {
        let (row, column) = (row + number / INNER, column + number % INNER);
        if is_stored(row, column) {
            builder.append(number, INNER_BYTES);
            bytes.extend([value(row, column)].repeat(INNER_BYTES));
        }
    }
    let end = builder.finish();
    bytes.extend(&end.append);
    bytes[..end.start.len()].copy_from_slice(&end.start);
    bytes
}

/// An inner chunk of a shard.
fn inner(shard: &[u8], at_end: bool, number: usize) -> Option<&[u8]> {
    let len = INNER * INNER * 16;
    let index = if at_end { &shard[shard.len() - len - 4..] } else { shard };
    let word = |at: usize| u64::from_le_bytes(index[at..at + 8].try_into().unwrap());
    assert_eq!(index[len..len + 4], zcodec::crc32c(&index[..len]).to_le_bytes());
    let (start, len) = (word(number * 16), word(number * 16 + 8));
    if start == u64::MAX { None } else { Some(&shard[start as usize..(start + len) as usize]) }
}

/// Bytes of shards that a server has sent.
fn sent(server: &ObjectServer) -> u64 {
    server.served().iter().filter(|served| served.key.contains("/c/")).map(|served| served.bytes).sum()
}

#[test]
fn only_the_inner_chunks_that_are_needed_are_requested() {
    for index in ["start", "end"] {
        let scene = Scene::new(index);
        // Two inner chunks by three, over the seam of two shards.
        let server = ObjectServer::start(scene.directory.path(), vec![]);
        let selection = ["--isel", "y=230:280", "--isel", "x=33:120"];
        let outcome = scene.fetch(&server, &selection).expect(0);
        let written = scene.check(index == "end", [7, 1], [2, 3]);
        assert!(written < 2 * (INNER * INNER * 16 + 6 * INNER_BYTES) as u64, "a smaller shard: {written}");
        let needed = (6 * INNER_BYTES + 2 * (INNER * INNER * 16 + 4)) as u64;
        // Near inner chunks are read together.
        assert!(sent(&server) < 4 * needed, "{} of {needed}", sent(&server));
        let record = outcome.record("fetch", "/");
        assert_eq!((record["objects"].as_u64(), record["recoded"].as_u64()), (Some(1), Some(0)), "{record}");
        // The same is written by a local copy.
        let from_server = tree(&scene.path("out.zarr"));
        fs::remove_dir_all(scene.path("out.zarr")).unwrap();
        let local = Tool::hermetic("zfetch").arg(scene.path("in.zarr")).arg("--to").arg(scene.path("out.zarr"));
        local.args(selection).run().expect(0);
        assert!(tree(&scene.path("out.zarr")) == from_server);
    }
}

#[test]
fn most_of_a_shard_is_fetched_as_the_whole_of_it_unless_inner_chunks_are_asked_for() {
    let scene = Scene::new("end");
    let server = ObjectServer::start(scene.directory.path(), vec![]);
    let most = ["--isel", "y=0:224", "--isel", "x=0:224"];
    scene.fetch(&server, &most).expect(0);
    assert_eq!(scene.shape(), [256, 256]);
    assert!(fs::read(scene.path("out.zarr/c/0/0")).unwrap() == fs::read(scene.path("in.zarr/c/0/0")).unwrap());
    scene.fetch(&server, &[&most[..], &["--shards", "inner"]].concat()).expect(0);
    scene.check(true, [0, 0], [7, 7]);
    let few = ["--isel", "y=0:32", "--isel", "x=0:32", "--shards", "whole"];
    scene.fetch(&server, &few).expect(0);
    assert_eq!(scene.shape(), [256, 256]);
}

#[test]
fn a_changed_byte_of_a_gathered_shard_is_found() {
    let scene = Scene::new("end");
    let fetch =
        || Tool::hermetic("zfetch").arg(scene.path("in.zarr")).arg("--cache").arg(scene.path("cache")).arg("--json");
    let verify =
        || Tool::hermetic("zfetch").args(["cache", "verify", "--json", "--cache"]).arg(scene.path("cache")).run();
    let fetched = fetch().args(["--isel", "y=0:96", "--isel", "x=0:96", "--shards", "inner"]).run().expect(0);
    verify().expect(0);
    let shard = PathBuf::from(fetched.of_type("fetched")[0]["path"].as_str().unwrap()).join("c/0/0");
    let mut bytes = fs::read(&shard).unwrap();
    bytes[0] ^= 1;
    fs::write(&shard, bytes).unwrap();
    let found = verify().expect(1);
    assert!(found.stderr.contains("CRC-32C") || found.stdout.contains("CRC-32C"), "{}", found.stdout);
}

/// Several source shards make one output shard; whole ones that lie right are copied.
#[test]
fn output_shards_gather_inner_chunks_of_several_shards() {
    for (selection, origin, counts) in [
        (["y=128:640", "x=128:640"], [4, 4], [16, 16]),
        (["y=256:290", "x=0:1024"], [8, 0], [2, 32]),
        (["y=992:1024", "x=1000:1024"], [31, 31], [1, 1]),
    ] {
        let scene = Scene::new("end");
        let server = ObjectServer::start(scene.directory.path(), vec![]);
        let flags = ["--isel", selection[0], "--isel", selection[1], "--shards", "inner"];
        scene.fetch(&server, &flags).expect(0);
        scene.check(true, origin, counts);
    }
}

#[test]
fn an_output_shard_without_any_inner_chunk_is_not_written() {
    let scene = Scene::new("end");
    let server = ObjectServer::start(scene.directory.path(), vec![]);
    scene.fetch(&server, &["--isel", "y=0:32", "--isel", "x=0:32"]).expect(0);
    assert_eq!(scene.shape(), [32, 32]);
    assert!(!is_stored(0, 0) && !scene.path("out.zarr/c").exists());
    fs::remove_file(scene.path("in.zarr/c/0/0")).unwrap();
    let outcome = scene.fetch(&server, &["--isel", "y=0:32", "--isel", "x=0:64"]).expect(0);
    assert_eq!(outcome.record("fetch", "/")["missing_objects"], 1);
}

#[test]
fn damaged_shards_are_not_cut() {
    let flags = ["--isel", "y=0:32", "--isel", "x=32:64"];
    let fails = |scene: &Scene, words: &str| {
        let server = ObjectServer::start(scene.directory.path(), vec![]);
        let outcome = scene.fetch(&server, &flags).expect(3);
        assert!(outcome.stderr.contains("c/0/0") && outcome.stderr.contains(words), "{}", outcome.stderr);
        assert!(!scene.path("out.zarr").exists());
        // Nothing is kept where nothing was done.
        let _ = fs::remove_dir_all(scene.path("out.zarr.plan"));
    };
    let scene = Scene::new("end");
    let path = scene.path("in.zarr/c/0/0");
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    let at = bad.len() - 100;
    bad[at] ^= 1;
    fs::write(&path, &bad).unwrap();
    fails(&scene, "crc32c mismatch");
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    fails(&scene, "c/0/0");
    fs::write(&path, &good).unwrap();
    let server = ObjectServer::start(scene.directory.path(), vec![Fault::FlipByte { key_contains: "c/0/0".into() }]);
    let outcome = scene.fetch(&server, &flags).expect(3);
    assert!(outcome.stderr.contains("c/0/0"), "{}", outcome.stderr);
}

#[test]
fn finished_shards_are_kept_and_parts_are_the_same() {
    let scene = Scene::new("start");
    let flags = ["--isel", "y=128:640", "--isel", "x=128:640", "--shards", "inner"];
    let silent =
        ObjectServer::start(scene.directory.path(), vec![Fault::Status { key_contains: "c/2/2".into(), status: 500 }]);
    let failed = scene.fetch(&silent, &[&flags[..], &["--timeout", "1s"]].concat()).expect(3);
    assert!(failed.stderr.contains("c/2/2"), "{}", failed.stderr);
    let server = ObjectServer::start(scene.directory.path(), vec![]);
    let resumed = scene.fetch(&server, &[&flags[..], &["--resume"]].concat()).expect(0);
    assert_eq!(resumed.record("fetch", "/")["objects"], 4);
    assert_eq!(resumed.of_type("summary")[0]["resumed"], 3);
    scene.check(false, [4, 4], [16, 16]);
    let one = tree(&scene.path("out.zarr"));
    let parts = scene.path("parts.zarr");
    let tool = |flags: &[&str]| Tool::hermetic("zfetch").args(["--json", "--to"]).arg(&parts).args(flags);
    let prepare = |flags: &[&str]| tool(flags).arg(scene.path("in.zarr")).run().expect(0);
    prepare(&[&flags[..], &["--prepare", "--parts", "2"]].concat());
    for part in ["1/2", "2/2"] {
        tool(&["--part", part]).run().expect(0);
    }
    tool(&["--finish"]).run().expect(0);
    assert!(tree(&parts) == one);
}
