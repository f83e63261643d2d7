//! Chunks that are larger than `--max-memory`: those that decode in pieces are checked, the others are reported as not checked, and
//! none of them as damaged.

use std::fs;

use harness::{Fault, MakeArray, ObjectServer, Outcome, Tool, directory};
use serde_json::{Value, json};
use zcodec::{Blosc, Cname, Compressor, Shuffle, Stream, Workspace};

use crate::made::{Format, Scene};
use crate::size::{assert_small, bare, put_v2, run};

/// Values of a chunk of 16 MB.
const VALUES: u64 = 4_000_000;

/// A store with a chunk of 16 MB, compressed in this way.
fn large(compressor: &Compressor, value: impl Fn(u64) -> f32) -> Scene {
    let scene = bare(Format::V2);
    put_v2(&scene, VALUES, VALUES, compressor.to_v2());
    let values: Vec<u8> = (0..VALUES).flat_map(|number| value(number).to_le_bytes()).collect();
    let mut stored = Vec::new();
    compressor.compress(4, &values, &mut stored, 1, &mut Workspace::default()).unwrap();
    scene.put("x/0", &stored);
    scene
}

const ZSTD: Compressor = Compressor::Stream(Stream::Zstd { level: 1, checksum: false });
const LZ4: Compressor = Compressor::Blosc(Blosc::new(Cname::Lz4, 1, Shuffle::Shuffle));

fn ramp(number: u64) -> f32 {
    (number / 1000) as f32
}

/// The error record about a chunk, which names the flag and the memory that is needed.
#[track_caller]
fn assert_not_checked(outcome: &Outcome, key: &str) {
    let errors = outcome.of_type("error");
    assert_eq!(errors.len(), 1, "{}", outcome.stdout);
    let text = |field: &str| errors[0][field].as_str().unwrap_or_default().to_owned();
    assert!(text("path").ends_with(key), "{errors:?}");
    assert!(text("error").contains("15.3 MiB") && text("hint").contains("--max-memory"), "{errors:?}");
    assert_eq!(outcome.summary()["chunks_damaged"], json!(0));
    assert!(!outcome.stdout.contains("too_large"), "{}", outcome.stdout);
}

#[test]
fn a_sound_chunk_that_does_not_fit_is_not_damaged() {
    let scene = large(&ZSTD, ramp);
    let outcome = run(&scene, &["--level", "full", "--max-memory", "4M"]).expect(3);
    assert_not_checked(&outcome, "x/0");
    assert_eq!(outcome.summary()["chunks_checked"], json!(0));
    let listed = |flag: &str| {
        let tool = Tool::new("zvalidate").args(["--level", "full", "--max-memory", "4M", flag, "-"]);
        tool.arg(scene.store()).run().expect(3).stdout
    };
    assert_eq!(listed("--corrupt"), "");
    assert_eq!(listed("--combined"), format!("! {}/x/0\n", scene.store().display()));
    run(&scene, &["--level", "full", "--max-memory", "64M"]).expect(0);
}

/// An inner chunk of a shard, too.
#[test]
fn a_sound_inner_chunk_that_does_not_fit_is_not_damaged() {
    let scene = bare(Format::Sharded);
    let document = json!({"zarr_format": 3, "node_type": "array", "shape": [VALUES], "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [VALUES]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "fill_value": 0.0,
        "codecs": [{"name": "sharding_indexed", "configuration": {"chunk_shape": [VALUES],
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "gzip", "configuration": {"level": 1}}],
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}}],
        "attributes": {}, "dimension_names": ["cell"]});
    scene.put("x/zarr.json", document.to_string().as_bytes());
    let values: Vec<u8> = (0..VALUES).flat_map(|number| ramp(number).to_le_bytes()).collect();
    let mut shard = Vec::new();
    let gzip = Compressor::Stream(Stream::Gzip { level: 1 });
    gzip.compress(4, &values, &mut shard, 1, &mut Workspace::default()).unwrap();
    let index = [0u64, shard.len() as u64].map(u64::to_le_bytes).concat();
    shard.extend(&index);
    shard.extend(zcodec::crc32c(&index).to_le_bytes());
    scene.put("x/c/0", &shard);
    let outcome = run(&scene, &["--level", "full", "--max-memory", "4M"]).expect(3);
    assert_not_checked(&outcome, "x/c/0 inner chunk 0");
    run(&scene, &["--level", "full", "--max-memory", "64M"]).expect(0);
}

/// The blocks of a Blosc frame are decoded a few at a time, whatever the size of the chunk.
#[test]
fn a_frame_larger_than_the_memory_is_checked_in_pieces() {
    let flags = ["--level", "full", "--max-memory", "4M"];
    let scene = large(&LZ4, ramp);
    let outcome = run(&scene, &flags).expect(0);
    let record = outcome.record("check", "/x");
    assert_eq!((&record["values"], &record["max"]), (&json!(VALUES), &json!(3999.0)));
    // A rectangle of NaN at its edge is found, too.
    let scene = large(&LZ4, |number| if number < 100_000 { f32::NAN } else { ramp(number) });
    let outcome = run(&scene, &flags).expect(0);
    let finding = outcome.of_type("finding").into_iter().find(|finding| finding["kind"] == "nan_rectangles");
    assert_eq!(finding.expect("a rectangle")["indices"], json!([0, 99_999]), "{}", outcome.stdout);
    // One that is damaged is damaged.
    scene.change("x/0", |bytes| bytes[5000..9000].fill(0xff));
    let outcome = run(&scene, &flags).expect(1);
    assert_eq!(outcome.summary()["chunks_damaged"], json!(1));
}

/// Such a server would send the whole object for each piece.
#[test]
fn a_large_uncompressed_chunk_of_a_server_without_ranges_is_not_read_in_pieces() {
    let directory = directory();
    MakeArray { chunk: 4 << 20, chunks: 3, codec: None, noise_bits: 32 }.write(&directory.path().join("in.zarr"));
    let server = ObjectServer::start(directory.path(), vec![Fault::NoRanges]);
    let tool = Tool::hermetic("zvalidate").args(["--level", "full", "--json"]);
    let outcome = tool.arg(server.http_url("in.zarr")).run();
    assert!([0, 1].contains(&outcome.code), "{outcome:?}");
    assert_eq!(outcome.summary()["chunks_checked"], json!(3), "{}", outcome.stdout);
    let is_chunk = |key: &str| key.ends_with(|c: char| c.is_ascii_digit());
    let asked = server.served().iter().filter(|served| served.method == "GET" && is_chunk(&served.key)).count();
    // Those that begin together find out together.
    assert!(asked <= 3 * 3, "{asked} requests for 3 objects of 16 MiB");
}

/// An uncompressed chunk of 100 MB, with and without a checksum, as an object and in a shard: it is read in pieces.
#[test]
fn an_uncompressed_chunk_is_read_in_pieces() {
    const MANY: u64 = 25_000_000;
    let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
    let index_codecs = json!([bytes, {"name": "crc32c"}]);
    let values: Vec<u8> = (0..MANY).flat_map(|number| ramp(number).to_le_bytes()).collect();
    for (is_sharded, has_checksum) in [(false, false), (false, true), (true, true)] {
        let scene = bare(Format::V3);
        let mut codecs = vec![bytes.clone()];
        codecs.extend(has_checksum.then(|| json!({"name": "crc32c"})));
        if is_sharded {
            codecs = vec![json!({"name": "sharding_indexed",
                "configuration": {"chunk_shape": [MANY], "codecs": codecs, "index_codecs": index_codecs}})];
        }
        let document = json!({"zarr_format": 3, "node_type": "array", "shape": [MANY - 7], "data_type": "float32",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [MANY]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "fill_value": 0.0,
            "codecs": codecs, "attributes": {}});
        scene.put("x/zarr.json", document.to_string().as_bytes());
        let mut stored = values.clone();
        if has_checksum {
            stored.extend(zcodec::crc32c(&values).to_le_bytes());
        }
        if is_sharded {
            let index = [0u64, stored.len() as u64].map(u64::to_le_bytes).concat();
            stored.extend(&index);
            stored.extend(zcodec::crc32c(&index).to_le_bytes());
        }
        scene.put("x/c/0", &stored);
        drop(stored);
        let outcome = run(&scene, &["--level", "full", "-j1", "--max-memory", "20M"]).expect(0);
        let record = outcome.record("check", "/x");
        assert_eq!((&record["values"], &record["max"]), (&json!(MANY - 7), &json!(24_999.0)));
        let peak = outcome.summary()["peak_memory_bytes"].as_u64().unwrap();
        assert!(peak < 50_000_000, "{peak} bytes, {is_sharded} {has_checksum}");
        if has_checksum {
            scene.change("x/c/0", |bytes| bytes[99_000_000] ^= 1);
            let outcome = run(&scene, &["--level", "full"]).expect(1);
            assert_eq!(outcome.summary()["kind_checksum_mismatch"], json!(1), "{}", outcome.stdout);
        }
        scene.change("x/c/0", |bytes| bytes.truncate(50_000_000));
        run(&scene, &["--level", "full"]).expect(1);
    }
}

/// Whatever the memory, a chunk that decodes to more than the metadata says is damaged.
#[test]
fn a_bomb_is_damaged_with_any_memory() {
    let gzip = Compressor::Stream(Stream::Gzip { level: 1 });
    let scene = large(&gzip, |_| 0.0);
    put_v2(&scene, 1000, 1000, gzip.to_v2());
    for memory in ["1M", "4M", "64M"] {
        let outcome = run(&scene, &["--level", "full", "--max-memory", memory]).expect(1);
        assert_eq!(outcome.summary()["chunks_damaged"], json!(1), "{memory}");
        assert_small(&outcome);
    }
}

/// A manifest without the values of a chunk that does not fit: what was not hashed is an error, and no finding.
#[test]
fn a_manifest_of_a_chunk_that_does_not_fit() {
    let scene = large(&ZSTD, ramp);
    let path = scene.directory.path().join("manifest");
    let outcome = run(&scene, &["--write-manifest", path.to_str().unwrap(), "--max-memory", "4M"]).expect(3);
    assert_eq!(outcome.of_type("finding").len(), 0, "{}", outcome.stdout);
    let errors = outcome.of_type("error");
    assert!(errors.len() == 1 && errors[0]["hint"].as_str().unwrap().contains("--max-memory"), "{errors:?}");
    let lines = fs::read_to_string(&path).unwrap();
    let objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let chunk = objects.iter().find(|line| line["key"] == "x/0").expect("a line of the chunk");
    assert!(chunk["sha256"].is_string() && chunk.get("values").is_none(), "{chunk}");
    // With enough memory, it is checked by the hash of its bytes.
    run(&scene, &["--manifest", path.to_str().unwrap(), "--max-memory", "4M"]).expect(0);
}
