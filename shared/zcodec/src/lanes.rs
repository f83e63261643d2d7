//! The positions of an element's bytes in a filtered block, and how much of each stream they require.
//!
//! Format: c-blosc 1.21. The byte shuffle keeps a lane of all first bytes, one of all second bytes, and so on
//! (`shuffle-generic.h`). The bit shuffle cuts each such lane into eight rows of bits, the lowest bits first
//! (`bitshuffle-generic.c`), and does nothing where the number of elements is not a multiple of eight (`shuffle.c`). What is
//! left over after the last complete element stays at the end as it is.

use std::slice::ChunksExactMut;

use crate::Shuffle;
use crate::block::Layout;
use crate::split::MAX_SPLITS;

/// Maximum number of streams in a block.
pub const STREAMS: usize = MAX_SPLITS as usize;

/// If more than one in this many bytes of a block is requested, unshuffling the whole block is faster (measured).
const BYTES_WORTH_MOVING: usize = 20;

/// As [`BYTES_WORTH_MOVING`], for the bit shuffle.
const BITS_WORTH_MOVING: usize = 64;

/// What a filter did to the bytes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    Nothing,
    Bytes,
    Bits,
}

/// Where the bytes of a filtered block lie. A split block has one stream for each lane.
#[derive(Debug, Clone, Copy)]
pub struct Lanes {
    pub moved: Moved,
    pub typesize: usize,
    /// Whole elements of the block: also the bytes of a lane.
    pub elements: usize,
    pub stream_len: usize,
    pub streams: usize,
}

/// The requested elements: the offsets of their first bytes in the decoded block, all inside it, and their size in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    pub offsets: &'a [u32],
    pub itemsize: usize,
}

impl Lanes {
    /// The lanes of a block of `len` bytes, cut in `streams` streams of `stream_len` bytes.
    pub fn of(layout: &Layout, len: usize, streams: usize, stream_len: usize) -> Lanes {
        let (typesize, elements) = (layout.typesize, len / layout.typesize);
        let moved = match layout.shuffle {
            Shuffle::Shuffle if typesize > 1 && elements > 0 => Moved::Bytes,
            Shuffle::Bitshuffle if elements > 0 && elements.is_multiple_of(8) => Moved::Bits,
            _ => Moved::Nothing,
        };
        Lanes { moved, typesize, elements, stream_len, streams }
    }

    /// Space for each stream in `buffer`, which only grows and is not cleared between blocks.
    pub fn rooms<'a>(&self, buffer: &'a mut Vec<u8>) -> ChunksExactMut<'a, u8> {
        let len = self.streams * self.stream_len;
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        buffer[..len].chunks_exact_mut(self.stream_len)
    }

    /// Whether so many cells are requested that it is faster to unfilter the whole block.
    pub fn prefers_whole(&self, cells: Cells) -> bool {
        let wanted = cells.offsets.len().saturating_mul(cells.itemsize);
        let block = self.elements * self.typesize;
        match self.moved {
            Moved::Nothing => self.streams > 1 && wanted > block / BITS_WORTH_MOVING,
            Moved::Bytes => wanted > block / BYTES_WORTH_MOVING,
            Moved::Bits => wanted > block / BITS_WORTH_MOVING,
        }
    }

    /// Number of positions of the cells in the filtered block.
    pub fn lookups(&self, cells: Cells) -> usize {
        let each = match self.moved {
            Moved::Nothing => 1,
            Moved::Bytes => cells.itemsize,
            Moved::Bits => cells.itemsize.saturating_mul(8),
        };
        cells.offsets.len().saturating_mul(each)
    }

    /// How many bytes of each stream have to be decoded; 0 for a stream that is not required.
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

    /// Adds the filtered bytes from `start` to `end`: streams are decoded from their beginning.
    fn need(&self, needed: &mut [usize; STREAMS], start: usize, end: usize) {
        let (first, last) = (start / self.stream_len, (end - 1) / self.stream_len);
        for (stream, needed) in needed[first..=last].iter_mut().enumerate() {
            let end = (end - (first + stream) * self.stream_len).min(self.stream_len);
            *needed = end.max(*needed);
        }
    }

    /// For each lane the end of the elements that are wanted of it, and the end of what is wanted behind the last element.
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
