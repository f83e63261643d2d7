//! Writes output shards: all workers encode inner chunks, which are appended in order so that the output is
//! deterministic. The index is written last.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use zarray::{IndexLayout, ShardBuilder, Subset, Timer};

use super::engine::{Engine, OnBad, run_workers};
use super::gather::Gathered;
use super::load::Loaded;
use super::memory::EARLY_BYTES;
use super::outcome::RegionOutcome;
use super::sink::ShardSink;
use zwire::Failure;

/// How often a worker that waits for its turn checks whether another one has failed.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A shard that is being written.
pub struct OpenShard<'s> {
    /// Its index in the grid of output objects, in array order.
    index: Vec<u64>,
    /// Its inner chunks in the grid of all chunks, including those beyond the array's edge.
    chunks: Subset,
    state: Mutex<ShardState<'s>>,
    turned: Condvar,
}

struct ShardState<'s> {
    /// Number of the next inner chunk of the slice to append.
    turn: u64,
    /// `None` before the first inner chunk is appended.
    sink: Option<Box<dyn ShardSink + 's>>,
    /// Encoded inner chunks waiting for their turn.
    early: BTreeMap<u64, Early>,
    /// Total bytes of `early`.
    early_bytes: u64,
    shard: ShardBuilder,
    /// Whether one of its inner chunks cannot be written.
    spoiled: bool,
}

/// An inner chunk waiting for its turn.
struct Early {
    number: usize,
    /// `None` if the chunk is absent.
    bytes: Option<Vec<u8>>,
}

impl<'a> Engine<'a> {
    fn index_layout(&self) -> IndexLayout {
        let none = IndexLayout { at_end: true, checksum: false, big_endian: false, chunks: 0 };
        self.plan.layout.shards.as_ref().map_or(none, |(_, index)| *index)
    }

    /// Opens the shards with these `numbers` among `objects`, the objects of a region.
    pub(super) fn open_shards(&self, objects: &Subset, numbers: Range<u64>) -> Vec<OpenShard<'_>> {
        let layout = self.index_layout();
        let per_shard = self.plan.layout.chunks_per_object();
        let open = |number| {
            let index = objects.member(number);
            let state = ShardState {
                turn: 0,
                sink: None,
                early: BTreeMap::new(),
                early_bytes: 0,
                shard: ShardBuilder::new(layout),
                spoiled: false,
            };
            let chunks = Subset::chunk(&index, &per_shard);
            OpenShard { index, chunks, state: Mutex::new(state), turned: Condvar::new() }
        };
        numbers.map(open).collect()
    }

    /// Writes the inner chunks of `shards` that are in the slice. Workers take chunks from the shards round-robin.
    pub(super) fn write_inner_chunks<'s>(
        &'s self,
        loaded: &Loaded,
        slice: &Subset,
        shards: &[OpenShard<'s>],
        outcome: &mut RegionOutcome,
    ) -> Result<(), Failure> {
        let parts: Vec<Option<Subset>> = shards.iter().map(|shard| shard.chunks.intersection(slice)).collect();
        let longest = parts.iter().flatten().map(Subset::elements).max().unwrap_or(0);
        let tasks: u64 = parts.iter().flatten().map(Subset::elements).sum();
        let lanes = shards.len().max(1) as u64;
        let workers = self.plan.threads.workers;
        let threads = (workers as u64 / tasks.max(1)).max(1) as usize;
        let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
        let done = run_workers(workers, tasks, &failed, |done| {
            loop {
                // Scratch before ticket: the worker whose turn it is then has scratch, so no deadlock is possible.
                let buffers = &mut *self.buffers.take();
                let ticket = next.fetch_add(1, Ordering::Relaxed);
                let (turn, which) = (ticket / lanes, (ticket % lanes) as usize);
                if turn >= longest {
                    return Ok(());
                }
                let (Some(shard), Some(Some(part))) = (shards.get(which), parts.get(which)) else { continue };
                if turn < part.elements() {
                    self.check_stop(&failed)?;
                    let index = part.member(turn);
                    let gathered = self.encode_chunk(loaded, &index, threads, buffers, done)?;
                    let mut timer = Timer::start();
                    self.append(shard, &index, turn, gathered, &buffers.scratch.spare, &failed)?;
                    done.seconds.write += timer.lap();
                }
            }
        })?;
        outcome.add(done);
        shards.iter().for_each(|shard| shard.lock().turn = 0);
        Ok(())
    }

    /// Appends inner chunk `index` to its shard as soon as it is its turn.
    fn append<'s>(
        &'s self,
        shard: &OpenShard<'s>,
        index: &[u64],
        turn: u64,
        gathered: Gathered,
        bytes: &[u8],
        failed: &AtomicBool,
    ) -> Result<(), Failure> {
        let mut state = shard.lock();
        state.spoiled |= gathered == Gathered::Spoiled;
        let written = gathered == Gathered::Ready && !(state.spoiled && self.on_bad == OnBad::Error);
        let (number, bytes) = (shard.chunks.number(index) as usize, written.then_some(bytes));
        let len = bytes.map_or(0, |bytes| bytes.len() as u64);
        while state.turn != turn {
            if state.early_bytes + len <= EARLY_BYTES {
                state.early_bytes += len;
                state.early.insert(turn, Early { number, bytes: bytes.map(<[u8]>::to_vec) });
                return Ok(());
            }
            self.check_stop(failed)?;
            shard.turned.wait_for(&mut state, POLL_INTERVAL);
        }
        let open = || self.sink.shard(&shard.index, self.index_layout().reserved() as usize);
        state.append(number, bytes, open)?;
        while let Some(early) = state.next_early() {
            state.append(early.number, early.bytes.as_deref(), open)?;
        }
        drop(state);
        shard.turned.notify_all();
        Ok(())
    }

    /// Writes the shard indexes. A shard without inner chunks stays absent.
    pub(super) fn finish_shards(&self, shards: Vec<OpenShard<'_>>, outcome: &mut RegionOutcome) -> Result<(), Failure> {
        for shard in shards {
            let state = shard.state.into_inner();
            let Some(mut sink) = state.sink else { continue };
            if state.spoiled && self.on_bad == OnBad::Error {
                continue;
            }
            let end = state.shard.finish();
            sink.write(&end.append)?;
            sink.finish(&end.start)?;
            outcome.bytes_written += end.len;
            outcome.objects += 1;
        }
        Ok(())
    }
}

impl<'s> OpenShard<'s> {
    fn lock(&self) -> MutexGuard<'_, ShardState<'s>> {
        self.state.lock()
    }
}

impl<'s> ShardState<'s> {
    /// The next inner chunk to append, if it is already encoded.
    fn next_early(&mut self) -> Option<Early> {
        let early = self.early.remove(&self.turn)?;
        self.early_bytes -= early.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Some(early)
    }

    /// Appends the next inner chunk; `None` records it as absent.
    fn append(
        &mut self,
        number: usize,
        bytes: Option<&[u8]>,
        open: impl FnOnce() -> Result<Box<dyn ShardSink + 's>, Failure>,
    ) -> Result<(), Failure> {
        self.turn += 1;
        let Some(bytes) = bytes else { return Ok(()) };
        let sink = match &mut self.sink {
            Some(sink) => sink,
            none => none.insert(open()?),
        };
        sink.write(bytes)?;
        self.shard.append(number, bytes.len());
        Ok(())
    }
}
