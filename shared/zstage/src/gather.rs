//! Output shards made of inner chunks of source shards: only those that are needed are requested, and their stored bytes are
//! copied, not decoded.

use std::collections::BTreeSet;
use std::ops::Range;

use zarray::{HEAD_BYTES, ShardBuilder, ShardIndex, Sharding, StoredIndex, Subset, Timer, find_shard_index};
use zcodec::{crc32c, crc32c_append, crc32c_combine, to_usize};
use zstore::{Stat, Store, StoreError, Upload};
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::changes::Changes;
use crate::checks::Check;
use crate::decoded::decode_chunks;
use crate::memory::COPY_PIECE;
use crate::objects::Item;
use crate::options::ArrivalCheck;
use crate::piece::Piece;
use crate::read_back::{at_fault, checksum_of};
use crate::received::Arrivals;
use crate::rechunk::source_hash;
use crate::source_objects::is_own;
use crate::task::Task;
use crate::transcode::{Outcome, TRIES, WorkerScratch};

/// Bytes between two inner chunks that are read rather than asking twice.
const GAP: u64 = 64 << 10;

/// Makes the output shard of `item`. No object is written if none of the inner chunks is present.
///
/// # Errors
/// A damaged source shard, or a read or write fails.
pub fn gather(
    task: &Task,
    changes: &Changes,
    plan: &ArrayPlan,
    item: &Item,
    regions: &[(usize, Subset)],
    verify: bool,
    scratch: &mut WorkerScratch,
) -> Result<Outcome, Failure> {
    let (Some(grid), Some(unit), Some(sharding)) = (plan.array.numbered(), item.unit, plan.array.chain.split_shards())
    else {
        return Ok(Outcome::default());
    };
    let index = plan.index(grid, unit);
    for _ in 0..TRIES {
        let mut gathering = Gathering::new(task, plan, sharding, &index);
        let done = regions.iter().try_for_each(|(number, region)| gathering.region(*number, region, scratch));
        match done {
            Ok(()) => return gathering.finish(item, verify, scratch),
            Err(Stop::Failed(failure)) => return Err(*failure),
            Err(Stop::Changed(place)) => changes.met(|| place)?,
        }
    }
    let place = task.output(plan).place(&plan.output_key(&index));
    Err(Failure::new(Exit::Output, "another program keeps writing to its sources").at(place))
}

/// Why a shard cannot be made of what was read.
enum Stop {
    /// The source shard at this place has changed.
    Changed(String),
    Failed(Box<Failure>),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(Box::new(failure))
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Failure::from(error).into()
    }
}

/// An inner chunk: its numbers in the output shard and in the source shard.
struct Inner {
    to: usize,
    from: usize,
}

/// An inner chunk that is stored.
struct Stored {
    to: usize,
    range: Range<u64>,
}

/// An output shard in the making.
struct Gathering<'a> {
    task: &'a Task<'a>,
    plan: &'a ArrayPlan,
    sharding: &'a Sharding,
    key: String,
    /// The inner chunks of the output shard, in units of inner chunks.
    inner: Subset,
    shard: ShardBuilder,
    upload: Option<Upload<'a>>,
    /// CRC-32C and number of the bytes that were appended.
    checksum: u32,
    len: usize,
    bytes_read: u64,
    sources: BTreeSet<(usize, String, Option<Stat>)>,
}

impl<'a> Gathering<'a> {
    fn new(task: &'a Task<'a>, plan: &'a ArrayPlan, sharding: &'a Sharding, index: &[u64]) -> Gathering<'a> {
        Gathering {
            task,
            plan,
            sharding,
            key: plan.output_key(index),
            inner: Subset::chunk(index, &sharding.shape).chunks(&sharding.chunk_shape),
            shard: ShardBuilder::new(sharding.index),
            upload: None,
            checksum: 0,
            len: 0,
            bytes_read: 0,
            sources: BTreeSet::new(),
        }
    }

    /// Appends the inner chunks of a region that are stored.
    fn region(&mut self, number: usize, region: &Subset, scratch: &mut WorkerScratch) -> Result<(), Stop> {
        let piece = &*self.plan.view.piece(number);
        let (Some(grid), Some(sharding)) = (piece.array.numbered(), piece.array.chain.split_shards()) else {
            return Ok(());
        };
        let source = piece.in_source(region);
        let shards = source.chunks(grid.chunk_shape());
        for shard in (0..shards.elements()).map(|number| shards.member(number)) {
            let wanted = self.wanted(piece, &source, &Subset::chunk(&shard, grid.chunk_shape()));
            let key = piece.array.key(&piece.array.keys.encode(&shard));
            self.shard(piece, sharding, &key, &wanted, scratch)?;
        }
        Ok(())
    }

    /// The inner chunks of a source shard that lie in `source`.
    fn wanted(&self, piece: &Piece, source: &Subset, shard: &Subset) -> Vec<Inner> {
        let shape = &self.sharding.chunk_shape;
        let Some(inside) = shard.intersection(source) else { return Vec::new() };
        let (all, wanted) = (shard.chunks(shape), inside.chunks(shape));
        let inner = |number| {
            let member = wanted.member(number);
            let moved = member.iter().zip(shape).zip(&piece.offset).zip(piece.region.start());
            let target = moved.map(|(((at, length), offset), start)| at - start / length + offset / length);
            let target: Vec<u64> = target.collect();
            Inner { to: to_usize(self.inner.number(&target)), from: to_usize(all.number(&member)) }
        };
        (0..wanted.elements()).map(inner).collect()
    }

    /// Appends inner chunks of one source shard, in the order in which they are stored.
    fn shard(
        &mut self,
        piece: &Piece,
        sharding: &Sharding,
        key: &str,
        wanted: &[Inner],
        scratch: &mut WorkerScratch,
    ) -> Result<(), Stop> {
        let store = &self.task.stores[piece.store];
        let arrivals = self.task.arrivals.get(piece.store);
        let mut timer = Timer::start();
        let found = read_index(store, key, sharding, arrivals, &mut scratch.stored)?;
        scratch.seconds.read += timer.lap();
        if !is_own(self.plan, piece) {
            self.sources.insert((piece.store, key.to_owned(), found.as_ref().map(|(_, stat)| *stat)));
        }
        let Some((index, stat)) = found else { return Ok(()) };
        self.bytes_read += sharding.index.len().unwrap_or_default();
        let mut stored: Vec<Stored> = wanted
            .iter()
            .filter_map(|inner| {
                let (start, len) = index.0.get(inner.from).copied()??;
                Some(Stored { to: inner.to, range: start..start + len })
            })
            .collect();
        stored.sort_by_key(|inner| inner.range.start);
        let source = Source { store, key, stat, sharding, arrivals };
        for batch in batches(&stored) {
            let ranges = joined(batch);
            source.read(batch, &ranges, &mut scratch.stored)?;
            scratch.seconds.read += timer.lap();
            self.bytes_read += scratch.stored.len() as u64;
            for inner in batch {
                self.append(inner.to, &scratch.stored[position(&ranges, &inner.range)])?;
            }
            scratch.seconds.write += timer.lap();
        }
        Ok(())
    }

    fn append(&mut self, number: usize, bytes: &[u8]) -> Result<(), Stop> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => {
                let reserved = to_usize(self.sharding.index.reserved());
                none.insert(self.task.output(self.plan).upload(&self.key, reserved)?)
            }
        };
        self.shard.append(number, bytes.len());
        upload.write(bytes)?;
        self.checksum = crc32c_append(self.checksum, bytes);
        self.len += bytes.len();
        Ok(())
    }

    fn finish(self, item: &Item, verify: bool, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        let mut timer = Timer::start();
        let hashes = self.sources.iter().map(|(_, key, stat)| source_hash(key, *stat));
        let source = hashes.reduce(u64::wrapping_add).map(|tag| Stat::new(self.bytes_read, tag));
        let Some(mut upload) = self.upload else { return Ok(Outcome { source, ..Outcome::default() }) };
        let end = self.shard.finish();
        upload.write(&end.append)?;
        let body = crc32c_append(self.checksum, &end.append);
        let crc32c = crc32c_combine(crc32c(&end.start), body, self.len + end.append.len());
        self.task.compare_earlier(self.plan, item, crc32c)?;
        let written = upload.finish(&end.start)?;
        scratch.seconds.write += timer.lap();
        if verify && checksum_of(self.task.output(self.plan), &self.key, &mut scratch.stored)? != Some(crc32c) {
            return Err(Failure::new(Exit::Output, "verification failed: the stored bytes differ from those copied")
                .at(self.task.output(self.plan).place(&self.key))
                .hint(at_fault(self.task.output(self.plan))));
        }
        let checked = match self.task.options.arrival {
            ArrivalCheck::None => None,
            ArrivalCheck::Size | ArrivalCheck::Auto => Some(Check::ShardIndex),
            ArrivalCheck::Decode => {
                let decoded = decode_chunks(self.task.output(self.plan), self.plan, item.unit, &mut scratch.stored);
                let failed = |why: String| Failure::new(Exit::Unreadable, why).at(self.plan.array.path.clone());
                decoded.map_err(failed)?.or(Some(Check::ShardIndex))
            }
        };
        scratch.seconds.verify += timer.lap();
        Ok(Outcome { source, written: Some(written), crc32c, verified: verify, checked, ..Outcome::default() })
    }
}

/// Reads the index of a source shard; `None` if there is no shard. A damaged one is read again where that may help.
fn read_index(
    store: &Store,
    key: &str,
    sharding: &Sharding,
    arrivals: Option<&Arrivals>,
    buffer: &mut Vec<u8>,
) -> Result<Option<(ShardIndex, Stat)>, Failure> {
    let mut why = String::new();
    for _ in 0..arrivals.map_or(1, Arrivals::tries) {
        let Some(StoredIndex { stat, index }) = find_shard_index(store, key, &sharding.index, buffer)? else {
            return Ok(None);
        };
        match index {
            Ok(index) => match index.check_overlaps(&sharding.index, stat.size) {
                Ok(()) => return Ok(Some((index, stat))),
                Err(error) => why = error.to_string(),
            },
            Err(error) => why = error.to_string(),
        }
    }
    Err(damaged(arrivals, &why, store.place(key)))
}

fn damaged(arrivals: Option<&Arrivals>, why: &str, place: String) -> Failure {
    match arrivals {
        Some(arrivals) => arrivals.failure(why, place),
        None => Failure::new(Exit::Unreadable, why).at(place),
    }
}

/// A source shard of which inner chunks are read.
struct Source<'a> {
    store: &'a Store,
    key: &'a str,
    stat: Stat,
    sharding: &'a Sharding,
    arrivals: Option<&'a Arrivals>,
}

impl Source<'_> {
    /// Reads `ranges`, one after the other, into `buffer` and checks the inner chunks in them.
    fn read(&self, batch: &[Stored], ranges: &[Range<u64>], buffer: &mut Vec<u8>) -> Result<(), Stop> {
        let place = || self.store.place(self.key);
        let mut why = String::new();
        for _ in 0..self.arrivals.map_or(1, Arrivals::tries) {
            let now = match self.store.get_ranges(self.key, ranges, buffer) {
                Err(StoreError::Changed { .. }) => return Err(Stop::Changed(place())),
                read => read?,
            };
            if now != Some(self.stat) {
                return Err(Stop::Changed(place()));
            }
            match self.check(batch, ranges, buffer) {
                Ok(()) => return Ok(()),
                Err(wrong) => why = wrong,
            }
        }
        Err(damaged(self.arrivals, &why, place()).into())
    }

    fn check(&self, batch: &[Stored], ranges: &[Range<u64>], buffer: &[u8]) -> Result<(), String> {
        let expected: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        if buffer.len() as u64 != expected {
            return Err(format!("{} of {expected} bytes arrived", buffer.len()));
        }
        if self.arrivals.is_none() {
            return Ok(());
        }
        batch.iter().try_for_each(|inner| {
            let bytes = &buffer[position(ranges, &inner.range)];
            self.sharding.inner.check_form(&bytes[..bytes.len().min(HEAD_BYTES)], bytes.len() as u64)
        })
    }
}

/// Groups of inner chunks that are read at once.
fn batches(stored: &[Stored]) -> impl Iterator<Item = &[Stored]> {
    let mut rest = stored;
    std::iter::from_fn(move || {
        let start = rest.first()?.range.start;
        let end = rest.iter().position(|inner| inner.range.end.saturating_sub(start) > COPY_PIECE);
        let (batch, after) = rest.split_at(end.unwrap_or(rest.len()).max(1));
        rest = after;
        Some(batch)
    })
}

/// The ranges that hold inner chunks, sorted by their start; those that lie close together are one.
fn joined(batch: &[Stored]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for inner in batch {
        match ranges.last_mut() {
            Some(last) if inner.range.start <= last.end.saturating_add(GAP) => last.end = last.end.max(inner.range.end),
            _ => ranges.push(inner.range.clone()),
        }
    }
    ranges
}

/// Where a range lies in the bytes of `ranges`, one of which holds it.
fn position(ranges: &[Range<u64>], wanted: &Range<u64>) -> Range<usize> {
    let mut before = 0;
    for range in ranges {
        if range.start <= wanted.start && wanted.end <= range.end {
            let start = before + wanted.start - range.start;
            return to_usize(start)..to_usize(start + wanted.end - wanted.start);
        }
        before += range.end - range.start;
    }
    0..0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(ranges: &[Range<u64>]) -> Vec<Stored> {
        ranges.iter().map(|range| Stored { to: 0, range: range.clone() }).collect()
    }

    #[test]
    fn near_inner_chunks_are_one_request_and_far_ones_are_not() {
        let inner = stored(&[0..10, 10..30, 40..50, 200_000..200_010]);
        let ranges = joined(&inner);
        assert_eq!(ranges, [0..50, 200_000..200_010]);
        assert_eq!(position(&ranges, &(40..50)), 40..50);
        assert_eq!(position(&ranges, &(200_002..200_010)), 52..60);
        assert_eq!(joined(&stored(&[0..10, 0..10, 5..5])), std::slice::from_ref(&(0..10)), "shared and empty ones");
    }

    #[test]
    fn a_batch_fits_into_memory_unless_one_inner_chunk_does_not() {
        let inner = stored(&[0..COPY_PIECE, COPY_PIECE..COPY_PIECE + 1, COPY_PIECE + 1..3 * COPY_PIECE]);
        assert_eq!(batches(&inner).map(<[Stored]>::len).collect::<Vec<_>>(), [1, 1, 1]);
        let inner = stored(&[0..1, 1..2, 2..2 * COPY_PIECE]);
        assert_eq!(batches(&inner).map(<[Stored]>::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(batches(&[]).count(), 0);
    }
}
