//! A regular chunk grid, and how its chunks are called.

/// Shape of an array and of the objects it is stored in (chunks, or shards).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    shape: Vec<u64>,
    chunk_shape: Vec<u64>,
}

impl Grid {
    /// A grid; `None` if the shapes differ in rank or a chunk length is 0. Along a dimension of length 0, which has no chunks,
    /// a chunk length of 0 is taken for 1.
    pub fn new(shape: Vec<u64>, mut chunk_shape: Vec<u64>) -> Option<Grid> {
        for (length, chunk) in shape.iter().zip(&mut chunk_shape) {
            if *length == 0 {
                *chunk = (*chunk).max(1);
            }
        }
        (shape.len() == chunk_shape.len() && !chunk_shape.contains(&0)).then_some(Grid { shape, chunk_shape })
    }

    /// Shape of the array.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Shape of a chunk.
    pub fn chunk_shape(&self) -> &[u64] {
        &self.chunk_shape
    }

    /// Chunks along each dimension.
    pub fn counts(&self) -> Vec<u64> {
        self.shape.iter().zip(&self.chunk_shape).map(|(length, chunk)| length.div_ceil(*chunk)).collect()
    }

    /// Number of chunks (`u64::MAX` if there are more).
    pub fn len(&self) -> u64 {
        product(&self.counts())
    }

    /// Whether it has no chunk, because a dimension has no length.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements of a chunk (`u64::MAX` if there are more). Edge chunks are stored in full, too.
    pub fn chunk_elements(&self) -> u64 {
        product(&self.chunk_shape)
    }

    /// Elements of the array (`u64::MAX` if there are more).
    pub fn elements(&self) -> u64 {
        product(&self.shape)
    }

    /// Whether `index` is one of its chunks.
    pub fn contains(&self, index: &[u64]) -> bool {
        index.len() == self.shape.len() && index.iter().zip(self.counts()).all(|(index, count)| *index < count)
    }

    /// The number of a chunk in C order (`u64::MAX` if it is larger).
    pub fn number(&self, index: &[u64]) -> u64 {
        let counts = self.counts();
        index
            .iter()
            .zip(counts)
            .fold(0, |number: u64, (index, count)| number.saturating_mul(count).saturating_add(*index))
    }

    /// The chunk of that number in C order.
    pub fn index(&self, mut number: u64) -> Vec<u64> {
        let mut index: Vec<u64> = self
            .counts()
            .iter()
            .rev()
            .map(|count| {
                let position = number % count.max(&1);
                number /= count.max(&1);
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
    /// A chunk (with sharding: a shard), with its number in the grid, if the grid is regular.
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
        assert_eq!(Grid::new(vec![4], vec![0]), None);
        let nothing = Grid::new(vec![10, 0], vec![5, 0]).expect("zarr-python writes it for an empty array");
        assert_eq!((nothing.len(), nothing.counts(), nothing.contains(&[0, 0])), (0, vec![2, 0], false));
        assert_eq!(Grid::new(vec![4, 4], vec![1]), None);
        assert_eq!(Grid::new(vec![u64::MAX, u64::MAX], vec![1, 1]).expect("a grid").len(), u64::MAX);
    }
}
