//! What went wrong, and how a stream ends.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Exit, V1};

/// An item that failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ErrorRecord {
    /// Version of the record.
    pub v: V1,
    /// Path of a store, a node or a chunk key.
    pub path: String,
    /// What is wrong, with the chain of causes.
    pub error: String,
    /// The exit code of this failure alone.
    pub exit: Exit,
    /// Hint: what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The last line of a stream.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Summary {
    /// Version of the record.
    pub v: V1,
    /// The tool.
    pub tool: String,
    /// The exit code of the process.
    pub exit: Exit,
    /// Error records in this stream.
    pub errors: u64,
    /// The totals of the tool.
    #[serde(flatten)]
    #[schemars(skip)]
    pub totals: Map<String, Value>,
    /// Where the time went, with `--timing`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

/// Time and memory of a run.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Timing {
    /// Wall-clock time of the whole run.
    pub seconds: f64,
    /// CPU time of all threads.
    pub cpu_seconds: f64,
    /// Peak resident memory.
    pub peak_memory_bytes: u64,
    /// Seconds by phase, summed over the workers.
    #[serde(flatten)]
    #[schemars(schema_with = "crate::schema::phases")]
    pub phases: Map<String, Value>,
}
