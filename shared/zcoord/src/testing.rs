//! Arrays for tests.

use serde_json::{Value, json};
use zarray::{Array, Node, node_v3};

/// A float32 array with two elements along each of its named dimensions.
pub fn array(path: &str, dimensions: &Value, attributes: &Value) -> Array {
    let shape = vec![2u64; dimensions.as_array().map_or(0, Vec::len)];
    let text = json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "float32", "fill_value": 0,
        "codecs": ["bytes"], "chunk_key_encoding": {"name": "default"}, "dimension_names": dimensions,
        "attributes": attributes,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}}});
    match node_v3(path, text.to_string().as_bytes()) {
        Ok(Node::Array(array)) => *array,
        other => panic!("no array: {other:?}"),
    }
}
