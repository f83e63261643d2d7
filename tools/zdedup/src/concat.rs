//! What `zdedup` adds to the common writer: a join of all batches, and the record of each array.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use zarray::Array;
use zcoord::{Column, Mode, name, read_coordinate};
use zstage::rechunk::{Layout, Shapes};
use zstage::{
    Action, ArrayPlan, ArrayStats, Attributes, Begin, Encoding, JoinRun, OutputPlan,
    PlanArray, Progress, Sources, View, Writer, as_planned,
};
use zstore::{Location, Store};
use zwire::{ConcatRecord, Exit, Failure, PlanRecord, Record};

use crate::align::Aligned;
use crate::batch::coordinate;
use crate::crop::Crop;
use crate::options::{Options, OutputOptions};
use crate::rules::CopyMode;
use crate::variables::axis;

/// Chunk length of coordinates along the dimension: one of their chunks holds those of many batches.
const COORDINATE_CHUNK: u64 = 1 << 17;

/// `zdedup` as a writer.
pub struct Concat<'a> {
    options: &'a Options,
    /// What is kept of each batch; `None` for a step of an output that was prepared.
    runs: Option<Vec<JoinRun>>,
    /// The coordinate of the store that is appended to, as the choice was made from it.
    before: Option<&'a Column>,
    aligned: Mutex<Option<Arc<Aligned>>>,
    /// Whether all ranges fit chunks of a length along the dimension.
    fitting: Mutex<HashMap<u64, bool>>,
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
    /// What decides the output besides them.
    #[serde(flatten)]
    output: OutputOptions,
    /// What the output has of other dimensions.
    #[serde(default, skip_serializing_if = "Crop::is_empty")]
    crop: Crop,
    /// Whether the first store is the output.
    #[serde(default)]
    append: bool,
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
    pub fn new(options: &'a Options, runs: Option<Vec<JoinRun>>, before: Option<&'a Column>) -> Concat<'a> {
        Concat {
            options,
            runs,
            before,
            aligned: Mutex::default(),
            fitting: Mutex::default(),
            copied: AtomicU64::new(0),
        }
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
        shapes: &Shapes,
        array: &Array,
    ) -> Result<ArrayPlan, Failure> {
        let Some(view) = aligned.view(array, runs)? else {
            let plan = ArrayPlan::new(array.clone(), Action::Copy("no such dimension"), body.append);
            return Ok(plan);
        };
        if !matches!(view, View::Join(_)) {
            return Ok(ArrayPlan::of_view(array, view, Action::Copy("no such dimension")));
        }
        let plan = ArrayPlan::of_view(array, view, Action::Copy("stored chunks where possible"));
        let plan = if body.append { plan } else { laid_out(body, shapes, array, plan)? };
        self.check(array, aligned, runs, &plan)?;
        Ok(if body.append { plan.appended() } else { plan })
    }

    /// Chunks that are assembled must be encoded, and are not wanted with `--copy raw`, except those of coordinates.
    fn check(&self, array: &Array, aligned: &Aligned, runs: &[JoinRun], plan: &ArrayPlan) -> Result<(), Failure> {
        let (Some(axis), Some(grid)) = (axis(array, &aligned.dim), plan.array.numbered()) else { return Ok(()) };
        let is_copied = plan.new_members.is_none()
            && match aligned.differs(array) || !aligned.crop.is_empty() {
                false => self.fits(runs, grid.chunk_shape()[axis]),
                true => plan.copied_objects().is_some_and(|(copied, all)| copied == all),
            };
        if is_copied || plan.encoding().is_some() {
            return Ok(());
        }
        if self.options.output.copy == CopyMode::Raw && array.shape.len() > 1 {
            let text = format!(
                "--copy raw: the chunks of some batches cannot be copied: they have {} indices along {}, or are encoded otherwise",
                grid.chunk_shape()[axis],
                aligned.dim
            );
            return Err(Failure::usage(text).at(&array.path).hint("use --copy auto"));
        }
        Encoding::of(array.chain.innermost(), array.format).map(drop).ok_or_else(cannot_encode(array))
    }

    /// Whether all ranges begin and end where chunks of this length do. Most arrays have the same.
    fn fits(&self, runs: &[JoinRun], chunk: u64) -> bool {
        let fits = |run: &JoinRun| run.offset.is_multiple_of(chunk) && run.start.is_multiple_of(chunk);
        let is_full = |run: &JoinRun| run.length.is_multiple_of(chunk);
        *self
            .fitting
            .lock()
            .entry(chunk)
            .or_insert_with(|| runs.iter().all(fits) && runs.iter().rev().skip(1).all(is_full))
    }
}

/// A store that is appended to keeps its values.
fn check_area(crop: &Crop, sources: &Sources) -> Result<(), Failure> {
    let Some(name) = crop.cropped_in_first() else { return Ok(()) };
    let text = format!("--join inner: a store has not all values of {name} that the store to append to has");
    Err(Failure::new(Exit::Unreadable, text).at(sources.store().location()).hint("write a new store with -o"))
}

/// Another program may have appended to the store since its coordinate was read: now, it is locked.
fn check_before(sources: &Sources, dim: &str, before: &Column, options: &Options) -> Result<(), Failure> {
    let store = sources.store();
    let array = coordinate(&sources.hierarchy, dim, &sources.pool).map_err(|failure| failure.at(store.location()))?;
    let memory = options.write.memory_bytes / 2;
    let (now, _) = read_coordinate(store, &array, Mode::Cf, &sources.pool, memory)?;
    if now.values == before.values {
        return Ok(());
    }
    let failure = Failure::new(Exit::Output, format!("{dim} was changed by another program; nothing is appended"));
    Err(failure.at(store.location()).hint("run the command again"))
}

fn cannot_encode(array: &Array) -> impl FnOnce() -> Failure {
    let text = format!("chunks have to be assembled, and cannot be encoded with {}", array.chain.describe());
    let failure = Failure::new(Exit::Unreadable, text).at(&array.path);
    || failure.hint("recompress the batches first: zrecompress SRC DST")
}

/// The plan with the layout and the codec of the output: those that were asked for, and larger chunks for the coordinate.
fn laid_out(body: &Body, shapes: &Shapes, array: &Array, plan: ArrayPlan) -> Result<ArrayPlan, Failure> {
    let chain = array.chain.innermost();
    let encoding = match (is_coordinate(array, &body.dim), body.output.codec.is_given()) {
        (false, true) => {
            let compressor = body.output.codec.compressor(chain.itemsize.unwrap_or(1));
            Some(Encoding::new(compressor, chain, array.format))
        }
        _ if body.output.copy == CopyMode::Recode => Some(Encoding::of(chain, array.format).ok_or_else(cannot_encode(array))?),
        _ => None,
    };
    let own = Layout::of(&plan.array);
    let layout = match coordinate_chunks(array, &body.dim, &plan) {
        Some(chunks) => Some(Layout { chunks, shards: None }),
        None if body.output.chunk.is_given() && !is_coordinate(array, &body.dim) => {
            Some(Layout::new(&plan.array, shapes, array.format)?)
        }
        None => None,
    };
    let layout = layout.filter(|layout| Some(layout) != own.as_ref());
    let Some(layout) = layout.or_else(|| own.filter(|_| encoding.is_some())) else { return Ok(plan) };
    let mut plan = plan.laid_out(&layout, encoding)?;
    if let (CopyMode::Recode, Action::Recompress(encoding)) = (body.output.copy, &mut plan.action) {
        // Also chunks that have this encoding already.
        encoding.unchanged = false;
    }
    Ok(plan)
}

/// Whether an array is the coordinate of the dimension.
fn is_coordinate(array: &Array, dim: &str) -> bool {
    array.shape.len() == 1 && axis(array, dim) == Some(0) && name(&array.path) == dim
}

/// The chunk shape of a one-dimensional array along the dimension, in place of one small chunk for each batch.
fn coordinate_chunks(array: &Array, dim: &str, plan: &ArrayPlan) -> Option<Vec<u64>> {
    if array.shape.len() != 1 || axis(array, dim) != Some(0) || array.chain.sharding.is_some() {
        return None;
    }
    let (own, total) = (array.numbered()?.chunk_shape()[0], *plan.array.shape.first()?);
    let wanted = total.clamp(1, COORDINATE_CHUNK);
    Encoding::of(array.chain.innermost(), array.format)?;
    (own < wanted).then(|| vec![wanted])
}

/// Reads of a source chunk above which the user is told.
const FEW_READS: f64 = 2.0;

/// A note on arrays whose source chunks are read again and again, because the chunks of the output divide them.
fn reads_again(plans: &[ArrayPlan]) -> Option<String> {
    let most = plans.iter().filter_map(|plan| Some((reads_per_chunk(plan)?, plan)));
    let (reads, plan) = most.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(reads, _)| *reads > FEW_READS)?;
    Some(format!(
        "{}: the chunks of the output divide those of the stores, each of which is read {reads:.0} times; it is faster to concatenate \
         first, and then to change the chunks with zrecompress --chunks",
        plan.array.path
    ))
}

/// How many objects of the output need a chunk of the joined arrays, on average.
fn reads_per_chunk(plan: &ArrayPlan) -> Option<f64> {
    let View::Join(join) = &plan.view else { return None };
    plan.new_members.as_ref()?;
    let piece = join.piece(0);
    let (own, source) = (plan.array.numbered()?.chunk_shape(), piece.array.numbered()?.chunk_shape());
    let reads = |(own, source): (&u64, &u64)| (own + source - gcd(*own, *source)) as f64 / *own as f64;
    Some(own.iter().zip(source).map(reads).product())
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Body {
    /// Checks the shapes that were asked for, and returns a note on arrays that keep theirs.
    fn check_shapes(&self, plans: &[ArrayPlan]) -> Result<Option<String>, Failure> {
        if !self.output.chunk.is_given() {
            return Ok(None);
        }
        let is_data = |array: &&Array| axis(array, &self.dim).is_some() && !is_coordinate(array, &self.dim);
        let all: Vec<&Array> = plans.iter().map(|plan| &plan.array).collect();
        let data: Vec<&Array> = all.iter().copied().filter(is_data).collect();
        self.output.chunk.shapes()?.check(&all, &data)
    }
}

impl Writer for Concat<'_> {
    type Body = Body;

    const TOOL: &'static str = "zdedup";

    const SELECTS: bool = true;

    const OUTPUT_FLAG: &'static str = "-o ";

    fn body(&self, planned: Option<&Body>, sources: &Sources) -> Result<Body, Failure> {
        let dim = planned.map(|planned| planned.dim.clone()).or_else(|| self.options.dim.clone());
        let dim = dim.ok_or_else(|| Failure::usage("missing option: --dim DIM"))?;
        let given = &self.options.output;
        let output = planned.map_or_else(|| Ok(given.clone()), |planned| as_planned(given, &planned.output))?;
        let aligned = Arc::new(Aligned::read(sources, &output, self.options.write.memory_bytes / 4, &dim)?);
        *self.aligned.lock() = Some(Arc::clone(&aligned));
        if self.options.appends {
            check_area(&aligned.crop, sources)?;
        }
        if let (None, Some(before)) = (planned, self.before) {
            check_before(sources, &dim, before, self.options)?;
        }
        let ranges = |runs: &[JoinRun]| runs.iter().map(|run| (run.store, run.start, run.length)).collect();
        let body = Body {
            dim,
            ranges: match (&self.runs, planned) {
                (None, Some(planned)) => planned.ranges.clone(),
                (runs, _) => ranges(runs.as_deref().unwrap_or_default()),
            },
            output,
            crop: aligned.crop.clone(),
            append: planned.map_or(self.options.appends, |planned| planned.append),
            attributes: aligned.attributes.clone(),
        };
        match planned.is_none_or(|planned| *planned == body) {
            true => Ok(body),
            false => Err(Failure::usage("the batches or the choice of duplicates differ from the unfinished run")
                .hint("start over with --overwrite")),
        }
    }

    fn plan(&self, body: &Body, begin: Begin, store: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        self.planner(body, begin)?(store, array)
    }

    fn planner<'b>(&'b self, body: &'b Body, _: Begin) -> Result<Box<PlanArray<'b>>, Failure> {
        let (runs, shapes) = (body.runs(), body.output.chunk.shapes()?);
        let aligned = self.aligned.lock().clone();
        let aligned = aligned.ok_or_else(|| Failure::new(Exit::Bug, "the batches were not compared"))?;
        Ok(Box::new(move |store: &Store, array: Array| {
            if !aligned.wanted.contains(&array.path) {
                return Ok(None);
            }
            let plan = self.array(body, &aligned, &runs, &shapes, &array);
            plan.map(Some).map_err(|failure| failure.at(store.place(array.key_prefix())))
        }))
    }

    fn refine(
        &self,
        body: &mut Body,
        plan: &OutputPlan,
        _: &Location,
        progress: &dyn Progress,
    ) -> Result<bool, Failure> {
        body.check_shapes(&plan.plans)?.iter().for_each(|note| progress.warn(note));
        let cropped: Vec<String> =
            body.crop.dimensions().map(|(name, length)| format!("{length} values of {name}")).collect();
        if !cropped.is_empty() {
            progress.warn(&format!("--join inner: the output has the {} that all stores have", cropped.join(", ")));
        }
        reads_again(&plan.plans).iter().for_each(|note| progress.warn(note));
        if let Some(note) = self.aligned.lock().as_ref().and_then(|aligned| aligned.note.clone()) {
            progress.warn(&note);
        }
        Ok(false)
    }

    fn check(&self, body: &Body, store: &Store, plans: &[ArrayPlan]) -> Result<(), Failure> {
        body.check_shapes(plans).map(drop).map_err(|failure| failure.at(store.location()))
    }

    fn attributes<'b>(&self, body: &'b Body) -> &'b Attributes {
        &body.attributes
    }

    fn complete(&self, _: &Body, plan: &ArrayPlan, record: &mut PlanRecord) {
        record.action = action(plan).into();
        if let Some((copied, all)) = plan.copied_objects() {
            (record.objects_copied, record.objects_recoded) = (Some(copied), Some(all - copied));
        }
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
