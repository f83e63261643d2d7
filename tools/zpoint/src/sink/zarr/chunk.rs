//! Chunk shapes, and writing of chunks.

use zcodec::{Blosc, Cname, Shuffle, Workspace};
use zcoord::Kind;
use zstage::NewStore;
use zwire::{Exit, Failure};

use super::super::element::Element;

/// Target size of a chunk in bytes.
const TARGET: u64 = 1 << 20;
/// With many variables, maximum total size of the chunks that are filled at the same time …
const TOGETHER: u64 = 256 << 20;
/// … unless chunks would become smaller than this.
const LEAST: u64 = 16 << 10;
/// Maximum number of stations per chunk.
const MOST_STATIONS: u64 = 256;
/// Assumed size of a text in bytes.
const TEXT_BYTES: u64 = 16;

/// A chunk of a data variable: stations, samples, and all features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Stations per chunk.
    pub stations: u64,
    /// Samples per chunk.
    pub samples: u64,
    /// All features.
    pub features: u64,
    /// Number of chunks along the station dimension.
    pub blocks: u64,
}

impl Shape {
    /// The chunk shape for one of `variables` variables: about 1 MiB, independent of the batches of rows.
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

    /// Size of all chunks that are filled at the same time.
    #[cfg(test)]
    pub fn buffered_bytes(self, kind: Kind) -> u64 {
        // A string also has a pointer and two lengths.
        let itemsize = Element::of(kind).map_or(TEXT_BYTES + 24, |element| element.size() as u64);
        self.elements().saturating_mul(self.blocks).saturating_mul(itemsize)
    }
}

/// The compressor for elements of `itemsize` bytes.
pub fn compressor(itemsize: usize) -> Blosc {
    Blosc::new(Cname::Zstd, 3, if itemsize > 1 { Shuffle::Shuffle } else { Shuffle::Noshuffle })
}

/// Compresses and writes a chunk of `array`; returns the stored size.
///
/// # Errors
/// The write fails, or the chunk is too large for the format.
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

/// Encodes texts with the `vlen-utf8` codec: their number, then each preceded by its length, all as 32-bit integers.
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
