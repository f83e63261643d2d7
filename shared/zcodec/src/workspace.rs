//! Buffers and contexts that a worker reuses from chunk to chunk.

use crate::lz4_trace::Sequence;

/// A zstd decoder, created on first use.
pub(crate) type DCtx = Option<zstd_safe::DCtx<'static>>;

/// Buffers and compressor contexts of one thread. Creating them costs more than decoding a small chunk.
#[derive(Default)]
pub struct Workspace {
    /// A block between filter and compressor.
    pub(crate) filtered: Vec<u8>,
    /// A decoded block for comparison or partial reads.
    pub(crate) block: Vec<u8>,
    /// Scratch space for the bit shuffle.
    pub(crate) scratch: Vec<u8>,
    /// The sequences of an LZ4 block.
    pub(crate) sequences: Vec<Sequence>,
    pub(crate) cctx: Option<zstd_safe::CCtx<'static>>,
    pub(crate) dctx: DCtx,
}
