//! What a worker keeps from chunk to chunk.

/// Buffers and compressor contexts of one thread. Making them costs more than decoding a small chunk.
#[derive(Default)]
pub struct Workspace {
    /// A block between filter and compressor.
    pub(crate) filtered: Vec<u8>,
    /// A decoded block that is only looked at.
    pub(crate) block: Vec<u8>,
    /// Scratch space of the bit shuffle.
    pub(crate) scratch: Vec<u8>,
    pub(crate) cctx: Option<zstd_safe::CCtx<'static>>,
    pub(crate) dctx: Option<zstd_safe::DCtx<'static>>,
}
