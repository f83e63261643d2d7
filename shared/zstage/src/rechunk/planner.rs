//! The planner: finds the cheapest region shape that fits in memory.

use zarray::{Array, Elements, Grid, Itemsize};

use super::groups::two_passes;
use super::layout::Layout;
use super::memory::{Assumptions, Model, Resources, Threads};
use super::plan::RechunkPlan;
use super::plan_stats::PlanStats;
use super::search::{Axis, Shape, shapes};
use super::vlen::REFERENCE;
use zwire::{Exit, Failure, human_bytes};

/// Shapes whose costs differ by less than this factor are considered equal; the smallest region wins.
const EQUAL_COST_FACTOR: f64 = 1.01;

/// Maximum share of the budget for stored chunks that wait for a worker.
const WAITING_SHARE: f64 = 0.2;

/// Thread counts and slicing to try, best first: slices of objects are tried before fewer regions in flight, these
/// before fewer workers, and a single thread last.
pub fn attempts(resources: Resources, sharded: bool) -> impl Iterator<Item = (Threads, bool)> {
    let halves = |n: usize| std::iter::successors(Some(n.max(1)), |n| (*n > 1).then_some(n / 2));
    let loaders = resources.readers.max(1);
    let threads = halves(resources.workers).flat_map(move |workers| {
        halves(resources.in_flight).map(move |in_flight| Threads { workers, loaders, in_flight })
    });
    let threads = threads.chain([Threads { workers: 1, loaders: 1, in_flight: 1 }]);
    threads.flat_map(move |threads| {
        [false, true].into_iter().filter(move |sliced| sharded || !sliced).map(move |sliced| (threads, sliced))
    })
}

/// The inputs of the search.
pub struct Problem<'a> {
    array: &'a Array,
    layout: &'a Layout,
    elements: &'a Elements,
    itemsize: Option<usize>,
    source: Vec<u64>,
    assumptions: Assumptions,
}

/// A region shape that fits the budget.
pub struct Choice {
    pub shape: Shape,
    pub peak: u64,
    pub model: Model,
}

impl<'a> Problem<'a> {
    /// The problem; nothing where a grid is not known.
    pub fn new(
        array: &'a Array,
        layout: &'a Layout,
        elements: &'a Elements,
        assumptions: Assumptions,
    ) -> Option<Problem<'a>> {
        let itemsize = match elements.itemsize {
            Itemsize::Fixed(size) => Some(size),
            Itemsize::Variable => None,
        };
        let source = array.chunk_shape()?.to_vec();
        Some(Problem { array, layout, elements, itemsize, source, assumptions })
    }

    /// The cost model for these thread counts.
    pub fn model(&self, threads: Threads) -> Model {
        Model::new(self.array, self.layout, self.itemsize, self.assumptions, threads)
    }

    /// The dimensions, in array order.
    pub fn axes(&self, model: &Model, sliced: bool) -> Vec<Axis> {
        let objects = self.layout.object_shape();
        let axis = |dimension: usize| {
            // Elements of a source chunk per step of this dimension, in stored order.
            let place = self.elements.order.iter().position(|stored| *stored == dimension).unwrap_or_default();
            let row = self.elements.order[place + 1..].iter().map(|faster| self.source[*faster] as f64).product();
            let source = self.source[dimension];
            Axis {
                length: self.array.shape[dimension],
                source,
                unit: if sliced { self.layout.chunks[dimension] } else { objects[dimension] },
                chunk: self.layout.chunks[dimension],
                border: if sliced { objects[dimension] } else { 0 },
                overlap: model.overlap(source, row),
            }
        };
        (0..self.array.shape.len()).map(axis).collect()
    }

    /// The cheapest shape that fits the budget. Uses fewer readers if their buffers would take too much of it.
    pub fn best(&self, mut threads: Threads, sliced: bool, budget: u64) -> Option<Choice> {
        while self.model(threads).waiting() > WAITING_SHARE * budget as f64 && threads.loaders > 1 {
            threads.loaders /= 2;
        }
        let model = self.model(threads);
        let axes = self.axes(&model, sliced);
        if axes.iter().any(|axis| axis.length == 0) {
            return self.empty(model, &axes);
        }
        let (bytes, limit) = (self.count() * self.held() as f64, budget as f64 / self.held() as f64);
        let fitting = shapes(&axes, limit, |shape| model.weight(shape)).into_iter().filter_map(|shape| {
            let peak = model.peak(&shape, self.part(&axes, &shape));
            (peak <= budget).then(|| (model.seconds(&shape, bytes), peak, shape))
        });
        let fitting: Vec<(f64, u64, Shape)> = fitting.collect();
        let least = fitting.iter().map(|(cost, ..)| *cost).fold(f64::INFINITY, f64::min);
        let good = fitting.into_iter().filter(|(cost, ..)| *cost <= least * EQUAL_COST_FACTOR);
        let (_, peak, shape) = good.min_by(|a, b| a.2.elements.total_cmp(&b.2.elements))?;
        Some(Choice { shape, peak, model })
    }

    /// The choice for an array without elements.
    fn empty(&self, model: Model, axes: &[Axis]) -> Option<Choice> {
        let shape =
            Shape { units: vec![1; axes.len()], elements: 0.0, reads: 0.0, decoded: 0.0, sources: 0.0, chunks: 0.0 };
        Some(Choice { peak: model.peak(&shape, 0.0), shape, model })
    }

    /// Number of elements spanned by the largest part of a source chunk in a region.
    fn part(&self, axes: &[Axis], shape: &Shape) -> f64 {
        let mut span = 1.0;
        let mut row = 1.0;
        for dimension in self.elements.order.iter().rev() {
            let axis = axes[*dimension];
            let length = axis.source.min(shape.units[*dimension].saturating_mul(axis.unit)) as f64;
            span += (length - 1.0) * row;
            row *= axis.source as f64;
        }
        span
    }

    /// The plan that a choice comes to; nothing where a grid is not known.
    pub fn plan(&self, choice: Choice, sliced: bool, scratch_bytes: u64) -> Option<RechunkPlan> {
        let Choice { shape, peak, model } = choice;
        let axes = self.axes(&model, sliced);
        let bytes = self.count() * self.held() as f64;
        let can_divide = !sliced && self.itemsize.is_some() && bytes > 0.0;
        let passes = can_divide.then(|| two_passes(&axes, (&shape, peak), &model, bytes, scratch_bytes)).flatten();
        let cost = passes.as_ref().map_or(&shape, |passes| &passes.shape);
        let objects = self.layout.objects(&self.array.shape)?;
        let chunks = Grid::new(self.array.shape.clone(), self.layout.chunks.clone())?;
        let source = self.array.chunk_grid()?;
        let one = vec![1; shape.units.len()];
        let regions = Grid::new(objects.counts(), if sliced { one } else { shape.units.clone() })?;
        let element = self.itemsize.map_or(self.assumptions.element_bytes + 4, |size| size as u64);
        let stats = PlanStats {
            regions: regions.len(),
            objects: objects.len(),
            source_chunks: source.len(),
            chunks_read: cost.reads as u64,
            reads_mean: cost.reads / source.len().max(1) as f64,
            reads_most: axes.iter().zip(&cost.units).map(|(axis, units)| axis.max_reads(*units)).product(),
            decodes_mean: cost.decoded / self.count().max(1.0),
            decoded_bytes: (cost.decoded * element as f64) as u64,
            read_bytes: model.read_bytes(cost) as u64,
            output_bytes: chunks.len().saturating_mul(chunks.chunk_elements()).saturating_mul(element),
            region_bytes: (shape.elements * self.held() as f64) as u64,
            peak_memory_bytes: peak,
            temporary_bytes: passes.as_ref().map_or(0, |passes| passes.scratch_bytes),
            workers: model.threads.workers,
            readers: model.threads.loaders,
            in_flight: model.threads.in_flight,
        };
        Some(RechunkPlan {
            layout: self.layout.clone(),
            elements: self.elements.clone(),
            chunks,
            regions,
            buffers: model.buffers(self.part(&axes, &shape)),
            slice: sliced.then_some(shape.units),
            groups: passes.map(|passes| passes.groups),
            threads: model.threads,
            stats,
        })
    }

    /// Number of elements of the array.
    fn count(&self) -> f64 {
        self.array.shape.iter().map(|length| *length as f64).product()
    }

    /// Bytes per element in the region buffer.
    fn held(&self) -> usize {
        self.itemsize.unwrap_or(REFERENCE)
    }

    /// The smallest sufficient budget in bytes.
    pub fn smallest(&self) -> u64 {
        let sliced = self.layout.shards.is_some();
        let model = self.model(Threads { workers: 1, loaders: 1, in_flight: 1 });
        let axes = self.axes(&model, sliced);
        shapes(&axes, f64::INFINITY, |shape| shape.elements)
            .into_iter()
            .map(|shape| model.peak(&shape, self.part(&axes, &shape)))
            .min()
            .unwrap_or_default()
    }

    /// The failure for a budget that is too small.
    pub fn refused(&self, budget: u64) -> Failure {
        let what = format!("cannot be rechunked within {} of memory", human_bytes(budget));
        Failure::usage(what).hint(format!("--max-memory {}M is enough", self.smallest().div_ceil(1 << 20)))
    }
}

impl RechunkPlan {
    /// Plans the rechunking of `array` to `layout`.
    ///
    /// # Errors
    /// [`Exit::Unreadable`] if a codec is not supported, with its name; [`Exit::Usage`] if the budget is too small,
    /// with the smallest sufficient budget as a hint.
    pub fn new(
        array: &Array,
        layout: &Layout,
        assumptions: Assumptions,
        resources: Resources,
    ) -> Result<RechunkPlan, Failure> {
        let failed = |what: String| Failure::new(Exit::Unreadable, what).at(&array.path);
        let elements = Elements::of(&array.as_decoded()).map_err(failed)?;
        let problem = Problem::new(array, layout, &elements, assumptions)
            .ok_or_else(|| failed("its chunk grid is not known".into()))?;
        let found = attempts(resources, layout.shards.is_some()).find_map(|(threads, sliced)| {
            problem.best(threads, sliced, resources.budget).map(|choice| (choice, sliced))
        });
        let Some((choice, sliced)) = found else { return Err(problem.refused(resources.budget).at(&array.path)) };
        problem
            .plan(choice, sliced, resources.scratch_bytes)
            .ok_or_else(|| failed("its chunk grid is too large".into()))
    }

    /// The smallest sufficient budget for `array` in bytes; `None` if element boundaries are unknown.
    pub fn smallest_budget(array: &Array, layout: &Layout, assumptions: Assumptions) -> Option<u64> {
        let elements = Elements::of(&array.as_decoded()).ok()?;
        Some(Problem::new(array, layout, &elements, assumptions)?.smallest())
    }
}
