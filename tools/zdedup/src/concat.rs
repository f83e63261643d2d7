//! What `zdedup` adds to the common writer: a join of all batches, and the record of each array.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use zarray::Array;
use zstage::{
    Action, ArrayPlan, ArrayStats, Attributes, Begin, Encoding, JoinRun, OutputPlan, PlanArray, Progress, Sources,
    View, Writer,
};
use zstore::{Location, Store};
use zwire::{ConcatRecord, Exit, Failure, PlanRecord, Record};

use crate::align::Aligned;
use crate::cli::CopyFlag;
use crate::compare::axis;
use crate::options::Options;

/// Chunk length of coordinates along the dimension: one of their chunks holds those of many batches.
const COORDINATE_CHUNK: u64 = 1 << 17;

/// `zdedup` as a writer.
pub struct Concat<'a> {
    options: &'a Options,
    /// What is kept of each batch; `None` for a step of an output that was prepared.
    runs: Option<Vec<JoinRun>>,
    aligned: Mutex<Option<Arc<Aligned>>>,
    /// Objects whose stored bytes were copied.
    copied: AtomicU64,
}

/// What the plan file keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The dimension.
    dim: String,
    /// Ranges of the batches: number of the batch, start, length.
    ranges: Vec<(usize, u64, u64)>,
    /// How chunks are written.
    recode: bool,
    /// New attributes of nodes.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes,
}

impl Body {
    fn runs(&self) -> Arc<[JoinRun]> {
        let run = |offset: &mut u64, (store, start, length): &(usize, u64, u64)| {
            let run = JoinRun { store: *store, start: *start, length: *length, offset: *offset };
            *offset += length;
            Some(run)
        };
        self.ranges.iter().scan(0, run).collect()
    }
}

impl<'a> Concat<'a> {
    /// A concatenation of these ranges.
    pub fn new(options: &'a Options, runs: Option<Vec<JoinRun>>) -> Concat<'a> {
        Concat { options, runs, aligned: Mutex::default(), copied: AtomicU64::new(0) }
    }

    /// Objects whose stored bytes were copied.
    pub fn copied(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    fn array(
        &self,
        body: &Body,
        aligned: &Aligned,
        runs: &Arc<[JoinRun]>,
        array: &Array,
    ) -> Result<ArrayPlan, Failure> {
        let Some(view) = aligned.view(array, runs)? else {
            return Ok(ArrayPlan::new(array.clone(), Action::Copy("no such dimension"), false));
        };
        let action = match body.recode {
            false => Action::Copy("stored chunks where possible"),
            true => Action::Recompress(
                Encoding::of(array.chain.innermost(), array.format).ok_or_else(cannot_encode(array))?,
            ),
        };
        let plan = ArrayPlan::of_view(array, view, action);
        let plan = match coordinate_chunks(array, &body.dim, &plan) {
            Some(chunks) => plan.with_chunks(chunks),
            None => plan,
        };
        self.check(array, body, runs, &plan)?;
        Ok(plan)
    }

    /// Chunks that are put together must be encoded, and are not wanted with `--copy raw`.
    fn check(&self, array: &Array, body: &Body, runs: &[JoinRun], plan: &ArrayPlan) -> Result<(), Failure> {
        let Some(axis) = axis(array, &body.dim) else { return Ok(()) };
        let is_whole = array.shape.len() == 1 && plan.new_chunks.is_some();
        let chunk = plan.array.numbered().map_or(1, |grid| grid.chunk_shape()[axis]);
        let cut = runs.iter().find(|run| !run.offset.is_multiple_of(chunk) || !run.start.is_multiple_of(chunk));
        let ends = runs.iter().rev().skip(1).find(|run| !run.length.is_multiple_of(chunk));
        let Some(run) = cut.or(ends).filter(|_| !is_whole) else { return Ok(()) };
        if self.options.copy == CopyFlag::Raw && array.shape.len() > 1 {
            let text = format!(
                "--copy raw: chunks have {chunk} indices along {}, and a batch begins at {} in the output with index {} of its own",
                body.dim, run.offset, run.start
            );
            return Err(Failure::usage(text).at(&array.path).hint("use --copy auto"));
        }
        Encoding::of(array.chain.innermost(), array.format).map(drop).ok_or_else(cannot_encode(array))
    }
}

fn cannot_encode(array: &Array) -> impl FnOnce() -> Failure {
    let text = format!("chunks have to be put together, and cannot be encoded with {}", array.chain.describe());
    let failure = Failure::new(Exit::Unreadable, text).at(&array.path);
    || failure.hint("recompress the batches first: zrecompress SRC DST")
}

/// The chunk shape of a coordinate along the dimension, in place of one small chunk for each batch.
fn coordinate_chunks(array: &Array, dim: &str, plan: &ArrayPlan) -> Option<Vec<u64>> {
    if array.shape.len() != 1 || axis(array, dim) != Some(0) || array.chain.sharding.is_some() {
        return None;
    }
    let (own, total) = (array.numbered()?.chunk_shape()[0], *plan.array.shape.first()?);
    let wanted = total.clamp(1, COORDINATE_CHUNK);
    (own < wanted).then(|| vec![wanted])
}

impl Writer for Concat<'_> {
    type Body = Body;

    const TOOL: &'static str = "zdedup";

    const SELECTS: bool = true;

    const OUTPUT_FLAG: &'static str = "-o ";

    fn body(&self, planned: Option<&Body>, sources: &Sources) -> Result<Body, Failure> {
        let dim = planned.map(|planned| planned.dim.clone()).or_else(|| self.options.dim.clone());
        let dim = dim.ok_or_else(|| Failure::usage("missing option: --dim DIM"))?;
        let aligned = Arc::new(Aligned::read(sources, self.options, &dim)?);
        *self.aligned.lock() = Some(Arc::clone(&aligned));
        let recode = self.options.copy == CopyFlag::Recode;
        match (planned, &self.runs) {
            (Some(planned), None) => Ok(planned.clone()),
            (planned, runs) => {
                let ranges: Vec<_> = runs.iter().flatten().map(|run| (run.store, run.start, run.length)).collect();
                let body = Body { dim, ranges, recode, attributes: aligned.attributes.clone() };
                match planned.is_none_or(|planned| *planned == body) {
                    true => Ok(body),
                    false => {
                        Err(Failure::usage("the batches or the choice of duplicates differ from the unfinished run")
                            .hint("start over with --overwrite"))
                    }
                }
            }
        }
    }

    fn plan(&self, body: &Body, begin: Begin, store: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        self.planner(body, begin)?(store, array)
    }

    fn planner<'b>(&'b self, body: &'b Body, _: Begin) -> Result<Box<PlanArray<'b>>, Failure> {
        let runs = body.runs();
        let aligned = self.aligned.lock().clone();
        let aligned = aligned.ok_or_else(|| Failure::new(Exit::Bug, "the batches were not compared"))?;
        Ok(Box::new(move |store: &Store, array: Array| {
            if !aligned.wanted.contains(&array.path) {
                return Ok(None);
            }
            let plan = self.array(body, &aligned, &runs, &array);
            plan.map(Some).map_err(|failure| failure.at(store.place(array.key_prefix())))
        }))
    }

    fn refine(&self, _: &mut Body, _: &OutputPlan, _: &Location, progress: &dyn Progress) -> Result<bool, Failure> {
        if let Some(note) = self.aligned.lock().as_ref().and_then(|aligned| aligned.note.clone()) {
            progress.warn(&note);
        }
        Ok(false)
    }

    fn attributes<'b>(&self, body: &'b Body) -> &'b Attributes {
        &body.attributes
    }

    fn complete(&self, _: &Body, plan: &ArrayPlan, record: &mut PlanRecord) {
        record.action = action(plan).into();
    }

    fn record(&self, store: &str, plan: &ArrayPlan, array: &ArrayStats) -> Option<Record> {
        let stats = &array.stats;
        let copied = stats.objects.saturating_sub(stats.recompressed);
        self.copied.fetch_add(copied, Ordering::Relaxed);
        let is_shown = self.options.verbose || array.failed > 0;
        is_shown.then(|| {
            Record::Concat(Box::new(ConcatRecord {
                store: store.to_owned(),
                path: plan.array.path.clone(),
                shape: plan.array.shape.clone(),
                action: action(plan).into(),
                objects: stats.objects,
                copied,
                recoded: stats.recompressed,
                bytes: stats.bytes_after,
                verified: stats.verified,
                failed: array.failed,
                ..ConcatRecord::default()
            }))
        })
    }
}

fn action(plan: &ArrayPlan) -> &'static str {
    if matches!(plan.view, View::Join(_)) { "concatenate" } else { "copy" }
}
