//! What `zdedup` reports: batches, duplicate coordinate values, and what was concatenated.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::V1;

/// A batch of a concatenation.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct BatchRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// The dimension.
    pub dim: String,
    /// Length of the batch along the dimension.
    pub length: u64,
    /// Smallest coordinate value; absent for an empty batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Largest coordinate value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Values that occur in an earlier batch, or earlier in this one.
    pub duplicates: u64,
    /// Values that go into the concatenation.
    pub kept: u64,
}

/// A coordinate value that occurs more than once.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct DuplicateRecord {
    /// Version of the record.
    pub v: V1,
    /// The dimension.
    pub dim: String,
    /// The value.
    pub value: String,
    /// The stores that have it, in the order given.
    pub stores: Vec<String>,
    /// Its index along the dimension in each of them.
    pub indices: Vec<u64>,
    /// Whether the data under all occurrences are `identical` or `conflicting`; `not_compared`.
    pub data: String,
    /// Variables that differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflicting_variables: Option<u64>,
}

/// A variable that differs under two occurrences of a coordinate value.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ConflictRecord {
    /// Version of the record.
    pub v: V1,
    /// The dimension.
    pub dim: String,
    /// The coordinate value.
    pub value: String,
    /// Absolute path of the variable.
    pub path: String,
    /// The store with the first occurrence.
    pub store: String,
    /// Its index along the dimension.
    pub index: u64,
    /// The store with the other occurrence.
    pub other_store: String,
    /// Its index along the dimension.
    pub other_index: u64,
    /// Values that were compared.
    pub compared: u64,
    /// Values that differ.
    pub differing: u64,
    /// Largest absolute difference, in the units in which the values are stored; absent if they are no numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::number")]
    pub max_abs_difference: Option<Value>,
}

/// Something wrong with the coordinate of a concatenation.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct CoordinateRecord {
    /// Version of the record.
    pub v: V1,
    /// `gap`, `unsorted`, `near_duplicate` or `missing_value`.
    pub kind: String,
    /// The dimension.
    pub dim: String,
    /// The value before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The value after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The store of the second value.
    pub store: String,
    /// Its index along the dimension.
    pub index: u64,
    /// Of a gap, the number of steps that are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
}

/// The result of concatenating one array.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ConcatRecord {
    /// Version of the record.
    pub v: V1,
    /// The first source store, as given.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// Its shape.
    pub shape: Vec<u64>,
    /// `concatenate`, or `copy` for an array without the dimension.
    pub action: String,
    /// Stored objects written.
    pub objects: u64,
    /// Objects whose stored bytes were copied.
    pub copied: u64,
    /// Objects that were put together from others and encoded again.
    pub recoded: u64,
    /// Stored bytes of the output.
    pub bytes: u64,
    /// Objects that were read back and compared.
    pub verified: u64,
    /// Objects that failed.
    pub failed: u64,
}
