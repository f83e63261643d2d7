//! Settings of a written Blosc frame.

use crate::{Cname, Shuffle, SplitMode};

/// How to write Blosc frames. The number of threads is not included, because neither frames nor metadata store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Blosc {
    /// Compressor.
    pub cname: Cname,
    /// Compression level, 0 (store) to 9.
    pub clevel: u8,
    /// Filter.
    pub shuffle: Shuffle,
    /// Block size in bytes; 0 is the automatic choice of Blosc.
    pub blocksize: u64,
    /// When to split blocks into streams. Not stored in Zarr metadata of either version.
    pub split: SplitMode,
}

impl Blosc {
    /// Settings with automatic block size and split mode.
    pub const fn new(cname: Cname, clevel: u8, shuffle: Shuffle) -> Blosc {
        Blosc { cname, clevel, shuffle, blocksize: 0, split: SplitMode::Auto }
    }
}
