//! One block of a Blosc frame in an open file, read piece by piece as its decoder asks for bytes.

use std::ops::Range;

use zcodec::{BlockBytes, to_usize};
use zstore::{LocalObject, StoreError};

/// A read of so many bytes costs as much as two of half of them: smaller blocks are read in one piece.
const ONE_READ: usize = 8 << 10;

/// The stored bytes of one block.
pub(crate) struct FileBlock<'a> {
    pub object: &'a LocalObject,
    /// The range of the block in the file.
    pub range: Range<u64>,
    /// Bytes that are read already: the beginning of the frame, and where that is in the file.
    pub head: &'a [u8],
    pub head_start: u64,
    /// Space for what is read.
    pub buffer: &'a mut Vec<u8>,
    /// The part of the block that `buffer` holds.
    pub held: Range<usize>,
    /// Bytes read so far.
    pub bytes: u64,
    /// The first error of the file system.
    pub error: Option<StoreError>,
}

impl FileBlock<'_> {
    /// Reads a range of the block to the front of the buffer.
    fn fill(&mut self, range: Range<usize>) -> Option<()> {
        if self.buffer.len() < range.len() {
            self.buffer.resize(range.len(), 0);
        }
        self.held = 0..0;
        match self.object.read_at(&mut self.buffer[..range.len()], self.range.start + range.start as u64) {
            Ok(()) => {
                self.bytes += range.len() as u64;
                self.held = range;
                Some(())
            }
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }
}

impl BlockBytes for FileBlock<'_> {
    fn len(&self) -> usize {
        to_usize(self.range.end - self.range.start)
    }

    fn get(&mut self, range: Range<usize>) -> Option<&[u8]> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        let start = to_usize(self.range.start + range.start as u64 - self.head_start);
        if let Some(bytes) = self.head.get(start..start + range.len()) {
            return Some(bytes);
        }
        if range.start < self.held.start || range.end > self.held.end {
            self.fill(if self.len() <= ONE_READ { 0..self.len() } else { range.clone() })?;
        }
        let start = range.start - self.held.start;
        self.buffer.get(start..start + range.len())
    }

    /// A little more than on average, since the beginning of a stream often compresses worse than the rest.
    fn attempt(&self, wanted: usize, len: usize) -> usize {
        let part = wanted + wanted / 8 + 64;
        if part < len / 4 * 3 { part } else { len }
    }
}
