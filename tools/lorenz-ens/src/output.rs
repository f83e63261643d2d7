//! Writes generated stores: the common writer does it, from a source store whose objects are made when they are read.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zarray::{Array, ZarrFormat};
use zcli::Stop;
use zcodec::{Compressor, crc32c};
use zstage::{Action, ArrayPlan, ArrayStats, Begin, CodecOptions, Encoding, Sources, Writer};
use zstore::{Generator, Location, Store, StoreOptions, Target};
use zwire::{Exit, Failure, GeneratedRecord, Record};

use crate::divergence::Divergence;
use crate::grid::{BatchSpec, BatchStore, COORDINATES, damage};
use crate::kernel::Lanes;
use crate::parameters::{Parameters, check_written, difference, flag};
use crate::trajectories::{Making, Trajectories, TrajectoryStore};

/// The name of the source store in plans and messages.
pub const SOURCE: &str = "lorenz-ens:";

/// What decides the bytes of an output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// What is computed.
    pub content: Content,
    /// Version of Zarr.
    pub zarr_format: u8,
    /// How chunks are compressed.
    pub codec: CodecOptions,
    /// Members that diverge.
    pub diverged: Divergence,
}

/// What is computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// All trajectories.
    Trajectories(Trajectories),
    /// A batch on a grid.
    Batch(BatchSpec),
}

impl Body {
    fn format(&self) -> ZarrFormat {
        if self.zarr_format == 2 { ZarrFormat::V2 } else { ZarrFormat::V3 }
    }

    /// Makes the objects.
    fn generator(&self, making: &Making) -> Result<Box<dyn Generator>, Failure> {
        let text = serde_json::to_vec(&self.content).unwrap_or_default();
        let tag = u64::from(crc32c(&text));
        let making = making.clone();
        Ok(match &self.content {
            Content::Trajectories(spec) => {
                Box::new(TrajectoryStore::new(spec, self.format(), tag, making, self.diverged.members)?)
            }
            Content::Batch(spec) => Box::new(BatchStore::new(spec, self.format(), tag, making.memory, making.stop)?),
        })
    }

    /// What decides the values, by the names of the flags.
    pub fn parameters(&self) -> Parameters {
        match &self.content {
            Content::Trajectories(spec) => spec.parameters(),
            Content::Batch(spec) => spec.parameters(),
        }
    }

    /// What decides the chunks.
    fn chunks(&self) -> Value {
        match &self.content {
            Content::Trajectories(spec) => json!(spec.chunks),
            Content::Batch(spec) => json!(spec.chunk_times),
        }
    }

    /// The key of the chunk that is damaged before the store is published; none without Blosc frames, whose headers show it.
    fn damaged_key(&self) -> Option<String> {
        match &self.content {
            Content::Batch(spec) if matches!(self.codec.compressor(1), Compressor::Blosc(_)) => {
                spec.damaged_key(self.format())
            }
            _ => None,
        }
    }

    /// How many arrays the store has.
    pub fn arrays(&self) -> u64 {
        match &self.content {
            Content::Trajectories(spec) => spec.arrays().len() as u64,
            Content::Batch(spec) => COORDINATES as u64 + spec.variables,
        }
    }

    /// How many faults are planted.
    pub fn faults(&self) -> u64 {
        match &self.content {
            Content::Batch(spec) => spec.faults(self.damaged_key().is_some()),
            Content::Trajectories(_) => 0,
        }
    }

    /// Checks that a finished output was written with these parameters.
    ///
    /// # Errors
    /// [`Exit::Output`] with the first that differs.
    pub fn check_written(&self, written: &Store) -> Result<(), Failure> {
        check_written(written, &self.parameters())?;
        let key = if self.format() == ZarrFormat::V2 { ".zgroup" } else { "zarr.json" };
        if written.stat(key)?.is_some() {
            return Ok(());
        }
        let text = format!("the output exists, and was not written with --zarr-format {}", self.zarr_format);
        let failure = Failure::new(Exit::Output, text).at(written.location());
        Err(failure.hint("use another output, or --overwrite to replace it"))
    }

    /// The first flag that says something else in `other`.
    pub fn differing_flag(&self, other: &Body) -> Option<String> {
        let names = |body: &Body| json!([body.codec, body.chunks(), body.zarr_format]);
        let [own, others] = [self, other].map(|body| body.parameters());
        if let Some((name, ..)) = difference(&own, &others).or_else(|| difference(&others, &own)) {
            return Some(flag(name));
        }
        if names(self) == names(other) {
            return None;
        }
        if self.zarr_format != other.zarr_format {
            return Some("--zarr-format".into());
        }
        if self.chunks() != other.chunks() {
            return Some("--chunks".into());
        }
        // Options that were not given are not in the plan.
        let codec = |body: &Body| crate::documents::members(json!(body.codec));
        let (own, others) = (codec(self), codec(other));
        let mut names = own.keys().chain(others.keys());
        names.find(|name| own.get(*name) != others.get(*name)).map(|name| flag(name))
    }
}

/// The writer of one store.
pub struct Output {
    /// What the command line asks for; `None` in a step of an output that was prepared.
    pub wanted: Option<Body>,
    /// What the plan says, once it is known.
    planned: Mutex<Option<Body>>,
    making: Making,
    /// Whether each array has a record.
    verbose: bool,
    /// The store in records: a batch tells where it is written.
    store: String,
}

impl Output {
    /// A writer. `memory` is the limit.
    pub fn new(wanted: Option<Body>, lanes: Lanes, memory: u64, stop: &Stop, verbose: bool) -> Output {
        let making = Making { lanes, memory, stop: stop.clone() };
        Output { wanted, planned: Mutex::default(), making, verbose, store: SOURCE.into() }
    }

    /// The writer of one of several batches, which records name.
    pub fn of_batch(self, location: &Location) -> Output {
        Output { store: location.to_string(), ..self }
    }

    /// What diverges, according to the command line or the plan.
    pub fn divergence(&self) -> Divergence {
        let planned = self.planned.lock();
        self.wanted.as_ref().or(planned.as_ref()).map(|body| body.diverged.clone()).unwrap_or_default()
    }
}

impl Writer for Output {
    type Body = Body;

    const TOOL: &'static str = "lorenz-ens";

    const SELECTS: bool = true;

    const COMPARES_VALUES: bool = false;

    const OUTPUT_FLAG: &'static str = "-o ";

    fn open(&self, _: &Target, planned: Option<&Body>, _: &StoreOptions) -> Result<Store, Failure> {
        let body = planned.or(self.wanted.as_ref()).ok_or_else(|| Failure::usage("missing option: --members N"))?;
        *self.planned.lock() = Some(body.clone());
        Ok(Store::generated(SOURCE, body.generator(&self.making)?))
    }

    fn body(&self, planned: Option<&Body>, _: &Sources) -> Result<Body, Failure> {
        match (planned, &self.wanted) {
            (Some(planned), Some(wanted)) if planned != wanted => {
                let differs = planned.differing_flag(wanted).unwrap_or_else(|| "the ensemble".into());
                let failure = Failure::usage(format!("{differs} differs from the unfinished run"));
                Err(failure.hint("start over with --overwrite"))
            }
            (Some(planned), _) => Ok(planned.clone()),
            (None, Some(wanted)) => Ok(wanted.clone()),
            (None, None) => Err(Failure::new(Exit::Bug, "no ensemble was asked for")),
        }
    }

    fn plan(&self, body: &Body, _: Begin, _: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        let encoding = Encoding::new(body.codec.compressor(array.itemsize.unwrap_or(1)), &array.chain, array.format);
        Ok(Some(ArrayPlan::new(array, Action::Recompress(encoding), false)))
    }

    fn check_finished(&self, body: &Body, written: &Store) -> Result<(), Failure> {
        body.check_written(written)
    }

    fn before_publishing(&self, body: &Body, objects: &Store) -> Result<(), Failure> {
        body.damaged_key().map_or(Ok(()), |key| damage(objects, &key))
    }

    fn complete(&self, _: &Body, _: &ArrayPlan, record: &mut zwire::PlanRecord) {
        record.action = "generate".into();
        record.store.clone_from(&self.store);
        record.from = "none".into();
    }

    fn record(&self, _: &str, plan: &ArrayPlan, array: &ArrayStats) -> Option<Record> {
        let stats = &array.stats;
        (self.verbose || array.failed > 0).then(|| {
            Record::Generated(Box::new(GeneratedRecord {
                store: self.store.clone(),
                path: plan.array.path.clone(),
                shape: plan.array.shape.clone(),
                codec: plan.new_codec(),
                objects: stats.written,
                uncompressed_bytes: stats.uncompressed_bytes,
                bytes: stats.bytes_after,
                verified: stats.verified,
                failed: array.failed,
                ..GeneratedRecord::default()
            }))
        })
    }
}
