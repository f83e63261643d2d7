//! The members of an array's metadata that describe its chunks, shards and codecs.

use serde_json::{Value, json};
use zarray::{Array, ZarrFormat};

use crate::edits::Changes;
use crate::encoding::Encoding;
use crate::rechunk::Layout;

/// The metadata members that a layout and an encoding change in `array`.
pub fn layout_members(layout: &Layout, encoding: &Encoding, array: &Array) -> Changes {
    let decoded = array.as_decoded();
    let chain = decoded.chain.innermost();
    match array.format {
        ZarrFormat::V2 => {
            let filters = &chain.specs[..chain.kept];
            let mut members = vec![("chunks", json!(layout.chunks)), ("compressor", encoding.compressor.to_v2())];
            if filters != &array.chain.specs[..array.chain.filters()] {
                members.push(("filters", if filters.is_empty() { Value::Null } else { json!(filters) }));
            }
            members
        }
        ZarrFormat::V3 => {
            let grid = json!({"name": "regular", "configuration": {"chunk_shape": layout.object_shape()}});
            let codecs = layout.codecs_v3(&decoded, encoding.tail_v3(chain));
            vec![("chunk_grid", grid), ("codecs", codecs.into())]
        }
    }
}
