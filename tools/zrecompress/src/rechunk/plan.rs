//! The plan of one array's rechunking: how the output is cut into regions, and what that costs. Made from metadata alone,
//! before anything is read or written.

use zarray::{Array, Elements, Grid, Itemsize, Subset};
use zcli::{Failure, human_bytes};
use zwire::Exit;

use super::layout::Layout;
use super::memory::{Assumptions, Buffers, Model, Resources, Threads};
use super::search::{Axis, Shape, shapes};

/// Shapes whose cost differs by less than this share are as good as each other; the one with the smallest region is taken.
const AS_GOOD: f64 = 1.01;

/// Stored chunks that wait for a worker may take this share of the budget.
const WAITING_SHARE: f64 = 0.2;

/// How an array will be rechunked.
#[derive(Debug, Clone)]
pub struct RechunkPlan {
    pub(super) layout: Layout,
    pub(super) elements: Elements,
    /// Output objects, and chunks.
    pub(super) objects: Grid,
    pub(super) chunks: Grid,
    /// Regions in units of objects.
    pub(super) regions: Grid,
    /// Where an object is larger than the memory: chunks of a slice of it along each dimension.
    pub(super) slice: Option<Vec<u64>>,
    pub(super) threads: Threads,
    pub(super) buffers: Buffers,
    /// What it costs.
    pub stats: PlanStats,
}

/// What a plan costs. There is no temporary store: every plan is one pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanStats {
    /// Regions: the units of a resumed run.
    pub regions: u64,
    /// Stored objects of the output.
    pub objects: u64,
    /// Source chunks (with sharding: inner chunks).
    pub source_chunks: u64,
    /// Source chunks read, each as often as it is read.
    pub chunks_read: u64,
    /// How often a source chunk is read: on average.
    pub reads_mean: f64,
    /// How often a source chunk is read: at most.
    pub reads_most: u64,
    /// How often a byte of the source is decoded, on average, by the block sizes that the metadata says.
    pub decodes_mean: f64,
    /// Decoded bytes of the source, each as often as it is decoded.
    pub decoded_bytes: u64,
    /// Decoded bytes of the output, edges padded.
    pub output_bytes: u64,
    /// Bytes of source elements that are held for a region, or for a slice of it.
    pub region_bytes: u64,
    /// Bytes of memory at the peak.
    pub peak_memory_bytes: u64,
    /// Bytes of a temporary store.
    pub temporary_bytes: u64,
    /// Chunks on the processor at once; fewer than asked for where the memory is short.
    pub workers: usize,
    /// Reads under way at once.
    pub readers: usize,
    /// Regions under way at once.
    pub in_flight: usize,
}

/// A box of output objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its number, in C order.
    pub number: u64,
    /// Its objects, by index.
    pub objects: Subset,
}

impl RechunkPlan {
    /// Plans the rechunking of `array` to `layout`.
    ///
    /// # Errors
    /// [`Exit::Unreadable`] with the codec that stands in the way; [`Exit::Usage`] where the budget is too small, with the
    /// smallest that would do as a hint.
    pub fn new(
        array: &Array,
        layout: &Layout,
        assumptions: Assumptions,
        resources: Resources,
    ) -> Result<RechunkPlan, Failure> {
        let failed = |what: String| Failure::new(Exit::Unreadable, what).at(&array.path);
        let elements = Elements::of(array).map_err(failed)?;
        let problem = Problem::new(array, layout, &elements, assumptions)
            .ok_or_else(|| failed("its chunk grid is not regular".into()))?;
        let found = attempts(resources, layout.shards.is_some()).find_map(|(threads, sliced)| {
            problem.best(threads, sliced, resources.budget).map(|choice| (choice, sliced))
        });
        let Some((choice, sliced)) = found else { return Err(problem.refused(resources.budget).at(&array.path)) };
        problem.plan(choice, sliced).ok_or_else(|| failed("its grid is too large".into()))
    }

    /// Number of regions.
    pub fn regions(&self) -> u64 {
        self.regions.len()
    }

    /// The region of that number in C order.
    pub fn region(&self, number: u64) -> Region {
        let bounds = Subset::whole(self.regions.shape());
        let cell = Subset::chunk(&self.regions.index(number), self.regions.chunk_shape());
        let objects = cell
            .intersection(&bounds)
            .unwrap_or_else(|| Subset::new(cell.start().to_vec(), vec![0; bounds.shape().len()]));
        Region { number, objects }
    }

    /// What of a region is held at once, in the order it is worked on: boxes of output chunks, by index.
    pub(super) fn slices(&self, region: &Region) -> Vec<Subset> {
        let per_object: Vec<u64> =
            self.layout.object_shape().iter().zip(&self.layout.chunks).map(|(o, c)| o / c).collect();
        let scale = |lengths: &[u64]| lengths.iter().zip(&per_object).map(|(n, factor)| n * factor).collect();
        let all = Subset::new(scale(region.objects.start()), scale(region.objects.shape()));
        let Some(all) = all.intersection(&Subset::whole(&self.chunks.counts())) else { return Vec::new() };
        let Some(slice) = &self.slice else { return vec![all] };
        let cut = |number| {
            let cells = Grid::new(all.shape().to_vec(), slice.clone())?;
            let cell = Subset::chunk(&cells.index(number), slice);
            let start = cell.start().iter().zip(all.start()).map(|(a, b)| a + b).collect();
            Subset::new(start, slice.clone()).intersection(&all)
        };
        let count = Grid::new(all.shape().to_vec(), slice.clone()).map_or(0, |cells| cells.len());
        (0..count).filter_map(cut).collect()
    }
}

/// What to try, the best first: a region at a time before fewer workers, slices of objects before either, and at last one
/// hand for everything.
fn attempts(resources: Resources, sharded: bool) -> impl Iterator<Item = (Threads, bool)> {
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

/// Everything that the choice depends on.
struct Problem<'a> {
    array: &'a Array,
    layout: &'a Layout,
    elements: &'a Elements,
    itemsize: Option<usize>,
    source: Vec<u64>,
    assumptions: Assumptions,
}

/// A shape that fits.
struct Choice {
    shape: Shape,
    peak: u64,
    model: Model,
}

impl<'a> Problem<'a> {
    fn new(
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

    fn model(&self, threads: Threads) -> Model {
        Model::new(self.array, self.layout, self.itemsize, self.assumptions, threads)
    }

    /// The dimensions, in the array's order.
    fn axes(&self, model: &Model, sliced: bool) -> Vec<Axis> {
        let objects = self.layout.object_shape();
        let axis = |dimension: usize| {
            // Elements of a source chunk behind this dimension, as they are stored.
            let place = self.elements.order.iter().position(|stored| *stored == dimension).unwrap_or_default();
            let row = self.elements.order[place + 1..].iter().map(|faster| self.source[*faster] as f64).product();
            let source = self.source[dimension];
            Axis {
                length: self.array.shape[dimension],
                source,
                unit: if sliced { self.layout.chunks[dimension] } else { objects[dimension] },
                border: if sliced { objects[dimension] } else { 0 },
                overlap: model.overlap(source, row),
            }
        };
        (0..self.array.shape.len()).map(axis).collect()
    }

    /// The cheapest shape that fits the budget. Fewer readers are taken where their buffers would crowd out the region.
    fn best(&self, mut threads: Threads, sliced: bool, budget: u64) -> Option<Choice> {
        while self.model(threads).waiting() > WAITING_SHARE * budget as f64 && threads.loaders > 1 {
            threads.loaders /= 2;
        }
        let model = self.model(threads);
        let axes = self.axes(&model, sliced);
        if axes.iter().any(|axis| axis.length == 0) {
            return self.nothing(model, &axes);
        }
        let bytes: f64 =
            self.array.shape.iter().map(|n| *n as f64).product::<f64>() * self.itemsize.unwrap_or(8) as f64;
        let limit = budget as f64 / self.itemsize.unwrap_or(8) as f64;
        let fitting = shapes(&axes, limit, |shape| model.weight(shape)).into_iter().filter_map(|shape| {
            let peak = model.peak(&shape, self.part(&axes, &shape));
            (peak <= budget).then(|| (model.seconds(&shape, bytes), peak, shape))
        });
        let fitting: Vec<(f64, u64, Shape)> = fitting.collect();
        let least = fitting.iter().map(|(cost, ..)| *cost).fold(f64::INFINITY, f64::min);
        let good = fitting.into_iter().filter(|(cost, ..)| *cost <= least * AS_GOOD);
        let (_, peak, shape) = good.min_by(|a, b| a.2.elements.total_cmp(&b.2.elements))?;
        Some(Choice { shape, peak, model })
    }

    /// An array without elements.
    fn nothing(&self, model: Model, axes: &[Axis]) -> Option<Choice> {
        let shape =
            Shape { units: vec![1; axes.len()], elements: 0.0, reads: 0.0, decoded: 0.0, sources: 0.0, pieces: 0.0 };
        Some(Choice { peak: model.peak(&shape, 0.0), shape, model })
    }

    /// Elements from the first to the last of the largest part of a source chunk in a region.
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

    fn plan(&self, choice: Choice, sliced: bool) -> Option<RechunkPlan> {
        let layout = self.layout.clone();
        let elements = self.elements.clone();
        let objects = layout.objects(&self.array.shape)?;
        let chunks = Grid::new(self.array.shape.clone(), layout.chunks.clone())?;
        let Choice { shape, peak, model } = choice;
        let one = vec![1; shape.units.len()];
        let regions = Grid::new(objects.counts(), if sliced { one } else { shape.units.clone() })?;
        let axes = self.axes(&model, sliced);
        let source = Grid::new(self.array.shape.clone(), self.source.clone())?;
        let bytes = self.array.shape.iter().map(|n| *n as f64).product::<f64>() * self.itemsize.unwrap_or(8) as f64;
        let stats = PlanStats {
            regions: regions.len(),
            objects: objects.len(),
            source_chunks: source.len(),
            chunks_read: shape.reads as u64,
            reads_mean: shape.reads / (source.len().max(1) as f64),
            reads_most: axes.iter().zip(&shape.units).map(|(axis, units)| axis.most(*units)).product(),
            decodes_mean: shape.decoded * self.itemsize.unwrap_or(8) as f64 / bytes.max(1.0),
            decoded_bytes: (shape.decoded
                * self.itemsize.map_or(self.assumptions.element_bytes as f64 + 4.0, |n| n as f64))
                as u64,
            output_bytes: chunks
                .len()
                .saturating_mul(chunks.chunk_elements())
                .saturating_mul(self.itemsize.unwrap_or(8) as u64),
            region_bytes: (shape.elements * self.itemsize.unwrap_or(8) as f64) as u64,
            peak_memory_bytes: peak,
            temporary_bytes: 0,
            workers: model.threads.workers,
            readers: model.threads.loaders,
            in_flight: model.threads.in_flight,
        };
        let buffers = model.buffers(self.part(&axes, &shape));
        let slice = sliced.then_some(shape.units);
        let threads = model.threads;
        Some(RechunkPlan { layout, elements, objects, chunks, regions, slice, threads, buffers, stats })
    }

    /// The smallest budget that would do, as a refusal.
    fn refused(&self, budget: u64) -> Failure {
        let sliced = self.layout.shards.is_some();
        let model = self.model(Threads { workers: 1, loaders: 1, in_flight: 1 });
        let axes = self.axes(&model, sliced);
        let smallest = shapes(&axes, f64::INFINITY, |shape| shape.elements)
            .into_iter()
            .map(|shape| model.peak(&shape, self.part(&axes, &shape)))
            .min()
            .unwrap_or_default();
        let what = format!("cannot be rechunked in {}", human_bytes(budget));
        Failure::usage(what).hint(format!("--max-memory {}M would do", smallest.div_ceil(1 << 20)))
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
