//! The plan of one array's rechunking: how the output is cut into regions, and what that costs. Made from metadata alone,
//! before anything is read or written.

use zarray::{Array, Elements, Grid, Subset};
use zwire::Exit;
use zwire::Failure;

use super::layout::Layout;
use super::memory::{Assumptions, Buffers, Resources, Threads};
use super::planner::{Problem, attempts};

/// How an array will be rechunked.
#[derive(Debug, Clone)]
pub struct RechunkPlan {
    pub(super) layout: Layout,
    pub(super) elements: Elements,
    /// Output chunks.
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
    /// Stored bytes of the source, each as often as it is read: an estimate.
    pub read_bytes: u64,
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

    /// The smallest budget that would do for `array`, in bytes; nothing where its elements cannot be told apart.
    pub fn smallest_budget(array: &Array, layout: &Layout, assumptions: Assumptions) -> Option<u64> {
        let elements = Elements::of(array).ok()?;
        Some(Problem::new(array, layout, &elements, assumptions)?.smallest())
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
        let per_object = self.layout.chunks_per_object();
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

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
