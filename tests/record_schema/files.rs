//! The lines of files that tools write besides their output, as a reader of another project sees them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use zwire::V1;

/// A line of `OUT.columns.jsonl`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only described")]
pub enum Column {
    /// A column of a table.
    Column(ColumnLine),
}

/// A column of a table: a key of its rows, or a variable at some labels of its other dimensions.
#[derive(JsonSchema, Serialize)]
pub struct ColumnLine {
    /// Version of the record.
    v: V1,
    /// Name of the column.
    column: String,
    /// Of a key: `point_id`, `latitude`, `longitude`, `carried`, `cell`, `sample` or `store`.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// Absolute path of the variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    /// Coordinate values of the dimensions that are neither rows nor the grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    indices: Option<BTreeMap<String, Value>>,
    /// NumPy data type of the values.
    dtype: String,
    /// Calendar of a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    calendar: Option<String>,
    /// Attribute of the variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<String>,
    /// Attribute of the variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    standard_name: Option<String>,
    /// Attribute of the variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    long_name: Option<String>,
    /// The first store with the variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
}

/// A line of a manifest.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only described")]
pub enum ManifestLine {
    /// The first line.
    Manifest {
        /// Version of the format.
        v: V1,
        /// The store, as given.
        store: String,
    },
    /// An array; the objects that follow are its own.
    Array {
        /// Absolute path.
        path: String,
        /// Length of each dimension.
        shape: Vec<u64>,
        /// Data type.
        dtype: String,
        /// Shape of a stored object (chunk or shard).
        chunks: Vec<u64>,
        /// 2 or 3.
        zarr_format: u8,
    },
    /// A stored object.
    Object {
        /// Its key, relative to the store.
        key: String,
        /// Its bytes.
        size: u64,
        /// SHA-256 of its bytes.
        sha256: String,
        /// Hash of its values; absent if it holds none, or they could not be decoded.
        #[serde(skip_serializing_if = "Option::is_none")]
        values: Option<String>,
    },
    /// The array is complete.
    Values {
        /// Absolute path of the array.
        path: String,
        /// Hash of its values; absent if they could not all be decoded.
        #[serde(skip_serializing_if = "Option::is_none")]
        values: Option<String>,
    },
    /// The last line.
    End {
        /// Number of object lines.
        objects: u64,
        /// Stored bytes of all.
        bytes: u64,
    },
}
