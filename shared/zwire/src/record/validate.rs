//! What `zvalidate` reports: findings, and what was checked of each array.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::V1;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; the data may well be as they should be.
    #[default]
    Info,
    /// Probably wrong.
    Warning,
    /// Wrong.
    Error,
}

impl Severity {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Something wrong, or worth knowing, about a store.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct FindingRecord {
    /// Version of the record.
    pub v: V1,
    /// What kind of finding, in one word.
    pub kind: String,
    /// How bad it is.
    pub severity: Severity,
    /// The store, as given.
    pub store: String,
    /// Absolute path of the array or group; absent for a finding about the whole store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Key of the object, relative to the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Number of the inner chunk within its shard, in C order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_chunk: Option<u64>,
    /// The dimension along which it lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dim: Option<String>,
    /// First and last index along the dimension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indices: Option<[u64; 2]>,
    /// Coordinate values of the first and the last index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<[String; 2]>,
    /// What it stands for: so many chunks, steps, values or keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Index of the first value that differs between two stores, in C order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_index: Option<Vec<u64>>,
    /// Values that differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differing: Option<u64>,
    /// Values that were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<u64>,
    /// Largest absolute difference of two numbers, in the units in which they are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::number")]
    pub max_abs_difference: Option<Value>,
    /// What was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found.
    pub found: String,
    /// What to do.
    pub hint: String,
    /// The command that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What was checked of one array.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct CheckRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// How thoroughly: `list`, `header` or `full`.
    pub level: String,
    /// Stored objects (chunks, or shards) if the array were complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// Stored objects that are present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<u64>,
    /// Stored objects that are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
    /// Bytes of the stored objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
    /// Chunks (with sharding: inner chunks) whose bytes were checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks_checked: Option<u64>,
    /// Chunks that are damaged or do not match the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks_damaged: Option<u64>,
    /// Values in the decoded chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<u64>,
    /// Share of stored values that are NaN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nan_share: Option<f64>,
    /// Share of stored values that are the fill value, if that is not NaN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill_share: Option<f64>,
    /// Share of all values whose chunk is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_share: Option<f64>,
    /// Smallest value as stored (before packing is undone), apart from NaN and the fill value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// Largest value as stored, apart from NaN and the fill value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// Its chunks along the first dimension, as a strip of characters (`--map -`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
    /// Findings about it that are errors or warnings.
    pub findings: u64,
}
