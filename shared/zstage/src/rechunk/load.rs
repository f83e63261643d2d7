//! First half of a region: reads each source chunk once and decodes the part that the region needs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;
use zarray::{Itemsize, Subset, Timer, ZarrError, copy_subset};

use super::engine::{Engine, StoredBuffer, WorkerBuffers, run_workers};
use super::outcome::{BadChunk, RegionOutcome, source_hash};
use super::region::Window;
use super::vlen::{self, REFERENCE};
use zwire::Failure;

/// State of a source chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    Absent,
    Present,
    /// It cannot be decoded.
    Bad,
}

/// The source elements of a window.
pub struct Loaded {
    pub window: Window,
    /// The elements, or references to variable-length elements, column by column.
    pub bytes: Vec<u8>,
    /// State of each part, by part number.
    states: Vec<AtomicU8>,
    /// Decoded chunks of variable-length elements, by part number.
    variable: Vec<OnceLock<Vec<u8>>>,
    /// Whether every source chunk is present and could be decoded.
    pub complete: bool,
}

impl Loaded {
    /// Elements of a fixed size that have been put together elsewhere.
    pub(super) fn of_bytes(window: Window, bytes: Vec<u8>, states: Vec<AtomicU8>, complete: bool) -> Loaded {
        Loaded { window, bytes, states, variable: Vec::new(), complete }
    }

    pub fn state(&self, number: u64) -> State {
        match self.states.get(number as usize).map(|state| state.load(Ordering::Relaxed)) {
            Some(1) => State::Present,
            Some(2) => State::Bad,
            _ => State::Absent,
        }
    }

    /// The decoded chunk of a part with variable-length elements.
    pub fn variable(&self, number: u64) -> &[u8] {
        self.variable.get(number as usize).and_then(OnceLock::get).map_or(&[], Vec::as_slice)
    }
}

/// Iterates over the parts; each worker takes the next one with its slice of the buffer.
struct Parts<'a> {
    next: u64,
    rest: &'a mut [u8],
}

impl<'a> Parts<'a> {
    /// Takes the next part: its number, source chunk, elements, and its slice of the buffer.
    fn take(&mut self, window: &Window, itemsize: usize) -> Option<(u64, Vec<u64>, Subset, &'a mut [u8])> {
        let number = self.next;
        if number >= window.parts() {
            return None;
        }
        self.next += 1;
        let (index, part) = window.part(number);
        let rest = std::mem::take(&mut self.rest);
        let (target, rest) = rest.split_at_mut(part.elements() as usize * itemsize);
        self.rest = rest;
        Some((number, index, part, target))
    }
}

impl Engine<'_> {
    /// Loads a window; `bytes` is a buffer to reuse.
    pub(super) fn load(&self, window: Window, bytes: Vec<u8>, outcome: &mut RegionOutcome) -> Result<Loaded, Failure> {
        let mut bytes = sized(bytes, window.bytes() as usize);
        let states: Vec<AtomicU8> = (0..window.parts()).map(|_| AtomicU8::new(State::Absent as u8)).collect();
        let slots = if self.itemsize() == Itemsize::Variable { window.parts() } else { 0 };
        let variable: Vec<OnceLock<Vec<u8>>> = (0..slots).map(|_| OnceLock::new()).collect();
        let parts = Mutex::new(Parts { next: 0, rest: &mut bytes });
        let failed = AtomicBool::new(false);
        let threads = (self.plan.threads.workers as u64 / window.parts().max(1)).max(1) as usize;
        let done = run_workers(self.plan.threads.loaders, window.parts(), &failed, |done| {
            let stored = &mut *self.stored.take();
            loop {
                self.check_stop(&failed)?;
                let next = parts.lock().take(&window, self.stride());
                let Some((number, index, part, target)) = next else { return Ok(()) };
                let heap = variable.get(number as usize);
                let job = PartJob { number, index, part, threads, heap };
                let state = self.load_part(&window, job, target, stored, done)?;
                states[number as usize].store(state as u8, Ordering::Relaxed);
            }
        })?;
        let complete = done.source_absent == 0 && done.bad.is_empty();
        outcome.add(done);
        Ok(Loaded { window, bytes, states, variable, complete })
    }

    fn load_part(
        &self,
        window: &Window,
        job: PartJob,
        target: &mut [u8],
        stored: &mut StoredBuffer,
        done: &mut RegionOutcome,
    ) -> Result<State, Failure> {
        let index = self.array_order(&job.index);
        let within = within_chunk(window, &job);
        match self.fetch_part(&index, &within, stored, done)? {
            State::Present => {}
            State::Absent => {
                self.fill.elements(target);
                return Ok(State::Absent);
            }
            State::Bad => return Ok(State::Bad),
        }
        let buffers = &mut *self.buffers.take();
        let mut timer = Timer::start();
        let decoded = self.decode_part(&index, &within, &job, &stored.chunk, target, buffers);
        done.seconds.decode += timer.lap();
        match decoded {
            Ok(bytes) => {
                done.bytes_decoded += bytes;
                Ok(State::Present)
            }
            Err(error) => {
                note_bad(done, self.reader.place(&index), error.to_string());
                Ok(State::Bad)
            }
        }
    }

    /// Reads what is needed of chunk `index` (in array order) to decode the elements `within` it.
    pub(super) fn fetch_part(
        &self,
        index: &[u64],
        within: &Subset,
        stored: &mut StoredBuffer,
        done: &mut RegionOutcome,
    ) -> Result<State, Failure> {
        let mut timer = Timer::start();
        let (key, _) = self.reader.key(index);
        let fetched = match self.reader.fetch_subset(index, within, &mut stored.chunk, &mut stored.spare) {
            Ok(fetched) => fetched,
            Err(ZarrError::Chunk { place, source }) => {
                done.sources = done.sources.wrapping_add(source_hash(&key, self.store.stat(&key)?));
                note_bad(done, place, source.to_string());
                return Ok(State::Bad);
            }
            Err(error) => return Err(error.into()),
        };
        done.seconds.read += timer.lap();
        done.sources = done.sources.wrapping_add(source_hash(&key, fetched.stat));
        if !fetched.present {
            done.source_absent += 1;
            return Ok(State::Absent);
        }
        done.source_chunks += 1;
        done.bytes_read += fetched.bytes;
        Ok(State::Present)
    }

    /// Decodes the part of a chunk that the window needs; returns the number of decoded bytes.
    fn decode_part(
        &self,
        index: &[u64],
        part: &Subset,
        job: &PartJob,
        stored: &[u8],
        target: &mut [u8],
        buffers: &mut WorkerBuffers,
    ) -> Result<u64, zcodec::CodecError> {
        let Some(heap) = job.heap else {
            return self.reader.decode_subset(index, stored, part, target, job.threads, &mut buffers.scratch);
        };
        self.reader.decode(index, stored, job.threads, &mut buffers.scratch)?;
        let chunk = self.reader.chunk(index);
        vlen::references(&buffers.scratch.decoded, job.number, chunk.elements(), &mut buffers.references)?;
        copy_subset(part, &chunk, &buffers.references, part, target, REFERENCE);
        // Cloned, because the clone has the exact size while the buffer has grown to the largest chunk.
        let bytes = buffers.scratch.decoded.len() as u64;
        let _ = heap.set(buffers.scratch.decoded.clone());
        Ok(bytes)
    }
}

/// A part that is being loaded.
struct PartJob<'a> {
    number: u64,
    /// Index of its source chunk, in stored order.
    index: Vec<u64>,
    part: Subset,
    threads: usize,
    heap: Option<&'a OnceLock<Vec<u8>>>,
}

/// A part, relative to the origin of its chunk.
fn within_chunk(window: &Window, job: &PartJob) -> Subset {
    let origin = window.origin(&job.index);
    let start = job.part.start().iter().zip(&origin).map(|(start, origin)| start - origin).collect();
    Subset::new(start, job.part.shape().to_vec())
}

/// Records a bad chunk. A damaged shard index is hit by each of its inner chunks but recorded once.
pub(super) fn note_bad(done: &mut RegionOutcome, place: String, cause: String) {
    let bad = BadChunk { place, cause };
    if done.bad.last() != Some(&bad) {
        done.bad.push(bad);
    }
}

/// A buffer of `len` bytes with arbitrary contents, because all of them will be overwritten. New memory is zeroed by
/// the system and costs nothing until it is touched.
pub(super) fn sized(mut buffer: Vec<u8>, len: usize) -> Vec<u8> {
    if buffer.capacity() < len {
        drop(buffer);
        return vec![0; len];
    }
    buffer.resize(len, 0);
    buffer
}
