//! Second half of a region: gathers, encodes and writes the output chunks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use zarray::{Itemsize, Subset, Timer};
use zcodec::{CodecError, crc32c};
use zwire::{Exit, Failure};

use super::engine::{Engine, WorkerBuffers, run_workers};
use super::gather::Gathered;
use super::load::Loaded;
use super::memory::Buffers;
use super::outcome::{RegionOutcome, chunk_hash};
use super::rules::words;

/// Approximate bytes per batch of neighbouring chunks, which share cache lines of the source.
const BATCH: u64 = 256 << 10;

impl Engine<'_> {
    /// Writes the chunks of a slice, each as an object.
    pub(super) fn write_chunks(
        &self,
        loaded: &Loaded,
        slice: &Subset,
        outcome: &mut RegionOutcome,
    ) -> Result<(), Failure> {
        let (workers, tasks) = (self.plan.threads.workers, slice.elements());
        let threads = (workers as u64 / tasks.max(1)).max(1) as usize;
        let chunk_bytes = self.plan.chunks.chunk_elements().saturating_mul(self.stride() as u64);
        let batch = (BATCH / chunk_bytes.max(1)).clamp(1, (tasks / (4 * workers as u64)).max(1));
        let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
        let done = run_workers(workers, tasks.div_ceil(batch), &failed, |done| {
            loop {
                let buffers = &mut *self.buffers.take();
                let first = next.fetch_add(batch, Ordering::Relaxed);
                if first >= tasks {
                    return Ok(());
                }
                for number in first..tasks.min(first + batch) {
                    self.check_stop(&failed)?;
                    let index = slice.member(number);
                    if self.encode_chunk(loaded, &index, threads, buffers, done)? == Gathered::Ready {
                        let mut timer = Timer::start();
                        self.sink.put(&index, &buffers.scratch.spare)?;
                        done.seconds.write += timer.lap();
                        done.objects += 1;
                        done.bytes_written += buffers.scratch.spare.len() as u64;
                    }
                }
            }
        })?;
        outcome.add(done);
        Ok(())
    }

    /// Gathers and encodes output chunk `index`; if ready, the result is in `buffers.scratch.spare`.
    pub(super) fn encode_chunk(
        &self,
        loaded: &Loaded,
        index: &[u64],
        threads: usize,
        buffers: &mut WorkerBuffers,
        done: &mut RegionOutcome,
    ) -> Result<Gathered, Failure> {
        let mut timer = Timer::start();
        let gathered = self.gather(loaded, index, buffers)?;
        done.seconds.gather += timer.lap();
        match gathered {
            Gathered::Absent => done.absent_chunks += 1,
            Gathered::Spoiled => done.spoiled_chunks += 1,
            Gathered::Ready => {
                let scratch = &mut buffers.scratch;
                let encoded =
                    (self.coders.encode)(&scratch.decoded, &mut scratch.spare, threads, &mut scratch.workspace);
                encoded.map_err(|error| self.failed(Exit::Unreadable, index, &error.to_string()))?;
                let number = Subset::whole(&self.plan.chunks.counts()).number(index);
                done.checksum = done.checksum.wrapping_add(chunk_hash(number, crc32c(&scratch.decoded)));
                done.chunks += 1;
                done.bytes_encoded += scratch.decoded.len() as u64;
                done.seconds.encode += timer.lap();
                self.verify(index, threads, buffers)?;
                done.seconds.verify += timer.lap();
            }
        }
        Ok(gathered)
    }

    /// Decodes the encoded chunk as a reader of the output would, and compares.
    fn verify(&self, index: &[u64], threads: usize, buffers: &mut WorkerBuffers) -> Result<(), Failure> {
        let Some(decode) = self.coders.decode else { return Ok(()) };
        let WorkerBuffers { scratch, references: again } = buffers;
        let result = decode(&scratch.spare, again, threads, &mut scratch.workspace);
        let other =
            || CodecError::Invalid { format: "output", detail: "the decoded bytes differ from the input".into() };
        result.and_then(|()| (*again == scratch.decoded).then_some(()).ok_or_else(other)).map_err(|error| {
            self.failed(Exit::Output, index, &format!("verification failed: {error}"))
                .hint("the memory of this machine may be faulty")
        })
    }

    pub(super) fn failed(&self, exit: Exit, index: &[u64], what: &str) -> Failure {
        let place = format!("{} output chunk {}", self.array.path, words(index));
        Failure::new(exit, what).at(place)
    }
}

impl WorkerBuffers {
    /// Buffers with capacity for a decoded and an encoded chunk. Unused capacity costs nothing, whereas growing buffers
    /// would exceed the planned memory.
    pub fn with_room(itemsize: Itemsize, room: Buffers) -> WorkerBuffers {
        let mut buffers = WorkerBuffers::default();
        if itemsize != Itemsize::Variable {
            buffers.scratch.decoded.reserve_exact(room.decoded);
            buffers.scratch.spare.reserve_exact(room.encoded);
            buffers.references.reserve_exact(room.again);
        }
        buffers
    }
}
