//! The 16-byte header of a Blosc 1 frame, and what follows from it without decoding.
//!
//! Format: c-blosc, `README_CHUNK_FORMAT.rst` and `blosc.c` (1.21). A frame stores its size, block size, filter and
//! compressor family, but no compression level, checksum or number of threads; the reader can use up to one thread per
//! block.

use std::ops::Range;

use crate::{Cname, CodecError, Shuffle};

/// Size of the header in bytes.
pub const HEADER_LEN: usize = 16;

/// Maximum decoded size of a frame (`BLOSC_MAX_BUFFERSIZE`).
pub const MAX_NBYTES: u64 = i32::MAX as u64 - HEADER_LEN as u64;

/// Maximum number of threads of c-blosc (`BLOSC_MAX_THREADS`).
const MAX_THREADS: u64 = 256;

const FORMAT_VERSION: u8 = 2;
const SHUFFLED: u8 = 0x01;
const STORED_RAW: u8 = 0x02;
const BITSHUFFLED: u8 = 0x04;
const RESERVED: u8 = 0x08;
pub(crate) const NOT_SPLIT: u8 = 0x10;

/// A Blosc header, checked for consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Format version; readers accept only 2.
    pub version: u8,
    /// Version of the compressor's own format; always 1.
    pub codec_version: u8,
    /// Flag byte as stored.
    pub flags: u8,
    /// Element size of the filter, 1 to 255.
    pub typesize: u8,
    /// Decoded size in bytes.
    pub nbytes: u32,
    /// Block size in bytes; the last block may be shorter.
    pub blocksize: u32,
    /// Size of the whole frame in bytes.
    pub cbytes: u32,
}

impl Header {
    /// Reads the header from the first [`HEADER_LEN`] bytes of a frame.
    ///
    /// # Errors
    /// [`CodecError::Short`] below 16 bytes, [`CodecError::Invalid`] if a field contradicts the format or another field.
    pub fn parse(bytes: &[u8]) -> Result<Header, CodecError> {
        let Some(head) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(CodecError::Short { format: "blosc", needed: HEADER_LEN as u64, found: bytes.len() as u64 });
        };
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let header = Header {
            version: head[0],
            codec_version: head[1],
            flags: head[2],
            typesize: head[3],
            nbytes: word(4),
            blocksize: word(8),
            cbytes: word(12),
        };
        match header.contradiction() {
            None => Ok(header),
            Some(detail) => Err(CodecError::Invalid { format: "blosc", detail }),
        }
    }

    fn contradiction(&self) -> Option<String> {
        if self.version != FORMAT_VERSION {
            return Some(format!("format version {} instead of {FORMAT_VERSION}", self.version));
        }
        if self.flags & RESERVED != 0 {
            return Some(format!("a reserved flag is set ({:#04x})", self.flags));
        }
        if self.typesize == 0 {
            return Some("typesize 0".into());
        }
        if u64::from(self.nbytes) > MAX_NBYTES {
            return Some(format!("{} decoded bytes exceed the maximum of the format", self.nbytes));
        }
        if self.nbytes > 0 && (self.blocksize == 0 || self.blocksize > self.nbytes) {
            return Some(format!("invalid block size {} for {} bytes", self.blocksize, self.nbytes));
        }
        if (self.cbytes as usize) < HEADER_LEN {
            return Some(format!("a frame of {} bytes is smaller than its header", self.cbytes));
        }
        if self.nbytes > 0 && self.stored_raw() && u64::from(self.cbytes) != u64::from(self.nbytes) + HEADER_LEN as u64
        {
            return Some(format!("{} bytes stored uncompressed in a frame of {} bytes", self.nbytes, self.cbytes));
        }
        if !self.stored_raw() && self.blocks() > (u64::from(self.cbytes) - HEADER_LEN as u64) / 4 {
            return Some(format!("{} blocks do not fit a frame of {} bytes", self.blocks(), self.cbytes));
        }
        None
    }

    /// The compressor family. lz4 and lz4hc write the same format and cannot be distinguished.
    pub fn cname(&self) -> Option<Cname> {
        match self.flags >> 5 {
            0 => Some(Cname::Blosclz),
            1 => Some(Cname::Lz4),
            2 => Some(Cname::Snappy),
            3 => Some(Cname::Zlib),
            4 => Some(Cname::Zstd),
            _ => None,
        }
    }

    /// The filter.
    pub fn shuffle(&self) -> Shuffle {
        if self.flags & SHUFFLED != 0 {
            Shuffle::Shuffle
        } else if self.flags & BITSHUFFLED != 0 {
            Shuffle::Bitshuffle
        } else {
            Shuffle::Noshuffle
        }
    }

    /// Whether the chunk is stored uncompressed (level 0, or incompressible).
    pub fn stored_raw(&self) -> bool {
        self.flags & STORED_RAW != 0
    }

    /// Whether each full block is stored as one stream per byte position. A block is decoded by a single thread.
    pub fn split(&self) -> bool {
        self.flags & NOT_SPLIT == 0
    }

    /// Number of blocks, the unit of parallel decoding.
    pub fn blocks(&self) -> u64 {
        u64::from(self.nbytes).div_ceil(u64::from(self.blocksize.max(1)))
    }

    /// The range of block `index` in the decoded chunk; empty if there is no such block.
    pub fn block_bytes(&self, index: u64) -> Range<u64> {
        let at = |index: u64| index.saturating_mul(self.blocksize.into()).min(self.nbytes.into());
        at(index)..at(index.saturating_add(1))
    }

    /// The byte range of the block table; `None` for an uncompressed frame, which has no table.
    pub fn block_table_range(&self) -> Option<Range<u64>> {
        let start = HEADER_LEN as u64;
        (!self.stored_raw()).then(|| start..start + 4 * self.blocks())
    }

    /// Maximum number of useful threads: c-blosc needs two full blocks to run in parallel and starts at most 256.
    pub fn max_threads(&self) -> u64 {
        match self.nbytes / self.blocksize.max(1) {
            0 | 1 => 1,
            _ => self.blocks().min(MAX_THREADS),
        }
    }

    /// Whether the byte shuffle has no effect because the element size is 1.
    pub fn shuffles_nothing(&self) -> bool {
        self.shuffle() == Shuffle::Shuffle && self.typesize == 1
    }
}

/// Maximum speedup of `threads` threads on `blocks` equal blocks: c-blosc gives each thread an equal contiguous share,
/// so the largest share determines the time.
pub fn max_speedup(blocks: u64, threads: u64) -> f64 {
    if blocks == 0 { 1.0 } else { blocks as f64 / blocks.div_ceil(threads.max(1)) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flags: u8, typesize: u8, nbytes: u32, blocksize: u32, cbytes: u32) -> Vec<u8> {
        let mut bytes = vec![2, 1, flags, typesize];
        for word in [nbytes, blocksize, cbytes] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn parses_a_real_header() {
        // zstd with byte shuffle, not split, 4-byte elements: 9 blocks.
        let header = Header::parse(&header(0x91, 4, 1_100_000, 131_072, 500_000)).expect("valid");
        assert_eq!(header.cname(), Some(Cname::Zstd));
        assert_eq!(header.shuffle(), Shuffle::Shuffle);
        assert!(!header.split());
        assert!(!header.stored_raw());
        assert_eq!((header.blocks(), header.max_threads()), (9, 9));
    }

    #[test]
    fn one_full_block_and_a_partial_one_are_serial() {
        let header = Header::parse(&header(0x91, 4, 90_000, 65_536, 40_000)).expect("valid");
        assert_eq!((header.blocks(), header.max_threads()), (2, 1));
    }

    #[test]
    fn speedup_is_bounded_by_the_largest_share() {
        assert_eq!(max_speedup(9, 8), 4.5);
        assert_eq!(max_speedup(5, 4), 2.5);
        assert_eq!(max_speedup(10, 8), 5.0);
        assert_eq!(max_speedup(1, 8), 1.0);
        assert_eq!(max_speedup(0, 8), 1.0);
    }

    #[test]
    fn inconsistent_headers_are_refused() {
        let cases = [
            (header(0x91, 4, 100, 200, 50), "block size"),
            (header(0x91, 4, 100, 0, 50), "block size"),
            (header(0x99, 4, 100, 100, 50), "reserved"),
            (header(0x91, 0, 100, 100, 50), "typesize"),
            (header(0x93, 4, 100, 100, 50), "stored uncompressed"),
            (header(0x91, 4, 4000, 4, 50), "do not fit"),
            (header(0x91, 4, 100, 100, 5), "smaller than its header"),
            (header(0x91, 4, u32::MAX, 100, 50), "exceed the maximum of the format"),
        ];
        for (bytes, word) in cases {
            let error = Header::parse(&bytes).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(matches!(Header::parse(&[2, 1, 0]), Err(CodecError::Short { found: 3, .. })));
    }

    #[test]
    fn empty_frame_is_valid() {
        let header = Header::parse(&header(0x13, 4, 0, 1, 16)).expect("valid");
        assert_eq!((header.blocks(), header.max_threads()), (0, 1));
    }
}
