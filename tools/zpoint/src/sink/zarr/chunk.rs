//! Shapes of chunks, and their files.

use zcodec::{Blosc, Cname, Shuffle, Workspace};
use zcoord::Kind;
use zstage::NewStore;
use zwire::{Exit, Failure};

use super::super::element::Element;

/// Bytes that a chunk should have.
const TARGET: u64 = 1 << 20;
/// Where there are many variables, the chunks that are filled at the same time have no more than this together…
const TOGETHER: u64 = 256 << 20;
/// … as long as none gets smaller than this.
const LEAST: u64 = 16 << 10;
/// Most stations of a chunk.
const MOST_STATIONS: u64 = 256;
/// Bytes that a text is taken to have.
const TEXT_BYTES: u64 = 16;

/// A chunk of a data variable: stations, samples, and all features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Stations of a chunk.
    pub stations: u64,
    /// Samples of a chunk.
    pub samples: u64,
    /// Features, all of them.
    pub features: u64,
    /// Chunks side by side along the stations.
    pub blocks: u64,
}

impl Shape {
    /// The chunks of one of so many variables: about a megabyte each. It does not depend on how the rows come.
    pub fn of(kind: Kind, stations: u64, samples: u64, features: u64, variables: u64) -> Shape {
        let itemsize = Element::of(kind).map_or(TEXT_BYTES, |element| element.size() as u64);
        let of_chunk = stations.clamp(1, MOST_STATIONS);
        let blocks = stations.div_ceil(of_chunk);
        let target = (TOGETHER / variables.saturating_mul(blocks).max(1)).clamp(LEAST, TARGET);
        let sample_bytes = itemsize.saturating_mul(of_chunk).saturating_mul(features.max(1));
        Shape { stations: of_chunk, samples: (target / sample_bytes).clamp(1, samples.max(1)), features, blocks }
    }

    /// Elements of one chunk.
    pub fn elements(self) -> u64 {
        self.stations.saturating_mul(self.samples).saturating_mul(self.features)
    }

    /// Bytes of the chunks that are filled at the same time.
    #[cfg(test)]
    pub fn buffered_bytes(self, kind: Kind) -> u64 {
        // A text is a pointer and two lengths besides.
        let itemsize = Element::of(kind).map_or(TEXT_BYTES + 24, |element| element.size() as u64);
        self.elements().saturating_mul(self.blocks).saturating_mul(itemsize)
    }
}

/// How elements of so many bytes are compressed.
pub fn compressor(itemsize: usize) -> Blosc {
    Blosc::new(Cname::Zstd, 3, if itemsize > 1 { Shuffle::Shuffle } else { Shuffle::Noshuffle })
}

/// Compresses a chunk of `array` into its object, and returns how large that is.
///
/// # Errors
/// What the store answers, or a chunk that is too large for its format.
pub fn write(
    store: &NewStore,
    array: &str,
    indices: &[u64],
    itemsize: usize,
    chunk: &[u8],
    threads: usize,
) -> Result<u64, Failure> {
    let parts: Vec<String> = indices.iter().map(u64::to_string).collect();
    let mut packed = Vec::new();
    compressor(itemsize)
        .compress(itemsize, chunk, &mut packed, threads, &mut Workspace::default())
        .map_err(|error| Failure::new(Exit::Output, error.to_string()).at(array))?;
    store.put(&format!("{array}/c/{}", parts.join("/")), &packed)?;
    Ok(packed.len() as u64)
}

/// Texts as the `vlen-utf8` codec has them: their number, then each with its length before it, all as 32-bit integers.
///
/// # Errors
/// More than 4 GiB of text.
pub fn vlen_utf8<'a>(texts: impl ExactSizeIterator<Item = &'a str>) -> Result<Vec<u8>, Failure> {
    let length = |length: usize| {
        u32::try_from(length).map_err(|_| Failure::new(Exit::Output, "a text is too long for its chunk"))
    };
    let mut out = length(texts.len())?.to_le_bytes().to_vec();
    for text in texts {
        out.extend(length(text.len())?.to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_have_about_a_megabyte() {
        let shape = Shape::of(Kind::Float(32), 1, 1_000_000, 1, 1);
        assert_eq!((shape.stations, shape.samples, shape.blocks), (1, 262_144, 1));
        let shape = Shape::of(Kind::Float(32), 1000, 1_000_000, 13, 1);
        assert_eq!((shape.stations, shape.samples, shape.blocks), (256, 78, 4));
        assert_eq!(shape.buffered_bytes(Kind::Float(32)), 256 * 78 * 13 * 4 * 4);
        let shape = Shape::of(Kind::Float(64), 300, 5, 1 << 40, 1);
        assert_eq!(shape.samples, 1);
        let shape = Shape::of(Kind::Text, 0, 0, 0, 0);
        assert_eq!((shape.stations, shape.samples, shape.blocks), (1, 1, 0));
        let many = Shape::of(Kind::Float(32), 1, 1_000_000, 1, 3930);
        assert!(many.buffered_bytes(Kind::Float(32)) * 3930 <= TOGETHER, "{many:?}");
        assert_eq!(Shape::of(Kind::Float(32), u64::MAX, u64::MAX, u64::MAX, u64::MAX).elements(), u64::MAX);
    }

    #[test]
    fn texts_carry_their_lengths() {
        let bytes = vlen_utf8(["a", "", "ü"].into_iter()).expect("short");
        assert_eq!(bytes, [3, 0, 0, 0, 1, 0, 0, 0, b'a', 0, 0, 0, 0, 2, 0, 0, 0, 0xc3, 0xbc]);
    }
}
