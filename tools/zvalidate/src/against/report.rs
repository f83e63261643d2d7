//! The values of two arrays of one shape: all their items on every worker, what was found in order.

use serde_json::Value;
use zarray::{Array, OrderedMap, Pool, ScratchPool, Semaphore, Subset, ZarrError};
use zcli::Bar;
use zwire::{CompareRecord, Exit, Failure, human_count, human_counted};

use crate::against::pair::{ItemResult, Pair, PairBuffers};
use crate::against::skipped::Skipped;
use crate::checks::object::problem_of;
use crate::comparison::Against;
use crate::finding::Finding;
use crate::groups::{Groups, group_len};
use crate::kinds::Kind;
use crate::options::Options;
use crate::side::Side;
use crate::sink::Sink;
use zvalue::Difference;
use zvalue::Parts;

/// Items whose results are waited for, for each worker.
const AHEAD: usize = 4;

/// Failures of an array that are reported one by one.
const FAILURES: u64 = 20;

/// Our array and theirs.
pub struct Comparison<'a> {
    /// The stores.
    pub sides: [&'a Side; 2],
    /// The arrays, which have the same shape.
    pub arrays: [&'a Array; 2],
}

/// Compares the values of two arrays.
///
/// # Errors
/// The output cannot be written; what cannot be compared is an error record.
pub fn values(
    comparison: &Comparison,
    options: &Options,
    against: &Against,
    pool: &Pool,
    bar: &Bar,
    sink: &mut Sink,
    record: &mut CompareRecord,
) -> Result<(), Failure> {
    let array = comparison.arrays[0];
    let parts = |side: usize| Parts::new(&comparison.sides[side].store, comparison.arrays[side], options.memory);
    let pair = parts(0)
        .and_then(|ours| parts(1).and_then(|theirs| Pair::new(ours, theirs, against.tolerance, options.memory)));
    let pair = match pair {
        Ok(pair) => pair,
        Err(why) => {
            sink.summary.arrays_unchecked += 1;
            let failure = Failure::new(Exit::Unreadable, why).at(comparison.sides[0].store.place(array.key_prefix()));
            return sink.failed(&failure);
        }
    };
    if pair.needed() > options.memory {
        let what = format!("comparing it needs {} of memory", zwire::human_bytes(pair.needed()));
        let failure = Failure::new(Exit::Usage, what).at(comparison.sides[0].store.place(array.key_prefix()));
        sink.summary.arrays_unchecked += 1;
        return sink.failed(&failure.hint("increase --max-memory"));
    }
    let mut all = All::new(&pair, against);
    all.run(comparison, options, pool, bar, sink)?;
    for side in comparison.sides {
        if let Err(failure) = side.still_there() {
            return sink.failed(&failure);
        }
    }
    all.finish(sink, record)
}

/// What was found of an array.
struct All<'a> {
    pair: &'a Pair<'a>,
    against: &'a Against,
    compared: u64,
    identical: u64,
    one_sided: [u64; 2],
    skipped: Skipped,
    failed: u64,
    found: Difference,
    differing_chunks: roaring::RoaringTreemap,
    /// Objects that only the other store has, and shards that ours has.
    lacking: roaring::RoaringTreemap,
    stored: roaring::RoaringTreemap,
}

impl<'a> All<'a> {
    fn new(pair: &'a Pair<'a>, against: &'a Against) -> All<'a> {
        All {
            pair,
            against,
            compared: 0,
            identical: 0,
            one_sided: [0; 2],
            skipped: Skipped::default(),
            failed: 0,
            found: Difference::default(),
            differing_chunks: roaring::RoaringTreemap::new(),
            lacking: roaring::RoaringTreemap::new(),
            stored: roaring::RoaringTreemap::new(),
        }
    }

    fn run(
        &mut self,
        comparison: &Comparison,
        options: &Options,
        pool: &Pool,
        bar: &Bar,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let pair = self.pair;
        let buffers = ScratchPool::new(pool.workers(), PairBuffers::default);
        let (memory, cost) = (Semaphore::new(options.memory), pair.cost().max(1));
        let stop = sink.session.stop.clone();
        let is_stopped = || stop.requested().is_some();
        let cost_of = |_: &Vec<u64>| cost;
        let is_remote = comparison.sides.iter().any(|side| side.store.is_remote());
        let groups = Groups::new(0..pair.items(), group_len(pair.item_bytes(), is_remote));
        OrderedMap::new(pool, AHEAD * pool.workers()).stop(&is_stopped).memory(&memory, &cost_of).run(
            groups,
            |group| group.into_iter().map(|number| pair.item(number, &buffers, options.memory)).collect::<Vec<_>>(),
            |items| {
                items.into_iter().try_for_each(|item| {
                    bar.advance(item.bytes);
                    self.add(item, sink)
                })
            },
        )
    }

    fn add(&mut self, item: ItemResult, sink: &mut Sink) -> Result<(), Failure> {
        self.compared += item.compared;
        self.identical += item.identical;
        item.skipped.into_iter().for_each(|number| self.skipped.add(self.pair, number));
        self.lacking.extend(item.lacking);
        self.stored.extend(item.stored);
        (0..2).for_each(|side| self.one_sided[side] += item.one_sided[side]);
        for (number, found) in item.differing {
            self.found.max = self.found.max.max(found.max);
            if found.differing == 0 {
                continue;
            }
            self.found.differing += found.differing;
            self.found.first = [self.found.first, found.first].into_iter().flatten().min();
            if self.differing_chunks.insert(number) {
                let finding = self.chunk(number, &found);
                match self.against.each_chunk {
                    true => sink.emit(finding)?,
                    false => sink.note(&finding)?,
                }
            }
        }
        for (number, error) in item.failed {
            self.failed += 1;
            if let Some(finding) = self.damaged(number, &error) {
                sink.emit(finding)?;
                continue;
            }
            // Ours may be sound, but nothing was compared with it.
            let reader = &self.pair.ours.reader;
            sink.list_failed(&reader.key(&reader.grid().index(number)).0);
            if self.failed <= FAILURES {
                sink.failed(&Failure::from(error))?;
            }
        }
        Ok(())
    }

    /// The index of the value with this number.
    fn index(&self, number: u64) -> Vec<u64> {
        Subset::whole(&self.pair.ours.array.shape).member(number)
    }

    /// Our chunk as a damaged one, if the error says so: the other store's damage is no finding about ours.
    fn damaged(&self, number: u64, error: &ZarrError) -> Option<Finding> {
        let ZarrError::Chunk { place, source } = error else { return None };
        let reader = &self.pair.ours.reader;
        let (key, inner) = reader.key(&reader.grid().index(number));
        let ours = self.pair.ours.store.place(&key);
        let is_ours = place.strip_prefix(&*ours).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        let problem = problem_of(source);
        let finding = Finding::of(problem.kind, self.pair.ours.array, problem.found).key(&key).inner(inner);
        (is_ours && error.is_damage()).then_some(finding)
    }

    fn chunk(&self, number: u64, found: &Difference) -> Finding {
        let reader = &self.pair.ours.reader;
        let (key, inner) = reader.key(&reader.grid().index(number));
        // A chunk that lies in several regions is reported with the first of them that differs.
        let at_least = if self.pair.amplification() > 1.0 { "at least " } else { "" };
        let verb = if found.differing == 1 { "differs" } else { "differ" };
        let text = format!("{at_least}{} {verb}", human_counted(found.differing, "value"));
        let mut finding = Finding::of(Kind::ChunkDiffers, self.pair.ours.array, text).key(&key).inner(inner);
        finding.record.first_index = found.first.map(|first| self.index(first));
        finding.record.differing = Some(found.differing);
        finding.record.max_abs_difference = difference(found.max);
        finding
    }

    /// Reports the array as a whole.
    fn finish(mut self, sink: &mut Sink, record: &mut CompareRecord) -> Result<(), Failure> {
        record.compared = self.compared;
        record.differing = self.found.differing;
        record.first_index = self.found.first.map(|first| self.index(first));
        record.max_abs_difference = difference(self.found.max);
        record.chunks_identical = self.identical;
        record.chunks_differing = self.differing_chunks.len();
        (record.chunks_failed, record.chunks_skipped) = (self.failed, self.skipped.count());
        record.amplification = Some(zwire::round3(self.pair.amplification())).filter(|times| *times > 1.0);
        record.result = match self.found {
            _ if self.found.differing > 0 => "different".into(),
            _ if self.failed > 0 || (self.compared == 0 && self.skipped.count() > 0) => "not_compared".into(),
            _ if self.skipped.count() > 0 => "partly_compared".into(),
            Difference { max, .. } if max > 0.0 => "close".into(),
            _ => "equal".into(),
        };
        if self.failed > FAILURES {
            let what = format!("{} could not be compared", human_counted(self.failed - FAILURES, "more chunk"));
            let array = self.pair.ours.array;
            sink.failed(&Failure::new(Exit::Unreadable, what).at(self.pair.ours.store.place(array.key_prefix())))?;
        }
        self.one_sided(sink)?;
        self.skipped.report(self.pair, sink)?;
        let mut all = roaring::RoaringTreemap::new();
        all.insert_range(0..self.pair.ours.array.numbered().map_or(0, zarray::Grid::len));
        all -= &self.lacking - &self.stored;
        sink.list_array(self.pair.ours.array, &all)?;
        if self.found.differing == 0 {
            return Ok(());
        }
        let first = record.first_index.clone().unwrap_or_default();
        let found = format!(
            "{} of {} {}, in {}; the first is {first:?}{}",
            human_count(self.found.differing),
            human_counted(self.compared, "value"),
            if self.found.differing == 1 { "differs" } else { "differ" },
            human_counted(record.chunks_differing, "chunk"),
            match &record.max_abs_difference {
                Some(Value::String(text)) => format!("; largest difference {text}"),
                Some(value) => format!("; largest difference {value}"),
                None => String::new(),
            }
        );
        let mut finding = Finding::of(Kind::ValuesDiffer, self.pair.ours.array, found).count(self.found.differing);
        (finding.record.first_index, finding.record.differing) = (Some(first), Some(self.found.differing));
        finding.record.compared = Some(self.compared);
        finding.record.max_abs_difference = record.max_abs_difference.clone();
        sink.emit(finding)
    }

    /// Chunks that only one store has, where the other reads as the fill value.
    fn one_sided(&mut self, sink: &mut Sink) -> Result<(), Failure> {
        let parts = [&self.pair.ours, &self.pair.theirs];
        for (count, holder) in self.one_sided.into_iter().zip(parts) {
            if count > 0 {
                let place = holder.store.place("");
                let found = format!(
                    "{} only in {place}; readers of the other get the fill value there, which is the same",
                    human_counted(count, "chunk")
                );
                sink.emit(Finding::of(Kind::ChunksInOne, self.pair.ours.array, found).count(count))?;
            }
        }
        Ok(())
    }
}

/// A difference as records have it; `None` if there is none.
fn difference(max: f64) -> Option<Value> {
    match max {
        _ if max <= 0.0 => None,
        f64::INFINITY => Some("Infinity".into()),
        max => Some(max.into()),
    }
}
