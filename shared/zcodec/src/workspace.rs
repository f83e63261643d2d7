//! Buffers and contexts that a worker reuses from chunk to chunk.

use crate::CodecError;
use crate::lz4_trace::Sequence;

/// A zstd decoder, created on first use.
pub(crate) type DCtx = Option<zstd_safe::DCtx<'static>>;

/// Without a limit of its own, a chunk of unknown size may decode to this: as much as a Blosc frame.
const UNKNOWN: usize = 2 << 30;

/// Buffers and compressor contexts of one thread. Creating them costs more than decoding a small chunk.
#[derive(Default)]
pub struct Workspace {
    /// The most bytes that anything may decode to, so that no metadata and no stream asks for more memory than there is.
    pub limit: Option<u64>,
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
    /// Whether the workspaces of further threads are kept from chunk to chunk as well: where their number is bounded.
    pub keeps_helpers: bool,
    /// Those of further threads that work on blocks of the same chunk.
    pub(crate) helpers: Vec<Workspace>,
}

impl Workspace {
    /// Calls `work` with workspaces for `threads` threads.
    pub(crate) fn with_threads<T>(&mut self, threads: usize, work: impl FnOnce(&mut [Workspace]) -> T) -> T {
        if self.helpers.len() < threads {
            self.helpers.resize_with(threads, Workspace::default);
        }
        let done = work(&mut self.helpers[..threads]);
        if !self.keeps_helpers {
            self.helpers = Vec::new();
        }
        done
    }

    /// The most bytes to decode to: `expected`, if the size is known.
    pub(crate) fn most(&self, expected: Option<usize>) -> Result<usize, CodecError> {
        let limit = self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        match (expected, limit) {
            (Some(expected), Some(limit)) if expected > limit => Err(CodecError::Memory { limit: limit as u64 }),
            (Some(expected), _) => Ok(expected),
            (None, limit) => Ok(limit.unwrap_or(UNKNOWN)),
        }
    }

    /// Runs `decode` with at most `limit` bytes to decode to.
    pub fn limited<T>(&mut self, limit: u64, decode: impl FnOnce(&mut Workspace) -> T) -> T {
        let outer = self.limit;
        self.limit = Some(outer.map_or(limit, |outer| outer.min(limit)));
        let done = decode(self);
        self.limit = outer;
        done
    }
}
