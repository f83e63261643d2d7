//! The source elements of a slice of output chunks, in one contiguous buffer.
//!
//! The buffer is divided into **columns**: the parts of source chunks that are adjacent along the slowest stored
//! dimension follow each other and form one box in C order. A whole stack of maps is one column, whose elements are
//! gathered by a single strided copy, and each part is a slice of the buffer written by exactly one worker.

use std::ops::Range;

use zarray::{Grid, Subset};

/// The elements and source chunks needed for a slice of the output. All boxes are in stored order.
#[derive(Debug, Clone)]
pub struct Window {
    /// Elements, in array coordinates.
    pub elements: Subset,
    /// Indices of the source chunks.
    pub sources: Subset,
    /// All source chunks.
    grid: Grid,
    /// Bytes of an element in the buffer.
    itemsize: usize,
}

impl Window {
    /// The window of `elements` of an array with the source chunks `grid`, both in stored order.
    pub fn new(elements: Subset, grid: Grid, itemsize: usize) -> Window {
        Window { sources: grid.touched(&elements), elements, grid, itemsize }
    }

    /// Size of the buffer in bytes.
    pub fn bytes(&self) -> u64 {
        self.elements.elements().saturating_mul(self.itemsize as u64)
    }

    /// Number of source chunks.
    pub fn parts(&self) -> u64 {
        self.sources.elements()
    }

    /// Number of source chunks in a column.
    fn rows(&self) -> u64 {
        self.sources.shape().first().copied().unwrap_or(1)
    }

    /// Indices of the columns: those of their source chunks without the slowest dimension.
    fn columns(&self) -> Subset {
        without_slowest(&self.sources)
    }

    /// The source chunk index and the elements (in array coordinates) of a part. Parts are numbered in buffer order.
    pub fn part(&self, number: u64) -> (Vec<u64>, Subset) {
        let rows = self.rows().max(1);
        let mut index = self.columns().member(number / rows);
        if let Some(first) = self.sources.start().first() {
            index.insert(0, first + number % rows);
        }
        let part = self.grid.chunk(&index).intersection(&self.elements);
        let part = part.unwrap_or_else(|| Subset::new(self.elements.start().to_vec(), vec![0; index.len()]));
        (index, part)
    }

    /// The part of source chunk `index`: its number, its elements, and its byte offset in the buffer; `None` if they do
    /// not overlap.
    pub fn part_of(&self, index: &[u64]) -> Option<(u64, Subset, usize)> {
        let part = self.grid.chunk(index).intersection(&self.elements)?;
        let number = self.parts_of(&part).next()?.start;
        let (column, start) = self.columns_of(&part).next()?;
        let offset = start + column.number(part.start()) as usize * self.itemsize;
        Some((number, part, offset))
    }

    /// The parts that overlap `elements`: a range of part numbers per column.
    pub fn parts_of(&self, elements: &Subset) -> impl Iterator<Item = Range<u64>> {
        let sources = self.grid.touched(elements);
        let first = sources.start().first().map_or(0, |row| row - self.sources.start()[0]);
        let end = first + sources.shape().first().copied().unwrap_or(1);
        let columns = without_slowest(&sources);
        (0..columns.elements()).map(move |number| {
            let column = self.columns().number(&columns.member(number)) * self.rows();
            column + first..column + end
        })
    }

    /// Origin of a source chunk in array coordinates.
    pub fn origin(&self, index: &[u64]) -> Vec<u64> {
        self.grid.chunk(index).start().to_vec()
    }

    /// The columns that overlap `elements`: the box of each and its offset in the buffer.
    pub fn columns_of(&self, elements: &Subset) -> impl Iterator<Item = (Subset, usize)> {
        let columns = without_slowest(&self.grid.touched(elements));
        (0..columns.elements()).map(move |number| {
            let column = self.column(&columns.member(number));
            let start = self.offset(&column);
            (column, start)
        })
    }

    /// The elements of a column.
    fn column(&self, index: &[u64]) -> Subset {
        let (mut start, mut shape) = (self.elements.start().to_vec(), self.elements.shape().to_vec());
        for (dimension, index) in index.iter().enumerate().map(|(before, index)| (before + 1, index)) {
            let (first, length) = self.grid.extent(dimension, *index);
            let end = (start[dimension] + shape[dimension]).min(first + length);
            start[dimension] = start[dimension].max(first);
            shape[dimension] = end - start[dimension];
        }
        Subset::new(start, shape)
    }

    /// Byte offset of a column in the buffer.
    fn offset(&self, column: &Subset) -> usize {
        let (all, mut elements, mut beside) =
            (self.elements.shape(), 0, self.elements.shape().first().copied().unwrap_or(1));
        for dimension in 1..all.len() {
            let before = column.start()[dimension] - self.elements.start()[dimension];
            elements += beside * before * all[dimension + 1..].iter().product::<u64>();
            beside *= column.shape()[dimension];
        }
        elements as usize * self.itemsize
    }
}

/// A box without its slowest dimension.
fn without_slowest(subset: &Subset) -> Subset {
    let tail = |from: &[u64]| from.get(1..).unwrap_or_default().to_vec();
    Subset::new(tail(subset.start()), tail(subset.shape()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Parts fill the buffer in order, each column is the box of its parts, and column offsets are correct.
        #[test]
        fn parts_and_columns_agree(
            extents in prop::collection::vec((0u64..9, 1u64..9, prop::collection::vec((1u64..5, 1u64..3), 1..4)), 0..5),
        ) {
            let elements = Subset::new(extents.iter().map(|e| e.0).collect(), extents.iter().map(|e| e.1).collect());
            // Chunks of several lengths, the last as often as it takes.
            let lengths: Vec<Vec<(u64, u64)>> =
                extents.iter().map(|e| [e.2.clone(), vec![(e.2[0].0, u64::MAX)]].concat()).collect();
            let grid = Grid::rectilinear(vec![18; extents.len()], &lengths).expect("a grid");
            let window = Window::new(elements.clone(), grid, 3);
            let mut at = 0;
            for number in 0..window.parts() {
                let (index, part) = window.part(number);
                prop_assert_eq!(window.grid.touched(&part), Subset::new(index, vec![1; extents.len()]));
                prop_assert!(window.parts_of(&part).flatten().eq([number]));
                let columns: Vec<(Subset, usize)> = window.columns_of(&part).collect();
                prop_assert_eq!(columns.len(), 1);
                prop_assert_eq!(window.part_of(&window.part(number).0), Some((number, part.clone(), at)));
                let (column, start) = &columns[0];
                prop_assert_eq!(start + column.number(part.start()) as usize * 3, at);
                prop_assert_eq!(without_slowest(column), without_slowest(&part));
                at += part.elements() as usize * 3;
            }
            prop_assert_eq!(at as u64, window.bytes());
            prop_assert!(window.parts_of(&elements).flatten().eq(0..window.parts()));
        }
    }
}
