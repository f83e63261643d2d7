//! The records, one struct per type. Fields are printed in the order of the struct.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Exit, V1};

/// One line of a stream.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// A group of a hierarchy.
    Group(GroupRecord),
    /// An array, its stored size, and what limits decoding speed.
    Array(Box<ArrayRecord>),
    /// One stored chunk, as its own header describes it.
    Chunk(Box<ChunkRecord>),
    /// A key of the store that belongs to no array.
    Key(KeyRecord),
    /// A node whose metadata differs from the consolidated metadata.
    Consolidated(ConsolidatedRecord),
    /// A measured decoding speed.
    Bench(BenchRecord),
    /// What a writer will do.
    Plan(PlanRecord),
    /// The result of recompressing one array.
    Recompress(RecompressRecord),
    /// A compressor that was tried on chunks of an array.
    Trial(Box<TrialRecord>),
    /// The compressor that was chosen for an array.
    Choice(Box<ChoiceRecord>),
    /// The grid cell of a point.
    Match(Box<MatchRecord>),
    /// What an extraction will read and write.
    Extraction(Box<ExtractionRecord>),
    /// A row of an extraction: names and values.
    Row(RowRecord),
    /// An item that failed; the run continues.
    Error(ErrorRecord),
    /// The last line of every stream.
    Summary(Summary),
}

/// A group.
#[derive(Debug, Clone, Default, Serialize)]
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
#[derive(Debug, Clone, Default, Serialize)]
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
#[derive(Debug, Clone, Default, Serialize)]
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
#[derive(Debug, Clone, Default, Serialize)]
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
#[derive(Debug, Clone, Default, Serialize)]
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
#[derive(Debug, Clone, Default, Serialize)]
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

/// What a writer will do with one array.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PlanRecord {
    /// Version of the record.
    pub v: V1,
    /// The source store, as given.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// `recompress` or `copy`.
    pub action: String,
    /// Why the array is only copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The current codec, in short form.
    pub from: String,
    /// The new codec, in short form.
    pub to: String,
    /// Stored objects if the array is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_expected: Option<u64>,
    /// Bytes of one decoded chunk; of a new one, if that changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
    /// Bytes of the whole array, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncompressed_bytes: Option<u64>,
    /// Stored bytes of the source; only if listing the source is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_before: Option<u64>,
    /// Independent blocks that a new chunk will have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
    /// Shape of a new chunk, if that changes; with sharding, of an inner chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_shape: Option<Vec<u64>>,
    /// Shape of a new shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_shape: Option<Vec<u64>>,
    /// Number of pieces in which the array is rechunked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<u64>,
    /// Mean number of times a source chunk is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_reads: Option<f64>,
    /// Maximum number of times a source chunk is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_reads_most: Option<u64>,
    /// Stored bytes that will be read, counting repeated reads; only if listing the source is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_to_read: Option<u64>,
    /// Mean number of times a source byte is decoded; of a Blosc chunk only the required blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decodes: Option<f64>,
    /// Decoded bytes of the output, including padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// Peak memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Bytes of a temporary store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporary_bytes: Option<u64>,
}

/// The result for one array.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RecompressRecord {
    /// Version of the record.
    pub v: V1,
    /// The source store, as given.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// `recompress` or `copy`.
    pub action: String,
    /// Why the array was only copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The old codec, in short form.
    pub from: String,
    /// The new codec, in short form.
    pub to: String,
    /// Stored objects processed: the present chunks or shards.
    pub objects: u64,
    /// Stored bytes before.
    pub bytes_before: u64,
    /// Stored bytes after.
    pub bytes_after: u64,
    /// Decoded bytes; absent if nothing was decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncompressed_bytes: Option<u64>,
    /// `bytes_before / bytes_after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// Objects that were read back, decoded and compared.
    pub verified: u64,
    /// Objects that failed.
    pub failed: u64,
    /// Seconds that workers spent on this array, summed, with `--timing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_seconds: Option<f64>,
    /// Decoded bytes per worker second, with `--timing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_worker_second: Option<f64>,
}

/// The grid cell of a point.
#[derive(Debug, Clone, Default, Serialize)]
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
#[derive(Debug, Clone, Default, Serialize)]
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
#[derive(Debug, Clone, Default, Serialize)]
pub struct RowRecord {
    /// Version of the record.
    pub v: V1,
    /// Its keys and values by column name.
    #[serde(flatten)]
    pub values: Map<String, Value>,
}

/// An item that failed.
#[derive(Debug, Clone, Serialize)]
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
#[derive(Debug, Clone, Serialize)]
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
    pub totals: Map<String, Value>,
    /// Where the time went, with `--timing`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

/// Time and memory of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Timing {
    /// Wall-clock time of the whole run.
    pub seconds: f64,
    /// CPU time of all threads.
    pub cpu_seconds: f64,
    /// Peak resident memory.
    pub peak_memory_bytes: u64,
    /// Seconds by phase, summed over the workers.
    #[serde(flatten)]
    pub phases: Map<String, Value>,
}

/// A compressor that was tried on sampled chunks of an array. Measurements differ from run to run.
#[derive(Debug, Clone, Default, Serialize)]
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
#[derive(Debug, Clone, Default, Serialize)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_starts_with_type_and_version() {
        let record = Record::Key(KeyRecord {
            store: "s".into(),
            key: "t2m/x".into(),
            stored_bytes: 3,
            kind: "unknown".into(),
            ..Default::default()
        });
        let line = serde_json::to_string(&record).expect("a record serialises");
        assert_eq!(line, r#"{"type":"key","v":1,"store":"s","key":"t2m/x","stored_bytes":3,"kind":"unknown"}"#);
    }

    #[test]
    fn a_summary_is_flat() {
        let mut totals = Map::new();
        totals.insert("arrays".into(), 4.into());
        let summary = Summary { v: V1, tool: "zinspect".into(), exit: Exit::Done, errors: 0, totals, timing: None };
        let line = serde_json::to_string(&Record::Summary(summary)).expect("a record serialises");
        assert_eq!(line, r#"{"type":"summary","v":1,"tool":"zinspect","exit":0,"errors":0,"arrays":4}"#);
    }
}
