//! What is in a store, as `zinspect` and its like report it: nodes, keys, chunks, speeds.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::V1;

/// A group.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct GroupRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// Absolute path of the node.
    pub path: String,
    /// 2 or 3.
    pub zarr_format: u8,
    /// Attributes, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Map<String, Value>>,
    /// What of its metadata has to be understood and is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_understood: Option<String>,
}

/// An array. The fields after `codecs` are present only if requested and known.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ArrayRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// Absolute path of the node.
    pub path: String,
    /// 2 or 3.
    pub zarr_format: u8,
    /// Length of each dimension.
    pub shape: Vec<u64>,
    /// Dimension names, `null` for a dimension without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension_names: Option<Vec<Option<String>>>,
    /// The data type as in the metadata (`<f4`, `float32`, a list for a structured type).
    pub dtype: Value,
    /// Bytes of one element as the bytes-to-bytes codecs see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itemsize_bytes: Option<u64>,
    /// Shape of a chunk; with sharding, of an inner chunk. Absent if chunks have several shapes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_shape: Option<Vec<u64>>,
    /// On a rectilinear grid the lengths of its objects (chunks, or shards) along each dimension: runs of length and count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_lengths: Option<Vec<Vec<(u64, u64)>>>,
    /// Shape of a shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_shape: Option<Vec<u64>>,
    /// Chunks that the array has; with sharding, inner chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks: Option<u64>,
    /// Shards that the array has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u64>,
    /// Bytes of one decoded chunk; of the largest, if they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
    /// Bytes of the whole array, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncompressed_bytes: Option<u64>,
    /// Fill value as in the metadata.
    pub fill_value: Value,
    /// `C` or `F`, Zarr v2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// Separator between the chunk indices in a key.
    pub separator: String,
    /// The codec chain as in the metadata, in encoding order (v2: the filters, then the compressor).
    pub codecs: Vec<Value>,
    /// The codec chain in short form: `blosc(lz4,5,shuffle)`.
    pub codec: String,
    /// Attributes, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Map<String, Value>>,
    /// Why the `zarrs` library cannot open the array; absent if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zarrs_error: Option<String>,
    /// Stored objects (chunks, or shards) found by `--sizes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_present: Option<u64>,
    /// Stored objects if the array were complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_expected: Option<u64>,
    /// If some are missing: the share present in equal stretches along the first dimension with several chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present_shares: Option<Vec<f64>>,
    /// Bytes stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
    /// Compression ratio of the present objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Smallest stored object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_min_bytes: Option<u64>,
    /// Median stored object (to within 0.1 % if an array has thousands of different sizes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_median_bytes: Option<u64>,
    /// Largest stored object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_max_bytes: Option<u64>,
    /// Chunks whose headers were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<u64>,
    /// Independent blocks per chunk; the minimum of the sampled chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
    /// Bytes of a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_bytes: Option<u64>,
    /// Maximum number of threads that can decode one chunk in parallel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_threads: Option<u64>,
    /// Threads assumed for `max_speedup` (`--nthreads`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// `blocks / ceil(blocks / threads)`: the maximum speed-up with these threads on one chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_speedup: Option<f64>,
    /// If recompressing gives more blocks: how many times more these threads could gain than now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recompressed_speedup: Option<f64>,
    /// What limits decoding speed, or what is wrong, in one word.
    pub verdict: String,
    /// The verdict in one sentence.
    pub reason: String,
    /// Whether recompressing would help.
    pub recompress_helps: bool,
    /// Which readers would benefit from recompressing, or why none would.
    pub benefit: String,
    /// The command that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// One sampled chunk.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ChunkRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// Key of the stored object, relative to the store.
    pub key: String,
    /// Number of the inner chunk within its shard, in C order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_chunk: Option<u64>,
    /// Size of the stored chunk.
    pub stored_bytes: u64,
    /// `blosc`, `zstd`, `gzip`, …: the format according to the metadata; `problems` is not empty if the bytes differ.
    pub format: String,
    /// Blosc format version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format_version: Option<u8>,
    /// Compressor in a Blosc frame; lz4 and lz4hc cannot be distinguished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compressor: Option<String>,
    /// `noshuffle`, `shuffle` or `bitshuffle`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<String>,
    /// Element size that the filter works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typesize: Option<u8>,
    /// Whether each block is split into one stream per byte position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<bool>,
    /// Whether the bytes are stored uncompressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_raw: Option<bool>,
    /// Decoded bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncompressed_bytes: Option<u64>,
    /// Bytes of a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_bytes: Option<u64>,
    /// Number of independent blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
    /// Maximum number of threads that can decode it in parallel.
    pub max_threads: u64,
    /// Problems: damage, or differences from the metadata. Empty if there are none.
    pub problems: Vec<String>,
    /// Valid but probably unintended properties.
    pub notes: Vec<String>,
}

/// A key that belongs to no array.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct KeyRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// The key, relative to the store.
    pub key: String,
    /// Size of the object.
    pub stored_bytes: u64,
    /// `temporary` (left behind by a writer), `outside_grid` (a chunk key outside the chunk grid),
    /// `wrong_separator` (a chunk key with the other separator), `link` (a link to a directory that does not belong to the
    /// store), or `unknown`.
    pub kind: String,
}

/// A difference between consolidated metadata and the metadata of a node.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ConsolidatedRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// Absolute path of the node.
    pub path: String,
    /// `missing` (not in the consolidated metadata), `gone` (only there), or `differs`.
    pub difference: String,
    /// Top-level members that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
}

/// A measured decoding speed. Measurements differ from run to run.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct BenchRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as given.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// `inside` (several threads per chunk) or `across` (several chunks in parallel).
    pub mode: String,
    /// Number of threads.
    pub threads: u64,
    /// Chunks that were decoded.
    pub chunks: u64,
    /// Decoded gigabytes (10^9) per second.
    pub gb_per_second: f64,
    /// Speed relative to one thread on one chunk.
    pub speedup: f64,
}
