//! Tests of [`super`]: what is understood, and rectilinear grids.

use serde_json::{Value, json};

use super::node_v3;
use crate::grid::{ChunkKeys, Key};
use crate::metadata::{Array, Node};

/// An array of six elements in three chunks, with these members in place of its own.
fn array(members: Value) -> Result<Array, String> {
    let mut metadata = json!({"zarr_format": 3, "node_type": "array", "shape": [6], "data_type": "int8", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}}, "codecs": ["bytes"],
        "chunk_key_encoding": {"name": "default"}, "storage_transformers": []});
    for (name, value) in members.as_object().expect("an object") {
        metadata[name] = value.clone();
    }
    match node_v3("/x", metadata.to_string().as_bytes())? {
        Node::Array(array) => Ok(*array),
        Node::Group(_) => panic!("an array"),
    }
}

#[test]
fn a_node_has_a_type() {
    assert!(node_v3("/", br#"{"zarr_format": 3}"#).expect_err("no type").contains("node_type"));
}

#[test]
fn what_may_be_ignored_is() {
    for members in [
        json!({}),
        json!({"proj": {"name": "proj", "must_understand": false}}),
        json!({"storage_transformers": [{"name": "log", "must_understand": false}]}),
        json!({"storage_transformers": null}),
        json!({"data_type": {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}}),
        json!({"data_type": "float8_e4m3"}),
    ] {
        assert_eq!(array(members.clone()).expect("an array").not_understood, None, "{members}");
    }
}

#[test]
fn what_must_be_understood_is_named_and_makes_every_object_opaque() {
    for (members, word) in [
        (json!({"proj": {"name": "proj"}}), "\"proj\""),
        (json!({"proj": 7}), "\"proj\""),
        (json!({"proj": {"must_understand": true}}), "\"proj\""),
        (json!({"storage_transformers": [{"name": "chunk-manifest"}]}), "\"chunk-manifest\""),
        (json!({"chunk_grid": {"name": "hexagonal"}}), "\"hexagonal\""),
        (json!({"chunk_grid": {"name": "rectilinear", "configuration": {"kind": "file"}}}), "\"rectilinear\""),
        (json!({"chunk_key_encoding": {"name": "fanout", "configuration": {"separator": 5}}}), "\"fanout\""),
        (json!({"data_type": {"name": "decimal"}}), "\"decimal\""),
    ] {
        let array = array(members).expect("an array");
        let why = array.not_understood.clone().expect(word);
        assert!(why.contains(word), "{why}");
        assert_eq!(array.key_kind("x/manifest.json"), Key::Chunk(None));
        assert_eq!(array.key_kind("x/zarr.json"), Key::Metadata);
    }
    let group = node_v3("/", br#"{"zarr_format": 3, "node_type": "group", "icechunk": {}}"#).expect("a group");
    let Node::Group(group) = group else { panic!("a group") };
    assert!(group.not_understood.is_some_and(|why| why.contains("icechunk")));
}

fn rectilinear(chunk_shapes: Value) -> Result<Array, String> {
    array(
        json!({"chunk_grid": {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": chunk_shapes}}}),
    )
}

#[test]
fn rectilinear_grids_are_read_in_every_spelling() {
    for (chunk_shapes, chunks, last) in [
        (json!([[1, 2, 3]]), 3, 3),
        (json!([[[2, 3]]]), 3, 2),
        (json!([[1, [2, 1], 3]]), 3, 3),
        (json!([4]), 2, 4),
        (json!([[4, 4, 4]]), 2, 4),
    ] {
        let array = rectilinear(chunk_shapes.clone()).expect("an array");
        assert_eq!(array.not_understood, None);
        assert_eq!(array.chunks(), Some(chunks), "{chunk_shapes}");
        assert_eq!(array.at(&[chunks - 1]).chain.chunk_bytes, Some(last), "{chunk_shapes}");
        assert_eq!(array.key_kind(&format!("x/c/{chunks}")), Key::OutsideGrid);
        assert_eq!(array.keys, ChunkKeys { prefixed: true, separator: '/' });
    }
    for wrong in [json!([[1, 2]]), json!([[0, 6]]), json!([[6], [6]]), json!([[[1, 2, 3]]]), json!("6"), json!([["6"]])]
    {
        assert!(rectilinear(wrong.clone()).expect_err("wrong").contains("chunk_shapes"), "{wrong}");
    }
}

#[test]
fn inner_chunks_divide_every_rectilinear_shard() {
    let sharded = |inner: u64| {
        let codecs = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [inner], "codecs": ["bytes"],
            "index_codecs": ["bytes"]}}]);
        array(json!({"codecs": codecs, "chunk_grid":
            {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [[4, 2]]}}}))
    };
    let array = sharded(2).expect("an array");
    let counts = [0, 1].map(|shard| array.at(&[shard]).chain.sharding.as_ref().map(|sharding| sharding.index.chunks));
    assert_eq!((counts, array.chunks()), ([Some(2), Some(1)], Some(3)));
    assert!(sharded(4).expect_err("wrong").contains("does not divide"));
}
