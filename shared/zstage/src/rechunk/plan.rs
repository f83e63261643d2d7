//! The plan to rechunk one array: how the output is divided into regions, and the cost. Made from metadata alone,
//! before anything is read or written.

use zarray::{Elements, Grid, Subset};

use super::layout::Layout;
use super::memory::{Buffers, Threads};
use super::plan_stats::PlanStats;

/// How an array will be rechunked.
#[derive(Debug, Clone)]
pub struct RechunkPlan {
    pub(super) layout: Layout,
    pub(super) elements: Elements,
    /// Grid of output chunks.
    pub(super) chunks: Grid,
    /// Grid of regions, in units of objects.
    pub(super) regions: Grid,
    /// If an object does not fit in memory: the shape, in chunks, of a slice of it.
    pub(super) slice: Option<Vec<u64>>,
    pub(super) threads: Threads,
    pub(super) buffers: Buffers,
    /// The cost of the plan.
    pub stats: PlanStats,
}

/// A box of output objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its number in C order.
    pub number: u64,
    /// Indices of its objects.
    pub objects: Subset,
}

impl RechunkPlan {
    /// Number of regions.
    pub fn regions(&self) -> u64 {
        self.regions.len()
    }

    /// The region with this number in C order.
    pub fn region(&self, number: u64) -> Region {
        let bounds = Subset::whole(self.regions.shape());
        let cell = Subset::chunk(&self.regions.index(number), self.regions.chunk_shape());
        let objects = cell
            .intersection(&bounds)
            .unwrap_or_else(|| Subset::new(cell.start().to_vec(), vec![0; bounds.shape().len()]));
        Region { number, objects }
    }

    /// The slices of a region in processing order; one is in memory at a time. Each is a box of output chunk indices.
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
