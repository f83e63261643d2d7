//! What became of each array: workers report objects in any order, records leave in the order of the arrays.

use std::collections::BTreeMap;

use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value};
use zarray::Array;
use zcli::{Output, Status};
use zstore::Store;
use zwire::{Exit, Failure, RecompressRecord, Record, ratio, round3};

use crate::plan::ArrayPlan;
use crate::transcode::Outcome;

/// Failures of one array that are told, the first in key order; all are counted.
const FAILURES_TOLD: usize = 1000;

/// Refusals (credentials, network) after which a run that only meets more of them is ended.
const REFUSALS: u64 = 100;

/// The book that all workers write in.
pub struct Ledger<'a> {
    store: &'a str,
    plans: &'a [ArrayPlan],
    timing: bool,
    status: &'a Status,
    page: Mutex<Page<'a>>,
}

struct Page<'a> {
    out: &'a mut Output,
    arrays: Vec<Account>,
    /// The next array whose record is due.
    due: usize,
    strays: u64,
    failed: u64,
    lost: u64,
    refused: u64,
    unreadable: u64,
    /// What ended the run.
    fatal: Option<Failure>,
}

#[derive(Clone, Default)]
struct Account {
    /// Objects handed out; final once `listed`.
    started: u64,
    listed: bool,
    finished: u64,
    sums: Tally,
    /// Whether there is nothing to tell of it.
    passed_over: bool,
    failed: u64,
    /// Failures that wait for their array's turn, by key.
    failures: BTreeMap<String, Failure>,
    seconds: f64,
}

/// An array whose chunks no reader finds.
pub fn misspelled(array: &Array, store: &Store) -> Failure {
    let text = format!("chunk keys are not spelled with the {:?} that the metadata names", array.keys.separator);
    Failure::new(Exit::Unreadable, text)
        .at(store.place(array.key_prefix()))
        .hint("correct the separator in the metadata first")
}

/// What was done with one object, or with several.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Objects that were there.
    pub objects: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub uncompressed_bytes: u64,
    /// Objects of which any byte was compressed again.
    pub recompressed: u64,
    pub verified: u64,
    /// Objects that an earlier run had done.
    pub resumed: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.objects += other.objects;
        self.bytes_before += other.bytes_before;
        self.bytes_after += other.bytes_after;
        self.uncompressed_bytes += other.uncompressed_bytes;
        self.recompressed += other.recompressed;
        self.verified += other.verified;
        self.resumed += other.resumed;
    }
}

impl From<&Outcome> for Tally {
    fn from(outcome: &Outcome) -> Tally {
        Tally {
            objects: u64::from(outcome.source.is_some()),
            bytes_before: outcome.source.map_or(0, |stat| stat.size),
            bytes_after: outcome.written.map_or(0, |stat| stat.size),
            uncompressed_bytes: outcome.uncompressed_bytes,
            recompressed: u64::from(outcome.recompressed),
            verified: u64::from(outcome.verified),
            resumed: 0,
        }
    }
}

/// Totals of a run.
pub struct Totals {
    /// Objects that failed.
    pub failed: u64,
    /// Of them, those that are not in the output in any form, so that it is not whole.
    pub lost: u64,
    /// Of them, those that could not be decoded.
    pub unreadable: u64,
    /// Of them, those that a server refused.
    pub refused: u64,
    /// Objects that were carried over.
    pub objects: u64,
    /// Keys that were left out.
    pub strays: u64,
    /// For the summary.
    pub fields: Map<String, Value>,
}

impl Totals {
    /// The exit code of a run that lost something.
    pub fn exit(&self) -> Exit {
        if self.objects == 0 && self.refused == self.lost { Exit::Refused } else { Exit::Partial }
    }
}

impl<'a> Ledger<'a> {
    pub fn new(
        store: &'a str,
        plans: &'a [ArrayPlan],
        out: &'a mut Output,
        status: &'a Status,
        timing: bool,
        strays: u64,
    ) -> Ledger<'a> {
        let arrays = vec![Account::default(); plans.len()];
        let page = Page { out, arrays, due: 0, strays, failed: 0, lost: 0, refused: 0, unreadable: 0, fatal: None };
        Ledger { store, plans, timing, status, page: Mutex::new(page) }
    }

    /// An object was handed out.
    pub fn started(&self, array: usize) {
        self.page().arrays[array].started += 1;
    }

    /// An object, or a region of them, is done; `bad` could not be decoded, and was dealt with. An output that failed ends the
    /// run; a source object that failed is told in its array's turn, and the run goes on.
    pub fn finished(&self, array: usize, key: &str, result: Result<(Tally, Vec<Failure>), Failure>, seconds: f64) {
        let mut page = self.page();
        let account = &mut page.arrays[array];
        account.finished += 1;
        account.seconds += seconds;
        match result {
            Ok((tally, bad)) => {
                account.sums.add(&tally);
                for (number, failure) in bad.into_iter().enumerate() {
                    page.fail(array, format!("{key} {number:09}"), failure);
                }
            }
            Err(failure) if matches!(failure.exit, Exit::Output | Exit::Terminated) => return page.end(failure),
            Err(failure) => {
                page.lost += 1;
                page.refused += u64::from(failure.exit == Exit::Refused);
                page.unreadable += u64::from(failure.exit == Exit::Unreadable);
                if page.refused > REFUSALS {
                    return page.end(failure);
                }
                page.fail(array, key.to_owned(), failure);
            }
        }
        self.settle(&mut page);
    }

    /// A source chunk that cannot be decoded; `lost`: what it belongs to is not in the output. Told once, however often it is
    /// met.
    pub fn bad(&self, array: usize, place: &str, failure: Failure, lost: bool) {
        let mut page = self.page();
        if !page.arrays[array].failures.contains_key(place) {
            page.lost += u64::from(lost);
            page.fail(array, place.to_owned(), failure);
        }
    }

    /// A chunk whose key no reader looks for: leaving it out would lose it, so the array fails.
    pub fn misspelled(&self, array: usize, store: &Store) {
        let failure = misspelled(&self.plans[array].array, store);
        let mut page = self.page();
        if !page.arrays[array].failures.contains_key("") {
            page.lost += 1;
            page.fail(array, String::new(), failure);
        }
    }

    /// What is stored of an array that is not carried over object by object.
    pub fn stored(&self, array: usize, bytes: u64) {
        self.page().arrays[array].sums.bytes_before = bytes;
    }

    /// An array that others do, and tell of.
    pub fn pass_over(&self, array: usize) {
        let mut page = self.page();
        page.arrays[array].passed_over = true;
        page.arrays[array].listed = true;
        self.settle(&mut page);
    }

    /// The list of an array is through.
    pub fn listed(&self, array: usize) {
        let mut page = self.page();
        page.arrays[array].listed = true;
        self.settle(&mut page);
    }

    /// A key that was left out.
    pub fn stray(&self) {
        self.page().strays += 1;
    }

    /// Something ended the run.
    pub fn end(&self, failure: Failure) {
        self.page().end(failure);
    }

    /// Whether the run has been ended.
    pub fn is_over(&self) -> bool {
        self.page().fatal.is_some()
    }

    /// Puts out what is due: the failures of an array, then its record.
    fn settle(&self, page: &mut Page) {
        loop {
            let due = page.due;
            let through = |account: &&mut Account| account.listed && account.finished == account.started;
            let Some(account) = page.arrays.get_mut(due).filter(through) else { return };
            if account.passed_over {
                page.due += 1;
                continue;
            }
            let failures = std::mem::take(&mut account.failures);
            let record = self.record(&self.plans[due], account);
            page.due += 1;
            for failure in failures.into_values() {
                self.status.failure(&failure);
                let told = page.out.emit(&Record::Error(failure.record()));
                page.keep(told);
            }
            let told = page.out.emit(&Record::Recompress(record));
            page.keep(told);
        }
    }

    fn record(&self, plan: &ArrayPlan, account: &Account) -> RecompressRecord {
        // An array that turned out to be in the wanted codec throughout was only copied.
        let untouched = plan.target().is_some_and(|target| target.unchanged) && account.sums.recompressed == 0;
        let recompressed = plan.target().is_some() && !untouched;
        let because = if untouched { Some("already in this codec".to_owned()) } else { plan.action.because() };
        RecompressRecord {
            store: self.store.to_owned(),
            path: plan.array.path.clone(),
            action: match plan.rechunk() {
                Some(_) => plan.action.name(),
                None if recompressed => "recompress",
                None => "copy",
            }
            .to_owned(),
            because,
            from: plan.array.chain.describe(),
            to: plan.new_codec(),
            objects: account.sums.objects,
            bytes_before: account.sums.bytes_before,
            bytes_after: account.sums.bytes_after,
            uncompressed_bytes: plan.target().map(|_| account.sums.uncompressed_bytes),
            // Of a rechunked array whose source was not listed, nobody knows how much was stored.
            gain: ratio(account.sums.bytes_before, account.sums.bytes_after).filter(|_| account.sums.bytes_before > 0),
            verified: account.sums.verified,
            failed: account.failed,
            worker_seconds: self.timing.then(|| round3(account.seconds)),
            bytes_per_worker_second: self.timing.then(|| {
                (account.sums.uncompressed_bytes.max(account.sums.bytes_before) as f64 / account.seconds.max(1e-9))
                    .round()
            }),
            ..RecompressRecord::default()
        }
    }

    /// Closes the book.
    ///
    /// # Errors
    /// What ended the run before its time.
    pub fn close(&self) -> Result<Totals, Failure> {
        let mut page = self.page();
        if let Some(failure) = page.fatal.take() {
            return Err(failure);
        }
        let sum = |field: fn(&Account) -> u64| page.arrays.iter().map(field).sum::<u64>();
        let mut fields = Map::new();
        let mut put = |key: &str, value: u64| drop(fields.insert(key.to_owned(), value.into()));
        put("arrays", page.arrays.iter().filter(|account| !account.passed_over).count() as u64);
        put("objects", sum(|account| account.sums.objects));
        put("recompressed", sum(|account| account.sums.recompressed));
        put("verified", sum(|account| account.sums.verified));
        put("resumed", sum(|account| account.sums.resumed));
        put("failed", page.failed);
        put("bytes_before", sum(|account| account.sums.bytes_before));
        put("bytes_after", sum(|account| account.sums.bytes_after));
        put("keys_left_out", page.strays);
        let gain = ratio(sum(|account| account.sums.bytes_before), sum(|account| account.sums.bytes_after));
        fields.extend(gain.map(|gain| ("gain".to_owned(), gain.into())));
        Ok(Totals {
            failed: page.failed,
            lost: page.lost,
            unreadable: page.unreadable,
            refused: page.refused,
            objects: sum(|account| account.sums.objects),
            strays: page.strays,
            fields,
        })
    }

    fn page(&self) -> MutexGuard<'_, Page<'a>> {
        self.page.lock()
    }
}

impl Page<'_> {
    fn keep(&mut self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.end(failure);
        }
    }

    fn fail(&mut self, array: usize, key: String, failure: Failure) {
        self.failed += 1;
        let account = &mut self.arrays[array];
        account.failed += 1;
        account.failures.insert(key, failure);
        if account.failures.len() > FAILURES_TOLD {
            account.failures.pop_last();
        }
    }

    fn end(&mut self, failure: Failure) {
        self.fatal.get_or_insert(failure);
    }
}
