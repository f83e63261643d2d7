//! How Blosc frames are made.

use crate::{Cname, Shuffle, SplitMode};

/// How to make Blosc frames. Threads are not part of it: no frame and no metadata stores their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Blosc {
    /// Compressor.
    pub cname: Cname,
    /// Compression level, 0 (store) to 9.
    pub clevel: u8,
    /// Filter.
    pub shuffle: Shuffle,
    /// Bytes of a block; 0 lets Blosc choose.
    pub blocksize: u64,
    /// Streams of a block. Neither version of Zarr metadata has a member for it.
    pub split: SplitMode,
}

impl Blosc {
    /// Frames with block size and split mode as Blosc chooses them.
    pub const fn new(cname: Cname, clevel: u8, shuffle: Shuffle) -> Blosc {
        Blosc { cname, clevel, shuffle, blocksize: 0, split: SplitMode::Auto }
    }
}
