//! The trial of one array, from sampled chunks to measured compressors and a choice.
//!
//! Two rounds, because a store may have thousands of arrays and only the best compressors deserve an exact measurement:
//! all are measured on part of the sample, then the leaders and the default on all of it.

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
use super::settle::settle;

/// Effort of the trial of one array.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Maximum bytes to keep per sampled chunk.
    pub chunk_bytes: usize,
    /// Bytes per chunk in the first round, for [`FIRST_CHUNKS`] chunks.
    pub first_bytes: usize,
    /// Minimum time of a measurement in the first round.
    pub first_enough: Duration,
    /// Number of compressors in the second round.
    pub finalists: usize,
    /// Minimum time of a measurement in the second round.
    pub enough: Duration,
}

/// Number of sampled chunks in the first round.
const FIRST_CHUNKS: usize = 2;

/// Minimum bytes per chunk for a meaningful measurement.
const MIN_BYTES: u64 = 64 << 10;

impl Effort {
    /// For reported figures: a few seconds per array.
    pub const EXACT: Effort = Effort {
        chunk_bytes: 8 << 20,
        first_bytes: 1 << 20,
        first_enough: Duration::from_millis(4),
        finalists: 12,
        enough: Duration::from_millis(20),
    };

    /// For a choice before a recompression: about a quarter of a second per array.
    pub const QUICK: Effort = Effort {
        chunk_bytes: 1 << 20,
        first_bytes: 1 << 18,
        first_enough: Duration::from_millis(1),
        finalists: 8,
        enough: Duration::from_millis(8),
    };
}

/// The trial of one array.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    pub options: &'a TrialOptions,
    pub effort: Effort,
    /// Memory limit in bytes: the total, or the share of a worker.
    pub memory: u64,
}

/// The result for an array.
pub struct Tried {
    /// The sample, without its bytes.
    pub samples: Samples,
    /// Number of chunks sampled.
    pub sampled: u64,
    /// All compressors, in the order they were tried; empty if no chunk is stored.
    pub measured: Vec<Measured>,
    /// Index of the chosen compressor.
    pub chosen: Option<usize>,
    /// How often a compressor was measured, but for repetitions.
    pub measurements: u64,
}

impl Trial<'_> {
    /// Tries compressors on an array.
    ///
    /// # Errors
    /// The store fails, a chunk cannot be decoded, a codec is unknown, memory is too low, or a signal was received.
    pub fn run(&self, store: &Store, array: &Array, progress: &dyn Progress) -> Result<Tried, Failure> {
        let chain = array.chain.innermost();
        let unreadable = |error: String| Failure::new(Exit::Unreadable, error).at(store.place(array.key_prefix()));
        if let Some(error) = &chain.unknown {
            return Err(unreadable(error.to_string()));
        }
        let mut samples = samples(store, array, self.options.sample, self.kept_bytes(array)?)?;
        let chunks = std::mem::take(&mut samples.chunks);
        let chunk_bytes = chain.chunk_bytes.unwrap_or(samples.decoded_bytes / chunks.len().max(1) as u64);
        let (mut measured, mut chosen) = (Vec::new(), None);
        if chunks.iter().any(|chunk| !chunk.is_empty()) {
            let all = candidates(&self.options.fixed, self.options.objective, chain.typesize(), chunk_bytes);
            let found = self.rounds(&all, &chunks, chain.typesize() as usize, chunk_bytes, progress);
            (measured, chosen) = found.map_err(|error| unreadable(error.to_string()))?;
        }
        if let Some(exit) = progress.stopped() {
            return Err(Failure::stopped(exit));
        }
        let measurements = (measured.len() + measured.iter().filter(|one| one.thorough).count()) as u64;
        Ok(Tried { sampled: chunks.len() as u64, samples, measured, chosen, measurements })
    }

    /// The most measurements that a trial of `array` makes, but for repetitions.
    pub fn most_measurements(&self, array: &Array) -> u64 {
        let chain = array.chain.innermost();
        let bytes = chain.chunk_bytes.unwrap_or(self.effort.chunk_bytes as u64);
        let candidates = candidates(&self.options.fixed, self.options.objective, chain.typesize(), bytes).len();
        // The default is measured again with the leaders.
        (candidates + candidates.min(self.effort.finalists + 1)) as u64
    }

    /// Memory in bytes that a trial of `array` uses, if available.
    pub fn need(&self, array: &Array) -> u64 {
        decoding_bytes(array).saturating_add(2 * self.options.sample as u64 * self.effort.chunk_bytes as u64)
    }

    /// How many bytes per chunk can be kept; each is held decoded and encoded.
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
    ) -> Result<(Vec<Measured>, Option<usize>), CodecError> {
        let Effort { first_bytes, first_enough, enough, .. } = self.effort;
        let beginnings = chunks.iter().take(FIRST_CHUNKS).map(|chunk| &chunk[..chunk.len().min(first_bytes)]);
        let beginnings: Vec<&[u8]> = beginnings.collect();
        let everything: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let first = Care { enough: first_enough, nthreads: 1 };
        let second = Care { enough, nthreads: self.options.nthreads };
        let mut measured = Vec::with_capacity(all.len());
        for candidate in all.iter().take_while(|_| progress.stopped().is_none()) {
            measured.push(measure(candidate, &beginnings, typesize, chunk_bytes, first)?);
            progress.advance(1);
        }
        let order = rank(self.options.objective, &measured);
        let (leaders, others) = order.split_at(order.len().min(self.effort.finalists));
        // The default is needed for comparison.
        let default = others.iter().copied().filter(|index| measured[*index].candidate.default);
        let finalists: Vec<usize> = leaders.iter().copied().chain(default).collect();
        for &index in finalists.iter().take_while(|_| progress.stopped().is_none()) {
            let again = measure(&measured[index].candidate, &everything, typesize, chunk_bytes, second)?;
            measured[index] = Measured { thorough: true, ..again };
            progress.advance(1);
        }
        let chosen = settle(self.options.objective, &finalists, &mut measured, |one| {
            if progress.stopped().is_none() {
                let again =
                    measure(&one.candidate, &everything, typesize, chunk_bytes, Care { nthreads: 1, ..second })?;
                one.one_thread = one.one_thread.max(again.one_thread);
            }
            Ok(())
        })?;
        mark_front(&mut measured);
        Ok((measured, chosen))
    }
}

/// One chunk at a time is held stored, decoded, and between two codecs.
fn decoding_bytes(array: &Array) -> u64 {
    array.chain.innermost().chunk_bytes.unwrap_or(0).saturating_mul(3)
}
