//! A chunk grid, and how its chunks are called.
//!
//! Along each dimension a grid is a sequence of runs of chunks of one length: a regular grid has one run, a rectilinear one
//! (zarr-extensions, `chunk-grids/rectilinear`) as many as its metadata has. Runs are never expanded, so that a grid costs no
//! more memory than its metadata.

use std::sync::Arc;

use crate::subset::Subset;

/// Consecutive chunks of one length along a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Run {
    /// Number of its first chunk.
    first: u64,
    /// The first element of that.
    start: u64,
    /// Elements of each of its chunks.
    length: u64,
}

/// The chunks along one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Axis {
    /// At least one, in order.
    runs: Box<[Run]>,
    count: u64,
}

impl Axis {
    /// Chunks of `length` for all of `extent` elements.
    fn even(extent: u64, length: u64) -> Axis {
        Axis { runs: [Run { first: 0, start: 0, length }].into(), count: extent.div_ceil(length) }
    }

    /// Chunks of these lengths, each so many times, as far as they begin inside of `extent`; `None` if they do not cover it.
    fn uneven(extent: u64, lengths: &[(u64, u64)]) -> Option<Axis> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut first, mut start) = (0u64, 0u64);
        for (length, times) in lengths.iter().filter(|(_, times)| *times > 0) {
            if runs.last().is_none_or(|run| run.length != *length) && (start < extent || runs.is_empty()) {
                runs.push(Run { first, start, length: *length });
            }
            let times = extent.saturating_sub(start).div_ceil(*length).min(*times);
            (first, start) = (first.saturating_add(times), start.saturating_add(length.saturating_mul(times)));
        }
        (start >= extent && !runs.is_empty()).then(|| Axis { runs: runs.into(), count: first })
    }

    /// The first element and the length of a chunk. Beyond the last, chunks go on like it.
    fn extent(&self, chunk: u64) -> (u64, u64) {
        let run = self.runs[self.runs.partition_point(|run| run.first <= chunk).saturating_sub(1)];
        (run.start.saturating_add((chunk - run.first).saturating_mul(run.length)), run.length)
    }

    /// The chunk that holds an element.
    fn chunk_of(&self, element: u64) -> u64 {
        let run = self.runs[self.runs.partition_point(|run| run.start <= element).saturating_sub(1)];
        run.first + (element - run.start) / run.length
    }

    fn longest(&self) -> u64 {
        self.runs.iter().map(|run| run.length).max().unwrap_or(1)
    }
}

/// Shape of an array and of the objects it is stored in (chunks, or shards). Clones share their memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grid(Arc<Lengths>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Lengths {
    shape: Vec<u64>,
    chunk_shape: Vec<u64>,
    axes: Vec<Axis>,
    regular: bool,
}

impl Grid {
    /// A regular grid; `None` if the shapes differ in rank or a chunk length is 0. Along a dimension without elements a chunk
    /// may have any length: there it counts as 1.
    pub fn new(shape: Vec<u64>, mut chunk_shape: Vec<u64>) -> Option<Grid> {
        if shape.len() != chunk_shape.len() {
            return None;
        }
        for (length, chunk) in shape.iter().zip(&mut chunk_shape) {
            *chunk = if *length == 0 { (*chunk).max(1) } else { *chunk };
        }
        if chunk_shape.contains(&0) {
            return None;
        }
        let axes = shape.iter().zip(&chunk_shape).map(|(length, chunk)| Axis::even(*length, *chunk)).collect();
        Some(Grid(Arc::new(Lengths { shape, chunk_shape, axes, regular: true })))
    }

    /// A rectilinear grid: for each dimension the lengths of its chunks, each with how often it is repeated. `None` if the rank
    /// differs, a length is 0, or the chunks do not cover the array.
    pub fn rectilinear(shape: Vec<u64>, lengths: &[Vec<(u64, u64)>]) -> Option<Grid> {
        if shape.len() != lengths.len() || lengths.iter().flatten().any(|(length, _)| *length == 0) {
            return None;
        }
        let axes = shape.iter().zip(lengths).map(|(extent, lengths)| Axis::uneven(*extent, lengths));
        let axes: Vec<Axis> = axes.collect::<Option<_>>()?;
        let chunk_shape = axes.iter().map(Axis::longest).collect();
        Some(Grid(Arc::new(Lengths { shape, chunk_shape, axes, regular: false })))
    }

    /// Shape of the array.
    pub fn shape(&self) -> &[u64] {
        &self.0.shape
    }

    /// Shape of a chunk; of a rectilinear grid, the longest along each dimension.
    pub fn chunk_shape(&self) -> &[u64] {
        &self.0.chunk_shape
    }

    /// Whether all chunks have the same shape by definition.
    pub fn is_regular(&self) -> bool {
        self.0.regular
    }

    /// The lengths of its chunks along each dimension, each with how many of them follow each other.
    pub fn chunk_lengths(&self) -> Vec<Vec<(u64, u64)>> {
        let run = |axis: &Axis, at: usize| {
            let end = axis.runs.get(at + 1).map_or(axis.count, |next| next.first);
            (axis.runs[at].length, end - axis.runs[at].first)
        };
        self.0.axes.iter().map(|axis| (0..axis.runs.len()).map(|at| run(axis, at)).collect()).collect()
    }

    /// Chunk `index`, in full even at the edge.
    pub fn chunk(&self, index: &[u64]) -> Subset {
        let (start, shape) = index.iter().zip(&self.0.axes).map(|(chunk, axis)| axis.extent(*chunk)).unzip();
        Subset::new(start, shape)
    }

    /// The first element and the length of chunk `chunk` along `dimension`.
    pub fn extent(&self, dimension: usize, chunk: u64) -> (u64, u64) {
        self.0.axes[dimension].extent(chunk)
    }

    /// The chunk along `dimension` that holds `element`.
    pub fn chunk_of(&self, dimension: usize, element: u64) -> u64 {
        self.0.axes[dimension].chunk_of(element)
    }

    /// The chunks that `subset` touches, as a box of their indices.
    pub fn touched(&self, subset: &Subset) -> Subset {
        let bounds = subset.start().iter().zip(subset.shape()).zip(&self.0.axes);
        let bounds = bounds.map(|((start, length), axis)| {
            let first = axis.chunk_of(*start);
            (first, if *length == 0 { 0 } else { axis.chunk_of(start + length - 1) + 1 - first })
        });
        let (start, shape) = bounds.unzip();
        Subset::new(start, shape)
    }

    /// The same grid with its dimensions permuted: dimension `order[i]` becomes dimension `i`.
    pub fn permuted(&self, order: &[usize]) -> Grid {
        let pick = |from: &[u64]| order.iter().map(|dimension| from[*dimension]).collect();
        Grid(Arc::new(Lengths {
            shape: pick(&self.0.shape),
            chunk_shape: pick(&self.0.chunk_shape),
            axes: order.iter().map(|dimension| self.0.axes[*dimension].clone()).collect(),
            regular: self.0.regular,
        }))
    }

    /// Chunks along each dimension.
    pub fn counts(&self) -> Vec<u64> {
        self.0.axes.iter().map(|axis| axis.count).collect()
    }

    /// Number of chunks (`u64::MAX` if there are more).
    pub fn len(&self) -> u64 {
        product(&self.counts())
    }

    /// Whether it has no chunk, because a dimension has no length.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements of a chunk, of a rectilinear grid of the largest (`u64::MAX` if there are more). Edge chunks are stored in
    /// full, too.
    pub fn chunk_elements(&self) -> u64 {
        product(&self.0.chunk_shape)
    }

    /// Elements of the array (`u64::MAX` if there are more).
    pub fn elements(&self) -> u64 {
        product(&self.0.shape)
    }

    /// Whether `index` is one of its chunks.
    pub fn contains(&self, index: &[u64]) -> bool {
        index.len() == self.0.shape.len() && index.iter().zip(&self.0.axes).all(|(index, axis)| *index < axis.count)
    }

    /// The number of a chunk in C order (`u64::MAX` if it is larger).
    pub fn number(&self, index: &[u64]) -> u64 {
        let counts = self.0.axes.iter().map(|axis| axis.count);
        index
            .iter()
            .zip(counts)
            .fold(0, |number: u64, (index, count)| number.saturating_mul(count).saturating_add(*index))
    }

    /// The chunk of that number in C order.
    pub fn index(&self, mut number: u64) -> Vec<u64> {
        let mut index: Vec<u64> = self
            .0
            .axes
            .iter()
            .rev()
            .map(|axis| {
                let count = axis.count.max(1);
                let position = number % count;
                number /= count;
                position
            })
            .collect();
        index.reverse();
        index
    }

    /// The number of every chunk once: the ends first and then ever finer steps between them, so that a few probes see much
    /// of the array.
    pub fn spread(&self) -> impl Iterator<Item = u64> + use<> {
        spread(self.len())
    }
}

fn spread(len: u64) -> impl Iterator<Item = u64> {
    let last = len.saturating_sub(1);
    let ends = [0, last].into_iter().take(zcodec::to_usize(len.min(2)));
    // Counting with the bits reversed, in the smallest power of two that holds them all: 1/2, 1/4, 3/4, 1/8, 5/8, …
    let bits = (64 - last.leading_zeros()).max(1);
    let steps = 0..=(u64::MAX >> (64 - bits));
    let between = steps.map(move |step| step.reverse_bits() >> (64 - bits));
    ends.chain(between.filter(move |&number| number != 0 && number < last))
}

fn product(lengths: &[u64]) -> u64 {
    lengths.iter().fold(1, |product: u64, length| product.saturating_mul(*length))
}

/// How chunk indices are encoded in keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkKeys {
    /// Whether keys start with `c` (the `default` encoding of Zarr v3).
    pub prefixed: bool,
    /// The separator.
    pub separator: char,
}

/// The kind of a key below an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A chunk (with sharding: a shard), with its number in the grid; without one, an object of an array that is not understood.
    Chunk(Option<u64>),
    /// A metadata document of the array.
    Metadata,
    /// It would be a chunk, were the array larger.
    OutsideGrid,
    /// It would be a chunk, were the separator the other one.
    WrongSeparator,
    /// Not a key of the array.
    Stray,
}

/// What a key relative to an array is by its spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// A chunk with this index, inside the grid or not.
    Chunk(Vec<u64>),
    /// It would be a chunk, were the separator the other one.
    WrongSeparator,
    /// No chunk key.
    Other,
}

impl ChunkKeys {
    /// The key of a chunk, relative to its array.
    pub fn encode(&self, index: &[u64]) -> String {
        let parts = index.iter().map(u64::to_string);
        let parts: Vec<String> = self.prefixed.then(|| "c".to_owned()).into_iter().chain(parts).collect();
        match parts.is_empty() {
            true => "0".to_owned(),
            false => parts.join(self.separator.encode_utf8(&mut [0; 4])),
        }
    }

    /// Parses `key`, relative to its array of `rank` dimensions.
    pub(crate) fn parse(&self, key: &str, rank: usize) -> KeyKind {
        if let Some(index) = self.index(key, rank) {
            return KeyKind::Chunk(index);
        }
        let other = ChunkKeys { separator: if self.separator == '/' { '.' } else { '/' }, ..self.clone() };
        if rank > 0 && other.index(key, rank).is_some() { KeyKind::WrongSeparator } else { KeyKind::Other }
    }

    fn index(&self, key: &str, rank: usize) -> Option<Vec<u64>> {
        let digits = match (self.prefixed, rank) {
            (true, 0) => return (key == "c").then(Vec::new),
            (false, 0) => return (key == "0").then(Vec::new),
            (true, _) => key.strip_prefix('c')?.strip_prefix(self.separator)?,
            (false, _) => key,
        };
        let index: Option<Vec<u64>> = digits.split(self.separator).map(decimal).collect();
        index.filter(|index| index.len() == rank)
    }
}

/// A number as keys spell it: digits only, no leading zero.
fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    (canonical && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back() {
        for prefixed in [true, false] {
            for separator in ['.', '/'] {
                let keys = ChunkKeys { prefixed, separator };
                for index in [vec![], vec![0], vec![10, 0, 7]] {
                    let key = keys.encode(&index);
                    assert_eq!(keys.parse(&key, index.len()), KeyKind::Chunk(index), "{key}");
                }
            }
        }
        let v2 = ChunkKeys { prefixed: false, separator: '.' };
        assert_eq!((v2.encode(&[]), v2.encode(&[1, 2])), ("0".into(), "1.2".into()));
        let v3 = ChunkKeys { prefixed: true, separator: '/' };
        assert_eq!((v3.encode(&[]), v3.encode(&[1, 2])), ("c".into(), "c/1/2".into()));
    }

    #[test]
    fn other_keys_are_told_apart() {
        let v2 = ChunkKeys { prefixed: false, separator: '/' };
        assert_eq!(v2.parse("0.1", 2), KeyKind::WrongSeparator);
        for key in ["0/01", "0/-1", "0", "0/1/2", "0/1.tmp", "", "x", "0/", "0/+1", "0/99999999999999999999"] {
            assert_eq!(v2.parse(key, 2), KeyKind::Other, "{key}");
        }
    }

    #[test]
    fn numbers_and_indices_agree() {
        let grid = Grid::new(vec![5, 4, 9], vec![2, 4, 3]).expect("a grid");
        assert_eq!((grid.counts(), grid.len(), grid.chunk_elements()), (vec![3, 1, 3], 9, 24));
        let all: Vec<Vec<u64>> = (0..9).map(|number| grid.index(number)).collect();
        assert_eq!(all[0], [0, 0, 0]);
        assert_eq!(all[5], [1, 0, 2]);
        assert!(all.iter().all(|index| grid.contains(index)));
        assert!(!grid.contains(&[3, 0, 0]));
    }

    #[test]
    fn probes_are_spread_and_in_range() {
        for len in [0u64, 1, 2, 3, 10, 24, 64, 1000] {
            let mut numbers: Vec<u64> = spread(len).collect();
            let ends = [(len > 0).then_some(0), (len > 1).then(|| len - 1)];
            assert_eq!([numbers.first().copied(), numbers.get(1).copied()], ends);
            numbers.sort_unstable();
            assert_eq!(numbers, (0..len).collect::<Vec<_>>(), "each once");
        }
        assert_eq!(spread(1000).take(5).collect::<Vec<_>>(), [0, 999, 512, 256, 768]);
        assert_eq!(spread(u64::MAX).take(3).collect::<Vec<_>>(), [0, u64::MAX - 1, 1 << 63]);
    }

    #[test]
    fn degenerate_grids() {
        let scalar = Grid::new(vec![], vec![]).expect("a grid");
        assert_eq!((scalar.len(), scalar.index(0)), (1, vec![]));
        let empty = Grid::new(vec![0, 5], vec![1, 5]).expect("a grid");
        assert!(empty.is_empty());
        let nothing = Grid::new(vec![0, 5], vec![0, 5]).expect("a grid");
        assert!(nothing.is_empty() && !nothing.contains(&[0, 0]));
        assert_eq!(Grid::new(vec![4], vec![0]), None);
        let nothing = Grid::new(vec![10, 0], vec![5, 0]).expect("zarr-python writes it for an empty array");
        assert_eq!((nothing.len(), nothing.counts(), nothing.contains(&[0, 0])), (0, vec![2, 0], false));
        assert_eq!(Grid::new(vec![4, 4], vec![1]), None);
        assert_eq!(Grid::new(vec![u64::MAX, u64::MAX], vec![1, 1]).expect("a grid").len(), u64::MAX);
    }

    #[test]
    fn rectilinear_chunks_lie_one_behind_the_other() {
        let grid =
            Grid::rectilinear(vec![10, 7], &[vec![(3, 2), (4, 1), (9, 5)], vec![(2, u64::MAX)]]).expect("a grid");
        assert_eq!((grid.counts(), grid.chunk_shape()), (vec![3, 4], &[4, 2][..]));
        assert_eq!(grid.chunk(&[2, 3]), Subset::new(vec![6, 6], vec![4, 2]), "in full at the edge");
        let chunks: Vec<u64> = (0..10).map(|element| grid.chunk_of(0, element)).collect();
        assert_eq!(chunks, [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]);
        assert_eq!(grid.touched(&Subset::new(vec![2, 1], vec![5, 1])), Subset::new(vec![0, 0], vec![3, 1]));
        assert_eq!(grid.touched(&Subset::new(vec![2, 1], vec![0, 1])).elements(), 0);
        assert_eq!(grid.permuted(&[1, 0]).chunk(&[3, 2]), Subset::new(vec![6, 6], vec![2, 4]));
        assert!(grid.contains(&[2, 3]) && !grid.contains(&[3, 0]) && !grid.is_regular());
    }

    #[test]
    fn rectilinear_chunks_cover_the_array_in_little_memory() {
        for lengths in [vec![(3, 3)], vec![(0, 1), (10, 1)], vec![]] {
            assert_eq!(Grid::rectilinear(vec![10], &[lengths]), None);
        }
        assert_eq!(Grid::rectilinear(vec![10], &[]), None);
        let huge = Grid::rectilinear(vec![u64::MAX], &[vec![(1, u64::MAX - 2), (2, 1)]]).expect("a grid");
        assert_eq!(huge.len(), u64::MAX - 1);
        let nothing = Grid::rectilinear(vec![0], &[vec![(4, 1)]]).expect("a grid");
        assert!(nothing.is_empty());
    }
}
