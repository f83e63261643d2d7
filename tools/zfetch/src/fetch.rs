//! What `zfetch` adds to the common writer: a crop of the source, and the record of each array.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use zarray::Array;
use zstage::{ArrayPlan, ArrayStats, Begin, Checks, OutputPlan, Progress, Sources, Totals, Writer};
use zstore::{Location, METADATA, Store, Target};
use zwire::{Exit, Failure, FetchRecord, FetchSummary, FetchedRecord, PlanRecord, Record, human_bytes};

use crate::cache::{Document, documents};
use crate::crop::Crop;
use crate::estimate::stored_bytes;
use crate::options::Options;
use crate::select::Source;
use crate::unlisted::{unlisted_arrays, warning};

/// `zfetch` as a writer.
pub struct Fetch<'a> {
    options: &'a Options,
    /// The source, if the command line names it.
    source: Option<&'a Target>,
    /// If it goes into the cache, how room is made there.
    room: Option<Room<'a>>,
    /// Whether it is one part of many.
    is_part: bool,
    /// Objects that the source does not have.
    missing: AtomicU64,
    /// The documents of what was selected, as they were before it was fetched.
    documents: Mutex<Vec<Document>>,
    /// Paths of arrays of several chunks of which none is stored.
    empty: Mutex<Vec<String>>,
    /// Estimated stored bytes of each array, by its path.
    estimates: Mutex<HashMap<String, u64>>,
}

/// The limit of a cache, and what evicts from it until so many bytes more fit.
#[derive(Clone, Copy)]
pub struct Room<'a> {
    /// Bytes.
    pub max_size: Option<u64>,
    /// Makes room for so many.
    pub make: &'a (dyn Fn(u64) -> Result<(), Failure> + Sync),
}

impl<'a> Fetch<'a> {
    /// A run with these options.
    pub fn new(options: &'a Options, source: Option<&'a Target>, room: Option<Room<'a>>) -> Fetch<'a> {
        Fetch {
            options,
            source,
            room,
            is_part: options.is_part,
            missing: AtomicU64::new(0),
            documents: Mutex::default(),
            empty: Mutex::default(),
            estimates: Mutex::default(),
        }
    }

    /// What the summary says of a run.
    pub fn summary(&self, totals: &Totals) -> FetchSummary {
        FetchSummary {
            stores: 1,
            reused: 0,
            arrays: totals.arrays.unwrap_or(0),
            objects: totals.objects,
            missing_objects: self.missing.load(Ordering::Relaxed),
            bytes: totals.bytes_before,
            recoded: totals.recompressed,
            verified: totals.verified,
            checks: named(&totals.checks),
            resumed: totals.resumed,
            unknown_versions: None,
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

    /// The documents of the root, and those of the arrays unless consolidated metadata has them all, as they were before what goes into
    /// the cache was fetched.
    pub fn documents(&self) -> Vec<Document> {
        self.documents.lock().clone()
    }

    /// What the command line selects of the source.
    fn select(&self, sources: &Sources) -> Result<Crop, Failure> {
        let source = Source::read(sources, self.options.write.memory_bytes / 2)?;
        let axes = source.select(&self.options.select)?;
        if self.room.is_some() {
            // Those that were read are not asked for again.
            let root = METADATA.into_iter().chain([".zattrs"]).map(str::to_owned);
            let keys = root.chain(source.documents(&axes)).collect::<BTreeSet<_>>();
            let stat = |key: &str| match sources.hierarchy.stat(key) {
                Some(stat) => Ok(stat),
                None => source.store.stat(key),
            };
            *self.documents.lock() = documents(keys.into_iter().collect(), stat, &sources.pool)?;
        }
        Ok(source.crop(&axes, &self.options.select))
    }
}

impl Writer for Fetch<'_> {
    type Body = Crop;

    const TOOL: &'static str = "zfetch";

    const SELECTS: bool = true;

    const ENCODED_AGAIN: &'static str = "recoded_arrays";

    const OUTPUT_FLAG: &'static str = "--to ";

    fn named(&self, planned: Option<&Crop>) -> Vec<String> {
        planned.map_or_else(|| self.options.select.names.clone(), Crop::paths)
    }

    fn body(&self, planned: Option<&Crop>, sources: &Sources) -> Result<Crop, Failure> {
        match planned {
            None => self.select(sources),
            Some(planned) if self.source.is_none() || (self.options.select.is_everything() && self.room.is_none()) => {
                Ok(planned.clone())
            }
            Some(planned) => match self.select(sources)? == *planned {
                true => Ok(planned.clone()),
                false => Err(Failure::usage("the selection differs from the unfinished run")),
            },
        }
    }

    fn plan(&self, crop: &Crop, _: Begin, store: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        let path = array.key_prefix().to_owned();
        crop.plan(array).map_err(|failure| failure.at(store.place(&path)))
    }

    /// Warns of arrays that a copy of the whole store does not have.
    fn refine(&self, _: &mut Crop, plan: &OutputPlan, _: &Location, progress: &dyn Progress) -> Result<bool, Failure> {
        if self.room.is_none() && self.options.select.is_everything() {
            let arrays = unlisted_arrays(plan)?;
            warning(&plan.store().location().to_string(), &arrays).iter().for_each(|text| progress.warn(text));
        }
        Ok(false)
    }

    /// Estimates the stored bytes for a dry run, and makes room for them in the cache before anything is fetched.
    fn check(&self, crop: &Crop, store: &Store, plans: &[ArrayPlan]) -> Result<(), Failure> {
        let limit = self.room.and_then(|room| Some((room, room.max_size?)));
        let write = &self.options.write;
        if limit.is_none() && !write.dry_run {
            return Ok(());
        }
        let objects = |plan: &ArrayPlan| crop.reads(plan).map(|reads| reads.objects);
        let estimates = stored_bytes(store, plans, &write.pool(store), objects)?;
        let bytes = estimates.iter().copied().fold(0, u64::saturating_add);
        *self.estimates.lock() = plans.iter().map(|plan| plan.array.path.clone()).zip(estimates).collect();
        let Some((room, most)) = limit else { return Ok(()) };
        if bytes > most {
            let text = format!("about {} are selected, more than --max-size {}", human_bytes(bytes), human_bytes(most));
            return Err(Failure::new(Exit::Output, text).at(store.location()));
        }
        (room.make)(bytes)
    }

    fn complete(&self, crop: &Crop, plan: &ArrayPlan, record: &mut PlanRecord) {
        record.amplification = Some(zwire::round3(crop.amplification(plan)));
        if let Some(reads) = crop.reads(plan).filter(|reads| reads.recoded > 0) {
            record.action = "recompress".into();
            record.reason = None;
            (record.objects_copied, record.objects_recoded) = (Some(reads.copied), Some(reads.recoded));
        }
        record.estimated_bytes = self.estimates.lock().get(&plan.array.path).copied();
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
                missing_objects: missing,
                bytes: stats.bytes_before,
                recoded: stats.recompressed,
                verified: stats.verified,
                checks: named(&stats.checks),
                failed: array.failed,
                ..FetchRecord::default()
            })
        })
    }
}

fn named(checks: &Checks) -> BTreeMap<String, u64> {
    checks.counts().map(|(check, count)| (check.to_owned(), count)).collect()
}

/// The record of a complete output; without a summary, an earlier run has fetched it.
pub fn fetched(source: Option<&Target>, path: String, summary: Option<&FetchSummary>) -> FetchedRecord {
    FetchedRecord {
        store: source.map(Target::to_string).unwrap_or_default(),
        path,
        already_complete: summary.is_none(),
        objects: summary.map(|summary| summary.objects),
        missing_objects: summary.map(|summary| summary.missing_objects),
        bytes: summary.map(|summary| summary.bytes),
        unknown_versions: summary.and_then(|summary| summary.unknown_versions),
        ..FetchedRecord::default()
    }
}
