//! What `zfetch` adds to the common writer: a crop of the source, and the record of each array.

use std::sync::atomic::{AtomicU64, Ordering};

use zarray::Array;
use zstage::{ArrayPlan, ArrayStats, Begin, Writer};
use zstore::{Store, Target};
use zwire::{Failure, FetchRecord, PlanRecord, Record};

use crate::crop::Crop;
use crate::options::Options;
use crate::select::Source;

/// `zfetch` as a writer.
pub struct Fetch<'a> {
    options: &'a Options,
    /// The source, if the command line names it.
    source: Option<&'a Target>,
    /// Objects that the source does not have.
    missing: AtomicU64,
}

impl<'a> Fetch<'a> {
    /// A run with these options.
    pub fn new(options: &'a Options, source: Option<&'a Target>) -> Fetch<'a> {
        Fetch { options, source, missing: AtomicU64::new(0) }
    }

    /// Objects of finished arrays that the source does not have.
    pub fn missing(&self) -> u64 {
        self.missing.load(Ordering::Relaxed)
    }

    /// What the command line selects of the source.
    fn select(&self) -> Result<Crop, Failure> {
        let source = self.source.ok_or_else(|| Failure::usage("missing argument: STORE"))?;
        let write = &self.options.write;
        let store = Store::open(source, &write.store)?;
        let pool = write.pool(&store);
        let source = Source::read(&store, &pool, write.memory_bytes / 2)?;
        let axes = source.select(&self.options.select)?;
        Ok(Crop::of(&axes, source.dataset.arrays()))
    }
}

impl Writer for Fetch<'_> {
    type Body = Crop;

    const TOOL: &'static str = "zfetch";

    const SELECTS: bool = true;

    fn body(&self, planned: Option<&Crop>) -> Result<Crop, Failure> {
        match planned {
            None => self.select(),
            Some(planned) if self.options.select.is_everything() || self.source.is_none() => Ok(planned.clone()),
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
        let missing = plan.units().saturating_sub(stats.objects + array.failed);
        self.missing.fetch_add(missing, Ordering::Relaxed);
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
