//! Whether the `zarrs` library, and so every reader built on it, can open an array.

use std::sync::Arc;

use serde_json::Value;
use zarrs::array::{Array, ArrayMetadata};
use zarrs::storage::store::MemoryStore;
use zcodec::codec_name;

use crate::ZarrFormat;

/// Why `zarrs` cannot open the array with this metadata (`.zarray` or `zarr.json`, parsed); nothing where it can.
pub fn zarrs_error(format: ZarrFormat, mut metadata: Value) -> Option<String> {
    without_blosc(&mut metadata);
    let parsed = match format {
        ZarrFormat::V2 => serde_json::from_value(metadata).map(ArrayMetadata::V2),
        ZarrFormat::V3 => serde_json::from_value(metadata).map(ArrayMetadata::V3),
    };
    let metadata = match parsed {
        Ok(metadata) => metadata,
        Err(error) => return Some(error.to_string()),
    };
    Array::new_with_metadata(Arc::new(MemoryStore::new()), "/", metadata).err().map(|error| error.to_string())
}

/// Takes Blosc out of the metadata. `zarrs` opens every array with it, but is built here without: its Blosc brings Snappy,
/// and that a C++ compiler.
fn without_blosc(metadata: &mut Value) {
    let Some(members) = metadata.as_object_mut() else { return };
    if members.get("compressor").is_some_and(|compressor| codec_name(compressor) == "blosc") {
        members.insert("compressor".into(), Value::Null);
    }
    if let Some(codecs) = members.get_mut("codecs").and_then(Value::as_array_mut) {
        codecs.retain(|codec| codec_name(codec) != "blosc");
        for codec in codecs {
            // The codecs inside a shard.
            codec.get_mut("configuration").into_iter().for_each(without_blosc);
        }
    }
}
