//! Where the stored bytes of a block come from: memory, or something that is read only as far as it is needed.

use std::ops::Range;

/// The stored bytes of one block.
pub trait BlockBytes {
    /// Number of bytes, those after the end of the block included.
    fn len(&self) -> usize;

    /// Whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `range`; `None` beyond the end, and if they cannot be read.
    fn get(&mut self, range: Range<usize>) -> Option<&[u8]>;

    /// How many of the first bytes of a compressed stream of `len` bytes to get first, if about `wanted` of them are needed.
    fn attempt(&self, _wanted: usize, len: usize) -> usize {
        len
    }
}

impl BlockBytes for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn get(&mut self, range: Range<usize>) -> Option<&[u8]> {
        <[u8]>::get(self, range)
    }
}

impl<B: BlockBytes> BlockBytes for &mut B {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn get(&mut self, range: Range<usize>) -> Option<&[u8]> {
        (**self).get(range)
    }

    fn attempt(&self, wanted: usize, len: usize) -> usize {
        (**self).attempt(wanted, len)
    }
}
