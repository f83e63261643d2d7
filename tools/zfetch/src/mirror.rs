//! The layout `mirror`: the chunks that a selection touches, in their places, in a store with the metadata of the whole.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use zarray::{Array, ChunkSet, Grid};

use crate::axes::Axes;

/// The chunks of arrays that are fetched, of those of which not all are.
#[derive(Default)]
pub struct Mirror {
    /// Sets of chunks, which arrays share.
    pub sets: Vec<ChunkSet>,
    /// The number of the set of each array, and the decoded bytes that were asked for of it, by its path.
    pub arrays: Vec<(String, usize, u64)>,
}

impl Mirror {
    /// The chunks of `arrays` that `axes` ask for; arrays that describe others are fetched whole.
    pub fn of<'a>(axes: &Axes, arrays: impl Iterator<Item = &'a Array>) -> Mirror {
        let (mut mirror, mut known) = (Mirror::default(), HashMap::new());
        for array in arrays {
            let (Some(own), Some(grid)) = (axes.of.get(&array.path), array.numbered()) else { continue };
            let set = known.entry((own.clone(), grid.clone())).or_insert_with(|| {
                let set = ChunkSet::from(boxes(axes, own, grid));
                (set.len() < grid.len()).then(|| {
                    mirror.sets.push(set);
                    mirror.sets.len() - 1
                })
            });
            if let Some(set) = *set {
                let wanted = axes.elements(&array.path).0.saturating_mul(array.itemsize.unwrap_or(1));
                mirror.arrays.push((array.path.clone(), set, wanted));
            }
        }
        mirror
    }
}

/// The chunks of an array with these axes that are touched, as boxes that do not overlap.
fn boxes(axes: &Axes, own: &[usize], grid: &Grid) -> Vec<Vec<Range<u64>>> {
    let points = axes.points_of(own);
    let mut boxes = vec![Vec::new()];
    for (dimension, axis) in own.iter().enumerate() {
        let is_of_points = points.is_some_and(|(of_points, _)| of_points.contains(axis));
        // Points give their own chunks.
        let ranges = if is_of_points { vec![0..1] } else { chunks(&axes.axes[*axis].wanted, grid, dimension) };
        let with =
            |ranges: &Vec<Range<u64>>, range: &Range<u64>| ranges.iter().cloned().chain([range.clone()]).collect();
        boxes = boxes.iter().flat_map(|before| ranges.iter().map(move |range| with(before, range))).collect::<Vec<_>>();
    }
    let Some((of_points, cells)) = points else { return boxes };
    let at: Vec<usize> = of_points.iter().filter_map(|axis| own.iter().position(|own| own == axis)).collect();
    let chunk =
        |cell: &Vec<u64>| at.iter().zip(cell).map(|(at, index)| grid.chunk_of(*at, *index)).collect::<Vec<u64>>();
    let touched: BTreeSet<Vec<u64>> = cells.iter().map(chunk).collect();
    let place = |ranges: &Vec<Range<u64>>, chunk: &Vec<u64>| {
        let mut ranges = ranges.clone();
        at.iter().zip(chunk).for_each(|(at, chunk)| ranges[*at] = *chunk..chunk + 1);
        ranges
    };
    touched.iter().flat_map(|chunk| boxes.iter().map(|ranges| place(ranges, chunk)).collect::<Vec<_>>()).collect()
}

/// The chunks under ranges of indices of a dimension, in ascending order and without those that touch.
fn chunks(wanted: &[Range<u64>], grid: &Grid, dimension: usize) -> Vec<Range<u64>> {
    let touched = wanted.iter().filter(|range| range.start < range.end);
    let touched =
        touched.map(|range| grid.chunk_of(dimension, range.start)..grid.chunk_of(dimension, range.end - 1) + 1);
    let mut sorted: Vec<Range<u64>> = touched.collect();
    sorted.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match joined.last_mut().filter(|last| last.end >= range.start) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axes::Axis;

    fn axes(wanted: &[(u64, &[Range<u64>])]) -> Axes {
        let axis = |(number, (length, wanted)): (usize, &(u64, &[Range<u64>]))| Axis {
            name: number.to_string(),
            length: *length,
            array: "/a".into(),
            wanted: wanted.to_vec(),
            fetched: vec![0..*length],
        };
        Axes { axes: wanted.iter().enumerate().map(axis).collect(), ..Axes::default() }
    }

    fn all(axes: &Axes, own: &[usize], chunks: &[u64]) -> Vec<Vec<u64>> {
        let shape = own.iter().map(|axis| axes.axes[*axis].length).collect();
        let set = ChunkSet::from(boxes(axes, own, &Grid::new(shape, chunks.to_vec()).expect("a grid")));
        (0..set.len()).map(|number| set.index(number)).collect()
    }

    #[test]
    fn ranges_touch_chunks() {
        let axes = axes(&[(10, &[3..5, 8..9]), (6, &[0..6])]);
        assert_eq!(all(&axes, &[0, 1], &[2, 6]), [[1, 0], [2, 0], [4, 0]]);
        assert_eq!(all(&axes, &[0, 1], &[10, 3]), [[0, 0], [0, 1]]);
        assert_eq!(all(&axes, &[0], &[4]), [[0], [1], [2]]);
    }

    #[test]
    fn points_touch_their_own_chunks_and_not_those_between() {
        let mut axes = axes(&[(4, &[0..4]), (10, &[0..10]), (10, &[0..10])]);
        axes.points.push((vec![1, 2], vec![vec![0, 0], vec![9, 9], vec![1, 1]]));
        assert_eq!(all(&axes, &[0, 1, 2], &[2, 5, 5]), [[0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1]]);
        // Without the dimensions of the grid, points select nothing.
        assert_eq!(all(&axes, &[0], &[2]), [[0], [1]]);
        assert_eq!(all(&axes, &[2, 0], &[5, 4]), [[0, 0], [1, 0]]);
    }
}
