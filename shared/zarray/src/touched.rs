//! The chunks touched by a selection: indices along each dimension, all combinations of which are selected, by the chunk that
//! they lie in.
//!
//! The share of an offset that a dimension has is worked out once, so that a chunk is a product of a few short lists and 10^7
//! chunks are never listed.

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
    /// For each index its share of the offset in the decoded chunk and of that in the output, both in elements.
    offsets: Vec<(u64, u64)>,
}

/// The chunks that a selection touches, by number.
#[derive(Debug, Clone)]
pub struct TouchedChunks {
    dimensions: Vec<(usize, Vec<Piece>)>,
    rank: usize,
}

/// One chunk, and its selected elements in C order of the selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TouchedChunk {
    /// Index of the chunk.
    pub chunk: Vec<u64>,
    /// Offset of each element in the decoded chunk, in elements.
    pub offsets: Vec<u64>,
    /// Offset of each element in the output, in elements.
    pub targets: Vec<u64>,
}

impl TouchedChunks {
    /// The chunks that `selected` touches in an array with chunks of `chunk_shape`, whose decoded elements have these strides.
    /// Along a dimension that is not selected it is the first index of the first chunk.
    pub fn new(chunk_shape: &[u64], strides: &[u64], selected: &[Selected]) -> TouchedChunks {
        let pieces = |selected: &Selected| {
            let dimension = selected.dimension;
            (dimension, pieces(selected, chunk_shape[dimension], strides[dimension]))
        };
        TouchedChunks { dimensions: selected.iter().map(pieces).collect(), rank: chunk_shape.len() }
    }

    /// Number of chunks.
    pub fn len(&self) -> usize {
        self.dimensions.iter().map(|(_, pieces)| pieces.len()).product()
    }

    /// Whether the selection is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Chunk `number`; the dimension selected last varies fastest.
    pub fn get(&self, mut number: usize) -> TouchedChunk {
        let mut picked = Vec::with_capacity(self.dimensions.len());
        for (dimension, pieces) in self.dimensions.iter().rev() {
            picked.push((*dimension, &pieces[number % pieces.len()]));
            number /= pieces.len();
        }
        let mut touched = TouchedChunk { chunk: vec![0; self.rank], offsets: vec![0], targets: vec![0] };
        for (dimension, piece) in picked.into_iter().rev() {
            touched.chunk[dimension] = piece.chunk;
            touched.offsets = sums(&touched.offsets, piece, |(offset, _)| *offset);
            touched.targets = sums(&touched.targets, piece, |(_, target)| *target);
        }
        touched
    }
}

/// The sum of every pair of an outer offset and one of a piece.
fn sums(outer: &[u64], piece: &Piece, part: fn(&(u64, u64)) -> u64) -> Vec<u64> {
    outer.iter().flat_map(|sum| piece.offsets.iter().map(move |offsets| sum + part(offsets))).collect()
}

fn pieces(selected: &Selected, chunk_length: u64, stride: u64) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (position, index) in selected.indices.iter().enumerate() {
        let chunk = index / chunk_length;
        let offsets = (index % chunk_length * stride, position as u64 * selected.output_stride);
        match pieces.last_mut() {
            Some(piece) if piece.chunk == chunk => piece.offsets.push(offsets),
            _ => pieces.push(Piece { chunk, offsets: vec![offsets] }),
        }
    }
    pieces
}

/// Elements from one index to the next along each dimension of a decoded chunk whose dimensions lie in `order`, slowest first.
pub fn chunk_strides(chunk_shape: &[u64], order: &[usize]) -> Vec<u64> {
    let mut strides = vec![0; chunk_shape.len()];
    let mut stride = 1;
    for dimension in order.iter().rev() {
        strides[*dimension] = stride;
        stride *= chunk_shape[*dimension];
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_grouped_by_chunk_in_every_order_of_dimensions() {
        let strides = chunk_strides(&[2, 3], &[1, 0]);
        assert_eq!((chunk_strides(&[2, 3], &[0, 1]), &strides), (vec![3, 1], &vec![1, 2]));
        let rows = Selected { dimension: 0, indices: &[1, 2], output_stride: 3 };
        let columns = Selected { dimension: 1, indices: &[0, 2, 5], output_stride: 1 };
        let touched = TouchedChunks::new(&[2, 3], &strides, &[rows, columns]);
        let chunk = |chunk: [u64; 2], offsets: &[u64], targets: &[u64]| TouchedChunk {
            chunk: chunk.to_vec(),
            offsets: offsets.to_vec(),
            targets: targets.to_vec(),
        };
        let found: Vec<TouchedChunk> = (0..touched.len()).map(|number| touched.get(number)).collect();
        let expected = [
            chunk([0, 0], &[1, 5], &[0, 1]),
            chunk([0, 1], &[5], &[2]),
            chunk([1, 0], &[0, 4], &[3, 4]),
            chunk([1, 1], &[4], &[5]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn without_dimensions_there_is_one_chunk_and_without_indices_none() {
        let all = TouchedChunks::new(&[], &[], &[]);
        assert_eq!((all.len(), all.get(0).offsets), (1, vec![0]));
        let none = Selected { dimension: 0, indices: &[], output_stride: 1 };
        assert!(TouchedChunks::new(&[4], &[1], &[none]).is_empty());
    }
}
