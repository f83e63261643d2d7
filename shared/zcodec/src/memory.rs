//! How much memory a thread needs to compress, besides the chunk and what becomes of it.

#![allow(unsafe_code)]

use std::os::raw::{c_int, c_uint, c_ulonglong};

use crate::block::zstd_level;
use crate::{Blosc, Cname, Compressor, Stream, predict_blocksize, predict_split};

/// Tables of the other compressors: those of lz4hc and zlib are the largest.
const TABLES: u64 = 512 << 10;

/// Buffers for a block: filtered, between the steps of the bit shuffle, and decoded for comparison.
const BLOCKS: u64 = 3;

impl Compressor {
    /// Estimated memory of each thread that compresses a chunk of `nbytes` bytes with elements of `typesize` bytes.
    pub fn thread_bytes(&self, typesize: u64, nbytes: u64) -> u64 {
        match *self {
            Compressor::Blosc(blosc) => blosc.thread_bytes(typesize, nbytes),
            Compressor::Stream(Stream::Zstd { level, .. }) => context_bytes(level, nbytes),
            Compressor::Stream(_) => TABLES,
            Compressor::None => 0,
        }
    }
}

impl Blosc {
    fn thread_bytes(&self, typesize: u64, nbytes: u64) -> u64 {
        let block = predict_blocksize(self, typesize, nbytes).max(1);
        let tables = match self.cname {
            Cname::Zstd if self.clevel > 0 => {
                let stream = if predict_split(self, typesize, nbytes) { block / typesize.max(1) } else { block };
                // The last block is shorter, and never split.
                let level = zstd_level(self.clevel);
                context_bytes(level, stream).max(context_bytes(level, nbytes % block))
            }
            _ => TABLES,
        };
        tables.saturating_add(block * BLOCKS)
    }
}

/// Memory of a zstd context for a stream of this length.
fn context_bytes(level: i32, nbytes: u64) -> u64 {
    // For zstd, 0 is an unknown length.
    let nbytes = nbytes.max(1);
    // SAFETY: both functions compute with numbers only.
    unsafe { ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(level, nbytes, 0)) as u64 }
}

// Not part of the stable interface of zstd (`zstd.h`), but unchanged since 1.3; a test compares the estimate with a real context.
#[repr(C)]
struct CompressionParameters {
    window_log: c_uint,
    chain_log: c_uint,
    hash_log: c_uint,
    search_log: c_uint,
    min_match: c_uint,
    target_length: c_uint,
    strategy: c_int,
}

unsafe extern "C" {
    fn ZSTD_getCParams(level: c_int, nbytes: c_ulonglong, dictionary: usize) -> CompressionParameters;
    fn ZSTD_estimateCCtxSize_usingCParams(parameters: CompressionParameters) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Shuffle, SplitMode, Workspace};

    /// What the contexts of a workspace hold after it has compressed.
    fn held(compressor: &Compressor, typesize: usize, nbytes: usize) -> u64 {
        let src: Vec<u8> = (0..nbytes as u64 / 8).flat_map(|at| (at * at).to_le_bytes()).collect();
        let (mut dst, mut workspace) = (Vec::new(), Workspace::default());
        compressor.compress(typesize, &src, &mut dst, 1, &mut workspace).expect("compresses");
        let context = workspace.cctx.as_ref().map_or(0, |context| context.sizeof());
        (context + workspace.filtered.capacity() + workspace.scratch.capacity()) as u64
    }

    #[test]
    fn the_estimate_holds_and_is_not_far_off() {
        let zstd =
            |clevel, shuffle, split| Compressor::Blosc(Blosc { split, ..Blosc::new(Cname::Zstd, clevel, shuffle) });
        let mut all: Vec<Compressor> =
            [1, 3, 9, 16, 19].map(|level| Compressor::Stream(Stream::Zstd { level, checksum: false })).to_vec();
        for clevel in [1, 3, 5, 7, 9] {
            all.push(zstd(clevel, Shuffle::Shuffle, SplitMode::Never));
            all.push(zstd(clevel, Shuffle::Bitshuffle, SplitMode::Always));
        }
        for compressor in all {
            for nbytes in [40_000, 1_500_000] {
                let estimate = compressor.thread_bytes(8, nbytes as u64);
                let held = held(&compressor, 8, nbytes);
                assert!(held <= estimate && estimate < held * 2 + (1 << 20), "{compressor:?}: {held} {estimate}");
            }
        }
    }
}
