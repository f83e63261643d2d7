//! One array: sampled chunks in, measured compressors and a choice out.
//!
//! In two rounds, because there are thousands of arrays in a store and only the best compressors are worth an exact
//! measurement: all are measured on a little of the sample, and the leaders and the default on all of it.

use std::time::Duration;

use zarray::Array;
use zcli::Stop;
use zcodec::CodecError;
use zstore::Store;
use zwire::{Exit, Failure, human_bytes};

use crate::trial::choose::{choose, front, rank};
use crate::trial::flags::Objective;
use crate::trial::grid::{Candidate, Narrow, candidates};
use crate::trial::measure::{Care, Measured, measure};
use crate::trial::sample::{Samples, samples};

/// How much work a trial of one array is.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Bytes kept of a sampled chunk.
    pub chunk_bytes: usize,
    /// Bytes of a chunk that the first round sees, of [`FIRST_CHUNKS`] chunks.
    pub first_bytes: usize,
    /// The least that one measurement of the first round takes.
    pub first_enough: Duration,
    /// Compressors that get to the second round.
    pub finalists: usize,
    /// The least that one measurement of the second round takes.
    pub enough: Duration,
}

/// Sampled chunks that the first round sees.
const FIRST_CHUNKS: usize = 2;

/// The fewest bytes of a chunk that say something about a compressor.
const LEAST: u64 = 64 << 10;

impl Effort {
    /// For figures that people look at: some seconds an array.
    pub const EXACT: Effort = Effort {
        chunk_bytes: 8 << 20,
        first_bytes: 1 << 20,
        first_enough: Duration::from_millis(4),
        finalists: 12,
        enough: Duration::from_millis(20),
    };

    /// For a choice on the way to a recompression: about a quarter of a second an array.
    pub const QUICK: Effort = Effort {
        chunk_bytes: 1 << 20,
        first_bytes: 1 << 18,
        first_enough: Duration::from_millis(1),
        finalists: 6,
        enough: Duration::from_millis(8),
    };
}

/// How arrays are tried.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// What is fixed.
    pub narrow: Narrow,
    /// What for.
    pub objective: Objective,
    /// Chunks sampled.
    pub sample: usize,
    /// Threads on one chunk, besides one.
    pub nthreads: usize,
    /// Work spent on an array.
    pub effort: Effort,
    /// Bytes that may be held.
    pub memory: u64,
}

/// What came of it.
pub struct Tried {
    /// What the sample was, without its bytes.
    pub samples: Samples,
    /// Chunks sampled.
    pub sampled: u64,
    /// All compressors, in the order of the grid; none where no chunk is stored.
    pub measured: Vec<Measured>,
    /// Index of the chosen one.
    pub chosen: Option<usize>,
}

impl Trial {
    /// Tries compressors on an array.
    ///
    /// # Errors
    /// The store's, a chunk that does not decode, a codec that nobody knows, too little memory, or a signal that came.
    pub fn of(&self, store: &Store, array: &Array, stop: &Stop) -> Result<Tried, Failure> {
        let chain = array.chain.innermost();
        if let Some(error) = &chain.unknown {
            return Err(Failure::new(Exit::Unreadable, error.to_string()).at(store.place(array.key_prefix())));
        }
        let mut samples = samples(store, array, self.sample, self.room(array)?)?;
        let chunks = std::mem::take(&mut samples.chunks);
        let chunk_bytes = chain.chunk_bytes.unwrap_or(samples.decoded_bytes / chunks.len().max(1) as u64);
        let typesize = chain.typesize();
        let failed =
            |error: CodecError| Failure::new(Exit::Unreadable, error.to_string()).at(store.place(array.key_prefix()));
        let mut measured = Vec::new();
        if chunks.iter().any(|chunk| !chunk.is_empty()) {
            let all = candidates(&self.narrow, self.objective, typesize, chunk_bytes);
            measured = self.rounds(&all, &chunks, typesize as usize, chunk_bytes, stop).map_err(failed)?;
        }
        if let Some(exit) = stop.requested() {
            return Err(Failure::new(exit, "stopped by a signal"));
        }
        let chosen = finalist(self.objective, &measured);
        Ok(Tried { sampled: chunks.len() as u64, samples, measured, chosen })
    }

    /// Bytes that a trial of `array` holds, where there is room for them.
    pub fn need(&self, array: &Array) -> u64 {
        whole(array).saturating_add(2 * self.sample as u64 * self.effort.chunk_bytes as u64)
    }

    /// Bytes of a chunk that can be kept: each is held as it is and encoded.
    fn room(&self, array: &Array) -> Result<usize, Failure> {
        let each = self.memory.saturating_sub(whole(array)) / (2 * self.sample.max(1) as u64);
        if each < LEAST {
            let text = format!("{} are too little for a trial", human_bytes(self.memory));
            return Err(Failure::usage(text).at(&array.path).hint("raise --max-memory, or say a lower --sample"));
        }
        Ok(usize::try_from(each).unwrap_or(usize::MAX).min(self.effort.chunk_bytes))
    }

    fn rounds(
        &self,
        all: &[Candidate],
        chunks: &[Vec<u8>],
        typesize: usize,
        chunk_bytes: u64,
        stop: &Stop,
    ) -> Result<Vec<Measured>, CodecError> {
        let little: Vec<&[u8]> = chunks.iter().take(FIRST_CHUNKS).map(|chunk| beginning(chunk, self.effort)).collect();
        let everything: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let first = Care { enough: self.effort.first_enough, nthreads: 1 };
        let second = Care { enough: self.effort.enough, nthreads: self.nthreads };
        let mut measured = Vec::with_capacity(all.len());
        for candidate in all.iter().take_while(|_| stop.requested().is_none()) {
            measured.push(measure(candidate, &little, typesize, chunk_bytes, first)?);
        }
        for index in self.finalists(&measured).into_iter().take_while(|_| stop.requested().is_none()) {
            let again = measure(&measured[index].candidate, &everything, typesize, chunk_bytes, second)?;
            measured[index] = Measured { thorough: true, ..again };
        }
        front(&mut measured);
        Ok(measured)
    }

    /// The leaders, and what they are held against.
    fn finalists(&self, measured: &[Measured]) -> Vec<usize> {
        let mut order = rank(self.objective, measured);
        let rest = order.split_off(order.len().min(self.effort.finalists));
        order.extend(rest.into_iter().filter(|index| measured[*index].candidate.default));
        order
    }
}

/// One chunk at a time is held stored, decoded, and between two codecs.
fn whole(array: &Array) -> u64 {
    array.chain.innermost().chunk_bytes.unwrap_or(0).saturating_mul(3)
}

fn beginning(chunk: &[u8], effort: Effort) -> &[u8] {
    &chunk[..chunk.len().min(effort.first_bytes)]
}

/// The best of those that were measured on the same bytes.
fn finalist(objective: Objective, measured: &[Measured]) -> Option<usize> {
    let (places, finalists): (Vec<usize>, Vec<Measured>) =
        measured.iter().cloned().enumerate().filter(|(_, one)| one.thorough).unzip();
    choose(objective, &finalists).map(|index| places[index])
}
