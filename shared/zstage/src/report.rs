//! What became of each array: workers report objects in any order, records leave in the order of the arrays.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use zarray::Array;
use zstore::Store;
use zwire::{Exit, Failure, Record};

use crate::array_plan::ArrayPlan;
use crate::progress::Progress;
use crate::stats::{ArrayStats, Stats, Totals};

/// Failures of one array that are reported, the first in key order; all are counted.
const REPORTED_FAILURES: usize = 1000;

/// Refusals (credentials, network) after which a run that meets only more of them is ended.
const REFUSALS: u64 = 100;

/// The record of a finished array.
pub type ArrayRecord<'a> = dyn Fn(&ArrayPlan, &ArrayStats) -> Record + Sync + 'a;

/// What all workers report to.
pub struct Report<'a> {
    plans: &'a [ArrayPlan],
    record: &'a ArrayRecord<'a>,
    progress: &'a dyn Progress,
    state: Mutex<State>,
}

struct State {
    arrays: Vec<ArrayState>,
    /// The next array whose record is due.
    due: usize,
    totals: Totals,
    /// What ended the run.
    fatal: Option<Failure>,
}

#[derive(Clone, Default)]
struct ArrayState {
    /// Objects handed out; final once `listed`.
    started: u64,
    listed: bool,
    finished: u64,
    /// Whether other parts do it.
    passed_over: bool,
    stats: ArrayStats,
    /// Failures that wait for their array's turn, by key.
    failures: BTreeMap<String, Failure>,
}

/// An array whose chunks no reader finds.
pub fn wrong_separator(array: &Array, store: &Store) -> Failure {
    let text = format!("chunk keys do not use the separator {:?} given in the metadata", array.keys.separator);
    Failure::new(Exit::Unreadable, text)
        .at(store.place(array.key_prefix()))
        .hint("correct the separator in the metadata")
}

impl<'a> Report<'a> {
    /// A report over `plans`. `strays` keys that belong to no array have been found before.
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

    /// An object was handed out.
    pub fn started(&self, array: usize) {
        self.state.lock().arrays[array].started += 1;
    }

    /// An object, or a region of them, is done; `bad` could not be decoded, and was dealt with. An output that failed ends
    /// the run; a source object that failed is reported in its array's turn, and the run goes on.
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

    /// A source chunk that cannot be decoded; `lost`: what it belongs to is not in the output. Counted once, however often
    /// it is met.
    pub fn bad(&self, array: usize, place: &str, failure: Failure, lost: bool) {
        let mut state = self.state.lock();
        if !state.arrays[array].failures.contains_key(place) {
            state.totals.lost += u64::from(lost);
            state.fail(array, place.to_owned(), failure);
        }
    }

    /// A chunk whose key no reader looks for: leaving it out would lose it, so the array fails.
    pub fn wrong_separator(&self, array: usize, store: &Store) {
        self.bad(array, "", wrong_separator(&self.plans[array].array, store), true);
    }

    /// What is stored of an array that is not carried over object by object.
    pub fn stored(&self, array: usize, bytes: u64) {
        self.state.lock().arrays[array].stats.stats.bytes_before = bytes;
    }

    /// An array that other parts do, and report.
    pub fn pass_over(&self, array: usize) {
        let mut state = self.state.lock();
        state.arrays[array].passed_over = true;
        state.arrays[array].listed = true;
        self.emit_due(&mut state);
    }

    /// All objects of an array have been handed out.
    pub fn listed(&self, array: usize) {
        let mut state = self.state.lock();
        state.arrays[array].listed = true;
        self.emit_due(&mut state);
    }

    /// A key that belongs to no array.
    pub fn stray(&self) {
        self.state.lock().totals.skipped_keys += 1;
    }

    /// Something ended the run.
    pub fn end(&self, failure: Failure) {
        self.state.lock().end(failure);
    }

    /// Whether the run has been ended.
    pub fn is_over(&self) -> bool {
        self.state.lock().fatal.is_some()
    }

    /// Emits what is due: the failures of an array, then its record.
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
            if let Err(failure) = failed.and_then(|()| self.progress.emit(&record)) {
                state.end(failure);
            }
        }
    }

    /// The totals of the run.
    ///
    /// # Errors
    /// What ended the run before its time.
    pub fn close(&self) -> Result<Totals, Failure> {
        let mut state = self.state.lock();
        if let Some(failure) = state.fatal.take() {
            return Err(failure);
        }
        let mut totals = state.totals;
        state.arrays.iter().for_each(|own| totals.add_stats(&own.stats.stats));
        totals.arrays = Some(state.arrays.iter().filter(|own| !own.passed_over).count() as u64);
        Ok(totals)
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
