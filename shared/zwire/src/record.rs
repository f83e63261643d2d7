//! The records, one struct a type. Field order is the order on the line.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Exit, V1};

/// One line of a stream.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// A group of a hierarchy.
    Group(GroupRecord),
    /// An array, what is stored of it and what bounds its decoding.
    Array(Box<ArrayRecord>),
    /// One stored chunk, as its own header describes it.
    Chunk(Box<ChunkRecord>),
    /// A key of the store that belongs to no array.
    Key(KeyRecord),
    /// A node on which consolidated metadata and the node's own metadata disagree.
    Consolidated(ConsolidatedRecord),
    /// A measured decoding speed.
    Bench(BenchRecord),
    /// What a writer is going to do.
    Plan(PlanRecord),
    /// What became of one array in a recompression.
    Recompress(RecompressRecord),
    /// A compressor that was tried on chunks of an array.
    Trial(Box<TrialRecord>),
    /// The compressor that was chosen for an array.
    Choice(Box<ChoiceRecord>),
    /// The cell that a place was found in.
    Match(Box<MatchRecord>),
    /// What an extraction is going to read and write.
    Extraction(Box<ExtractionRecord>),
    /// A row of an extraction: names and values.
    Row(RowRecord),
    /// An item that failed; the run goes on.
    Error(ErrorRecord),
    /// The last line of every stream.
    Summary(Summary),
}

/// A group.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GroupRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as it was named.
    pub store: String,
    /// Absolute path of the node.
    pub path: String,
    /// 2 or 3.
    pub zarr_format: u8,
    /// Attributes, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Map<String, Value>>,
}

/// An array. Everything after `codecs` is there only where it was asked for and could be known.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ArrayRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as it was named.
    pub store: String,
    /// Absolute path of the node.
    pub path: String,
    /// 2 or 3.
    pub zarr_format: u8,
    /// Length of each dimension.
    pub shape: Vec<u64>,
    /// Dimension names, `null` where a dimension has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension_names: Option<Vec<Option<String>>>,
    /// The data type in the words of the metadata (`<f4`, `float32`, a list for a structured type).
    pub dtype: Value,
    /// Bytes of one element as it is handed to the compressor's side of the codec chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itemsize_bytes: Option<u64>,
    /// Shape of a chunk; with sharding, of an inner chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_shape: Option<Vec<u64>>,
    /// Shape of a shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_shape: Option<Vec<u64>>,
    /// Chunks that the array has; with sharding, inner chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks: Option<u64>,
    /// Shards that the array has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u64>,
    /// Bytes of one decoded chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
    /// Bytes of the whole array, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncompressed_bytes: Option<u64>,
    /// Fill value in the words of the metadata.
    pub fill_value: Value,
    /// `C` or `F`, Zarr v2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// What stands between the chunk indices of a key.
    pub separator: String,
    /// The codec chain in the words of the metadata, in encoding order (v2: the filters, then the compressor).
    pub codecs: Vec<Value>,
    /// One line of the chain for people: `blosc(lz4,5,shuffle)`.
    pub codec: String,
    /// Attributes, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Map<String, Value>>,
    /// Why the `zarrs` library cannot open the array; absent when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zarrs_error: Option<String>,
    /// Stored objects (chunks, or shards) found by `--sizes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_present: Option<u64>,
    /// Stored objects that a full array would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_expected: Option<u64>,
    /// Bytes stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
    /// Decoded bytes of the present objects for each stored byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Smallest stored object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_min_bytes: Option<u64>,
    /// Median stored object (to within 0.1 % where an array has thousands of different sizes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_median_bytes: Option<u64>,
    /// Largest stored object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_max_bytes: Option<u64>,
    /// Chunks whose headers were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<u64>,
    /// Independent blocks of a chunk; the fewest of the sampled ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
    /// Bytes of a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_bytes: Option<u64>,
    /// Most threads that can help to decode one chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_threads: Option<u64>,
    /// Threads that `max_speedup` is for (`--nthreads`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// `blocks / ceil(blocks / threads)`: the most that these threads can gain inside one chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_speedup: Option<f64>,
    /// What bounds decoding, in one word.
    pub verdict: String,
    /// The verdict in one sentence.
    pub reason: String,
    /// Whether recompressing would help.
    pub recompress_helps: bool,
    /// Which readers would gain from recompressing, or why none would.
    pub benefit: String,
    /// The command that would do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// One sampled chunk.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChunkRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as it was named.
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
    /// `blosc`, `zstd`, `gzip`, …: the format that the metadata names; `faults` says where the bytes are not of it.
    pub format: String,
    /// Blosc format version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format_version: Option<u8>,
    /// Compressor inside a Blosc frame; lz4 and lz4hc look alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compressor: Option<String>,
    /// `noshuffle`, `shuffle` or `bitshuffle`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<String>,
    /// Element size that the filter works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typesize: Option<u8>,
    /// Whether each block is split into one stream a byte position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<bool>,
    /// Whether the frame holds the bytes as they are.
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
    /// Most threads that can help to decode it.
    pub max_threads: u64,
    /// What is wrong with it: it is damaged, or not what the metadata says. Empty when nothing is.
    pub problems: Vec<String>,
    /// What is legal, but was hardly meant.
    pub notes: Vec<String>,
}

/// A key that belongs to no array.
#[derive(Debug, Clone, Default, Serialize)]
pub struct KeyRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as it was named.
    pub store: String,
    /// The key, relative to the store.
    pub key: String,
    /// Size of the object.
    pub stored_bytes: u64,
    /// `temporary` (left behind by a writer), `outside_grid` (a chunk key that the array's shape has no place for),
    /// `wrong_separator` (a chunk key spelled with the other separator), or `unknown`.
    pub kind: String,
}

/// A disagreement between consolidated metadata and a node's own.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ConsolidatedRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as it was named.
    pub store: String,
    /// Absolute path of the node.
    pub path: String,
    /// `missing` (not in the consolidated copy), `gone` (only there), or `differs`.
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
    /// The store, as it was named.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// `inside` (threads on one chunk) or `across` (that many chunks at once).
    pub mode: String,
    /// Threads at work.
    pub threads: u64,
    /// Chunks that were decoded.
    pub chunks: u64,
    /// Decoded gigabytes (10^9) for each second.
    pub gb_per_second: f64,
    /// Speed against one thread on one chunk.
    pub speedup: f64,
}

/// What a writer is going to do with one array.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PlanRecord {
    /// Version of the record.
    pub v: V1,
    /// The source store, as it was named.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// `recompress` or `copy`.
    pub action: String,
    /// Why, where the array is only copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The codec as it is, for people.
    pub from: String,
    /// The codec as it will be, for people.
    pub to: String,
    /// Stored objects that a full array will have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_expected: Option<u64>,
    /// Bytes of one decoded chunk; of a new one, where that changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
    /// Bytes of the whole array, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncompressed_bytes: Option<u64>,
    /// Independent blocks that a new chunk will have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
    /// Shape of a new chunk, where that changes; with sharding, of an inner chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_shape: Option<Vec<u64>>,
    /// Shape of a new shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_shape: Option<Vec<u64>>,
    /// Pieces that the array is rechunked in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<u64>,
    /// How often a source chunk is read, on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_reads: Option<f64>,
    /// How often a source chunk is read, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_reads_most: Option<u64>,
    /// Stored bytes that will be read, each as often as it is read; only where a list of the source costs nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_to_read: Option<u64>,
    /// How often a byte of the source is decoded, on average: of a Blosc chunk only the blocks that are needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decodes: Option<f64>,
    /// Decoded bytes of the output, edges padded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// Bytes of memory at the peak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Bytes of a temporary store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporary_bytes: Option<u64>,
}

/// What became of one array.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RecompressRecord {
    /// Version of the record.
    pub v: V1,
    /// The source store, as it was named.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// `recompress` or `copy`.
    pub action: String,
    /// Why, where the array was only copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The codec as it was, for people.
    pub from: String,
    /// The codec as it is now, for people.
    pub to: String,
    /// Stored objects carried over: the present chunks, or shards.
    pub objects: u64,
    /// Stored bytes before.
    pub bytes_before: u64,
    /// Stored bytes after.
    pub bytes_after: u64,
    /// Decoded bytes; absent where nothing was decoded.
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
    /// Decoded bytes for each worker second, with `--timing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_worker_second: Option<f64>,
}

/// The cell that a place was found in.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MatchRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as it was named.
    pub store: String,
    /// Id of the place.
    pub point_id: String,
    /// Its latitude as asked for, degrees north.
    pub lat: f64,
    /// Its longitude as asked for, degrees east.
    pub lon: f64,
    /// Whether it lies inside of the grid.
    pub inside: bool,
    /// Latitude of the cell (of the nearest one, where the place is outside).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_lat: Option<f64>,
    /// Longitude of the cell, in the convention of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_lon: Option<f64>,
    /// Great-circle distance of place and cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_km: Option<f64>,
    /// Index along the latitude's dimension, the slower of two, or the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Index along the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// Which arrays are the coordinates, and the rule that found each.
    pub found_by: String,
    /// Why it is outside, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What an extraction is going to read of one store. Figures of bytes are reckoned from a chunk of some variables.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ExtractionRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as it was named.
    pub store: String,
    /// Variables that are read.
    pub variables: u64,
    /// Columns behind the keys.
    pub columns: u64,
    /// Places.
    pub places: u64,
    /// Samples of this store (of this part).
    pub samples: u64,
    /// Rows.
    pub rows: u64,
    /// Chunks that hold a wanted cell, counted as often as they are read.
    pub chunks: u64,
    /// Bytes that will be read.
    pub read_bytes: u64,
    /// Bytes that a reader of whole chunks would read.
    pub whole_bytes: u64,
    /// Bytes of the values wanted, decoded.
    pub wanted_bytes: u64,
    /// `read_bytes / wanted_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_amplification: Option<f64>,
    /// `whole_bytes / wanted_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_chunk_amplification: Option<f64>,
    /// Batches that are read one after the other.
    pub batches: u64,
    /// The most rows of a batch.
    pub batch_rows: u64,
    /// The most memory that batches and chunks in flight take.
    pub peak_memory_bytes: u64,
    /// Size of the output.
    pub output_bytes: u64,
    /// Chunks that these figures were reckoned from.
    pub sampled_chunks: u64,
    /// Arrays left out, because they have no place or cannot be read.
    pub left_out: u64,
}

/// A row of an extraction.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RowRecord {
    /// Version of the record.
    pub v: V1,
    /// Its keys and values by their names.
    #[serde(flatten)]
    pub values: Map<String, Value>,
}

/// An item that failed.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorRecord {
    /// Version of the record.
    pub v: V1,
    /// What it is about: a store, a node, a chunk's key.
    pub path: String,
    /// What is wrong, with the chain of causes.
    pub error: String,
    /// The exit code that this failure alone would give.
    pub exit: Exit,
    /// What to do about it.
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
    /// The code that the process ends with.
    pub exit: Exit,
    /// Error records in this stream.
    pub errors: u64,
    /// The tool's own totals.
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
    /// Processor time, all threads.
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
    /// The store, as it was named.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// The compressor for people: `blosc(zstd,2,shuffle,split=always)`.
    pub codec: String,
    /// Compressor inside Blosc.
    pub cname: String,
    /// Compression level.
    pub clevel: u8,
    /// `noshuffle`, `shuffle` or `bitshuffle`.
    pub shuffle: String,
    /// `auto`, `always` or `never`.
    pub split: String,
    /// Block size that was asked for; 0 is Blosc's own choice.
    pub blocksize: u64,
    /// Decoded bytes that were compressed. Less promising compressors see fewer of them.
    pub sampled_bytes: u64,
    /// Decoded bytes for each compressed byte.
    pub ratio: f64,
    /// Gigabytes (10^9, decoded) that one thread encodes in a second.
    pub encode_gb_per_second: f64,
    /// Gigabytes (10^9, decoded) that one thread decodes in a second.
    pub decode_gb_per_second: f64,
    /// Threads of the next two fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// The same with that many threads on one chunk; absent where one was enough to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encode_threaded_gb_per_second: Option<f64>,
    /// The same with that many threads on one chunk; absent where one was enough to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_threaded_gb_per_second: Option<f64>,
    /// Blocks of a whole chunk.
    pub blocks: u64,
    /// Bytes of a block, decoded.
    pub block_bytes: u64,
    /// Bytes that a reader of one cell needs: header, block table and one block.
    pub point_bytes: u64,
    /// Size of the whole array, by the sample and by how many of its chunks seem to be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_bytes: Option<u64>,
    /// Seconds that encoding it would take all workers, without reading and writing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_seconds: Option<f64>,
    /// Whether no other one is at least as good in size, both speeds and bytes for a point, and better in one of them.
    pub pareto: bool,
    /// Whether it is the array's choice.
    pub chosen: bool,
}

/// The compressor that was chosen for an array.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChoiceRecord {
    /// Version of the record.
    pub v: V1,
    /// The store, as it was named.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// `size`, `encode`, `decode`, `point` or `balanced`.
    pub objective: String,
    /// The codec as it is, for people.
    pub from: String,
    /// The compressor that was chosen, for people.
    pub to: String,
    /// Why, where nothing of this array was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Chunks that were sampled.
    pub sampled: u64,
    /// Decoded bytes for each stored byte, in the sample as it is stored now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_before: Option<f64>,
    /// The same as it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Size of the whole array as it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_bytes: Option<u64>,
    /// Seconds that encoding it would take all workers, without reading and writing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_seconds: Option<f64>,
    /// The command that would do it.
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
