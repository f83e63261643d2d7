//! One shard: its index, and its inner chunks.

use std::ops::Range;

use zarray::{
    Array, ChunkReader, IndexLayout, ShardIndex, Sharding, StoredIndex, ZarrError, find_shard_index, index_of_shard,
};
use zcodec::{CodecError, to_usize};
use zstore::{ByteRange, Stat};

use crate::checks::headers::{HEAD, Problem};
use crate::checks::object::{Buffers, Job, ObjectResult, problem_of};
use crate::checks::raw::is_raw;
use crate::kinds::Kind;
use crate::level::Level;

/// Shards of up to so many bytes are read whole; of larger ones, the inner chunks are read one by one.
pub const WHOLE: u64 = 64 << 20;

/// First bytes of inner chunks that are read together.
const TOGETHER: usize = 1024;

/// First bytes of an inner chunk: a Blosc header. Inner chunks are small, and their block tables are read apart.
const INNER_HEAD: u64 = 16;

/// Checks shard `index`.
///
/// # Errors
/// The store's; damage is part of the result.
pub fn check(job: &Job, index: &[u64], buffers: &mut Buffers, result: &mut ObjectResult) -> Result<(), ZarrError> {
    let array = job.array.at(index);
    let Some(sharding) = array.chain.split_shards() else { return Ok(()) };
    let key = job.array.key(&job.array.keys.encode(index));
    let reader = job.reader.filter(|_| job.context.level == Level::Full);
    let shard = Shard { job, array: &array, sharding, key: &key, index };
    let mut is_whole = false;
    let found = match reader {
        Some(_) => shard.read_whole(buffers, &mut is_whole)?,
        None => find_shard_index(job.context.store, &key, &sharding.index, &mut buffers.stored)?,
    };
    let Some(StoredIndex { stat, index: entries }) = found else {
        result.is_missing = true;
        return Ok(());
    };
    result.size = stat.size;
    let entries = match entries.and_then(|entries| checked(entries, &sharding.index, stat.size)) {
        Ok(entries) => entries,
        Err(error) => {
            result.damaged += 1;
            let overlaps = matches!(&error, CodecError::Invalid { detail, .. } if detail.contains("overlaps"));
            let kind = if overlaps { Kind::ShardOverlap } else { Kind::ShardIndex };
            result.problems.push(Problem { kind, ..problem_of(&error) });
            return Ok(());
        }
    };
    shard.count(&entries, result);
    match reader {
        Some(reader) => shard.decode(reader, &entries, is_whole, buffers, result),
        None => shard.headers(&entries, buffers, result),
    }
}

fn checked(entries: ShardIndex, layout: &IndexLayout, size: u64) -> Result<ShardIndex, CodecError> {
    entries.check_overlaps(layout, size)?;
    Ok(entries)
}

/// A shard that is being checked.
struct Shard<'a> {
    job: &'a Job<'a>,
    array: &'a Array,
    sharding: &'a Sharding,
    key: &'a str,
    index: &'a [u64],
}

impl Shard<'_> {
    /// Reads the shard into the buffer, if it is not too large, and its index.
    fn read_whole(&self, buffers: &mut Buffers, is_whole: &mut bool) -> Result<Option<StoredIndex>, ZarrError> {
        let store = self.job.context.store;
        let Some(stat) = store.get_up_to(self.key, WHOLE, &mut buffers.stored)? else { return Ok(None) };
        if stat.size > WHOLE {
            return Ok(find_shard_index(store, self.key, &self.sharding.index, &mut buffers.stored)?);
        }
        *is_whole = true;
        Ok(Some(StoredIndex { stat, index: index_of_shard(&self.sharding.index, &buffers.stored) }))
    }

    /// Inner chunks along each dimension of a shard.
    fn counts(&self) -> Vec<u64> {
        let chunks = self.sharding.shape.iter().zip(&self.sharding.chunk_shape);
        chunks.map(|(shard, chunk)| shard / chunk.max(&1)).collect()
    }

    /// Counts the inner chunks inside of the array: those that are there, and those that are not.
    fn count(&self, entries: &ShardIndex, result: &mut ObjectResult) {
        let counts = self.counts();
        let lengths = self.array.shape.iter().zip(&self.sharding.chunk_shape);
        let chunks: Vec<u64> = lengths.map(|(length, chunk)| length.div_ceil(*chunk.max(&1))).collect();
        for (number, entry) in entries.0.iter().enumerate() {
            let element = self.element(&counts, number as u64);
            if element.iter().zip(&self.array.shape).any(|(start, length)| start >= length) {
                continue;
            }
            if entry.is_none() {
                result.inner_missing += 1;
                continue;
            }
            let index = element.iter().zip(&self.sharding.chunk_shape).map(|(start, length)| start / length.max(&1));
            let number =
                index.zip(&chunks).fold(0, |number: u64, (index, count)| number.saturating_mul(*count) + index);
            result.inner_present.push(number);
        }
    }

    /// First element of an inner chunk in the array.
    fn element(&self, counts: &[u64], mut number: u64) -> Vec<u64> {
        let Some(grid) = self.job.array.numbered() else { return vec![0; counts.len()] };
        let mut element = vec![0; counts.len()];
        for dimension in (0..counts.len()).rev() {
            let count = counts[dimension].max(1);
            let (start, _) = grid.extent(dimension, self.index[dimension]);
            element[dimension] = start + number % count * self.sharding.chunk_shape[dimension];
            number /= count;
        }
        element
    }

    /// The first bytes of all inner chunks, many at once.
    fn headers(&self, entries: &ShardIndex, buffers: &mut Buffers, result: &mut ObjectResult) -> Result<(), ZarrError> {
        let present: Vec<(usize, u64, u64)> = present(entries).collect();
        for group in present.chunks(TOGETHER) {
            let ranges: Vec<Range<u64>> =
                group.iter().map(|(_, start, len)| *start..start + len.min(&INNER_HEAD)).collect();
            let stat: Option<Stat> = self.job.context.store.get_ranges(self.key, &ranges, &mut buffers.stored)?;
            if stat.is_none() {
                result.is_missing = true;
                return Ok(());
            }
            let mut at = 0;
            for ((number, start, len), range) in group.iter().zip(&ranges) {
                let end = at + to_usize(range.end - range.start);
                let head = buffers.stored.get(at..end).unwrap_or_default();
                result.chunks += 1;
                self.job.examine(&self.sharding.inner, self.key, (*start, *len), Some(*number as u64), head, result)?;
                at = end;
            }
        }
        Ok(())
    }

    /// All inner chunks.
    fn decode(
        &self,
        reader: &ChunkReader,
        entries: &ShardIndex,
        is_whole: bool,
        buffers: &mut Buffers,
        result: &mut ObjectResult,
    ) -> Result<(), ZarrError> {
        let counts = self.counts();
        let mut whole = if is_whole { std::mem::take(&mut buffers.stored) } else { Vec::new() };
        for (number, start, len) in present(entries) {
            let element = self.element(&counts, number as u64);
            if element.iter().zip(&self.array.shape).any(|(start, length)| start >= length) {
                continue;
            }
            result.chunks += 1;
            let index: Vec<u64> =
                element.iter().zip(&self.sharding.chunk_shape).map(|(start, length)| start / length.max(&1)).collect();
            let inner = Some(number as u64);
            let chunk = reader.grid().number(&index);
            if !is_whole && is_raw(self.array, &self.sharding.inner, reader) && !self.job.context.store.ignores_ranges()
            {
                let range = ByteRange::At { start, len: len.min(HEAD) };
                self.job.context.store.get_range(self.key, range, &mut buffers.stored)?;
                let (inner_chain, before) = (&self.sharding.inner, result.damaged);
                self.job.examine(inner_chain, self.key, (start, len), inner, &buffers.stored, result)?;
                if result.damaged == before {
                    let (chunk, at) = ((&*index, chunk, inner), (self.key, start));
                    self.job.look_raw(reader, chunk, inner_chain, at, &mut buffers.stored, result);
                }
                continue;
            }
            if let Err(error) = reader.check_stored(len) {
                result.undecoded(inner, reader.failure(&index, error));
                continue;
            }
            let bytes = match is_whole {
                true => whole.get(to_usize(start)..to_usize(start + len)).unwrap_or_default(),
                false => {
                    let range = ByteRange::At { start, len };
                    self.job.context.store.get_range(self.key, range, &mut buffers.stored)?;
                    &buffers.stored
                }
            };
            let before = result.damaged;
            let head = &bytes[..bytes.len().min(to_usize(HEAD))];
            self.job.examine(&self.sharding.inner, self.key, (start, len), inner, head, result)?;
            if result.damaged > before {
                continue;
            }
            self.job.decode(reader, (&index, chunk, inner), bytes, &mut buffers.scratch, result);
        }
        if is_whole {
            std::mem::swap(&mut buffers.stored, &mut whole);
        }
        Ok(())
    }
}

/// The inner chunks that are there: number, offset and length.
fn present(entries: &ShardIndex) -> impl Iterator<Item = (usize, u64, u64)> {
    entries.0.iter().enumerate().filter_map(|(number, entry)| entry.map(|(start, len)| (number, start, len)))
}
