//! The chunk and shard shapes of the output, from `--chunks`, `--shards` and `--no-shards`.
//!
//! A rule is `[GLOB:]SHAPE`; a shape is `time=744,latitude=16` or `744,16,16`, and `-1` means the whole dimension. The
//! last rule that matches an array applies. Dimensions that it does not name keep their chunk length.

use serde_json::{Value, json};
use zarray::{Array, Grid, IndexLayout, MOST_INNER_CHUNKS, ZarrFormat};
use zwire::{Exit, Failure};

use super::rules::words;
use super::shapes::Shapes;

/// The shapes that an array gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Shape of a chunk (with sharding: of an inner chunk).
    pub chunks: Vec<u64>,
    /// Shape of a shard and layout of its index, if the array is sharded.
    pub shards: Option<(Vec<u64>, IndexLayout)>,
}

impl Layout {
    /// The layout of `array` as it is, on a rectilinear grid with its longest chunks; nothing where its grid is not known.
    pub fn of(array: &Array) -> Option<Layout> {
        let objects = array.grid.as_ref()?.chunk_shape().to_vec();
        let shards = array.chain.sharding.as_ref().map(|sharding| (objects, sharding.index));
        Some(Layout { chunks: array.chunk_shape()?.to_vec(), shards })
    }

    /// The layout of `array` in an output of `format`.
    ///
    /// # Errors
    /// A failure that names the array and the dimension: a rule does not fit, the shard shape is not a multiple of the
    /// chunk shape, or shards are requested in Zarr v2.
    pub fn new(array: &Array, wanted: &Shapes, format: ZarrFormat) -> Result<Layout, Failure> {
        let failed = |what: String| Failure::usage(what).at(&array.path);
        let old = Layout::of(array).ok_or_else(|| failed("its chunk grid is not known".into()))?;
        let chunks = wanted.chunks.apply(array, &old.chunks, |_, length| length.max(1))?.unwrap_or(old.chunks.clone());
        let kept = old.shards.as_ref().map(|(shape, _)| shape).filter(|_| !wanted.no_shards);
        let whole = |dimension: usize, length: u64| length.max(1).next_multiple_of(chunks[dimension]);
        let shape = wanted.shards.apply(array, kept.unwrap_or(&chunks), whole)?.or(kept.cloned());
        let Some(shape) = shape.filter(|_| !wanted.no_shards) else { return Ok(Layout { chunks, shards: None }) };
        if format == ZarrFormat::V2 {
            return Err(
                failed("Zarr v2 does not support shards".into()).hint("use --zarr-format 3, or remove --shards")
            );
        }
        check_multiples(array, &shape, &chunks)?;
        let per_shard =
            shape.iter().zip(&chunks).fold(1u64, |product, (shard, chunk)| product.saturating_mul(shard / chunk));
        if per_shard > MOST_INNER_CHUNKS {
            let text = format!("shards of {} would have more than {MOST_INNER_CHUNKS} chunks", words(&shape));
            return Err(failed(text).hint("choose smaller --shards"));
        }
        let index = old.shards.map_or(DEFAULT_INDEX, |(_, index)| index);
        Ok(Layout { chunks, shards: Some((shape, IndexLayout { chunks: per_shard, ..index })) })
    }

    /// Shape of a stored object: shard or chunk.
    pub fn object_shape(&self) -> &[u64] {
        self.shards.as_ref().map_or(&self.chunks, |(shape, _)| shape)
    }

    /// Number of chunks per stored object along each dimension.
    pub fn chunks_per_object(&self) -> Vec<u64> {
        self.object_shape().iter().zip(&self.chunks).map(|(object, chunk)| object / chunk).collect()
    }

    /// Size of a decoded chunk in bytes, saturating at `u64::MAX`.
    pub fn chunk_bytes(&self, itemsize: u64) -> u64 {
        self.chunks.iter().fold(itemsize, |product, length| product.saturating_mul(*length))
    }

    /// Checks that a chunk does not exceed `limit`, the largest buffer the compressor accepts.
    ///
    /// # Errors
    /// A usage failure that names the array.
    pub fn check_size(&self, array: &Array, itemsize: u64, limit: u64) -> Result<(), Failure> {
        let bytes = self.chunk_bytes(itemsize);
        if bytes <= limit {
            return Ok(());
        }
        let chunks = words(&self.chunks);
        let what = format!("chunks of {chunks} would have {bytes} bytes, but the compressor supports at most {limit}");
        let hint = match array.format {
            ZarrFormat::V2 => "choose smaller --chunks",
            ZarrFormat::V3 => "choose smaller --chunks, and --shards to keep the number of objects low",
        };
        Err(Failure::usage(what).at(&array.path).hint(hint))
    }

    /// The Zarr v3 `codecs` of the output: the codecs `array` keeps, then `tail` (the new compressor and what follows
    /// it), wrapped in `sharding_indexed` if sharded.
    pub fn codecs_v3(&self, array: &Array, tail: Vec<Value>) -> Vec<Value> {
        let chain = array.chain.innermost();
        let mut codecs = chain.specs[..chain.kept].to_vec();
        codecs.extend(tail);
        let Some((_, index)) = &self.shards else { return codecs };
        let endian = if index.big_endian { "big" } else { "little" };
        let mut index_codecs = vec![json!({"name": "bytes", "configuration": {"endian": endian}})];
        index_codecs.extend(index.checksum.then(|| json!({"name": "crc32c"})));
        vec![json!({"name": "sharding_indexed", "configuration": {
            "chunk_shape": self.chunks, "codecs": codecs, "index_codecs": index_codecs,
            "index_location": if index.at_end { "end" } else { "start" }}})]
    }

    /// The grid of stored objects for an array of `shape`.
    pub fn objects(&self, shape: &[u64]) -> Option<Grid> {
        Grid::new(shape.to_vec(), self.object_shape().to_vec())
    }
}

/// The default of zarr-python and zarrs.
const DEFAULT_INDEX: IndexLayout = IndexLayout { at_end: true, checksum: true, big_endian: false, chunks: 1 };

/// Checks that a shard holds whole chunks, as the sharding specification requires.
fn check_multiples(array: &Array, shards: &[u64], chunks: &[u64]) -> Result<(), Failure> {
    let Some(wrong) = shards.iter().zip(chunks).position(|(shard, chunk)| !shard.is_multiple_of(*chunk)) else {
        return Ok(());
    };
    let fitting: Vec<u64> = shards.iter().zip(chunks).map(|(shard, chunk)| shard.next_multiple_of(*chunk)).collect();
    let name = array.dimension_names.as_ref().and_then(|names| names.get(wrong).cloned().flatten());
    let name = name.unwrap_or_else(|| wrong.to_string());
    let (shard, chunk) = (shards[wrong], chunks[wrong]);
    let what = format!("dimension {name}: shard length {shard} is not a multiple of chunk length {chunk}");
    Err(Failure::new(Exit::Usage, what).at(&array.path).hint(format!("for example, use --shards {}", words(&fitting))))
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
