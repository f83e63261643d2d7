//! The source elements of a slice of output chunks, in one buffer.
//!
//! The buffer is cut into **columns**: of the source chunks that lie one behind the other along the slowest stored dimension,
//! the parts follow each other, and so are together one box in C order. A whole stack of maps is one column, whose elements
//! are gathered by one strided copy; and each part is a slice of the buffer that one worker alone writes to.

use std::ops::Range;

use zarray::Subset;

/// Which elements and source chunks a slice of the output is made of. All boxes are in stored order.
#[derive(Debug, Clone)]
pub struct Window {
    /// Elements, in the array's coordinates.
    pub elements: Subset,
    /// Source chunks, by index.
    pub sources: Subset,
    /// Shape of a source chunk.
    source_shape: Vec<u64>,
    /// Bytes of an element in the buffer.
    itemsize: usize,
}

impl Window {
    /// The window of `elements` (in stored order) of an array with source chunks of `source_shape`.
    pub fn new(elements: Subset, source_shape: Vec<u64>, itemsize: usize) -> Window {
        Window { sources: elements.chunks(&source_shape), elements, source_shape, itemsize }
    }

    /// Bytes of the buffer.
    pub fn bytes(&self) -> u64 {
        self.elements.elements().saturating_mul(self.itemsize as u64)
    }

    /// Number of source chunks.
    pub fn parts(&self) -> u64 {
        self.sources.elements()
    }

    /// Source chunks of a column.
    fn rows(&self) -> u64 {
        self.sources.shape().first().copied().unwrap_or(1)
    }

    /// Columns, by the index of their source chunks without the slowest dimension.
    fn columns(&self) -> Subset {
        behind(&self.sources)
    }

    /// The source chunk of the part of that number, by index, and the part, in the array's coordinates. Numbers are in the
    /// order of the buffer.
    pub fn part(&self, number: u64) -> (Vec<u64>, Subset) {
        let rows = self.rows().max(1);
        let mut index = self.columns().member(number / rows);
        if let Some(first) = self.sources.start().first() {
            index.insert(0, first + number % rows);
        }
        let part = Subset::chunk(&index, &self.source_shape).intersection(&self.elements);
        let part = part.unwrap_or_else(|| Subset::new(self.elements.start().to_vec(), vec![0; index.len()]));
        (index, part)
    }

    /// The numbers of the parts that hold something of `elements`: a range for each column.
    pub fn parts_of(&self, elements: &Subset) -> impl Iterator<Item = Range<u64>> {
        let sources = elements.chunks(&self.source_shape);
        let first = sources.start().first().map_or(0, |row| row - self.sources.start()[0]);
        let end = first + sources.shape().first().copied().unwrap_or(1);
        let columns = behind(&sources);
        (0..columns.elements()).map(move |number| {
            let column = self.columns().number(&columns.member(number)) * self.rows();
            column + first..column + end
        })
    }

    /// Origin of a source chunk in the array's coordinates.
    pub fn origin(&self, index: &[u64]) -> Vec<u64> {
        index.iter().zip(&self.source_shape).map(|(index, length)| index * length).collect()
    }

    /// The columns that hold something of `elements`: the box of each, and where it starts in the buffer.
    pub fn columns_of(&self, elements: &Subset) -> impl Iterator<Item = (Subset, usize)> {
        let columns = behind(&elements.chunks(&self.source_shape));
        (0..columns.elements()).map(move |number| {
            let column = self.column(&columns.member(number));
            let start = self.offset(&column);
            (column, start)
        })
    }

    /// The box of a column.
    fn column(&self, index: &[u64]) -> Subset {
        let (mut start, mut shape) = (self.elements.start().to_vec(), self.elements.shape().to_vec());
        for (dimension, index) in index.iter().enumerate().map(|(before, index)| (before + 1, index)) {
            let chunk = self.source_shape[dimension];
            let end = (start[dimension] + shape[dimension]).min((index + 1) * chunk);
            start[dimension] = start[dimension].max(index * chunk);
            shape[dimension] = end - start[dimension];
        }
        Subset::new(start, shape)
    }

    /// Where a column starts: behind all that lie before it along one dimension and beside it along those before that.
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
fn behind(subset: &Subset) -> Subset {
    let tail = |from: &[u64]| from.get(1..).unwrap_or_default().to_vec();
    Subset::new(tail(subset.start()), tail(subset.shape()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The parts fill the buffer one after the other, each column is the box of its parts, and columns lie where they say.
        #[test]
        fn parts_and_columns_agree(extents in prop::collection::vec((0u64..9, 1u64..9, 1u64..5), 0..5)) {
            let elements = Subset::new(extents.iter().map(|e| e.0).collect(), extents.iter().map(|e| e.1).collect());
            let window = Window::new(elements.clone(), extents.iter().map(|e| e.2).collect(), 3);
            let mut at = 0;
            for number in 0..window.parts() {
                let (index, part) = window.part(number);
                prop_assert_eq!(part.chunks(&window.source_shape), Subset::new(index, vec![1; extents.len()]));
                prop_assert!(window.parts_of(&part).flatten().eq([number]));
                let columns: Vec<(Subset, usize)> = window.columns_of(&part).collect();
                prop_assert_eq!(columns.len(), 1);
                let (column, start) = &columns[0];
                prop_assert_eq!(start + column.number(part.start()) as usize * 3, at);
                prop_assert_eq!(behind(column), behind(&part));
                at += part.elements() as usize * 3;
            }
            prop_assert_eq!(at as u64, window.bytes());
            prop_assert!(window.parts_of(&elements).flatten().eq(0..window.parts()));
        }
    }
}
