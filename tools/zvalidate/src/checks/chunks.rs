//! The bytes of the stored objects of one array: headers, or all of them, on every worker, in the order of the grid.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringTreemap;
use zarray::{Array, ChunkReader, Grid, OrderedMap, ScratchPool, Semaphore, ZarrError};
use zcli::Bar;
use zwire::{Exit, Failure};

use crate::checks::damage::Damage;
use crate::checks::headers::{HEAD, Problem};
use crate::checks::nan::ArrayValues;
use crate::checks::object::{Buffers, Job, ObjectResult, problem_of};
use crate::checks::presence::Presence;
use crate::checks::raw::{READ, is_raw};
use crate::checks::shards;
use crate::finding::Finding;
use crate::groups::{Groups, group_len};
use crate::kinds::Kind;
use crate::level::Level;
use crate::sink::Sink;

/// Objects whose results are waited for, for each worker.
const AHEAD: usize = 8;

/// The results of an array.
#[derive(Default)]
pub struct ChunksResult {
    /// Chunks that were checked.
    pub chunks: u64,
    /// Chunks that are damaged.
    pub damaged: u64,
    /// Objects found, of a store that cannot be listed.
    pub found: Option<Presence>,
    /// Values, at the level full.
    pub values: Option<ArrayValues>,
    /// Inner chunks that are not in their shards.
    pub inner_missing: u64,
    /// The others, by their numbers in the grid of chunks.
    pub inner_present: RoaringTreemap,
    /// Shards of which nothing is known: missing, or damaged.
    pub lost_shards: u64,
    /// Whether every stored chunk was decoded.
    pub is_complete: bool,
    /// The damaged chunks.
    pub damage: Damage,
    /// Chunks of the kinds that are reported once for an array, with the first key.
    grouped: BTreeMap<Kind, (u64, String, Problem)>,
}

/// Checks the objects of an array.
///
/// # Errors
/// The output cannot be written.
pub fn check(job: &Job, bar: &Bar, sink: &mut Sink) -> Result<ChunksResult, Failure> {
    let mut result = ChunksResult { is_complete: job.context.sample_is_all(), ..ChunksResult::default() };
    result.found = job.presence.is_none().then(Presence::default);
    result.values = job.values.map(|_| ArrayValues::default());
    let Some(grid) = job.array.numbered() else { return Ok(result) };
    let numbers = numbers(job, grid);
    let context = job.context;
    let pool = context.pool;
    let cost = cost(job);
    let memory = Semaphore::new(context.options.memory);
    // Workers that wait for a network are many; buffers stay as large as their largest chunk.
    let fitting = zcodec::to_usize(context.options.memory / cost.max(1)).max(1);
    let buffers = ScratchPool::new(pool.workers().min(fitting), Buffers::default);
    let stop = sink.session.stop.clone();
    let is_stopped = || stop.requested().is_some();
    let cost_of = |_: &Vec<u64>| cost;
    let read = |group: Vec<u64>| {
        let mut buffers = buffers.take();
        group.into_iter().map(|number| object(job, grid, number, &mut buffers)).collect::<Vec<_>>()
    };
    let mut deliver = |objects: Vec<ObjectResult>| {
        objects.into_iter().try_for_each(|object| {
            bar.advance(object.decoded.max(object.size.min(HEAD)));
            result.add(job, grid, object, sink)
        })
    };
    let mut groups = Groups::new(numbers, group_len(object_bytes(job, grid), context.store.is_remote()));
    match [groups.next(), groups.next()] {
        [None, _] => {}
        // An array of few small chunks is not worth a task.
        [Some(only), None] if only.len() > 1 => deliver(read(only))?,
        first => {
            let groups = first.into_iter().flatten().chain(groups);
            OrderedMap::new(pool, AHEAD * pool.workers())
                .stop(&is_stopped)
                .memory(&memory, &cost_of)
                .run(groups, read, deliver)?;
        }
    }
    result.report_grouped(job.array, sink)?;
    Ok(result)
}

/// The numbers of the objects that are looked at: those that are present, or all where that is not known.
fn numbers<'a>(job: &Job<'a>, grid: &Grid) -> Box<dyn Iterator<Item = u64> + Send + 'a> {
    let all: Box<dyn Iterator<Item = u64> + Send> = match (job.presence, &job.array.fetched) {
        (Some(presence), _) => Box::new(presence.present.iter()),
        (None, Some(fetched)) => {
            let (fetched, grid) = (Arc::clone(fetched), grid.clone());
            Box::new((0..fetched.len()).map(move |number| grid.number(&fetched.index(number))))
        }
        (None, None) => Box::new(0..grid.len()),
    };
    match job.context.options.sample {
        Some(share) if share < 1.0 => Box::new(stratified(all, share)),
        _ => all,
    }
}

/// Bytes of one object that are looked at.
fn object_bytes(job: &Job, grid: &Grid) -> u64 {
    match job.context.level {
        Level::Full => grid.chunk_elements().saturating_mul(job.array.itemsize.unwrap_or(1)),
        _ => HEAD,
    }
}

/// Bytes of memory that one object takes.
fn cost(job: &Job) -> u64 {
    let decoded = job.reader.map_or(0, ChunkReader::chunk_bytes);
    let full = job.context.level == Level::Full;
    let is_raw = job.reader.is_some_and(|reader| is_raw(job.array, job.array.chain.innermost(), reader));
    let bytes = match full {
        // A server that is not known to send parts may send whole objects; a shard that is read whole is copied.
        true if is_raw && job.context.store.is_remote() && !job.context.store.gives_ranges() => {
            decoded.saturating_mul(2)
        }
        true if is_raw && job.array.chain.split_shards().is_some() => 2 * READ + decoded.min(shards::WHOLE),
        true if is_raw => 2 * READ,
        true => decoded.saturating_mul(2),
        false => 4 * HEAD,
    };
    let shard = if job.array.chain.split_shards().is_some() && full { shards::WHOLE } else { 0 };
    bytes.saturating_add(shard).clamp(1, job.context.options.memory)
}

fn object(job: &Job, grid: &Grid, number: u64, buffers: &mut Buffers) -> ObjectResult {
    let index = grid.index(number);
    let mut result = ObjectResult { number, ..ObjectResult::default() };
    // Objects without bytes and of impossible sizes were reported with the list.
    if job.presence.is_some_and(|presence| presence.is_odd(number)) {
        return ObjectResult { chunks: 1, damaged: 1, ..result };
    }
    let checked = match job.array.chain.split_shards() {
        Some(_) => shards::check(job, &index, buffers, &mut result),
        None => job.chunk(&index, buffers, &mut result),
    };
    if let Err(error) = checked {
        match error {
            ZarrError::Chunk { source, .. } => result.problem(problem_of(&source)),
            ZarrError::NotFetched { .. } => {}
            error => result.failure = Some(Failure::from(error)),
        }
    }
    result
}

/// Kinds that are reported once for an array.
const GROUPED: [Kind; 2] = [Kind::Typesize, Kind::ExtraBytes];

impl ChunksResult {
    fn add(&mut self, job: &Job, grid: &Grid, object: ObjectResult, sink: &mut Sink) -> Result<(), Failure> {
        let key = || job.array.key(&job.array.keys.encode(&grid.index(object.number)));
        if object.is_missing && job.presence.is_some() {
            // It was removed meanwhile, or the server forbids to read it and takes that for absence.
            self.is_complete = false;
            let failure = Failure::new(Exit::Refused, "is listed, and not there when it is read");
            sink.failed(
                &failure
                    .at(job.context.store.place(&key()))
                    .hint("check the permissions, and that no writer is running"),
            )?;
        }
        if let Some(failure) = &object.failure {
            self.is_complete = false;
            sink.failed(failure)?;
        }
        let is_unknown = object.failure.is_some() && object.size == 0;
        if let (Some(found), false) = (&mut self.found, object.is_missing || is_unknown) {
            found.add_found(object.number, object.size);
        }
        self.chunks += object.chunks;
        self.damaged += object.damaged;
        self.inner_missing += object.inner_missing;
        self.inner_present.extend(&object.inner_present);
        self.lost_shards += u64::from(object.inner_present.is_empty());
        sink.checks().decoded_bytes += object.decoded;
        if object.damaged > 0 {
            self.is_complete = false;
            self.damage.add(job.array, grid, object.number, &object.problems);
        }
        for problem in object.problems {
            if GROUPED.contains(&problem.kind) {
                self.grouped.entry(problem.kind).or_insert_with(|| (0, key(), problem)).0 += 1;
                continue;
            }
            let mut finding = Finding::of(problem.kind, job.array, problem.found).key(&key()).inner(problem.inner);
            finding.record.expected = problem.expected;
            sink.emit(finding)?;
        }
        if let (Some(sum), Some(values), Some(reader)) = (&mut self.values, job.values, job.reader) {
            sum.add(reader.grid(), values.dimension(), &object.values);
        }
        Ok(())
    }

    fn report_grouped(&mut self, array: &Array, sink: &mut Sink) -> Result<(), Failure> {
        for (kind, (count, key, problem)) in std::mem::take(&mut self.grouped) {
            let mut finding = Finding::of(kind, array, problem.found).key(&key).count(count);
            finding.record.expected = problem.expected;
            sink.emit(finding)?;
        }
        Ok(())
    }
}

/// A share of the items: one of each stretch, so that the samples are spread over all of them. At least the first.
fn stratified(items: impl Iterator<Item = u64> + Send, share: f64) -> impl Iterator<Item = u64> + Send {
    items
        .enumerate()
        .filter(move |(rank, _)| {
            let stratum = |rank: usize| (rank as f64 * share).floor();
            *rank == 0 || stratum(*rank) > stratum(*rank - 1)
        })
        .map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_over_all() {
        let sample: Vec<u64> = stratified(0..1000, 0.05).collect();
        assert_eq!(sample.len(), 50);
        assert!(sample.windows(2).all(|pair| pair[1] - pair[0] == 20), "{sample:?}");
        assert_eq!(stratified(0..7, 0.01).collect::<Vec<_>>(), [0]);
        assert_eq!(stratified(0..9, 1.0).count(), 9);
    }
}
