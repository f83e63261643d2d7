//! Bounds: a decompression bomb, a very large grid, and a shard of very many chunks, in bounded memory.

use std::fs;

use harness::{Outcome, Tool};
use serde_json::json;

use crate::made::{Format, Scene};

/// Peak memory of a run that must stay below 150 MB.
#[track_caller]
pub fn assert_small(outcome: &Outcome) {
    let peak = outcome.summary()["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < 150_000_000, "{peak} bytes");
}

pub fn run(scene: &Scene, flags: &[&str]) -> Outcome {
    Tool::new("zvalidate").args(["--json", "--timing"]).args(flags).arg(scene.store()).run()
}

pub fn bare(format: Format) -> Scene {
    Scene::of(format, Vec::new())
}

pub fn put_v2(scene: &Scene, shape: u64, chunk: u64, compressor: serde_json::Value) {
    let document = json!({"zarr_format": 2, "shape": [shape], "chunks": [chunk], "dtype": "<f4", "fill_value": "NaN",
        "order": "C", "filters": null, "compressor": compressor});
    scene.put("x/.zarray", document.to_string().as_bytes());
}

/// A chunk that decodes to 100 GB: where the metadata says so, too, it is not checked for want of memory; else it is damaged.
#[test]
fn a_decompression_bomb_is_a_finding_and_takes_no_memory() {
    let scene = bare(Format::V2);
    put_v2(&scene, 25_000_000_000, 25_000_000_000, json!({"id": "zstd", "level": 1}));
    // A frame of a single segment that states its size in eight bytes.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    frame.extend(100_000_000_000u64.to_le_bytes());
    frame.extend([0x02, 0, 0x10, b'x']);
    scene.put("x/0", &frame);
    let outcome = run(&scene, &["--max-memory", "100M"]).expect(3);
    assert!(outcome.of_type("error")[0]["error"].as_str().unwrap().contains("93.1 GiB"), "{}", outcome.stdout);
    assert_small(&outcome);
    // The metadata asks for a small chunk.
    put_v2(&scene, 1000, 1000, json!({"id": "zstd", "level": 1}));
    let outcome = run(&scene, &[]).expect(1);
    assert!(outcome.stdout.contains("wrong_nbytes"), "{}", outcome.stdout);
    assert_small(&outcome);
    put_v2(&scene, 1000, 1000, json!({"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}));
    let mut frame = vec![2, 1, 0x21, 4];
    frame.extend([2_147_483_600u32, 2_147_483_600, 64].iter().flat_map(|word| word.to_le_bytes()));
    frame.extend([0; 48]);
    scene.put("x/0", &frame);
    let outcome = run(&scene, &[]).expect(1);
    assert!(outcome.stdout.contains("wrong_nbytes"), "{}", outcome.stdout);
    assert_small(&outcome);
}

/// 10^12 chunks, of which a few are there.
#[test]
fn a_very_large_grid_takes_little_memory_and_time() {
    let scene = bare(Format::V2);
    put_v2(&scene, 4_000_000_000_000, 4, serde_json::Value::Null);
    for number in [0u64, 5, 999_999_999_999] {
        scene.put(&format!("x/{number}"), &[0; 16]);
    }
    let outcome = run(&scene, &[]).expect(1);
    assert_small(&outcome);
    assert_eq!(outcome.summary()["objects_missing"], json!(999_999_999_997u64));
    let steps: Vec<_> =
        outcome.of_type("finding").into_iter().filter(|finding| finding["kind"] == "missing_steps").collect();
    assert_eq!(steps.len(), 2, "two runs of steps between three chunks: {steps:#?}");
}

/// 200,000 keys; more are counted in the benchmark.
#[test]
fn many_keys_are_counted_in_bounded_memory() {
    let scene = bare(Format::V2);
    put_v2(&scene, 800_000, 4, serde_json::Value::Null);
    fs::create_dir_all(scene.path("x")).unwrap();
    for number in (0..200_000u64).filter(|number| number % 1000 != 7) {
        fs::File::create(scene.path(&format!("x/{number}"))).unwrap().set_len(16).unwrap();
    }
    let outcome = run(&scene, &["--level", "list"]).expect(1);
    assert_small(&outcome);
    let summary = outcome.summary();
    assert_eq!((&summary["objects_present"], &summary["objects_missing"]), (&199_800.into(), &200.into()));
}

/// A shard of 10^6 inner chunks, nearly all of which are absent.
#[test]
fn a_shard_of_a_million_inner_chunks() {
    let scene = bare(Format::Sharded);
    let codecs = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [4],
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}}]);
    let document = json!({"zarr_format": 3, "node_type": "array", "shape": [4_000_000], "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4_000_000]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "fill_value": "NaN",
        "codecs": codecs, "attributes": {}});
    scene.put("x/zarr.json", document.to_string().as_bytes());
    let (mut shard, mut index) = (vec![1u8; 1_000_000 * 16 / 2], vec![0xffu8; 16_000_000]);
    for number in 0..500_000u64 {
        let at = number as usize * 32;
        index[at..at + 8].copy_from_slice(&(number * 16).to_le_bytes());
        index[at + 8..at + 16].copy_from_slice(&16u64.to_le_bytes());
    }
    let sum = zcodec::crc32c(&index);
    shard.extend(index);
    shard.extend(sum.to_le_bytes());
    scene.put("x/c/0", &shard);
    for level in ["header", "full"] {
        let outcome = run(&scene, &["--level", level, "--skip", "constant_array"]).expect(1);
        assert_eq!(outcome.record("check", "/x")["chunks_checked"], json!(500_000), "{level}");
        assert_eq!(outcome.summary()["kind_missing_steps"], json!(500_000), "{level}");
        assert_small(&outcome);
    }
}

/// A chunk of 200 MB, of which a few blocks are decoded at a time.
#[test]
fn a_large_chunk_is_decoded_block_by_block() {
    let scene = bare(Format::V2);
    put_v2(
        &scene,
        50_000_000,
        50_000_000,
        json!({"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 1, "blocksize": 0}),
    );
    let values: Vec<u8> = (0..50_000_000u32).flat_map(|number| ((number / 1000) as f32).to_le_bytes()).collect();
    let codec = zcodec::Blosc::new(zcodec::Cname::Lz4, 1, zcodec::Shuffle::Shuffle);
    let mut frame = Vec::new();
    codec.compress(4, &values, &mut frame, 1, &mut zcodec::Workspace::default()).unwrap();
    scene.put("x/0", &frame);
    drop((values, frame));
    let outcome = run(&scene, &["--level", "full"]);
    let record = outcome.record("check", "/x");
    assert_eq!((&record["values"], &record["max"]), (&json!(50_000_000), &json!(49_999.0)));
    assert_small(&outcome);
}

/// What arrays have in common is kept once, and what is kept of each is small.
#[test]
fn many_arrays_take_few_bytes_each() {
    let peak = |arrays: u64| {
        let scene = bare(Format::V2);
        let document = json!({"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": "<f4", "fill_value": "NaN", "order": "C",
            "filters": null, "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}});
        for number in 0..arrays {
            scene.put(&format!("x{number}/.zarray"), document.to_string().as_bytes());
            scene.put(&format!("x{number}/.zattrs"), br#"{"_ARRAY_DIMENSIONS": ["cell"]}"#);
            scene.put(&format!("x{number}/0"), &[0; 32]);
        }
        run(&scene, &["--level", "list"]).summary()["peak_memory_bytes"].as_u64().unwrap()
    };
    let each = (peak(12_000) - peak(2000)) / 10_000;
    assert!(each < 3000, "{each} bytes");
}
