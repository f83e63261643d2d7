//! The plan that `--dry-run` tells is what the run then does.

use std::fs;
use std::path::Path;

use harness::{Tool, tree};
use serde_json::json;

use crate::maps::Maps;
use crate::scene::{Scene, chunks_of, number, spawn, wait_for};

#[test]
fn a_plan_is_told_and_nothing_is_written() {
    let scene = Scene::of(&Maps { absent: 0, ..Maps::new(3) }, &["--chunks", "12,6,5", "--shards", "24,18,10"]);
    let outcome = scene.run(&["-n", "--max-memory", "1G"]).expect(0);
    scene.assert_untouched();
    let plan = outcome.record("plan", "/t");
    assert_eq!((&plan["chunk_shape"], &plan["shard_shape"]), (&json!([12, 6, 5]), &json!([24, 18, 10])));
    // Two shards that fit the memory together: one pass, every map read once.
    assert_eq!(plan["objects_expected"], 2);
    assert_eq!((&plan["temporary_bytes"], &plan["chunk_bytes"]), (&0.into(), &(12 * 6 * 5 * 4).into()));
    assert_eq!(plan["output_bytes"], 24 * 18 * 20 * 4);
    assert!(outcome.record("plan", "/time")["chunk_shape"].is_null());
    assert_eq!(number(&outcome, "recompress"), 2);
    scene.run(&[]).expect(0);
    assert_eq!(chunks_of(&tree(&scene.output), "t").len(), 2);
}

#[test]
fn the_regions_of_a_plan_are_those_of_the_run() {
    let maps = Maps { names: vec!["t"], absent: 0, ..Maps::large(2) };
    let scene = Scene::of(&maps, &["--chunks", "16,32,32", "--verify", "none", "--scratch", "none"]).tight();
    let outcome = scene.run(&["-n"]).expect(0);
    let plan = outcome.record("plan", "/t");
    let number_of = |field: &str| plan[field].as_f64().unwrap();
    assert!(number_of("regions") > 2.0, "{plan}");
    assert!(number_of("chunk_reads") >= 1.0 && number_of("chunk_reads") <= number_of("chunk_reads_most"), "{plan}");
    assert!(number_of("decodes") >= 1.0, "{plan}");
    let done = scene.run(&["--timing"]).expect(0);
    assert!(number(&done, "peak_memory_bytes") as f64 <= number_of("peak_memory_bytes"), "{plan}");
    assert_eq!(done.record("recompress", "/t")["objects"], 2 * 4 * 8);
    let (read, planned) = (bytes_read(scene.tool(&["--overwrite"])) as f64, number_of("bytes_to_read"));
    assert!(read > planned * 0.8 && read < planned * 1.2 + 300e3, "{read} bytes read, {planned} planned");
}

/// Bytes that a process has read in all its life (`rchar` in proc(5)).
fn bytes_read(tool: Tool) -> u64 {
    let child = spawn(tool);
    let process = Path::new("/proc").join(child.id().to_string());
    let read = |name: &str| fs::read_to_string(process.join(name)).unwrap();
    wait_for("its end", || read("stat").contains(") Z "));
    let bytes = read("io").lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap();
    child.end().expect(0);
    bytes
}

/// With room for everything, every chunk is read and decoded once.
#[test]
fn with_enough_memory_everything_is_read_once() {
    let scene = Scene::of(&Maps { absent: 0, ..Maps::new(2) }, &["--chunks", "time=-1,lat=5,lon=5"]);
    let plan = scene.run(&["-n", "--max-memory", "1G"]).expect(0).record("plan", "/t");
    assert_eq!((&plan["regions"], &plan["chunk_reads"], &plan["decodes"]), (&1.into(), &json!(1.0), &json!(1.0)));
    let stored: u64 = {
        let source = tree(&scene.source);
        chunks_of(&source, "t").iter().map(|key| source[*key].len() as u64).sum()
    };
    let told = plan["bytes_to_read"].as_u64().unwrap();
    assert!(told.abs_diff(stored) <= stored / 5, "{told} of {stored}");
    assert_eq!(scene.run(&[]).expect(0).record("recompress", "/t")["bytes_before"], stored);
}
