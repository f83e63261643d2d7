//! Collects results per array: workers report objects in any order, records are emitted in array order.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use zarray::Array;
use zstore::Store;
use zwire::{Exit, Failure, Record};

use crate::array_plan::ArrayPlan;
use crate::progress::Progress;
use crate::stats::{ArrayStats, Seen, Stats, Totals, Work};

/// Maximum number of reported failures per array, the first in key order; all are counted.
const REPORTED_FAILURES: usize = 1000;

/// A run is aborted after this many refusals (credentials, network).
const REFUSALS: u64 = 100;

/// Makes the record of a finished array, if it has one.
pub type ArrayRecord<'a> = dyn Fn(&ArrayPlan, &ArrayStats) -> Option<Record> + Sync + 'a;

/// The report shared by all workers.
pub struct Report<'a> {
    plans: &'a [ArrayPlan],
    record: &'a ArrayRecord<'a>,
    progress: &'a dyn Progress,
    state: Mutex<State>,
}

struct State {
    arrays: Vec<ArrayState>,
    /// The next array to emit a record for.
    due: usize,
    totals: Totals,
    /// The failure that aborted the run.
    fatal: Option<Failure>,
}

#[derive(Clone, Default)]
struct ArrayState {
    /// Objects handed out; final once `listed` is set.
    started: u64,
    listed: bool,
    finished: u64,
    /// Whether it is processed by other parts.
    passed_over: bool,
    stats: ArrayStats,
    /// Failures not yet emitted, by key.
    failures: BTreeMap<String, Failure>,
}

/// The failure for an array whose chunk keys use the wrong separator, so that no reader finds them.
pub fn wrong_separator(array: &Array, store: &Store) -> Failure {
    let text = format!("chunk keys do not use the separator {:?} given in the metadata", array.keys.separator);
    Failure::new(Exit::Unreadable, text)
        .at(store.place(array.key_prefix()))
        .hint("correct the separator in the metadata")
}

impl<'a> Report<'a> {
    /// A report for `plans`. `strays` is the number of keys already found that belong to no array.
    pub fn new(
        plans: &'a [ArrayPlan],
        record: &'a ArrayRecord<'a>,
        progress: &'a dyn Progress,
        strays: u64,
    ) -> Report<'a> {
        let arrays = vec![ArrayState::default(); plans.len()];
        let totals = Totals { skipped_keys: strays, arrays: Some(0), ..Totals::default() };
        Report { plans, record, progress, state: Mutex::new(State { arrays, due: 0, totals, fatal: None }) }
    }

    /// Records that an object was handed out.
    pub fn started(&self, array: usize) {
        self.state.lock().arrays[array].started += 1;
    }

    /// Records that an object or region is finished; failures in `bad` have been handled already. An output failure
    /// aborts the run; a failure of a source object is reported with its array, and the run continues.
    pub fn finished(&self, array: usize, key: &str, result: Result<(Stats, Vec<Failure>), Failure>, seconds: f64) {
        let mut state = self.state.lock();
        let own = &mut state.arrays[array];
        own.finished += 1;
        own.stats.seconds += seconds;
        match result {
            Ok((stats, bad)) => {
                own.stats.stats.add(&stats);
                for (number, failure) in bad.into_iter().enumerate() {
                    state.fail(array, format!("{key} {number:09}"), failure);
                }
            }
            Err(failure) if matches!(failure.exit, Exit::Output | Exit::Terminated) => return state.end(failure),
            Err(failure) => {
                let totals = &mut state.totals;
                totals.lost += 1;
                totals.refused += u64::from(failure.exit == Exit::Refused);
                totals.unreadable += u64::from(failure.exit == Exit::Unreadable);
                if totals.refused > REFUSALS {
                    return state.end(failure);
                }
                state.fail(array, key.to_owned(), failure);
            }
        }
        self.emit_due(&mut state);
    }

    /// Records a source chunk that cannot be decoded, once even if reported repeatedly; `lost` if the output lacks data
    /// because of it.
    pub fn bad(&self, array: usize, place: &str, failure: Failure, lost: bool) {
        let mut state = self.state.lock();
        if !state.arrays[array].failures.contains_key(place) {
            state.totals.lost += u64::from(lost);
            state.fail(array, place.to_owned(), failure);
        }
    }

    /// Records a chunk key that no reader looks for: skipping the chunk would lose data, so the array fails.
    pub fn wrong_separator(&self, array: usize, store: &Store) {
        self.bad(array, "", wrong_separator(&self.plans[array].array, store), true);
    }

    /// Sets the stored bytes of an array that is not transferred object by object.
    pub fn stored(&self, array: usize, bytes: u64) {
        self.state.lock().arrays[array].stats.stats.bytes_before = bytes;
    }

    /// Records an array that other parts process and report.
    pub fn pass_over(&self, array: usize) {
        let mut state = self.state.lock();
        state.arrays[array].passed_over = true;
        state.arrays[array].listed = true;
        self.emit_due(&mut state);
    }

    /// Records that all objects of an array have been handed out.
    pub fn listed(&self, array: usize) {
        let mut state = self.state.lock();
        state.arrays[array].listed = true;
        self.emit_due(&mut state);
    }

    /// Counts a key that belongs to no array.
    pub fn stray(&self) {
        self.state.lock().totals.skipped_keys += 1;
    }

    /// Aborts the run.
    pub fn end(&self, failure: Failure) {
        self.state.lock().end(failure);
    }

    /// Whether the run has been aborted.
    pub fn is_over(&self) -> bool {
        self.state.lock().fatal.is_some()
    }

    /// Emits the failures and the record of each array that is finished, in order.
    fn emit_due(&self, state: &mut State) {
        loop {
            let due = state.due;
            let complete = |own: &&mut ArrayState| own.listed && own.finished == own.started;
            let Some(own) = state.arrays.get_mut(due).filter(complete) else { return };
            state.due += 1;
            if own.passed_over {
                continue;
            }
            let failures = std::mem::take(&mut own.failures);
            let record = (self.record)(&self.plans[due], &own.stats);
            let failed = failures.values().try_for_each(|failure| self.progress.item_failed(failure));
            if let Err(failure) = failed.and_then(|()| record.iter().try_for_each(|record| self.progress.emit(record)))
            {
                state.end(failure);
            }
        }
    }

    /// The totals of the run, and what was read and written of each array.
    ///
    /// # Errors
    /// The failure that aborted the run.
    pub fn close(&self) -> Result<Work, Failure> {
        let mut state = self.state.lock();
        if let Some(failure) = state.fatal.take() {
            return Err(failure);
        }
        let mut totals = state.totals;
        state.arrays.iter().for_each(|own| totals.add_stats(&own.stats.stats));
        totals.arrays = Some(state.arrays.iter().filter(|own| !own.passed_over).count() as u64);
        let seen = |own: &ArrayState| Seen { written: own.stats.stats.written, sources: own.stats.stats.sources };
        Ok(Work { totals, seen: state.arrays.iter().map(seen).collect() })
    }
}

impl State {
    fn fail(&mut self, array: usize, key: String, failure: Failure) {
        self.totals.failed += 1;
        let own = &mut self.arrays[array];
        own.stats.failed += 1;
        own.failures.insert(key, failure);
        if own.failures.len() > REPORTED_FAILURES {
            own.failures.pop_last();
        }
    }

    fn end(&mut self, failure: Failure) {
        self.fatal.get_or_insert(failure);
    }
}
