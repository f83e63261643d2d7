//! Groups of regions that share their source chunks, and when it pays to read these once for the whole group.
//!
//! A region that needs only a part of each source chunk leaves the rest to be read and decoded again for the next region.
//! With enough disk space for a group of regions, a first pass reads each of its source chunks once and writes the part
//! of every region to a scratch file; a second pass makes the output from there.

use std::ops::Range;

use super::memory::Model;
use super::search::{Axis, Shape};

/// Two passes have to cost less than this share of the time of one, because they also wear the disk.
const WORTH: f64 = 0.8;

/// Where groups of regions end. A group has all regions of the dimensions after `dimension`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Number of regions along each dimension.
    pub counts: Vec<u64>,
    /// The first dimension along which a group has more than one region.
    pub dimension: usize,
    /// Regions of a group along that dimension.
    pub regions: u64,
}

impl Groups {
    /// The end of the group that contains region `number` in C order.
    fn end(&self, number: u64) -> u64 {
        let faster: u64 = self.counts[self.dimension + 1..].iter().product();
        let start = number - number % (self.counts[self.dimension] * faster);
        let position = (number - start) / faster;
        start + ((position / self.regions + 1) * self.regions).min(self.counts[self.dimension]) * faster
    }

    /// Divides consecutive regions at the ends of groups.
    pub fn divide(&self, regions: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let mut start = regions.start;
        std::iter::from_fn(move || {
            let first = (start < regions.end).then_some(start)?;
            start = self.end(first).min(regions.end);
            Some(first..start)
        })
    }
}

/// The cost of two passes.
pub struct TwoPasses {
    pub groups: Groups,
    /// Cost of the source reads; the units are those of a whole group.
    pub shape: Shape,
    /// Size of the scratch file in bytes.
    pub scratch_bytes: u64,
}

/// The groups with the least cost, if two passes over regions of `shape`, which need `peak` bytes of memory, cost less than
/// one. `array_bytes` is the decoded size of the array, `limit` the disk space for a group.
pub fn two_passes(
    axes: &[Axis],
    (shape, peak): (&Shape, u64),
    model: &Model,
    array_bytes: f64,
    limit: u64,
) -> Option<TwoPasses> {
    if model.first_pass_bytes() > peak {
        return None;
    }
    let counts: Vec<u64> = axes.iter().zip(&shape.units).map(|(axis, units)| axis.regions(*units)).collect();
    let scratch_seconds = model.scratch_seconds(array_bytes);
    let scratch_bytes = |groups: &Groups| {
        let group = Shape::of(axes, &units(axes, shape, groups));
        ((group.elements * model.itemsize()) as u64, group)
    };
    let candidates = (0..axes.len()).filter_map(|dimension| {
        let one = Groups { counts: counts.clone(), dimension, regions: 1 };
        let fitting = (limit / scratch_bytes(&one).0.max(1)).clamp(1, counts[dimension]);
        // Balanced, to avoid a small last group.
        let regions = counts[dimension].div_ceil(counts[dimension].div_ceil(fitting));
        let groups = Groups { regions, ..one };
        let (bytes, group) = scratch_bytes(&groups);
        (regions > 1 && bytes <= limit).then(|| (model.pass_seconds(&group) + scratch_seconds, groups, group, bytes))
    });
    // Among equals the smallest group.
    let best = candidates.min_by(|a, b| a.0.total_cmp(&b.0).then(a.3.cmp(&b.3)))?;
    let (seconds, groups, shape_of_group, scratch_bytes) = best;
    (seconds < WORTH * model.pass_seconds(shape)).then_some(TwoPasses { groups, shape: shape_of_group, scratch_bytes })
}

/// The units of a group along each dimension.
fn units(axes: &[Axis], shape: &Shape, groups: &Groups) -> Vec<u64> {
    let along = |(dimension, axis): (usize, &Axis)| {
        let units = shape.units[dimension];
        match dimension.cmp(&groups.dimension) {
            std::cmp::Ordering::Less => units,
            std::cmp::Ordering::Equal => units.saturating_mul(groups.regions).min(axis.units()),
            std::cmp::Ordering::Greater => axis.units(),
        }
    };
    axes.iter().enumerate().map(along).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Groups follow each other, and each is a box of regions.
        #[test]
        fn groups_are_boxes(counts in prop::collection::vec(1u64..6, 1..4), dimension: prop::sample::Index, regions in 1u64..6, cut in 0u64..200) {
            let dimension = dimension.index(counts.len());
            let groups = Groups { counts: counts.clone(), dimension, regions };
            let all: u64 = counts.iter().product();
            let faster: u64 = counts[dimension + 1..].iter().product();
            let divided: Vec<Range<u64>> = groups.divide(0..all).collect();
            prop_assert!(divided.iter().cloned().flatten().eq(0..all));
            for group in &divided {
                prop_assert!(group.start % faster == 0 && group.end % faster == 0);
                prop_assert!((group.end - group.start) / faster <= regions);
                let slower = |number: u64| number / faster / counts[dimension];
                prop_assert_eq!(slower(group.start), slower(group.end - 1));
            }
            // A part of the regions is divided at the same places.
            let start = cut % (all + 1);
            let rest: Vec<u64> = groups.divide(start..all).map(|group| group.end).collect();
            let ends: Vec<u64> = divided.iter().map(|group| group.end).filter(|end| *end > start).collect();
            prop_assert_eq!(rest, ends);
        }
    }
}
