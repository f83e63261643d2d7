//! The plan to rechunk one array: how the output is divided into regions, and the cost. Made from metadata alone,
//! before anything is read or written.

use std::ops::Range;

use zarray::{Elements, Grid, Subset};

use super::groups::Groups;
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
    /// Groups of regions that are made in two passes, if that costs less than one.
    pub(super) groups: Option<Groups>,
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

    /// The numbers of the regions that overlap these elements of the array.
    pub(super) fn regions_of(&self, elements: &Subset) -> impl Iterator<Item = u64> {
        let objects = self.layout.objects(self.chunks.shape()).map(|objects| objects.touched(elements));
        let regions = objects.map(|objects| self.regions.touched(&objects));
        let all = Subset::whole(&self.regions.counts());
        regions.into_iter().flat_map(move |regions| {
            let all = all.clone();
            (0..regions.elements()).map(move |member| all.number(&regions.member(member)))
        })
    }

    /// Divides consecutive regions into those to process together: groups that share a first pass, each with `true`, or
    /// all of them in a single pass.
    pub fn passes(&self, regions: Range<u64>) -> Vec<(Range<u64>, bool)> {
        match &self.groups {
            Some(groups) => groups.divide(regions).map(|group| (group, true)).collect(),
            None => vec![(regions, false)],
        }
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
