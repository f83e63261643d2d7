//! Sizes that metadata declare and nothing bounds: refused in words, or never allocated.

use std::fs;
use std::time::{Duration, Instant};

use harness::Outcome;
use serde_json::{Value, json};

use crate::made::Field;
use crate::scene::{Scene, globe, latitude, longitude, values};

/// A Zarr v2 array of declared sizes, of which nothing is stored.
fn declare(
    scene: &Scene,
    name: &str,
    shape: &[u64],
    chunks: &[u64],
    dtype: &str,
    dimensions: &[&str],
    attributes: Value,
) {
    let array = scene.store.join(name);
    fs::create_dir_all(&array).unwrap();
    let metadata = json!({"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "fill_value": 0,
        "order": "C", "filters": null, "compressor": {"id": "zstd", "level": 1}});
    fs::write(array.join(".zarray"), metadata.to_string()).unwrap();
    let mut attributes = attributes;
    attributes["_ARRAY_DIMENSIONS"] = json!(dimensions);
    fs::write(array.join(".zattrs"), attributes.to_string()).unwrap();
}

fn axes() -> Scene {
    Scene::of(&[latitude("lat", 4, 50.0, 1.0), longitude("lon", 4, 0.0, 1.0)])
}

const LITTLE: [&str; 3] = ["--max-memory", "200M", "--timing"];

/// A run that may take 512 MiB of memory, and ends soon.
#[track_caller]
fn frugal(scene: &Scene, arguments: &[&str]) -> Outcome {
    let started = Instant::now();
    let outcome = scene.at(50.0, 0.0, &[&LITTLE, arguments].concat());
    let peak = outcome.of_type("summary").pop().and_then(|summary| summary["peak_memory_bytes"].as_u64());
    assert!(outcome.code != 0 || peak.is_some_and(|peak| peak < 200 << 20), "{peak:?}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    outcome
}

#[test]
fn a_dimension_of_a_billion_steps_is_selected_from_without_being_listed() {
    for length in [1_000_000_000, 1 << 32, 1 << 60] {
        let scene = axes();
        declare(&scene, "t", &[length, 4, 4], &[1, 4, 4], "<f4", &["time", "lat", "lon"], json!({}));
        let outcome = frugal(&scene, &["--isel", "time=7:9"]).expect(0);
        assert_eq!(values(&outcome, "time"), [Some(7.0), Some(8.0)], "{length}");
        assert_eq!(values(&outcome, "t"), [None, None], "the fill value");
        let last = frugal(&scene, &["--isel", "time=-1"]).expect(0);
        assert_eq!(last.of_type("row")[0]["time"].as_u64(), Some(length - 1));
    }
    let scene = axes();
    declare(&scene, "t", &[1 << 60, 4, 4], &[1, 4, 4], "<f4", &["time", "lat", "lon"], json!({}));
    assert!(frugal(&scene, &[]).expect(2).stderr.contains("samples are too many"));
}

#[test]
fn a_coordinate_of_a_billion_chunks_is_refused_or_read_in_part() {
    let units = json!({"units": "hours since 2000-01-01"});
    let scene = axes();
    declare(&scene, "t", &[1_000_000_000, 4, 4], &[1, 4, 4], "<f4", &["time", "lat", "lon"], json!({}));
    declare(&scene, "time", &[1_000_000_000], &[1], "<i8", &["time"], units);
    for flags in [&[][..], &["--sel", "time=2000"]] {
        let outcome = frugal(&scene, flags).expect(2);
        for words in ["/time", "1000000000", "--max-memory", "--isel"] {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
        }
    }
    let outcome = frugal(&scene, &["--isel", "time=5:7"]).expect(0);
    assert_eq!(values(&outcome, "t").len(), 2);
}

#[test]
fn columns_and_cells_beyond_the_memory_are_refused() {
    let scene = axes();
    declare(&scene, "q", &[1 << 40, 4, 4], &[1, 4, 4], "<f4", &["level", "lat", "lon"], json!({}));
    let outcome = frugal(&scene, &[]).expect(2);
    assert!(outcome.stderr.contains("level") && outcome.stderr.contains("--max-memory"), "{}", outcome.stderr);
    assert_eq!(values(&frugal(&scene, &["--isel", "level=1099511627775"]).expect(0), "q_1099511627775"), [None]);
    let scene = axes();
    for (name, units) in [("nav_lat", "degrees_north"), ("nav_lon", "degrees_east")] {
        declare(&scene, name, &[100_000, 100_000], &[1000, 1000], "<f8", &["y", "x"], json!({"units": units}));
    }
    declare(
        &scene,
        "t",
        &[100_000, 100_000],
        &[1000, 1000],
        "<f4",
        &["y", "x"],
        json!({"coordinates": "nav_lat nav_lon"}),
    );
    let outcome = frugal(&scene, &[]).expect(2);
    assert!(outcome.stderr.contains("10000000000 cells"), "{}", outcome.stderr);
}

/// A coordinate of four values in a chunk that is declared to hold 100 GB of them.
#[test]
fn a_chunk_that_is_declared_larger_than_the_memory_is_refused() {
    let scene = Scene::of(&globe());
    let path = scene.store.join("time/.zarray");
    let mut metadata: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    (metadata["chunks"], metadata["compressor"]) = (json!([100u64 << 30]), json!({"id": "zstd", "level": 1}));
    fs::write(&path, metadata.to_string()).unwrap();
    let outcome = frugal(&scene, &[]).expect(2);
    assert!(outcome.stderr.contains("/time") && outcome.stderr.contains("memory"), "{}", outcome.stderr);
}

/// A chunk whose bytes 64 bits cannot count: no size of what is stored could be checked against it.
#[test]
fn a_chunk_of_more_bytes_than_can_be_counted_is_refused() {
    for chunks in [[1 << 62, 1, 4], [1 << 40, 1 << 40, 4]] {
        let scene = Scene::of(&globe());
        declare(&scene, "q", &[6, 19, 36], &chunks, "<f4", &["time", "lat", "lon"], json!({}));
        fs::write(scene.store.join("q/0.0.0"), [0; 16]).unwrap();
        let outcome = frugal(&scene, &[]).expect(3);
        assert!(outcome.stderr.contains("/q") && outcome.stderr.contains("2^64"), "{}", outcome.stderr);
        assert_eq!(values(&outcome, "t").len(), 6);
        let out = scene.path("out.zarr");
        for tool in ["zinspect", "zrecompress"] {
            let arguments = [&scene.store, &out];
            let outcome = harness::Tool::new(tool).args(&arguments[..if tool == "zinspect" { 1 } else { 2 }]).run();
            assert!(outcome.code == 3 || outcome.code == 5, "{tool}: {}", outcome.code);
            assert!(outcome.stderr.contains("2^64"), "{tool}: {}", outcome.stderr);
        }
    }
}

/// Objects of a terabyte, of which the file system stores nothing: a chunk, and a document.
#[test]
fn objects_larger_than_the_memory_are_refused() {
    let scene = Scene::of(&globe());
    declare(&scene, "q", &[6, 19, 36], &[6, 19, 36], "<f4", &["time", "lat", "lon"], json!({}));
    let large = |path: &str| fs::File::create(scene.store.join(path)).unwrap().set_len(1 << 40).unwrap();
    large("q/0.0.0");
    let outcome = frugal(&scene, &[]).expect(3);
    assert!(
        outcome.stderr.contains("q/0.0.0") && outcome.stderr.contains("more than any codec makes"),
        "{}",
        outcome.stderr
    );
    assert_eq!(values(&outcome, "t").len(), 6);
    large("q/.zarray");
    let outcome = frugal(&scene, &["--var", "t"]);
    assert!(outcome.code == 2 || outcome.code == 3, "{}", outcome.code);
    assert!(outcome.stderr.contains("q/.zarray: has 1.00 TiB"), "{}", outcome.stderr);
}

/// A chunk of text of a few kilobytes that decodes to gigabytes.
#[test]
fn text_that_decodes_to_more_than_the_memory_is_refused() {
    let scene = Scene::of(&globe());
    let array = scene.store.join("time");
    fs::remove_dir_all(&array).unwrap();
    declare(&scene, "time", &[6], &[6], "|O", &["time"], json!({}));
    let mut metadata: Value = serde_json::from_slice(&fs::read(array.join(".zarray")).unwrap()).unwrap();
    (metadata["filters"], metadata["fill_value"]) = (json!([{"id": "vlen-utf8"}]), json!(""));
    metadata["compressor"] = json!({"id": "zlib", "level": 1});
    fs::write(array.join(".zarray"), metadata.to_string()).unwrap();
    fs::write(array.join("0"), zeros(1 << 30)).unwrap();
    let outcome = frugal(&scene, &[]).expect(5);
    assert!(outcome.stderr.contains("/time/0") && outcome.stderr.contains("no memory"), "{}", outcome.stderr);
}

/// A zlib stream of zeros: blocks of the one code for a run of 258 of them.
fn zeros(bytes: usize) -> Vec<u8> {
    let mut bits: Vec<u8> = Vec::new();
    let (mut word, mut filled) = (0u32, 0u32);
    let mut put = |value: u32, count: u32, out: &mut Vec<u8>| {
        word |= value << filled;
        filled += count;
        while filled >= 8 {
            out.push(word as u8);
            word >>= 8;
            filled -= 8;
        }
    };
    // A block of fixed codes: a literal 0 (00110000), then runs of length 258 (11000101) at distance 1 (00000).
    put(0b011, 3, &mut bits);
    put(0b0000_1100, 8, &mut bits);
    for _ in 0..bytes / 258 {
        put(0b1010_0011, 8, &mut bits);
        put(0, 5, &mut bits);
    }
    put(0, 7, &mut bits);
    put(0, 7, &mut bits);
    [&[0x78, 0x01][..], &bits, &[0, 0, 0, 1]].concat()
}

/// Thousands of arrays on dimensions without coordinates take no longer each than a few.
#[test]
fn many_arrays_without_coordinates_take_little_time() {
    let mut fields = globe();
    fields.push(Field::new("extra", &[("lat", 19)], |_| 0.0));
    let scene = Scene::of(&fields);
    for number in 0..4000 {
        declare(&scene, &format!("lat_{number}"), &[5], &[5], "<f4", &[&format!("x{number}")], json!({}));
    }
    let started = Instant::now();
    scene.at(50.0, 0.0, &[]).expect(0);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
