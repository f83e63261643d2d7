//! Splits the samples into parts and batches within the memory limit, and builds the record of the plan.

use std::ops::Range;
use std::sync::Arc;

use zcoord::{Column, Indices};
use zwire::{ExtractionRecord, Failure, V1, ratio};

use crate::engine::{Engine, Probe};
use crate::roles::Role;
use crate::source::{Source, Variable};
use crate::spans::{self, Cut, Span, boxes, samples};

/// Maximum bytes of a batch, so that the first rows are written early.
const BATCH_BYTES: u64 = 64 << 20;

/// Maximum number of chunks of a batch, estimated.
const BATCH_CHUNKS: u64 = 50_000;

/// Batches in flight: one being read, one waiting, one being written.
const IN_FLIGHT: u64 = 3;

/// Bytes of the plan of a batch, estimated.
const SPAN_BYTES: u64 = 128;

/// Bytes of a value as text, estimated.
const TEXT_BYTES: u64 = 12;

/// Maximum number of variables that are sampled for an estimate.
const SAMPLED: usize = 64;

/// How one store is split into batches.
pub struct Batches {
    /// The samples, in order.
    pub spans: Vec<Span>,
    /// Maximum rows of a batch.
    pub rows: u64,
    /// Memory of the batches in flight.
    pub bytes: u64,
}

/// Where the sample axes of a store can be split: at the boundaries of the largest chunks of any variable.
fn cuts(source: &Source) -> Vec<Cut> {
    let cut = |number: usize| {
        let along = |variable: &Variable| {
            let dimension = variable.roles.iter().position(|role| *role == Role::Sample(number))?;
            Some(variable.array.chunk_shape()?[dimension])
        };
        let length = source.variables.iter().filter_map(along).max().unwrap_or(1).max(1);
        Cut { indices: source.samples[number].indices.clone(), chunk: length }
    };
    (0..source.samples.len()).map(cut).collect()
}

/// Splits the samples `share` of a store into batches that fit into `budget` bytes.
///
/// # Errors
/// A usage failure if not even one sample fits.
pub fn batches(source: &Source, points: u64, share: Range<u64>, budget: u64) -> Result<Batches, Failure> {
    let value_bytes = |variable: &Variable| {
        let decoded = Column::value_bytes(variable.decoder.kind()) as u64;
        let raw = variable.decoder.itemsize().unwrap_or(8) as u64;
        (raw + 2 * decoded + TEXT_BYTES) * variable.feature_count() as u64
    };
    let sample_bytes = points.saturating_mul(source.variables.iter().map(value_bytes).sum::<u64>()).max(1);
    if sample_bytes.saturating_mul(IN_FLIGHT) > budget {
        let needed = memory_word(sample_bytes.saturating_mul(2 * IN_FLIGHT));
        let what = "one sample of all points and variables does not fit in memory";
        return Err(Failure::usage(what)
            .at(&source.name)
            .hint(format!("use --max-memory {needed}, or extract fewer points or variables at a time")));
    }
    let cuts = cuts(source);
    let by_memory = (budget / IN_FLIGHT).min(BATCH_BYTES) / sample_bytes;
    let by_chunks = (BATCH_CHUNKS as f64 / chunks_a_sample(source)).max(1.0) as u64;
    let most = by_memory.min(by_chunks).max(1);
    let total = share.end - share.start;
    if (total / most).saturating_mul(SPAN_BYTES) > budget {
        let failure = Failure::usage(format!("{total} samples are too many for one run")).at(&source.name);
        return Err(failure.hint("select some with --sel or --isel, extract them in parts, or increase --max-memory"));
    }
    let spans = boxes(&cuts, share, most);
    let largest = spans.iter().map(|span| span.iter().map(|range| range.len() as u64).product()).max().unwrap_or(0);
    Ok(Batches { spans, rows: largest * points, bytes: largest * sample_bytes * IN_FLIGHT })
}

/// Bytes as `--max-memory` takes them, rounded up.
pub fn memory_word(bytes: u64) -> String {
    format!("{}M", bytes.div_ceil(1 << 20))
}

/// Chunks of all variables per sample; less than one if several samples share a chunk.
fn chunks_a_sample(source: &Source) -> f64 {
    let of = |variable: &Variable| {
        let shape = variable.array.chunk_shape().unwrap_or_default();
        let along = |(role, length): (&Role, &u64)| match role {
            Role::Sample(_) => 1.0 / *length as f64,
            Role::Feature(number) => (variable.features[*number].len() as f64 / *length as f64).max(1.0),
            Role::Row | Role::Column => 1.0,
        };
        variable.roles.iter().zip(shape).map(along).product::<f64>()
    };
    source.variables.iter().map(of).sum::<f64>().max(1e-9)
}

/// Bytes that the batches of a store read, estimated from one chunk of some variables.
///
/// # Errors
/// Read errors of the store.
pub fn estimate(source: &Source, engine: &Engine, batches: &Batches, points: u64) -> Result<ExtractionRecord, Failure> {
    let chunks: u64 = batches.spans.iter().map(|span| engine.chunks(span)).sum();
    let of_samples: u64 =
        batches.spans.iter().map(|span| span.iter().map(|range| range.len() as u64).product::<u64>()).sum();
    let columns: u64 = source.variables.iter().map(|variable| variable.feature_count() as u64).sum();
    let value = |variable: &Variable| variable.decoder.itemsize().unwrap_or(0) as u64 * variable.feature_count() as u64;
    let probes = engine.probe(SAMPLED, &batches.spans)?;
    let known: f64 = probes.iter().map(|probe| probe.chunks as f64).sum();
    // Each probe stands for all chunks of its variable, and those together for the variables that were not sampled.
    let scaled = |bytes: fn(&Probe) -> u64| {
        let sum: f64 = probes.iter().map(|probe| bytes(probe) as f64 * probe.chunks as f64).sum();
        if known == 0.0 { 0 } else { (sum / known * chunks as f64) as u64 }
    };
    let read_bytes = scaled(|probe| probe.read_bytes);
    let whole_bytes = scaled(|probe| probe.whole_bytes);
    let wanted = of_samples * points * source.variables.iter().map(value).sum::<u64>();
    Ok(ExtractionRecord {
        v: V1,
        store: source.name.clone(),
        variables: source.variables.len() as u64,
        columns,
        points,
        samples: of_samples,
        rows: of_samples * points,
        chunks,
        read_bytes,
        whole_bytes,
        wanted_bytes: wanted,
        read_amplification: ratio(read_bytes, wanted),
        full_chunk_amplification: ratio(whole_bytes, wanted),
        batches: batches.spans.len() as u64,
        batch_rows: batches.rows,
        peak_memory_bytes: batches.bytes + engine.largest_chunk() * engine.workers() as u64,
        output_bytes: 0,
        sampled_chunks: probes.len() as u64,
        left_out: source.left_out.len() as u64,
    })
}

/// Samples of each store in part `number` of `of`: a contiguous range of all rows.
pub fn shares(sources: &[Source], number: u32, of: u32) -> Vec<Range<u64>> {
    let all: Vec<Vec<Cut>> = sources.iter().map(cuts).collect();
    if let [only] = all.as_slice() {
        return vec![spans::share(only, number, of)];
    }
    // Several stores make one long axis, whose chunks are those of each store's first axis.
    let mut joined = Vec::new();
    for cuts in &all {
        let inner: u64 = cuts.iter().skip(1).map(|cut| cut.len() as u64).product();
        let before = joined.last().map_or(0, |last: &u64| last + 1);
        match cuts.first() {
            None => joined.push(before),
            Some(first) => {
                let chunks = (0..first.len()).map(|position| before + first.chunk_at(position) - first.chunk_at(0));
                joined.extend(chunks.flat_map(|chunk| std::iter::repeat_n(chunk, inner as usize)));
            }
        }
    }
    let share = spans::share(&[Cut { indices: Arc::new(Indices::List(joined)), chunk: 1 }], number, of);
    let mut start = 0;
    let cut = |cuts: &Vec<Cut>| {
        let end = start + samples(cuts);
        let own = share.start.clamp(start, end) - start..share.end.clamp(start, end) - start;
        start = end;
        own
    };
    all.iter().map(cut).collect()
}
