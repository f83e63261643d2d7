//! Rechunking that reads each source chunk once and divides it among regions in a scratch file.

use std::fs;

use harness::tree;
use serde_json::Value;

use crate::maps::Maps;
use crate::scene::{Scene, directory, number};

/// Chunks of whole columns out of maps: every region needs a part of every map.
const COLUMNS: [&str; 2] = ["--chunks", "32,128,8"];

fn scene() -> Scene {
    Scene::of(&Maps { absent: 5, ..Maps::large(2) }, &COLUMNS).tight()
}

fn plan(scene: &Scene, flags: &[&str]) -> Value {
    scene.run(&[&["-n"], flags].concat()).expect(0).record("plan", "/t").clone()
}

#[test]
fn two_passes_make_the_same_store_as_one() {
    let scene = scene();
    let scratch = directory();
    let elsewhere = ["--scratch", scratch.path().to_str().unwrap()];
    let (one, two) = (plan(&scene, &["--scratch", "none"]), plan(&scene, &elsewhere));
    let reads = |plan: &Value| plan["chunk_reads"].as_f64().unwrap();
    assert!(reads(&one) > 2.0 && one["temporary_bytes"] == 0, "{one}");
    assert!(reads(&two) == 1.0 && two["temporary_bytes"] == 32 * 128 * 256 * 4, "{two}");
    assert_eq!(plan(&scene, &[]), two, "beside a local output by default");
    let expected = scene.to("one.zarr");
    expected.run(&["--scratch", "none"]).expect(0);
    for (name, flags) in [("two.zarr", &elsewhere[..]), ("default.zarr", &[])] {
        let done = scene.to(name);
        let outcome = done.run(&[flags, &["--timing"]].concat()).expect(0);
        assert!(tree(&done.output) == tree(&expected.output), "{name}");
        assert!(number(&outcome, "peak_memory_bytes") as f64 <= two["peak_memory_bytes"].as_f64().unwrap());
        done.assert_left(&["one.zarr", "two.zarr"]);
    }
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "the scratch file has no name");
}

#[test]
fn a_damaged_chunk_is_named_once_and_spoils_the_same_chunks() {
    let scene = Scene::of(&Maps { absent: 0, ..Maps::large(3) }, &COLUMNS).tight();
    fs::write(scene.source.join("t/c/5/0/0"), "damaged").unwrap();
    let skip = |name: &str, flags: &[&str]| {
        let done = scene.to(name);
        let outcome = done.run(&[&["--on-bad-chunk", "skip"], flags].concat()).expect(3);
        assert_eq!((outcome.of_type("error").len(), number(&outcome, "failed")), (1, 1));
        tree(&done.output)
    };
    assert!(plan(&scene, &[])["temporary_bytes"].as_u64().unwrap() > 0);
    assert!(skip("two.zarr", &[]) == skip("one.zarr", &["--scratch", "none"]));
}

#[test]
fn a_directory_that_cannot_be_used_is_refused_before_anything_is_written() {
    let scene = scene();
    let outcome = scene.run(&["--scratch", "not-there"]).expect(2);
    assert!(outcome.stderr.contains("not-there: cannot use the directory for scratch files"), "{}", outcome.stderr);
    scene.assert_untouched();
    // Nothing is free there: a single pass.
    assert_eq!(plan(&scene, &["--scratch", "/proc"])["temporary_bytes"], 0);
}
