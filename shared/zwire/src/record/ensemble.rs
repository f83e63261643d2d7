//! What `lorenz-ens` reports: states, statistics, methods, members that diverged, and what was written.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::V1;

/// A number as a value: NaN and the infinities are strings.
pub fn number(value: f64) -> Value {
    match value {
        _ if value.is_nan() => "NaN".into(),
        _ if value == f64::INFINITY => "Infinity".into(),
        _ if value == f64::NEG_INFINITY => "-Infinity".into(),
        _ => value.into(),
    }
}

/// The state of a member.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct StateRecord {
    /// Version of the record.
    pub v: V1,
    /// Number of the member.
    pub member: u64,
    /// Steps since the initial conditions.
    pub step: u64,
    /// Model time.
    pub time: f64,
    /// The state.
    #[schemars(schema_with = "crate::schema::number")]
    pub x: Value,
    /// The state.
    #[schemars(schema_with = "crate::schema::number")]
    pub y: Value,
    /// The state.
    #[schemars(schema_with = "crate::schema::number")]
    pub z: Value,
}

/// The distribution of a variable over the members, at one time.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct StatisticsRecord {
    /// Version of the record.
    pub v: V1,
    /// Steps since the initial conditions.
    pub step: u64,
    /// Model time.
    pub time: f64,
    /// The variable.
    pub variable: String,
    /// Members with a finite value.
    pub members: u64,
    /// Mean.
    #[schemars(schema_with = "crate::schema::number")]
    pub mean: Value,
    /// Standard deviation.
    #[schemars(schema_with = "crate::schema::number")]
    pub spread: Value,
    /// Minimum.
    #[schemars(schema_with = "crate::schema::number")]
    pub min: Value,
    /// Quantile 0.05.
    #[schemars(schema_with = "crate::schema::number")]
    pub q05: Value,
    /// Quantile 0.25.
    #[schemars(schema_with = "crate::schema::number")]
    pub q25: Value,
    /// Median.
    #[schemars(schema_with = "crate::schema::number")]
    pub q50: Value,
    /// Quantile 0.75.
    #[schemars(schema_with = "crate::schema::number")]
    pub q75: Value,
    /// Quantile 0.95.
    #[schemars(schema_with = "crate::schema::number")]
    pub q95: Value,
    /// Maximum.
    #[schemars(schema_with = "crate::schema::number")]
    pub max: Value,
    /// Root mean square distance of the members from the first one.
    #[schemars(schema_with = "crate::schema::number")]
    pub error: Value,
}

/// A member whose state became NaN or infinite.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct DivergedRecord {
    /// Version of the record.
    pub v: V1,
    /// Number of the member.
    pub member: u64,
    /// The first step after which its state is not finite.
    pub step: u64,
    /// Model time.
    pub time: f64,
}

/// A measured way of integrating the same members.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct MethodRecord {
    /// Version of the record.
    pub v: V1,
    /// `serial`, `vector` or `parallel`.
    pub method: String,
    /// Instructions that were used: `scalar`, `sse2`, `avx2`, `avx512`, `neon`.
    pub instructions: String,
    /// Threads.
    pub jobs: u64,
    /// Seconds: the fastest of several runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Steps of single members in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_steps_per_second: Option<f64>,
    /// How many times faster than the serial method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speedup: Option<f64>,
    /// Speed-up over one thread with the same instructions, divided by the number of threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efficiency: Option<f64>,
    /// Seconds to start the threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_seconds: Option<f64>,
    /// Speed-up over the serial method if only starting the threads were not divided among them (Amdahl's law).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_speedup: Option<f64>,
    /// Whether the result equals that of the serial method, bit for bit.
    pub identical: bool,
}

/// What was written of a generated store.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct GeneratedRecord {
    /// Version of the record.
    pub v: V1,
    /// The store.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Its codecs.
    pub codec: String,
    /// Stored objects.
    pub objects: u64,
    /// Decoded bytes.
    pub uncompressed_bytes: u64,
    /// Stored bytes.
    pub bytes: u64,
    /// Objects that were read back and compared.
    pub verified: u64,
    /// Objects that failed.
    pub failed: u64,
}
