//! The metadata documents of a node, from Zarr v2 to v3 and back. Documents only: no store is read and no chunk decoded,
//! because the new documents describe the bytes that are there.
//!
//! What the other format cannot express is an error. The reference readers are zarr-python 3, which has to read the same
//! elements, and xarray, which has to see the same dimensions and the same values missing.

mod compressors;
mod dtype;
mod error;
mod fill;
mod filters;
mod float;
mod time_unit;
mod to_v2;
mod to_v3;
mod xarray;

use serde_json::Value;
pub use to_v2::{array_to_v2, group_to_v2};
pub use to_v3::{array_to_v3, group_to_v3, notes};
use zarray::{Array, ChunkKeys};

/// The keys of the chunks of `array` in the other format. v3 has an encoding for the keys of v2, so none changes on the way
/// there; on the way back the `c` in front goes, which v2 cannot spell.
pub fn keys_after(array: &Array) -> ChunkKeys {
    ChunkKeys { prefixed: false, separator: array.keys.separator }
}

/// A list of lengths: a shape.
fn lengths(value: Value) -> Option<Vec<u64>> {
    value.as_array()?.iter().map(Value::as_u64).collect()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
