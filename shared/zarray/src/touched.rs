//! The chunks touched by a selection: indices along each dimension, all combinations of which are selected, by the chunk that
//! they lie in.
//!
//! The positions along each dimension are worked out once, so that a chunk is a product of a few short lists and 10^7 chunks
//! are never listed.

use crate::grid::Grid;

/// The indices that are selected along one dimension.
#[derive(Debug, Clone, Copy)]
pub struct Selected<'a> {
    /// Number of the dimension.
    pub dimension: usize,
    /// The indices, ascending.
    pub indices: &'a [u64],
    /// Elements of the output from one of these indices to the next.
    pub output_stride: u64,
}

/// The indices along a dimension that lie in one chunk.
#[derive(Debug, Clone)]
struct Piece {
    chunk: u64,
    /// For each index its position in the chunk, and its share of the offset in the output in elements.
    positions: Vec<(u64, u64)>,
}

/// The chunks that a selection touches, by number.
#[derive(Debug, Clone)]
pub struct TouchedChunks {
    grid: Grid,
    /// Dimensions in the order of a decoded chunk, slowest first.
    order: Vec<usize>,
    dimensions: Vec<(usize, Vec<Piece>)>,
}

/// One chunk, and its selected elements in C order of the selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TouchedChunk {
    /// Index of the chunk.
    pub chunk: Vec<u64>,
    /// Elements from one index to the next along each dimension of the decoded chunk.
    pub strides: Vec<u64>,
    /// Offset of each element in the decoded chunk, in elements.
    pub offsets: Vec<u64>,
    /// Offset of each element in the output, in elements.
    pub targets: Vec<u64>,
}

impl TouchedChunks {
    /// The chunks of `grid` that `selected` touches, whose decoded elements lie in `order`.
    pub fn new(grid: &Grid, order: &[usize], selected: &[Selected]) -> TouchedChunks {
        let pieces = |selected: &Selected| (selected.dimension, pieces(grid, selected));
        TouchedChunks { grid: grid.clone(), order: order.to_vec(), dimensions: selected.iter().map(pieces).collect() }
    }

    /// Number of chunks.
    pub fn len(&self) -> usize {
        self.dimensions.iter().map(|(_, pieces)| pieces.len()).product()
    }

    /// Whether the selection is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Chunk `number`; the dimension selected last varies fastest. Along a dimension that is not selected it is the first index
    /// of the chunk that `at` names with the dimension, else of the first.
    pub fn get(&self, mut number: usize, at: &[(usize, u64)]) -> TouchedChunk {
        let mut chunk = vec![0; self.grid.shape().len()];
        for (dimension, index) in at {
            chunk[*dimension] = *index;
        }
        let mut picked = Vec::with_capacity(self.dimensions.len());
        for (dimension, pieces) in self.dimensions.iter().rev() {
            let piece = &pieces[number % pieces.len()];
            number /= pieces.len();
            chunk[*dimension] = piece.chunk;
            picked.push((*dimension, piece));
        }
        let strides = chunk_strides(self.grid.chunk(&chunk).shape(), &self.order);
        let (mut offsets, mut targets) = (vec![0], vec![0]);
        for (dimension, piece) in picked.into_iter().rev() {
            let stride = strides[dimension];
            offsets = sums(&offsets, piece, |(position, _)| position * stride);
            targets = sums(&targets, piece, |(_, target)| *target);
        }
        TouchedChunk { chunk, strides, offsets, targets }
    }
}

/// The sum of every pair of an outer offset and one of a piece.
fn sums(outer: &[u64], piece: &Piece, part: impl Fn(&(u64, u64)) -> u64 + Copy) -> Vec<u64> {
    outer.iter().flat_map(|sum| piece.positions.iter().map(move |position| sum + part(position))).collect()
}

fn pieces(grid: &Grid, selected: &Selected) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut bounds = 0..0;
    for (number, index) in selected.indices.iter().enumerate() {
        if pieces.is_empty() || !bounds.contains(index) {
            let chunk = grid.chunk_of(selected.dimension, *index);
            let (start, length) = grid.extent(selected.dimension, chunk);
            bounds = start..start.saturating_add(length);
            pieces.push(Piece { chunk, positions: Vec::new() });
        }
        let position = (index - bounds.start, number as u64 * selected.output_stride);
        pieces.last_mut().into_iter().for_each(|piece| piece.positions.push(position));
    }
    pieces
}

/// Elements from one index to the next along each dimension of a decoded chunk whose dimensions lie in `order`, slowest first.
fn chunk_strides(chunk_shape: &[u64], order: &[usize]) -> Vec<u64> {
    let mut strides = vec![0; chunk_shape.len()];
    let mut stride = 1;
    for dimension in order.iter().rev() {
        strides[*dimension] = stride;
        stride = u64::saturating_mul(stride, chunk_shape[*dimension]);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(grid: &Grid, order: &[usize], at: &[(usize, u64)], selected: &[Selected]) -> Vec<TouchedChunk> {
        let touched = TouchedChunks::new(grid, order, selected);
        (0..touched.len()).map(|number| touched.get(number, at)).collect()
    }

    fn chunk(chunk: [u64; 2], strides: [u64; 2], offsets: &[u64], targets: &[u64]) -> TouchedChunk {
        let (chunk, strides) = (chunk.to_vec(), strides.to_vec());
        TouchedChunk { chunk, strides, offsets: offsets.to_vec(), targets: targets.to_vec() }
    }

    const ROWS: Selected = Selected { dimension: 0, indices: &[1, 2], output_stride: 3 };

    #[test]
    fn indices_are_grouped_by_chunk_in_every_order_of_dimensions() {
        let grid = Grid::new(vec![4, 6], vec![2, 3]).expect("a grid");
        assert_eq!(touched(&grid, &[0, 1], &[], &[])[0].strides, [3, 1]);
        let columns = Selected { dimension: 1, indices: &[0, 2, 5], output_stride: 1 };
        let expected = [
            chunk([0, 0], [1, 2], &[1, 5], &[0, 1]),
            chunk([0, 1], [1, 2], &[5], &[2]),
            chunk([1, 0], [1, 2], &[0, 4], &[3, 4]),
            chunk([1, 1], [1, 2], &[4], &[5]),
        ];
        assert_eq!(touched(&grid, &[1, 0], &[], &[ROWS, columns]), expected);
    }

    #[test]
    fn rectilinear_chunks_have_strides_of_their_own() {
        let grid = Grid::rectilinear(vec![5, 6], &[vec![(2, 1), (3, 1)], vec![(4, 1), (2, 1)]]).expect("a grid");
        let columns = Selected { dimension: 1, indices: &[3, 4], output_stride: 1 };
        let expected = [
            chunk([0, 0], [1, 2], &[1 + 6], &[0]),
            chunk([0, 1], [1, 2], &[1], &[1]),
            chunk([1, 0], [1, 3], &[9], &[3]),
            chunk([1, 1], [1, 3], &[0], &[4]),
        ];
        assert_eq!(touched(&grid, &[1, 0], &[], &[ROWS, columns]), expected);
        let expected = [chunk([0, 1], [2, 1], &[2], &[0]), chunk([1, 1], [2, 1], &[0], &[3])];
        assert_eq!(touched(&grid, &[0, 1], &[(1, 1)], &[ROWS]), expected);
    }

    #[test]
    fn without_dimensions_there_is_one_chunk_and_without_indices_none() {
        let scalar = Grid::new(vec![], vec![]).expect("a grid");
        assert_eq!(touched(&scalar, &[], &[], &[])[0].offsets, [0]);
        let line = Grid::new(vec![8], vec![4]).expect("a grid");
        let none = Selected { dimension: 0, indices: &[], output_stride: 1 };
        assert!(TouchedChunks::new(&line, &[0], &[none]).is_empty());
    }
}
