//! Positions of an element's bytes in a filtered block, and how much of each stream must be decoded to read them.
//!
//! Format: c-blosc 1.21. The byte shuffle stores a lane of all first bytes, one of all second bytes, and so on
//! (`shuffle-generic.h`). The bit shuffle divides each lane into eight rows of bits, lowest bit first
//! (`bitshuffle-generic.c`), and is skipped if the number of elements is not a multiple of eight (`shuffle.c`). Bytes
//! after the last complete element stay unfiltered at the end.

use std::slice::ChunksExactMut;

use crate::Shuffle;
use crate::block::Layout;
use crate::split::MAX_SPLITS;

/// Maximum number of streams in a block.
pub const STREAMS: usize = 16;

const _: () = assert!(STREAMS as u64 == MAX_SPLITS);

/// If more than one byte in this many is requested, unshuffling the whole block is faster (measured).
const BYTES_WORTH_MOVING: usize = 20;

/// Like [`BYTES_WORTH_MOVING`], for the bit shuffle.
const BITS_WORTH_MOVING: usize = 64;

/// How a filter rearranged the bytes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    Nothing,
    Bytes,
    Bits,
}

/// The layout of a filtered block. A split block has one stream per lane.
#[derive(Debug, Clone, Copy)]
pub struct Lanes {
    pub moved: Moved,
    pub typesize: usize,
    /// Number of complete elements in the block; also the length of a lane in bytes.
    pub elements: usize,
    pub stream_len: usize,
    pub streams: usize,
}

/// The requested elements: their byte offsets in the decoded block, all inside it, and their size in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    pub offsets: &'a [u32],
    pub itemsize: usize,
}

impl Lanes {
    /// The lanes of a block of `len` bytes, stored as `streams` streams of `stream_len` bytes.
    pub fn of(layout: &Layout, len: usize, streams: usize, stream_len: usize) -> Lanes {
        let (typesize, elements) = (layout.typesize, len / layout.typesize);
        let moved = match layout.shuffle {
            Shuffle::Shuffle if typesize > 1 && elements > 0 => Moved::Bytes,
            Shuffle::Bitshuffle if elements > 0 && elements.is_multiple_of(8) => Moved::Bits,
            _ => Moved::Nothing,
        };
        Lanes { moved, typesize, elements, stream_len, streams }
    }

    /// A slice of `buffer` for each stream; the buffer only grows and is not cleared between blocks.
    pub fn rooms<'a>(&self, buffer: &'a mut Vec<u8>) -> ChunksExactMut<'a, u8> {
        let len = self.streams * self.stream_len;
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        buffer[..len].chunks_exact_mut(self.stream_len)
    }

    /// Whether so many cells are requested that unfiltering the whole block is faster.
    pub fn prefers_whole(&self, cells: Cells) -> bool {
        let wanted = cells.offsets.len().saturating_mul(cells.itemsize);
        let block = self.elements * self.typesize;
        match self.moved {
            Moved::Nothing => self.streams > 1 && wanted > block / BITS_WORTH_MOVING,
            Moved::Bytes => wanted > block / BYTES_WORTH_MOVING,
            Moved::Bits => wanted > block / BITS_WORTH_MOVING,
        }
    }

    /// Number of lookups in the filtered block to read the cells.
    pub fn lookups(&self, cells: Cells) -> usize {
        let each = match self.moved {
            Moved::Nothing => 1,
            Moved::Bytes => cells.itemsize,
            Moved::Bits => cells.itemsize.saturating_mul(8),
        };
        cells.offsets.len().saturating_mul(each)
    }

    /// How many bytes of each stream must be decoded; 0 if a stream is not needed.
    pub fn needed(&self, cells: Cells) -> [usize; STREAMS] {
        let mut needed = [0; STREAMS];
        if self.moved == Moved::Nothing {
            for &offset in cells.offsets {
                self.need(&mut needed, offset as usize, offset as usize + cells.itemsize);
            }
            return needed;
        }
        let (ends, rest) = self.lane_ends(cells);
        for (lane, &end) in ends.iter().enumerate().filter(|&(_, &end)| end > 0) {
            let at = lane * self.elements;
            let end = match self.moved {
                Moved::Bits => at + 7 * (self.elements / 8) + end.div_ceil(8),
                _ => at + end,
            };
            self.need(&mut needed, end - 1, end);
        }
        if rest > 0 {
            self.need(&mut needed, rest - 1, rest);
        }
        needed
    }

    /// Adds the filtered bytes `start..end`; a stream is always decoded from its beginning.
    fn need(&self, needed: &mut [usize; STREAMS], start: usize, end: usize) {
        let (first, last) = (start / self.stream_len, (end - 1) / self.stream_len);
        for (stream, needed) in needed[first..=last].iter_mut().enumerate() {
            let end = (end - (first + stream) * self.stream_len).min(self.stream_len);
            *needed = end.max(*needed);
        }
    }

    /// For each lane, the end of the required elements; then the end of the required bytes after the last element.
    fn lane_ends(&self, cells: Cells) -> ([usize; 256], usize) {
        let (mut ends, mut rest, mut whole) = ([0; 256], 0, 0);
        for &offset in cells.offsets {
            let (element, lane) = (offset as usize / self.typesize, offset as usize % self.typesize);
            if lane == 0 && cells.itemsize == self.typesize && element < self.elements {
                whole = whole.max(element + 1);
                continue;
            }
            for offset in offset as usize..offset as usize + cells.itemsize {
                let (element, lane) = (offset / self.typesize, offset % self.typesize);
                if element < self.elements {
                    ends[lane] = ends[lane].max(element + 1);
                } else {
                    rest = rest.max(offset + 1);
                }
            }
        }
        ends[..self.typesize].iter_mut().for_each(|end| *end = whole.max(*end));
        (ends, rest)
    }
}
