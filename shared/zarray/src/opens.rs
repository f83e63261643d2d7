//! Whether the `zarrs` library, and so every reader built on it, can open an array.

use std::sync::Arc;

use serde_json::Value;
use zarrs::array::{Array, ArrayMetadata};
use zarrs::storage::store::MemoryStore;
use zcodec::codec_name;

use crate::ZarrFormat;

/// Why `zarrs` cannot open the array with this metadata (`.zarray` or `zarr.json`, parsed); `None` if it can.
pub fn zarrs_error(format: ZarrFormat, mut metadata: Value) -> Option<String> {
    without_own(&mut metadata);
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

/// Compressors that `zarrs` decodes and that it is built here without, because our own chain decodes them: its Blosc brings
/// Snappy, and that a C++ compiler.
const BUILT_WITHOUT: [&str; 5] = ["blosc", "zstd", "gzip", "zlib", "bz2"];

/// Removes codecs that `zarrs` is built without from the metadata.
fn without_own(metadata: &mut Value) {
    let Some(members) = metadata.as_object_mut() else { return };
    let ours =
        |codec: &Value| BUILT_WITHOUT.iter().any(|name| codec_name(codec).trim_start_matches("numcodecs.") == *name);
    if members.get("compressor").is_some_and(ours) {
        members.insert("compressor".into(), Value::Null);
    }
    for list in ["filters", "codecs"] {
        let Some(codecs) = members.get_mut(list).and_then(Value::as_array_mut) else { continue };
        codecs.retain(|codec| !ours(codec));
        // The codecs inside a shard.
        codecs.iter_mut().filter_map(|codec| codec.get_mut("configuration")).for_each(without_own);
    }
}
