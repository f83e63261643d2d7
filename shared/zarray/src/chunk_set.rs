//! A set of chunks of one array.

use std::collections::HashSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Indices of chunks (with sharding: of shards) of one array: boxes that do not overlap, each a range along every dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<Vec<(u64, u64)>>", into = "Vec<Vec<(u64, u64)>>")]
pub struct ChunkSet {
    boxes: Vec<Vec<Range<u64>>>,
    /// For each box, the number of chunks in it and those before it.
    ends: Vec<u64>,
    /// The numbers of the boxes by their start along the dimension in which most starts differ; that dimension; and the longest range
    /// of a box along it.
    by_start: Vec<u32>,
    along: usize,
    longest: u64,
}

impl From<Vec<Vec<Range<u64>>>> for ChunkSet {
    fn from(boxes: Vec<Vec<Range<u64>>>) -> ChunkSet {
        let count = |ranges: &Vec<Range<u64>>| {
            ranges.iter().map(|range| range.end.saturating_sub(range.start)).fold(1, u64::saturating_mul)
        };
        let mut sum = 0u64;
        let ends = boxes.iter().map(|ranges| {
            sum = sum.saturating_add(count(ranges));
            sum
        });
        let ends = ends.collect();
        let starts =
            |dimension: usize| boxes.iter().map(|ranges| ranges[dimension].start).collect::<HashSet<_>>().len();
        let rank = boxes.first().map_or(0, Vec::len);
        let along = (0..rank).max_by_key(|dimension| starts(*dimension)).unwrap_or(0);
        let range = |number: &u32| boxes[*number as usize].get(along).cloned().unwrap_or_default();
        let mut by_start: Vec<u32> = (0..u32::try_from(boxes.len()).unwrap_or(u32::MAX)).collect();
        by_start.sort_by_key(|number| range(number).start);
        let longest = by_start.iter().map(range).map(|range| range.end - range.start).max().unwrap_or(0);
        ChunkSet { ends, by_start, along, longest, boxes }
    }
}

impl From<Vec<Vec<(u64, u64)>>> for ChunkSet {
    /// Boxes that make no sense are left out.
    fn from(boxes: Vec<Vec<(u64, u64)>>) -> ChunkSet {
        let rank = boxes.first().map_or(0, Vec::len);
        let is_box = |ranges: &Vec<(u64, u64)>| ranges.len() == rank && ranges.iter().all(|(start, end)| start < end);
        let ranges = |ranges: Vec<(u64, u64)>| ranges.into_iter().map(|(start, end)| start..end).collect::<Vec<_>>();
        ChunkSet::from(boxes.into_iter().filter(is_box).map(ranges).collect::<Vec<_>>())
    }
}

impl From<ChunkSet> for Vec<Vec<(u64, u64)>> {
    fn from(set: ChunkSet) -> Vec<Vec<(u64, u64)>> {
        let pairs = |ranges: Vec<Range<u64>>| ranges.into_iter().map(|range| (range.start, range.end)).collect();
        set.boxes.into_iter().map(pairs).collect()
    }
}

impl ChunkSet {
    /// Number of chunks.
    pub fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The index of chunk `number`, below [`ChunkSet::len`], in the order of the boxes and of C in each.
    pub fn index(&self, number: u64) -> Vec<u64> {
        let at = self.ends.partition_point(|end| *end <= number).min(self.boxes.len().saturating_sub(1));
        let before = if at == 0 { 0 } else { self.ends[at - 1] };
        let Some(ranges) = self.boxes.get(at) else { return Vec::new() };
        let mut rest = number.saturating_sub(before);
        let mut index = vec![0; ranges.len()];
        for (index, range) in index.iter_mut().zip(ranges).rev() {
            let length = (range.end - range.start).max(1);
            *index = range.start + rest % length;
            rest /= length;
        }
        index
    }

    /// Whether a chunk is among them.
    pub fn contains(&self, index: &[u64]) -> bool {
        self.box_of(index).is_some()
    }

    /// The number of a chunk, as [`ChunkSet::index`] takes it.
    pub fn number(&self, index: &[u64]) -> Option<u64> {
        let at = self.box_of(index)?;
        let before = if at == 0 { 0 } else { self.ends[at - 1] };
        let within = self.boxes[at].iter().zip(index);
        Some(before + within.fold(0, |number, (range, at)| number * (range.end - range.start) + (at - range.start)))
    }

    /// The box that a chunk is in.
    fn box_of(&self, index: &[u64]) -> Option<usize> {
        let is_in = |number: &usize| {
            let ranges = &self.boxes[*number];
            ranges.len() == index.len() && ranges.iter().zip(index).all(|(range, at)| range.contains(at))
        };
        let Some(at) = index.get(self.along) else { return (0..self.boxes.len()).find(is_in) };
        // A box that holds the chunk starts no farther before it than the longest box is long.
        let start = |number: &u32| self.boxes[*number as usize].get(self.along).map_or(0, |range| range.start);
        let first = self.by_start.partition_point(|number| start(number) < at.saturating_sub(self.longest));
        let near = self.by_start[first..].iter().take_while(|number| start(number) <= *at);
        near.map(|number| *number as usize).find(is_in)
    }

    /// Number of boxes.
    pub fn boxes(&self) -> usize {
        self.boxes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(boxes: &[&[Range<u64>]]) -> ChunkSet {
        ChunkSet::from(boxes.iter().map(|ranges| ranges.to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn many_boxes_are_searched_by_their_start() {
        let points: Vec<[u64; 2]> =
            (0..3000u64).map(|number| [number * 7919 % 1000, number * 104_729 % 1000]).collect();
        let mut distinct: Vec<[u64; 2]> = points.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let mut all: Vec<Vec<Range<u64>>> =
            distinct.iter().map(|[row, column]| vec![0..5, *row..row + 1, *column..column + 1]).collect();
        all.push(vec![5..6, 10..500, 3..4]);
        let set = ChunkSet::from(all);
        for row in 0..1000 {
            for column in [0, 3, 4, row] {
                let expected = distinct.binary_search(&[row, column]).is_ok();
                assert_eq!(set.contains(&[4, row, column]), expected, "{row} {column}");
                assert_eq!(set.contains(&[5, row, column]), (10..500).contains(&row) && column == 3);
                for index in [[4, row, column], [5, row, column]] {
                    assert!(set.number(&index).is_none_or(|number| set.index(number) == index), "{index:?}");
                    assert_eq!(set.number(&index).is_some(), set.contains(&index));
                }
            }
        }
        let text = serde_json::to_string(&boxes(&[&[0..2, 3..5]])).expect("serialises");
        assert_eq!(text, "[[[0,2],[3,5]]]");
        let broken: ChunkSet = serde_json::from_str("[[[0,2],[3,5]],[[5,1],[0,1]],[[0,1]]]").expect("parses");
        assert_eq!(broken, boxes(&[&[0..2, 3..5]]));
    }

    #[test]
    fn chunks_are_numbered_box_by_box() {
        let set = boxes(&[&[0..2, 3..5], &[7..8, 0..1]]);
        assert_eq!(set.len(), 5);
        let all: Vec<Vec<u64>> = (0..set.len()).map(|number| set.index(number)).collect();
        assert_eq!(all, [[0, 3], [0, 4], [1, 3], [1, 4], [7, 0]]);
        assert!(all.iter().all(|index| set.contains(index)));
        for other in [[2, 3], [0, 5], [7, 1]] {
            assert!(!set.contains(&other));
        }
        assert!(!set.contains(&[0]) && boxes(&[]).is_empty());
        let scalar = boxes(&[&[]]);
        assert!(scalar.len() == 1 && scalar.contains(&[]) && scalar.index(0).is_empty());
    }
}
