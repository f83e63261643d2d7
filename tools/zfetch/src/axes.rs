//! The dimensions of the arrays of a store, and the range of each that is fetched.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use zarray::Array;
use zcoord::{Dataset, dimensions};
use zstage::{Shards, inner_chunks};

/// A dimension that arrays share: in xarray's words, an index of the dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Its name; empty for a dimension without one.
    pub name: String,
    /// Its length in the source.
    pub length: u64,
    /// Path of an array that has it, for messages and its coordinate.
    pub array: String,
    /// The indices that were asked for.
    pub wanted: Vec<Range<u64>>,
    /// Those that are fetched: grown to chunk boundaries.
    pub fetched: Vec<Range<u64>>,
}

/// The dimensions of the arrays that are fetched.
#[derive(Debug, Default)]
pub struct Axes {
    /// Each once.
    pub axes: Vec<Axis>,
    /// Those of each array, by its path.
    pub of: BTreeMap<String, Vec<usize>>,
    /// Points of grids: the axes of each grid, and the indices of its cells along them. Only where cells between points are not
    /// wanted.
    pub points: Vec<(Vec<usize>, Vec<Vec<u64>>)>,
}

/// What tells dimensions apart: the path of the coordinate, or else the group and the name; and the length.
type Key = (String, u64);

impl Axes {
    /// The dimensions of `arrays`, of which everything is fetched.
    pub fn of<'a>(dataset: &Dataset, arrays: impl Iterator<Item = &'a Array>) -> Axes {
        let (mut found, mut numbers) = (Axes::default(), HashMap::<Key, usize>::new());
        for array in arrays {
            let names = dimensions(array);
            let mut own = Vec::with_capacity(array.shape.len());
            for (at, length) in array.shape.iter().enumerate() {
                let name = names.as_ref().map_or("", |names| names[at]);
                let key = (owner(dataset, array, name, at), *length);
                own.push(*numbers.entry(key).or_insert_with(|| {
                    let all = vec![0..*length];
                    let (name, array) = (name.to_owned(), array.path.clone());
                    found.axes.push(Axis { name, length: *length, array, wanted: all.clone(), fetched: all });
                    found.axes.len() - 1
                }));
            }
            found.of.insert(array.path.clone(), own);
        }
        found
    }

    /// Asks for these ranges of a dimension, besides what was asked for before. `false` if nothing is left.
    pub fn restrict(&mut self, axis: usize, ranges: &[Range<u64>]) -> bool {
        let wanted = &mut self.axes[axis].wanted;
        let both = ranges.iter().flat_map(|range| {
            wanted.iter().map(|old| old.start.max(range.start)..old.end.min(range.end)).collect::<Vec<_>>()
        });
        *wanted = both.filter(|range| range.start < range.end).collect();
        !wanted.is_empty()
    }

    /// Grows what is fetched to the chunk boundaries of `arrays`, whose objects are then copied as they are. The largest decides:
    /// one for which more bytes of the others would be fetched than it has itself is cut inside its chunks, unless `whole` says
    /// that it cannot be. `shards`: how shards are fetched of which some inner chunks are asked for.
    pub fn align<'a>(
        &mut self,
        arrays: impl Iterator<Item = &'a Array>,
        whole: impl Fn(&Array) -> bool,
        shards: Shards,
    ) {
        let mut arrays: Vec<(&Array, bool)> = arrays.map(|array| (array, whole(array))).collect();
        arrays.sort_by_key(|(array, whole)| (!whole, Reverse(array.uncompressed_bytes())));
        let mut lengths: Vec<Vec<u64>> = vec![Vec::new(); self.axes.len()];
        // Bytes of the arrays that follow each axis.
        let mut following = vec![0.0; self.axes.len()];
        for (array, whole) in arrays {
            let (Some(own), Some(unit)) = (self.of.get(&array.path), self.unit(array, shards)) else { continue };
            let bytes = array.uncompressed_bytes().unwrap_or(0) as f64;
            for (axis, chunk) in own.iter().zip(&unit) {
                let known = &mut lengths[*axis];
                let is_known = known.contains(chunk);
                let before = self.axes[*axis].aligned(known);
                known.push(*chunk);
                let growth = self.axes[*axis].aligned(known) as f64 / before.max(1) as f64 - 1.0;
                let follows = whole || known.len() == 1 || following[*axis] * growth <= bytes;
                if follows {
                    following[*axis] += bytes;
                }
                if is_known || !follows {
                    known.pop();
                }
            }
        }
        for (axis, lengths) in self.axes.iter_mut().zip(lengths) {
            let grown = axis.wanted.iter().map(|range| aligned(range, &lengths, axis.length)).collect();
            axis.fetched = joined(grown);
        }
    }

    /// The points of an array with these axes: those of its grid, if it has all its axes.
    pub fn points_of(&self, own: &[usize]) -> Option<(&[usize], &[Vec<u64>])> {
        let (axes, cells) = self.points.iter().find(|(axes, _)| axes.iter().all(|axis| own.contains(axis)))?;
        Some((axes, cells))
    }

    /// The shape of what is copied of an array without decoding it: chunks, shards or inner chunks.
    fn unit(&self, array: &Array, shards: Shards) -> Option<Vec<u64>> {
        let (whole, own) = (array.numbered()?.chunk_shape(), self.of.get(&array.path)?);
        let elements = |unit: &[u64]| {
            let lengths =
                own.iter().zip(unit).map(|(axis, chunk)| self.axes[*axis].aligned(std::slice::from_ref(chunk)));
            lengths.fold(1, |product: u64, length| product.saturating_mul(length))
        };
        let inner = inner_chunks(array).filter(|inner| match shards {
            Shards::Auto => elements(inner).saturating_mul(2) < elements(whole),
            Shards::Whole => false,
            Shards::Inner => true,
        });
        Some(inner.unwrap_or(whole).to_vec())
    }

    /// Elements of an array that are asked for, and that are fetched.
    pub fn elements(&self, array: &str) -> (u64, u64) {
        let own = self.of.get(array).map_or(&[][..], Vec::as_slice);
        if let Some((of_points, cells)) = self.points_of(own) {
            let others = own.iter().filter(|axis| !of_points.contains(axis)).map(|axis| &self.axes[*axis].wanted);
            let others = others.map(|wanted| wanted.iter().map(|range| range.end - range.start).sum::<u64>());
            let distinct: BTreeSet<&Vec<u64>> = cells.iter().collect();
            let wanted = others.fold(distinct.len() as u64, u64::saturating_mul);
            return (wanted, wanted);
        }
        let product = |ranges: fn(&Axis) -> &[Range<u64>]| {
            let lengths =
                own.iter().map(|axis| ranges(&self.axes[*axis]).iter().map(|range| range.end - range.start).sum());
            lengths.fold(1, |product: u64, length: u64| product.saturating_mul(length))
        };
        (product(|axis| &axis.wanted), product(|axis| &axis.fetched))
    }
}

impl Axis {
    /// Number of indices that are fetched if these chunk lengths are respected.
    fn aligned(&self, chunks: &[u64]) -> u64 {
        let ranges = self.wanted.iter().map(|range| aligned(range, chunks, self.length));
        ranges.map(|range| range.end - range.start).sum()
    }
}

/// What a dimension belongs to: its coordinate; without one, dimensions of one name and length are the same in all groups, as
/// xarray aligns the groups of a tree.
fn owner(dataset: &Dataset, array: &Array, name: &str, at: usize) -> String {
    if name.is_empty() {
        return format!("{}[{at}]", array.path);
    }
    match dataset.coordinate(array, name).filter(|found| found.shape == [array.shape[at]]) {
        Some(coordinate) => coordinate.path.clone(),
        None => name.to_owned(),
    }
}

/// A range that starts and ends on the boundaries of all these chunk lengths, or at the end of the dimension.
fn aligned(range: &Range<u64>, lengths: &[u64], length: u64) -> Range<u64> {
    let (mut start, mut end) = (range.start, range.end);
    loop {
        let before = start..end;
        for chunk in lengths {
            start -= start % chunk;
            end = end.checked_next_multiple_of(*chunk).unwrap_or(length).min(length);
        }
        if before == (start..end) {
            return start..end;
        }
    }
}

/// Ranges without those that overlap or touch an other one: the larger range around both takes their place.
fn joined(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut kept: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match kept.iter_mut().find(|old| old.start <= range.end && range.start <= old.end) {
            // The end of a circle and its start remain apart: together they would be out of order.
            Some(old) => *old = old.start.min(range.start)..old.end.max(range.end),
            None => kept.push(range),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_grow_to_the_boundaries_of_all_chunks() {
        assert_eq!(aligned(&(5..6), &[], 10), 5..6);
        assert_eq!(aligned(&(5..6), &[4], 10), 4..8);
        assert_eq!(aligned(&(8..9), &[4], 10), 8..10);
        assert_eq!(aligned(&(5..6), &[4, 6], 100), 0..12);
        assert_eq!(aligned(&(13..14), &[4, 6], 100), 12..24);
        assert_eq!(aligned(&(3..4), &[u64::MAX], 10), 0..10);
    }

    #[test]
    fn the_two_sides_of_a_seam_stay_apart_until_they_meet() {
        assert_eq!(joined(vec![8..10, 0..2]), [8..10, 0..2]);
        assert_eq!(joined(vec![4..10, 0..4]), [0..10]);
    }

    #[test]
    fn what_is_asked_for_twice_is_what_both_ask_for() {
        let axis = Axis { name: "x".into(), length: 10, array: "/a".into(), wanted: vec![0..10], fetched: vec![0..10] };
        let of = BTreeMap::from([("/a".into(), vec![0])]);
        let mut axes = Axes { axes: vec![axis], of, points: Vec::new() };
        assert!(axes.restrict(0, &[8..10, 0..3]) && axes.restrict(0, &[1..9]));
        assert_eq!(axes.axes[0].wanted, [8..9, 1..3]);
        axes.axes[0].fetched = vec![8..10, 0..4];
        assert_eq!(axes.elements("/a"), (3, 6));
        assert!(!axes.restrict(0, &[4..6]));
    }
}
