//! The lines of a manifest: JSON Lines, in an order that a check reads as a stream. First the objects that belong to no chunk
//! grid, then for each array its line, its objects in the order of the grid, and the hash of its values; at last the end.

use serde::{Deserialize, Serialize};
use zarray::Array;

use zvalue::ValueType;

/// The version of the format.
pub const VERSION: u32 = 1;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Manifest {
        /// The version of the format.
        v: u32,
        /// The store, as it was given.
        store: String,
    },
    /// The objects that follow are those of an array.
    Array(ArrayLine),
    /// An object.
    Object(ObjectLine),
    /// The array is complete.
    Values {
        /// Absolute path of the array.
        path: String,
        /// Hash of its values; absent if they could not all be decoded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        values: Option<String>,
    },
    /// The last line.
    End {
        /// Object lines.
        objects: u64,
        /// Stored bytes of all.
        bytes: u64,
    },
}

/// An array, and what its objects depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArrayLine {
    /// Absolute path.
    pub path: String,
    /// Length of each dimension.
    pub shape: Vec<u64>,
    /// Data type, the same in both formats.
    pub dtype: String,
    /// Shape of a stored object (chunk or shard).
    pub chunks: Vec<u64>,
    /// Zarr format.
    pub zarr_format: u8,
}

impl ArrayLine {
    /// The line of `array`.
    pub fn of(array: &Array) -> ArrayLine {
        ArrayLine {
            path: array.path.clone(),
            shape: array.shape.clone(),
            dtype: ValueType::name_of(array),
            chunks: array.grid.as_ref().map(|grid| grid.chunk_shape().to_vec()).unwrap_or_default(),
            zarr_format: array.format.number(),
        }
    }
}

/// A stored object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectLine {
    /// Its key, relative to the store.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Hash of its values: its part of the hash of the array. Absent if it holds none, or they could not be decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
}
