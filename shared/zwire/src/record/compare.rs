//! What `zvalidate --against` compared of an array.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::V1;

/// An array of two stores.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct CompareRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// The store that it is compared with.
    pub against: String,
    /// Absolute path of the array.
    pub path: String,
    /// `equal`, `close` (equal within --rtol and --atol), `different`, `partly_compared` (no differences in the chunks that both
    /// stores have, where one has only those of a selection) or `not_compared`.
    pub result: String,
    /// Values that were compared.
    pub compared: u64,
    /// Values that differ.
    pub differing: u64,
    /// Index of the first value that differs, in C order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_index: Option<Vec<u64>>,
    /// Largest absolute difference of two numbers, in the units in which they are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::number")]
    pub max_abs_difference: Option<Value>,
    /// Chunks (with sharding: inner chunks) whose stored bytes are equal, so that they were not decoded.
    pub chunks_identical: u64,
    /// Chunks of the store of which values differ.
    pub chunks_differing: u64,
    /// Chunks that could not be compared.
    #[serde(skip_serializing_if = "is_zero")]
    pub chunks_failed: u64,
    /// Chunks that were not fetched into one of the stores, and not compared.
    #[serde(skip_serializing_if = "is_zero")]
    pub chunks_skipped: u64,
    /// How often a byte was decoded on average, because a chunk did not fit the memory together with those of the other store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplification: Option<f64>,
    /// Findings about it that are errors or warnings.
    pub findings: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
