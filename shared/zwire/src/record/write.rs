//! What a writer will do and has done with each array.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::V1;

/// What a writer will do with one array.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
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
    /// Stored bytes that are read, estimated from the sizes of a few objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_bytes: Option<u64>,
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
    /// Objects whose stored bytes are copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_copied: Option<u64>,
    /// Objects that are put together from others and encoded again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_recoded: Option<u64>,
    /// Of `uncompressed_bytes`, those in objects whose stored bytes are copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncompressed_bytes_copied: Option<u64>,
    /// Of `uncompressed_bytes`, those in objects that are encoded again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncompressed_bytes_recoded: Option<u64>,
    /// Decoded bytes to fetch for each byte that was selected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplification: Option<f64>,
}

/// The result for one array.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
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

/// What was fetched of one array.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct FetchRecord {
    /// Version of the record.
    pub v: V1,
    /// The source store, as given.
    pub store: String,
    /// Absolute path of the array.
    pub path: String,
    /// Its shape in the output.
    pub shape: Vec<u64>,
    /// Stored objects fetched.
    pub objects: u64,
    /// Objects that the source does not have.
    pub missing_objects: u64,
    /// Stored bytes fetched.
    pub bytes: u64,
    /// Objects that were decoded and encoded again, because the range ends inside a chunk.
    pub recoded: u64,
    /// Objects that were read back and compared with what arrived.
    pub verified: u64,
    /// Objects by the strongest check that was made as they arrived: `md5`, `blosc`, `shard_index`, `size`, `decode` and others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, u64>,
    /// Objects that failed.
    pub failed: u64,
}

/// A store that was fetched.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct FetchedRecord {
    /// Version of the record.
    pub v: V1,
    /// The source store, as given.
    pub store: String,
    /// The output: an absolute path, or a URL.
    pub path: String,
    /// Whether an earlier run had fetched it.
    pub already_complete: bool,
    /// Stored objects fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// Objects that the source does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_objects: Option<u64>,
    /// Stored bytes fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// With `--repair`: objects of which no checksum was kept when they were fetched first, so that another version of the source was
    /// not noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_versions: Option<u64>,
}

/// A cache.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct CacheRecord {
    /// Version of the record.
    pub v: V1,
    /// Its directory.
    pub path: String,
}

/// An entry of the cache: a store, or a selection of one.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct CacheEntryRecord {
    /// Version of the record.
    pub v: V1,
    /// Its name, which is that of its directory.
    pub name: String,
    /// The source store; absent while nothing of it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The cached store, if it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether it is complete.
    pub complete: bool,
    /// Whether it is pinned, and never evicted.
    pub pinned: bool,
    /// Stored objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// Bytes on the disk, of all its versions.
    pub disk_bytes: u64,
    /// When it was last fetched or read by one of the tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// Objects that were compared with their checksums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<u64>,
    /// Objects that are missing or differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// Whether it has been evicted; with a dry run, whether it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evicted: Option<bool>,
    /// Why it has not been evicted, is not complete, or has not been verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
