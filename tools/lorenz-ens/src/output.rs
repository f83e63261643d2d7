//! Writes generated stores: the common writer does it, from a source store whose objects are made when they are read.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zarray::{Array, ZarrFormat};
use zcodec::{Compressor, crc32c};
use zstage::{Action, ArrayPlan, ArrayStats, Begin, CodecOptions, Encoding, Sources, Writer};
use zstore::{Generator, Store, StoreOptions, Target};
use zwire::{Exit, Failure, GeneratedRecord, Record};

use crate::divergence::Divergence;
use crate::grid::{BatchSpec, BatchStore};
use crate::trajectories::{Trajectories, TrajectoryStore};

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

    /// Makes the objects, from at most so many bytes of initial conditions.
    fn generator(&self, memory: u64) -> Result<Box<dyn Generator>, Failure> {
        let text = serde_json::to_vec(&self.content).unwrap_or_default();
        let tag = u64::from(crc32c(&text));
        Ok(match &self.content {
            Content::Trajectories(spec) => {
                Box::new(TrajectoryStore::new(spec, spec.initial.ensemble(memory)?, self.format(), tag)?)
            }
            Content::Batch(spec) => Box::new(BatchStore::new(spec, self.format(), tag, memory)?),
        })
    }
}

/// The writer of one store.
pub struct Output {
    /// What the command line asks for; `None` in a step of an output that was prepared.
    pub wanted: Option<Body>,
    /// What the plan says, once it is known.
    planned: Mutex<Option<Body>>,
    /// Bytes for the states of all members.
    memory: u64,
    /// Whether each array has a record.
    verbose: bool,
}

impl Output {
    /// A writer.
    pub fn new(wanted: Option<Body>, memory: u64, verbose: bool) -> Output {
        Output { wanted, planned: Mutex::default(), memory, verbose }
    }

    /// The key of the chunk that is to be damaged once the store is published; none without Blosc frames, whose headers show it.
    pub fn damaged_key(&self) -> Option<String> {
        let planned = self.planned.lock();
        let body = self
            .wanted
            .as_ref()
            .or(planned.as_ref())
            .filter(|body| matches!(body.codec.compressor(1), Compressor::Blosc(_)))?;
        match &body.content {
            Content::Batch(spec) => spec.damaged_key(body.format()),
            Content::Trajectories(_) => None,
        }
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

    const OUTPUT_FLAG: &'static str = "-o ";

    fn open(&self, _: &Target, planned: Option<&Body>, _: &StoreOptions) -> Result<Store, Failure> {
        let body = planned.or(self.wanted.as_ref()).ok_or_else(|| Failure::usage("missing option: --members N"))?;
        *self.planned.lock() = Some(body.clone());
        Ok(Store::generated(SOURCE, body.generator(self.memory)?))
    }

    fn body(&self, planned: Option<&Body>, _: &Sources) -> Result<Body, Failure> {
        match (planned, &self.wanted) {
            (Some(planned), Some(wanted)) if planned != wanted => Err(Failure::usage(format!(
                "{} differs from the unfinished run",
                difference(&serde_json::to_value(planned), &serde_json::to_value(wanted))
            ))
            .hint("start over with --overwrite")),
            (Some(planned), _) => Ok(planned.clone()),
            (None, Some(wanted)) => Ok(wanted.clone()),
            (None, None) => Err(Failure::new(Exit::Bug, "no ensemble was asked for")),
        }
    }

    fn plan(&self, body: &Body, _: Begin, _: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        let encoding = Encoding::new(body.codec.compressor(array.itemsize.unwrap_or(1)), &array.chain, array.format);
        Ok(Some(ArrayPlan::new(array, Action::Recompress(encoding), false)))
    }

    fn complete(&self, _: &Body, _: &ArrayPlan, record: &mut zwire::PlanRecord) {
        record.action = "generate".into();
        record.from = "none".into();
    }

    fn record(&self, _: &str, plan: &ArrayPlan, array: &ArrayStats) -> Option<Record> {
        let stats = &array.stats;
        (self.verbose || array.failed > 0).then(|| {
            Record::Generated(Box::new(GeneratedRecord {
                store: SOURCE.into(),
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

/// The first option that differs, by the name of its flag.
fn difference(planned: &Result<Value, serde_json::Error>, wanted: &Result<Value, serde_json::Error>) -> String {
    let (Ok(planned), Ok(wanted)) = (planned, wanted) else { return "an option".into() };
    first_difference(planned, wanted).map_or("an option".into(), |name| format!("--{}", name.replace('_', "-")))
}

fn first_difference(planned: &Value, wanted: &Value) -> Option<String> {
    let (Value::Object(planned), Value::Object(wanted)) = (planned, wanted) else { return None };
    // Options that were not given are not in the plan.
    let names = planned.keys().chain(wanted.keys());
    let name = names.into_iter().find(|name| planned.get(*name) != wanted.get(*name))?;
    let inner = planned.get(name).zip(wanted.get(name)).and_then(|(planned, wanted)| first_difference(planned, wanted));
    inner.or_else(|| Some(name.clone()))
}
