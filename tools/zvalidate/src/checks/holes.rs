//! Which objects of a grid are missing: whole steps along a dimension, or scattered ones.

use std::ops::Range;

use roaring::RoaringTreemap;
use zarray::Grid;

/// Numbers that are looked at for scattered holes, at most.
const LOOKED_AT: u64 = 20_000_000;

/// The holes of a grid.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Holes {
    /// Missing objects.
    pub missing: u64,
    /// Chunk indices along a dimension at which no object is stored, as ranges, by dimension.
    pub steps: Vec<(usize, Vec<Range<u64>>)>,
    /// Missing objects outside of these steps.
    pub scattered: u64,
}

/// The holes of a grid of which the objects with these numbers are present (at least one).
pub fn holes(grid: &Grid, present: &RoaringTreemap) -> Holes {
    let counts = grid.counts();
    let missing = grid.len().saturating_sub(present.len());
    if missing == 0 {
        return Holes::default();
    }
    let seen = seen(&counts, present);
    let mut steps = Vec::new();
    let mut covered = 1u64;
    for (dimension, seen) in seen.iter().enumerate() {
        let empty = gaps(counts[dimension], seen);
        covered = covered.saturating_mul(seen.len());
        if !empty.is_empty() {
            steps.push((dimension, empty));
        }
    }
    Holes { missing, steps, scattered: covered.saturating_sub(present.len()) }
}

/// The indices along each dimension at which anything is present.
fn seen(counts: &[u64], present: &RoaringTreemap) -> Vec<RoaringTreemap> {
    let mut seen = vec![RoaringTreemap::new(); counts.len()];
    for mut number in present {
        // The last dimension varies fastest; once all its indices are known, it need not be looked at.
        for (dimension, count) in counts.iter().enumerate().rev() {
            let index = number % count.max(&1);
            number /= count.max(&1);
            if seen[dimension].len() < *count {
                seen[dimension].insert(index);
            }
        }
    }
    seen
}

/// The ranges of `0..count` that are not in `seen`.
fn gaps(count: u64, seen: &RoaringTreemap) -> Vec<Range<u64>> {
    let (mut gaps, mut next) = (Vec::new(), 0);
    for index in seen.iter().chain(std::iter::once(count)) {
        if index > next {
            gaps.push(next..index);
        }
        next = index + 1;
    }
    gaps
}

impl Holes {
    /// Missing objects in these steps along a dimension.
    pub fn in_steps(grid: &Grid, dimension: usize, steps: &Range<u64>) -> u64 {
        let counts = grid.counts();
        let others = counts.iter().enumerate().filter(|(other, _)| *other != dimension).map(|(_, count)| *count);
        others.product::<u64>().saturating_mul(steps.end - steps.start)
    }

    /// The first `most` missing objects outside of the missing steps.
    pub fn first_scattered(&self, grid: &Grid, present: &RoaringTreemap, most: u64) -> Vec<u64> {
        let mut found = Vec::new();
        if self.scattered == 0 {
            return found;
        }
        let is_step = |index: &[u64]| {
            self.steps.iter().any(|(dimension, ranges)| {
                let at = ranges.partition_point(|range| range.end <= index[*dimension]);
                ranges.get(at).is_some_and(|range| range.contains(&index[*dimension]))
            })
        };
        let mut next = present.iter().peekable();
        for number in 0..grid.len().min(LOOKED_AT) {
            if next.next_if_eq(&number).is_some() {
                continue;
            }
            if !is_step(&grid.index(number)) {
                found.push(number);
                if found.len() as u64 >= most.min(self.scattered) {
                    break;
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(counts: &[u64]) -> Grid {
        Grid::new(counts.to_vec(), vec![1; counts.len()]).expect("a grid")
    }

    fn found(counts: &[u64], is_there: impl Fn(&[u64]) -> bool) -> (Holes, Vec<Vec<u64>>) {
        let grid = grid(counts);
        let present: RoaringTreemap = (0..grid.len()).filter(|number| is_there(&grid.index(*number))).collect();
        let holes = holes(&grid, &present);
        let scattered = holes.first_scattered(&grid, &present, 10);
        (holes, scattered.into_iter().map(|number| grid.index(number)).collect())
    }

    #[test]
    fn whole_steps_are_told_from_scattered_holes() {
        let (holes, scattered) = found(&[10, 3, 4], |index| !(2..5).contains(&index[0]) && index != [7, 1, 1]);
        assert_eq!((holes.missing, &holes.steps, holes.scattered), (37, &vec![(0, vec![2..5])], 1));
        assert_eq!(scattered, [[7, 1, 1]]);
        assert_eq!(Holes::in_steps(&grid(&[10, 3, 4]), 0, &(2..5)), 36);
    }

    #[test]
    fn steps_along_two_dimensions_and_at_the_end() {
        let (holes, scattered) = found(&[5, 5], |index| index[0] < 4 && index[1] != 0);
        assert_eq!((holes.steps, holes.scattered, scattered.len()), (vec![(0, vec![4..5]), (1, vec![0..1])], 0, 0));
        assert_eq!(found(&[6], |index| index[0] % 2 == 0).0.steps, [(0, vec![1..2, 3..4, 5..6])]);
        assert_eq!(found(&[3, 3], |_| true).0, Holes::default());
    }
}
