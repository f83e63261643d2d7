//! Points and their values.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::V1;

/// The grid cell of a point.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct MatchRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// Id of the point.
    pub point_id: String,
    /// Requested latitude, degrees north.
    pub lat: f64,
    /// Requested longitude, degrees east.
    pub lon: f64,
    /// Whether it lies inside the grid.
    pub inside: bool,
    /// Latitude of the cell (of the nearest one, if the point is outside).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_lat: Option<f64>,
    /// Longitude of the cell, in the convention of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_lon: Option<f64>,
    /// Great-circle distance between point and cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_km: Option<f64>,
    /// Index along the latitude dimension, the slower of two, or the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Index along the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// Which arrays are the coordinates, and the rule that found each.
    pub found_by: String,
    /// Why it is outside the grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What an extraction will read from one store. Byte counts are estimated from a chunk of some variables.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ExtractionRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// Variables that are read.
    pub variables: u64,
    /// Value columns.
    pub columns: u64,
    /// Points.
    pub points: u64,
    /// Samples of this store (of this part).
    pub samples: u64,
    /// Rows.
    pub rows: u64,
    /// Chunks that hold a requested cell, counting repeated reads.
    pub chunks: u64,
    /// Bytes that will be read.
    pub read_bytes: u64,
    /// Bytes that a reader of full chunks would read.
    pub whole_bytes: u64,
    /// Decoded bytes of the requested values.
    pub wanted_bytes: u64,
    /// `read_bytes / wanted_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_amplification: Option<f64>,
    /// `whole_bytes / wanted_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_chunk_amplification: Option<f64>,
    /// Batches, read one after the other.
    pub batches: u64,
    /// Maximum rows of a batch.
    pub batch_rows: u64,
    /// Peak memory of batches and chunks in flight.
    pub peak_memory_bytes: u64,
    /// Size of the output.
    pub output_bytes: u64,
    /// Chunks used for these estimates.
    pub sampled_chunks: u64,
    /// Skipped arrays: without horizontal coordinates, or not readable.
    pub left_out: u64,
}

/// A row of an extraction.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct RowRecord {
    /// Version of the record.
    pub v: V1,
    /// Its keys and values by column name.
    #[serde(flatten)]
    pub values: Map<String, Value>,
}
