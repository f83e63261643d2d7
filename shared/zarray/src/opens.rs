//! Whether the `zarrs` library, and so every reader built on it, can open an array.

use std::sync::Arc;

use serde_json::Value;
use zarrs::array::{Array, ArrayMetadata};
use zarrs::storage::store::MemoryStore;

use crate::ZarrFormat;

/// Why `zarrs` cannot open the array with this metadata (`.zarray` or `zarr.json`, parsed); nothing where it can.
pub fn zarrs_error(format: ZarrFormat, metadata: Value) -> Option<String> {
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
