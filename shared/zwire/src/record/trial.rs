//! Compressors that were tried, and the one that was chosen.

use schemars::JsonSchema;
use serde::Serialize;

use crate::V1;

/// A compressor that was tried on sampled chunks of an array. Measurements differ from run to run.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct TrialRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// The compressor in short form: `blosc(zstd,2,shuffle,split=always)`.
    pub codec: String,
    /// Compressor inside Blosc.
    pub cname: String,
    /// Compression level.
    pub clevel: u8,
    /// `noshuffle`, `shuffle` or `bitshuffle`.
    pub shuffle: String,
    /// `auto`, `always` or `never`.
    pub split: String,
    /// Requested block size; 0 is the default of Blosc.
    pub blocksize: u64,
    /// Decoded bytes that were compressed; fewer for less promising compressors.
    pub sampled_bytes: u64,
    /// Compression ratio.
    pub ratio: f64,
    /// Encoding speed of one thread, in decoded gigabytes (10^9) per second.
    pub encode_gb_per_second: f64,
    /// Decoding speed of one thread, in decoded gigabytes (10^9) per second.
    pub decode_gb_per_second: f64,
    /// Threads of the next two fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// The same with this many threads per chunk; absent if not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encode_threaded_gb_per_second: Option<f64>,
    /// The same with this many threads per chunk; absent if not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_threaded_gb_per_second: Option<f64>,
    /// Blocks of a full chunk.
    pub blocks: u64,
    /// Bytes of a block, decoded.
    pub block_bytes: u64,
    /// Bytes read for one grid cell: header, block table and one block.
    pub point_bytes: u64,
    /// Estimated size of the whole array, from the sample and the fraction of chunks present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_bytes: Option<u64>,
    /// Estimated seconds to encode it with all workers, without reading and writing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_seconds: Option<f64>,
    /// Its place by the objective among those tried, from 1.
    pub rank: u64,
    /// Whether it is Pareto-optimal in size, encoding and decoding speed, and bytes per point.
    pub pareto: bool,
    /// Whether it was chosen for the array.
    pub chosen: bool,
}

/// The compressor that was chosen for an array.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ChoiceRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// `size`, `encode`, `decode`, `point` or `balanced`.
    pub objective: String,
    /// The current codec, in short form.
    pub from: String,
    /// The chosen compressor, in short form.
    pub to: String,
    /// Why no compressor was tried on this array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Chunks that were sampled.
    pub sampled: u64,
    /// Current compression ratio of the sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_before: Option<f64>,
    /// New compression ratio of the sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Estimated current size of the whole array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_before: Option<u64>,
    /// Estimated new size of the whole array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_bytes: Option<u64>,
    /// Estimated seconds to encode it with all workers, without reading and writing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_seconds: Option<f64>,
    /// The command that does it.
    pub command: String,
}
