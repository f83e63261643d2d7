//! Shapes that cannot be: what is wrong is said with what would do, and nothing is written.

use std::fs;

use harness::Outcome;
use serde_json::json;

use crate::maps::{Maps, put};
use crate::scene::Scene;

/// Refused with and without `--dry-run`.
#[track_caller]
fn refused(scene: &Scene, flags: &[&str], code: i32, words: &[&str]) -> Outcome {
    scene.run(&[flags, &["-n"]].concat()).expect(code);
    let outcome = scene.run(flags).expect(code);
    assert!(words.iter().all(|word| outcome.stderr.contains(word)), "{flags:?}: {}", outcome.stderr);
    scene.assert_untouched();
    outcome
}

#[test]
fn shapes_that_are_none_are_named() {
    let scene = Scene::of(&Maps::new(3), &[]);
    for shape in [
        "time=0",
        "0,1,1",
        "time=-2",
        "-5,1,1",
        "time=1.5",
        "time=",
        "time",
        "time=4,5",
        "",
        ",",
        "1,,1",
        "t:",
        "t:x=y",
        "99999999999999999999,1,1",
    ] {
        for flag in ["--chunks", "--shards"] {
            refused(&scene, &[flag, shape], 2, &[flag]);
        }
    }
    refused(&scene, &["--chunks", "time=0"], 2, &["above 0", "-1"]);
    refused(&scene, &["--chunks", "[:time=4"], 2, &["["]);
}

#[test]
fn an_array_that_is_not_there_is_absent_and_a_shape_that_does_not_fit_is_refused() {
    let scene = Scene::of(&Maps::new(2), &[]);
    refused(&scene, &["--chunks", "depth=5"], 2, &["no array has depth", "available: lat, lon, time"]);
    refused(&scene, &["--chunks", "6,6,6,6"], 2, &["no data array", "3 dimensions (time, lat, lon)"]);
    refused(&scene, &["--chunks", "744"], 2, &["no data array", "/t", "3 dimensions (time, lat, lon)"]);
    refused(&scene, &["--chunks", "nothing:6,6,5"], 4, &["nothing"]);
    refused(&scene, &["--chunks", "time=6", "--chunks", "nothing:time=6"], 4, &["nothing"]);
    refused(&scene, &["--chunks", "t:depth=5"], 2, &["/t", "no dimension depth", "time, lat, lon"]);
    refused(&scene, &["--chunks", "t:6,6"], 2, &["/t", "3 dimensions", "2 lengths"]);
    refused(&scene, &["--chunks", "time=6", "--var", "nothing"], 4, &["nothing"]);
}

#[test]
fn dimensions_without_names_are_told_from_those_with_others() {
    let scene = Scene::of(&Maps::new(2), &[]);
    fs::remove_file(scene.source.join("t/.zattrs")).unwrap();
    refused(&scene, &["--chunks", "t:time=5"], 2, &["no dimension time", "unnamed", "list"]);
    let plan = scene.run(&["--chunks", "t:6,6,5", "-n"]).expect(0).record("plan", "/t");
    assert_eq!(plan["chunk_shape"], json!([6, 6, 5]));
}

#[test]
fn shards_that_are_no_whole_chunks_come_with_a_shape_that_would_do() {
    let scene = Scene::of(&Maps::new(3), &["--chunks", "6,6,5"]);
    let flags = ["--shards", "time=13,lat=12,lon=9"];
    let outcome = refused(&scene, &flags, 2, &["/t", "time", "13", "6"]);
    let words: Vec<&str> = outcome.stderr.split_whitespace().collect();
    let place = words.iter().position(|word| *word == "--shards").unwrap();
    let plan = scene.run(&["--shards", words[place + 1], "-n"]).expect(0).record("plan", "/t");
    assert_eq!(plan["shard_shape"], json!([18, 12, 10]));
}

#[test]
fn shards_are_not_for_zarr_v2() {
    let scene = Scene::of(&Maps::new(2), &[]);
    refused(&scene, &["--shards", "time=6"], 2, &["v2 does not support shards", "--zarr-format 3"]);
    let scene = Scene::of(&Maps::new(3), &[]);
    refused(&scene, &["--shards", "time=6", "--zarr-format", "2"], 2, &["v2 does not support shards"]);
    refused(&scene, &["--shards", "time=6", "--no-shards"], 2, &["--no-shards"]);
}

/// A store of one array of 4 GiB of which nothing is stored.
fn enormous() -> Scene {
    let scene = Scene::empty(&[]);
    fs::create_dir(&scene.source).unwrap();
    let document = json!({"zarr_format": 3, "node_type": "array", "shape": [1 << 20, 1024], "data_type": "float32",
        "fill_value": 0, "attributes": {}, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 1024]}},
        "chunk_key_encoding": {"name": "default"}});
    put(&scene.source, "zarr.json", &document);
    scene
}

#[test]
fn chunks_beyond_what_blosc_holds_are_refused() {
    let scene = enormous();
    refused(&scene, &["--chunks", "-1,-1"], 2, &["4294967296", "--shards"]);
    // What no product of 64 bits holds is no small chunk.
    refused(&scene, &["--chunks", "4294967296,4294967296"], 2, &["--shards"]);
}

#[test]
fn flags_that_only_a_source_can_have_are_refused_with_parts() {
    let scene = Scene::of(&Maps::new(3), &["--chunks", "6,6,5"]);
    scene.run(&["--prepare", "--parts", "2"]).expect(0);
    let outcome = scene.of_output(&["--part", "1/2", "--chunks", "6,6,4"]).expect(2);
    assert!(outcome.stderr.contains("--chunks"), "{}", outcome.stderr);
    let outcome = scene.of_output(&["--part", "1/2", "--no-shards"]).expect(2);
    assert!(outcome.stderr.contains("--no-shards"), "{}", outcome.stderr);
    scene.of_output(&["--part", "1/2", "--chunks", "6,6,5"]).expect(0);
}

#[test]
fn what_cannot_be_in_place_leaves_the_source_as_it_is() {
    for flags in [
        &["--chunks", "6,6,5", "--zarr-format", "3"][..],
        &["--codec", "gzip", "--zarr-format", "3"],
        &["--chunks", "6,6,5", "--on-bad-chunk", "skip"],
        &["--chunks", "6,6,5", "--on-bad-chunk", "copy"],
        &["--shards", "time=6"],
    ] {
        let scene = Scene::of(&Maps::new(2), &[]).in_place();
        let before = harness::tree(&scene.source);
        scene.run(flags).expect(2);
        assert!(harness::tree(&scene.source) == before, "{flags:?}");
        scene.assert_untouched();
    }
}
