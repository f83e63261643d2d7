//! What `zfetch` adds to the common writer: a crop of the source, and the record of each array.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use zarray::Array;
use zstage::{ArrayPlan, ArrayStats, Begin, Totals, Writer};
use zstore::{Store, Target};
use zwire::{Failure, FetchRecord, FetchSummary, FetchedRecord, PlanRecord, Record};

use crate::crop::Crop;
use crate::options::Options;
use crate::select::Source;

/// `zfetch` as a writer.
pub struct Fetch<'a> {
    options: &'a Options,
    /// The source, if the command line names it.
    source: Option<&'a Target>,
    /// Whether it goes into the cache, which keeps track of the documents of the source.
    cached: bool,
    /// Whether it is one part of many.
    is_part: bool,
    /// Objects that the source does not have.
    missing: AtomicU64,
    /// Keys of the documents of what was selected.
    documents: Mutex<Vec<String>>,
    /// Paths of arrays of several chunks of which none is stored.
    empty: Mutex<Vec<String>>,
}

impl<'a> Fetch<'a> {
    /// A run with these options.
    pub fn new(options: &'a Options, source: Option<&'a Target>, cached: bool) -> Fetch<'a> {
        Fetch {
            options,
            source,
            cached,
            is_part: options.is_part,
            missing: AtomicU64::new(0),
            documents: Mutex::default(),
            empty: Mutex::default(),
        }
    }

    /// What the summary says of a run.
    pub fn summary(&self, totals: &Totals) -> FetchSummary {
        FetchSummary {
            stores: 1,
            reused: 0,
            arrays: totals.arrays.unwrap_or(0),
            objects: totals.objects,
            missing: self.missing.load(Ordering::Relaxed),
            bytes: totals.bytes_before,
            recoded: totals.recompressed,
            verified: totals.verified,
            resumed: totals.resumed,
            failed: totals.failed,
        }
    }

    /// What a user should know of arrays without any chunk: all metadata may be right, and the keys others.
    pub fn warning(&self) -> Option<String> {
        let empty = self.empty.lock();
        let first = empty.first()?;
        let more = if empty.len() > 1 { format!(" and {} more", empty.len() - 1) } else { String::new() };
        Some(format!(
            "no chunk is stored of {first}{more}: readers see the fill value; zinspect --sizes shows what is stored"
        ))
    }

    /// Keys of the documents of the arrays that were selected; none if consolidated metadata has them all.
    pub fn documents(&self) -> Vec<String> {
        self.documents.lock().clone()
    }

    /// What the command line selects of the source.
    fn select(&self) -> Result<Crop, Failure> {
        let source = self.source.ok_or_else(|| Failure::usage("missing argument: STORE"))?;
        let write = &self.options.write;
        let store = Store::open(source, &write.store)?;
        let pool = write.pool(&store);
        let source = Source::read(&store, &pool, write.memory_bytes / 2)?;
        let axes = source.select(&self.options.select)?;
        *self.documents.lock() = source.documents(&axes);
        Ok(Crop::of(&axes, source.dataset.arrays()))
    }
}

impl Writer for Fetch<'_> {
    type Body = Crop;

    const TOOL: &'static str = "zfetch";

    const SELECTS: bool = true;

    const OUTPUT_FLAG: &'static str = "--to ";

    fn body(&self, planned: Option<&Crop>) -> Result<Crop, Failure> {
        match planned {
            None => self.select(),
            Some(planned) if self.source.is_none() || (self.options.select.is_everything() && !self.cached) => {
                Ok(planned.clone())
            }
            Some(planned) => match self.select()? == *planned {
                true => Ok(planned.clone()),
                false => Err(Failure::usage("the selection differs from the unfinished run")),
            },
        }
    }

    fn plan(&self, crop: &Crop, _: Begin, store: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        let path = array.key_prefix().to_owned();
        crop.plan(array).map_err(|failure| failure.at(store.place(&path)))
    }

    fn complete(&self, crop: &Crop, plan: &ArrayPlan, record: &mut PlanRecord) {
        record.amplification = Some(zwire::round3(crop.amplification(&plan.array.path)));
    }

    fn record(&self, store: &str, plan: &ArrayPlan, array: &ArrayStats) -> Option<Record> {
        let stats = &array.stats;
        // A part does not know how many objects are its own.
        let expected = if self.is_part { stats.objects + array.failed } else { plan.units() };
        let missing = expected.saturating_sub(stats.objects + array.failed);
        self.missing.fetch_add(missing, Ordering::Relaxed);
        if missing > 1 && missing == plan.units() {
            self.empty.lock().push(format!("{store}{}", plan.array.path));
        }
        self.options.verbose.then(|| {
            Record::Fetch(FetchRecord {
                store: store.to_owned(),
                path: plan.array.path.clone(),
                shape: plan.array.shape.clone(),
                objects: stats.objects,
                missing,
                bytes: stats.bytes_before,
                recoded: stats.recompressed,
                verified: stats.verified,
                failed: array.failed,
                ..FetchRecord::default()
            })
        })
    }
}

/// The record of a complete output; without a summary, an earlier run has fetched it.
pub fn fetched(source: Option<&Target>, path: String, summary: Option<&FetchSummary>) -> FetchedRecord {
    FetchedRecord {
        store: source.map(Target::to_string).unwrap_or_default(),
        path,
        already_complete: summary.is_none(),
        objects: summary.map(|summary| summary.objects),
        missing: summary.map(|summary| summary.missing),
        bytes: summary.map(|summary| summary.bytes),
        ..FetchedRecord::default()
    }
}
