//! One array: sampled chunks in, measured compressors and a choice out.
//!
//! In two rounds, because there are thousands of arrays in a store and only the best compressors are worth an exact
//! measurement: all are measured on a part of the sample, and the leaders and the default on all of it.

use std::time::Duration;

use zarray::Array;
use zcodec::CodecError;
use zstage::Progress;
use zstore::Store;
use zwire::{Exit, Failure, human_bytes};

use super::candidates::{Candidate, candidates};
use super::measure::{Care, Measured, measure};
use super::options::TrialOptions;
use super::rank::{mark_front, rank};
use super::sample::{Samples, samples};

/// How much work a trial of one array is.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Bytes kept of a sampled chunk.
    pub chunk_bytes: usize,
    /// Bytes of a chunk that the first round sees, of [`FIRST_CHUNKS`] chunks.
    pub first_bytes: usize,
    /// The minimum time of one measurement of the first round.
    pub first_enough: Duration,
    /// Compressors that get to the second round.
    pub finalists: usize,
    /// The minimum time of one measurement of the second round.
    pub enough: Duration,
}

/// Sampled chunks that the first round sees.
const FIRST_CHUNKS: usize = 2;

/// With fewer bytes of a chunk, a measurement means nothing.
const MIN_BYTES: u64 = 64 << 10;

impl Effort {
    /// For figures that people look at: some seconds an array.
    pub const EXACT: Effort = Effort {
        chunk_bytes: 8 << 20,
        first_bytes: 1 << 20,
        first_enough: Duration::from_millis(4),
        finalists: 12,
        enough: Duration::from_millis(20),
    };

    /// For a choice before a recompression: about a quarter of a second an array.
    pub const QUICK: Effort = Effort {
        chunk_bytes: 1 << 20,
        first_bytes: 1 << 18,
        first_enough: Duration::from_millis(1),
        finalists: 6,
        enough: Duration::from_millis(8),
    };
}

/// How one array at a time is tried.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    pub options: &'a TrialOptions,
    pub effort: Effort,
    /// Bytes that may be held: all, or the share of a worker.
    pub memory: u64,
}

/// The result for an array.
pub struct Tried {
    /// The sample, without its bytes.
    pub samples: Samples,
    /// Chunks sampled.
    pub sampled: u64,
    /// All compressors, in the order in which they were tried; none if no chunk is stored.
    pub measured: Vec<Measured>,
    /// Index of the chosen one.
    pub chosen: Option<usize>,
}

impl Trial<'_> {
    /// Tries compressors on an array.
    ///
    /// # Errors
    /// The store fails, a chunk cannot be decoded, a codec is unknown, the memory is too little, or a signal came.
    pub fn run(&self, store: &Store, array: &Array, progress: &dyn Progress) -> Result<Tried, Failure> {
        let chain = array.chain.innermost();
        let unreadable = |error: String| Failure::new(Exit::Unreadable, error).at(store.place(array.key_prefix()));
        if let Some(error) = &chain.unknown {
            return Err(unreadable(error.to_string()));
        }
        let mut samples = samples(store, array, self.options.sample, self.kept_bytes(array)?)?;
        let chunks = std::mem::take(&mut samples.chunks);
        let chunk_bytes = chain.chunk_bytes.unwrap_or(samples.decoded_bytes / chunks.len().max(1) as u64);
        let mut measured = Vec::new();
        if chunks.iter().any(|chunk| !chunk.is_empty()) {
            let all = candidates(&self.options.fixed, self.options.objective, chain.typesize(), chunk_bytes);
            let found = self.rounds(&all, &chunks, chain.typesize() as usize, chunk_bytes, progress);
            measured = found.map_err(|error| unreadable(error.to_string()))?;
        }
        if let Some(exit) = progress.stopped() {
            return Err(Failure::stopped(exit));
        }
        // The best of those that were measured on the same bytes.
        let (indices, finalists): (Vec<usize>, Vec<Measured>) =
            measured.iter().cloned().enumerate().filter(|(_, one)| one.thorough).unzip();
        let chosen = rank(self.options.objective, &finalists).first().map(|&best| indices[best]);
        Ok(Tried { sampled: chunks.len() as u64, samples, measured, chosen })
    }

    /// Bytes that a trial of `array` holds if there is memory for them.
    pub fn need(&self, array: &Array) -> u64 {
        decoding_bytes(array).saturating_add(2 * self.options.sample as u64 * self.effort.chunk_bytes as u64)
    }

    /// Bytes of a chunk that can be kept: each is held as it is and encoded.
    fn kept_bytes(&self, array: &Array) -> Result<usize, Failure> {
        let each = self.memory.saturating_sub(decoding_bytes(array)) / (2 * self.options.sample.max(1) as u64);
        if each < MIN_BYTES {
            let text = format!("{} of memory is too little for a trial", human_bytes(self.memory));
            return Err(Failure::usage(text).at(&array.path).hint("raise --max-memory, or lower --sample"));
        }
        Ok(usize::try_from(each).unwrap_or(usize::MAX).min(self.effort.chunk_bytes))
    }

    fn rounds(
        &self,
        all: &[Candidate],
        chunks: &[Vec<u8>],
        typesize: usize,
        chunk_bytes: u64,
        progress: &dyn Progress,
    ) -> Result<Vec<Measured>, CodecError> {
        let Effort { first_bytes, first_enough, enough, .. } = self.effort;
        let beginnings = chunks.iter().take(FIRST_CHUNKS).map(|chunk| &chunk[..chunk.len().min(first_bytes)]);
        let beginnings: Vec<&[u8]> = beginnings.collect();
        let everything: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let first = Care { enough: first_enough, nthreads: 1 };
        let second = Care { enough, nthreads: self.options.nthreads };
        let mut measured = Vec::with_capacity(all.len());
        for candidate in all.iter().take_while(|_| progress.stopped().is_none()) {
            measured.push(measure(candidate, &beginnings, typesize, chunk_bytes, first)?);
        }
        let order = rank(self.options.objective, &measured);
        let (leaders, others) = order.split_at(order.len().min(self.effort.finalists));
        // The leaders are compared with the default.
        let default: Vec<usize> = others.iter().copied().filter(|index| measured[*index].candidate.default).collect();
        for &index in leaders.iter().chain(&default).take_while(|_| progress.stopped().is_none()) {
            let again = measure(&measured[index].candidate, &everything, typesize, chunk_bytes, second)?;
            measured[index] = Measured { thorough: true, ..again };
        }
        mark_front(&mut measured);
        Ok(measured)
    }
}

/// One chunk at a time is held stored, decoded, and between two codecs.
fn decoding_bytes(array: &Array) -> u64 {
    array.chain.innermost().chunk_bytes.unwrap_or(0).saturating_mul(3)
}
