//! Tests of [`super`] and of the shape rules.

use super::super::rules::{Rule, Rules, Unused};
use super::*;

/// A Zarr v3 array of 100 × 50 × 40 `float32` with dimensions time, latitude, longitude.
pub fn array(codecs: &str, chunk: &str) -> Array {
    let text = format!(
        r#"{{"zarr_format": 3, "node_type": "array", "shape": [100, 50, 40], "data_type": "float32", "fill_value": 0,
        "codecs": {codecs}, "chunk_key_encoding": {{"name": "default"}},
        "dimension_names": ["time", "latitude", "longitude"],
        "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": {chunk}}}}}}}"#
    );
    node(&text)
}

fn node(text: &str) -> Array {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("t2m")).expect("is made");
    let name = if text.contains("\"zarr_format\": 2") { "t2m/.zarray" } else { "t2m/zarr.json" };
    std::fs::write(directory.path().join(name), text).expect("is written");
    super::super::testing::open_array(directory.path(), "/t2m")
}

fn rules(typed: &[&str]) -> Rules {
    let rules: Vec<Rule> = typed.iter().map(|text| text.parse().expect("a rule")).collect();
    Rules::new(&rules).expect("compiles")
}

fn shapes(chunks: &[&str], shards: &[&str]) -> Shapes {
    Shapes { chunks: rules(chunks), shards: rules(shards), no_shards: false }
}

fn chunks(array: &Array, typed: &[&str]) -> Vec<u64> {
    Layout::new(array, &shapes(typed, &[]), array.format).expect("a layout").chunks
}

const PLAIN: &str = r#"["bytes"]"#;
const SHARDED: &str = r#"[{"name": "sharding_indexed", "configuration": {"chunk_shape": [1, 25, 20],
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "index_codecs": ["bytes"],
    "index_location": "start"}}]"#;

#[test]
fn rules_accept_names_lists_and_globs() {
    let array = array(PLAIN, "[1, 50, 40]");
    assert_eq!(chunks(&array, &["time=744,latitude=16,longitude=16"]), [744, 16, 16]);
    assert_eq!(chunks(&array, &["744,16,-1"]), [744, 16, 40]);
    assert_eq!(chunks(&array, &["time=-1"]), [100, 50, 40]);
    assert_eq!(chunks(&array, &["time=10", "t2m:latitude=5", "u10:1,1,1"]), [1, 5, 40], "the last match");
    assert_eq!(chunks(&array, &["time=10", "7", "step=3"]), [1, 50, 40], "none of them is for it");
    assert_eq!(chunks(&array, &["t*:time=2"]), [2, 50, 40]);
    assert_eq!(chunks(&array, &[]), [1, 50, 40]);
}

#[test]
fn mismatched_rule_names_array_and_dimension() {
    let array = array(PLAIN, "[1, 50, 40]");
    let fails = |chunks: &[&str], shards: &[&str]| {
        let failure = Layout::new(&array, &shapes(chunks, shards), ZarrFormat::V3).expect_err("does not fit");
        assert_eq!(failure.exit, Exit::Usage);
        (failure.to_string(), failure.advice().unwrap_or_default().to_owned())
    };
    assert_eq!(
        fails(&["t2m:step=3"], &[]),
        ("/t2m: has no dimension step".into(), "available dimensions: time, latitude, longitude".into())
    );
    assert!(fails(&["t2m:7"], &[]).0.contains("3 dimensions, but 1 lengths"));
    let (what, hint) = fails(&["10,16,16"], &["100,48,40"]);
    assert_eq!(what, "/t2m: dimension longitude: shard length 40 is not a multiple of chunk length 16");
    assert_eq!(hint, "for example, use --shards 100,48,48");
    for text in ["", "0", "time=0", "time=", "a,b", "time=1,2", "-2", "t2m:"] {
        assert!(text.parse::<Rule>().is_err(), "{text:?}");
    }
    assert!(Rules::new(&["[:1".parse().expect("a rule")]).is_err(), "no glob");
    let unused = |typed: &[&str]| rules(typed).unused([&array].into_iter());
    let expected = [Unused::Dimension("step".into()), Unused::Array("u10".into())];
    assert_eq!(unused(&["time=1,step=2", "u10:1,1,1", "5,5"]), expected);
    assert!(unused(&["time=1", "t2m:1,1,1", "5,5,5"]).is_empty());
    let passed_over = |typed: &[&str]| rules(typed).pass_over(&array);
    assert!(passed_over(&["744"]) && passed_over(&["744", "u10:1,1,1"]));
    assert!(!passed_over(&["744", "5,5,5"]) && !passed_over(&["744", "t2m:1,1,1"]));
    assert!(!passed_over(&["step=3"]) && !passed_over(&["u10:1"]) && !passed_over(&[]), "it is not asked for");
}

#[test]
fn shards_are_kept_created_and_removed() {
    let sharded = array(SHARDED, "[10, 50, 40]");
    let layout = Layout::new(&sharded, &shapes(&["time=5"], &[]), ZarrFormat::V3).expect("a layout");
    let index = IndexLayout { at_end: false, checksum: false, big_endian: false, chunks: 8 };
    assert_eq!(layout, Layout { chunks: vec![5, 25, 20], shards: Some((vec![10, 50, 40], index)) });
    assert!(Layout::new(&sharded, &shapes(&["time=3"], &[]), ZarrFormat::V3).is_err(), "10 is not whole threes");
    let dissolved = Shapes { no_shards: true, ..shapes(&["time=3"], &[]) };
    let layout = Layout::new(&sharded, &dissolved, ZarrFormat::V3).expect("a layout");
    assert_eq!(layout, Layout { chunks: vec![3, 25, 20], shards: None });
    let plain = array(PLAIN, "[1, 50, 40]");
    let layout = Layout::new(&plain, &shapes(&["10,16,16"], &["time=-1,latitude=-1,longitude=-1"]), ZarrFormat::V3)
        .expect("a layout");
    assert_eq!(layout.shards, Some((vec![100, 64, 48], IndexLayout { chunks: 120, ..DEFAULT_INDEX })));
    let layout = Layout::new(&plain, &shapes(&["10,16,16"], &["time=20"]), ZarrFormat::V3).expect("a layout");
    assert_eq!(layout.object_shape(), [20, 16, 16], "one chunk where nothing is said");
}

#[test]
fn zarr_v2_rejects_shards() {
    let text = r#"{"zarr_format": 2, "shape": [4], "chunks": [2], "dtype": "<f4", "fill_value": 0, "order": "C",
        "filters": null, "compressor": null}"#;
    let failure = Layout::new(&node(text), &shapes(&[], &["4"]), ZarrFormat::V2).expect_err("no shards");
    assert!(failure.to_string().contains("v2 does not support shards"), "{failure}");
    assert_eq!(chunks(&node(text), &["-1"]), [4]);
}

#[test]
fn chunks_over_compressor_limit_are_refused() {
    let array = array(PLAIN, "[1, 50, 40]");
    let layout = Layout::new(&array, &shapes(&["100000,100000,1"], &[]), ZarrFormat::V3).expect("a layout");
    let failure = layout.check_size(&array, 4, zcodec::MAX_NBYTES).expect_err("too large");
    assert!(failure.to_string().contains("40000000000 bytes"), "{failure}");
    assert!(failure.advice().is_some_and(|hint| hint.contains("--shards")));
    assert!(Layout::of(&array).expect("regular").check_size(&array, 4, zcodec::MAX_NBYTES).is_ok());
}

#[test]
fn codecs_keep_all_but_the_compressor() {
    let sharded = array(SHARDED, "[10, 50, 40]");
    let gzip = vec![json!({"name": "gzip", "configuration": {"level": 1}})];
    let dissolved = Layout { chunks: vec![1, 1, 1], shards: None };
    let codecs = dissolved.codecs_v3(&sharded, gzip.clone());
    assert_eq!(codecs, [json!({"name": "bytes", "configuration": {"endian": "little"}}), gzip[0].clone()]);
    let layout = Layout::new(&sharded, &shapes(&["time=5"], &[]), ZarrFormat::V3).expect("a layout");
    let codecs = layout.codecs_v3(&sharded, gzip);
    let configuration = &codecs[0]["configuration"];
    assert_eq!((codecs.len(), &configuration["chunk_shape"]), (1, &json!([5, 25, 20])));
    assert_eq!(configuration["index_location"], "start");
    assert_eq!(configuration["index_codecs"].as_array().map(Vec::len), Some(1));
    assert_eq!(configuration["codecs"].as_array().map(Vec::len), Some(2));
}
