//! One block of a Blosc frame: the filter, then one or `typesize` compressed streams, each preceded by its length.
//!
//! Format: c-blosc's `README_CHUNK_FORMAT.rst` and `blosc_c`/`blosc_d` in `blosc.c` (1.21). Faster than the library
//! with identical output, because each worker reuses its zstd context; c-blosc creates, initializes and frees one per
//! block.

#![allow(unsafe_code)]

use std::ops::Range;
use std::os::raw::c_int;

use crate::block_bytes::BlockBytes;
use crate::lz4::{lz4_compress, lz4_decompress, lz4_decompress_prefix};
use crate::shuffle::{shuffle, unshuffle};
use crate::split::readable;
use crate::workspace::{DCtx, Workspace};
use crate::{Cname, CodecError, HEADER_LEN, Header, Shuffle, set_len, to_u32};

/// Buffers below this are stored uncompressed by c-blosc (`MIN_BUFFERSIZE`).
pub const MIN_BUFFER: usize = 128;

/// Compressors whose blocks are handled here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockCodec {
    Lz4,
    Zstd,
    /// Decoding only.
    Snappy,
}

impl BlockCodec {
    pub fn of(cname: Cname) -> Option<BlockCodec> {
        match cname {
            Cname::Lz4 => Some(BlockCodec::Lz4),
            Cname::Zstd => Some(BlockCodec::Zstd),
            Cname::Snappy => Some(BlockCodec::Snappy),
            // lz4hc decodes as lz4, but `Header::cname` never returns it.
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            BlockCodec::Lz4 => "blosc-lz4",
            BlockCodec::Zstd => "blosc-zstd",
            BlockCodec::Snappy => "blosc-snappy",
        }
    }
}

/// How a frame is divided into blocks and streams.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub codec: BlockCodec,
    pub typesize: usize,
    pub blocksize: usize,
    pub nbytes: usize,
    pub shuffle: Shuffle,
    pub split: bool,
}

impl Layout {
    /// The layout of a frame, from its header; `None` for compressors handled by c-blosc.
    pub fn of(header: &Header) -> Option<Layout> {
        let codec = header.cname().and_then(BlockCodec::of).filter(|_| header.codec_version == 1)?;
        Some(Layout {
            codec,
            typesize: usize::from(header.typesize),
            blocksize: header.blocksize as usize,
            nbytes: header.nbytes as usize,
            shuffle: header.shuffle(),
            split: header.split(),
        })
    }

    pub fn blocks(&self) -> usize {
        self.nbytes.div_ceil(self.blocksize)
    }

    /// Maximum size of an encoded block: every stream stored uncompressed, with its length field.
    pub fn max_block_len(&self) -> usize {
        self.blocksize + 4 * self.typesize.max(1)
    }

    /// Number of streams in a block of `len` bytes; the last, shorter block is never split.
    fn streams(&self, len: usize) -> usize {
        let split = self.split && readable(self.typesize as u64, self.blocksize as u64) && len == self.blocksize;
        if split { self.typesize } else { 1 }
    }

    /// Encodes one block to the start of `out`; returns its length, or `None` if it does not fit.
    pub fn encode(&self, clevel: u8, src: &[u8], out: &mut [u8], workspace: &mut Workspace) -> Option<usize> {
        let Workspace { filtered, scratch, cctx, .. } = workspace;
        let bytes = self.filter(src, filtered, scratch);
        let streams = self.streams(src.len());
        let mut at = 0;
        for stream in bytes.chunks_exact(src.len() / streams).take(streams) {
            at += 4;
            let room = stream.len().min(out.len().checked_sub(at)?);
            if room == 0 {
                return None;
            }
            let target = &mut out[at..at + room];
            let len = match self.codec {
                BlockCodec::Lz4 => lz4_compress(stream, target, 10 - c_int::from(clevel)),
                BlockCodec::Zstd => {
                    let cctx = cctx.get_or_insert_with(zstd_safe::CCtx::create);
                    cctx.compress(target, stream, zstd_level(clevel)).unwrap_or(0)
                }
                BlockCodec::Snappy => return None,
            };
            let len = if len == 0 || len == stream.len() {
                out.get_mut(at..at + stream.len())?.copy_from_slice(stream);
                stream.len()
            } else {
                len
            };
            out[at - 4..at].copy_from_slice(&to_u32(len).to_le_bytes());
            at += len;
        }
        Some(at)
    }

    /// Decodes block `index` of `frame` (complete, header checked) into `out`, which has the block's length.
    pub fn decode(
        &self,
        frame: &[u8],
        index: usize,
        out: &mut [u8],
        workspace: &mut Workspace,
    ) -> Result<(), CodecError> {
        let bytes = word(frame, HEADER_LEN + 4 * index)
            .filter(|&start| start >= HEADER_LEN)
            .and_then(|start| frame.get(start..))
            .ok_or_else(|| self.invalid(format!("block {index} starts outside the frame")))?;
        self.decode_block(bytes, index, out, workspace)
    }

    /// Decodes block `index` from `bytes`, which start at the block and may extend beyond its end.
    pub fn decode_block(
        &self,
        bytes: &[u8],
        index: usize,
        out: &mut [u8],
        workspace: &mut Workspace,
    ) -> Result<(), CodecError> {
        let Workspace { filtered, scratch, dctx, .. } = workspace;
        let mut at = 0;
        let filters = self.filters(out.len());
        let (streams, stream_len) = self.cut(index, out.len())?;
        let target: &mut [u8] = if filters {
            set_len(filtered, out.len());
            filtered
        } else {
            out
        };
        for stream in target.chunks_exact_mut(stream_len).take(streams) {
            let source = self.source(bytes, &mut at, index)?;
            if source.len() == stream_len {
                stream.copy_from_slice(source);
                continue;
            }
            self.decode_stream(source, stream, stream_len, dctx).ok_or_else(|| self.undecodable(index))?;
        }
        if filters {
            self.unfilter(filtered, out, scratch);
        }
        Ok(())
    }

    /// Number and length of the streams of block `index`, which has `len` bytes.
    pub fn cut(&self, index: usize, len: usize) -> Result<(usize, usize), CodecError> {
        let streams = self.streams(len);
        if len.is_multiple_of(streams) {
            return Ok((streams, len / streams));
        }
        Err(self.invalid(format!("block {index} of {len} bytes cannot be split into {streams} streams")))
    }

    /// The stored bytes of the stream whose length field is at `at` in those of block `index`; `at` moves behind them.
    pub fn source<'a>(&self, mut bytes: &'a [u8], at: &mut usize, index: usize) -> Result<&'a [u8], CodecError> {
        let stream = self.stream(&mut bytes, at, index)?;
        Ok(&bytes[stream])
    }

    /// As [`Layout::source`], the range of the stream, of which no more than the length is read.
    pub fn stream(
        &self,
        bytes: &mut impl BlockBytes,
        at: &mut usize,
        index: usize,
    ) -> Result<Range<usize>, CodecError> {
        let start = *at + 4;
        let end = bytes.get(*at..start).and_then(|len| start.checked_add(word(len, 0)?));
        let end = end.filter(|end| *end <= bytes.len());
        *at = end.ok_or_else(|| self.invalid(format!("a stream of block {index} extends beyond the frame")))?;
        Ok(start..*at)
    }

    /// Decodes at least the first `wanted` bytes of a stream of `out.len()` bytes; `None` if the part decoded is
    /// invalid.
    pub fn decode_stream(&self, source: &[u8], out: &mut [u8], wanted: usize, dctx: &mut DCtx) -> Option<()> {
        let decoded = match self.codec {
            // Stopping early more than doubles the time per byte of LZ4 (measured).
            BlockCodec::Lz4 if wanted < out.len() / 3 => {
                return (lz4_decompress_prefix(source, &mut out[..wanted])? == wanted).then_some(());
            }
            BlockCodec::Lz4 => lz4_decompress(source, out),
            BlockCodec::Zstd => dctx.get_or_insert_with(zstd_safe::DCtx::create).decompress(out, source).ok(),
            BlockCodec::Snappy => snap::raw::Decoder::new().decompress(source, out).ok(),
        };
        (decoded? == out.len()).then_some(())
    }

    pub fn undecodable(&self, index: usize) -> CodecError {
        self.invalid(format!("cannot decode block {index} of {}", self.blocks()))
    }

    fn invalid(&self, detail: String) -> CodecError {
        CodecError::Invalid { format: self.codec.name(), detail }
    }

    /// Whether the filter changes a block of `len` bytes.
    fn filters(&self, len: usize) -> bool {
        match self.shuffle {
            Shuffle::Noshuffle => false,
            Shuffle::Shuffle => self.typesize > 1,
            Shuffle::Bitshuffle => len >= self.typesize,
        }
    }

    fn filter<'a>(&self, src: &'a [u8], filtered: &'a mut Vec<u8>, scratch: &mut Vec<u8>) -> &'a [u8] {
        if !self.filters(src.len()) {
            return src;
        }
        set_len(filtered, src.len());
        if self.shuffle == Shuffle::Shuffle && shuffle(self.typesize, src, filtered) {
            return filtered;
        }
        set_len(scratch, src.len() + 4 * self.typesize);
        // SAFETY: source and target both have `src.len()` bytes and do not overlap, and the scratch is at least as
        // long; the C functions access exactly `src.len()` bytes of each (incomplete elements are copied).
        unsafe {
            match self.shuffle {
                Shuffle::Bitshuffle => {
                    blosc_internal_bitshuffle(
                        self.typesize,
                        src.len(),
                        src.as_ptr(),
                        filtered.as_mut_ptr(),
                        scratch.as_mut_ptr(),
                    );
                }
                _ => blosc_internal_shuffle(self.typesize, src.len(), src.as_ptr(), filtered.as_mut_ptr()),
            }
        }
        filtered
    }

    fn unfilter(&self, filtered: &[u8], out: &mut [u8], scratch: &mut Vec<u8>) {
        debug_assert_eq!(filtered.len(), out.len());
        if self.shuffle == Shuffle::Shuffle && unshuffle(self.typesize, filtered, out) {
            return;
        }
        set_len(scratch, out.len() + 4 * self.typesize);
        // SAFETY: as in `filter`, with source and target exchanged.
        unsafe {
            match self.shuffle {
                Shuffle::Bitshuffle => {
                    blosc_internal_bitunshuffle(
                        self.typesize,
                        out.len(),
                        filtered.as_ptr(),
                        out.as_mut_ptr(),
                        scratch.as_mut_ptr(),
                    );
                }
                _ => blosc_internal_unshuffle(self.typesize, out.len(), filtered.as_ptr(), out.as_mut_ptr()),
            }
        }
    }
}

/// The length or offset stored at `at`; `None` if missing or negative.
fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(i32::from_le_bytes(*word)).ok()
}

/// The zstd level for a Blosc level (`zstd_wrap_compress` in c-blosc 1.21).
pub fn zstd_level(clevel: u8) -> i32 {
    if clevel < 9 { i32::from(clevel) * 2 - 1 } else { zstd_safe::max_c_level() }
}

// The filters of c-blosc (`shuffle.h`), which select the best instruction set at run time. They are not part of its
// public interface, but are unchanged in all 1.x releases.
unsafe extern "C" {
    fn blosc_internal_shuffle(typesize: usize, blocksize: usize, src: *const u8, dest: *mut u8);
    fn blosc_internal_unshuffle(typesize: usize, blocksize: usize, src: *const u8, dest: *mut u8);
    fn blosc_internal_bitshuffle(
        typesize: usize,
        blocksize: usize,
        src: *const u8,
        dest: *mut u8,
        tmp: *mut u8,
    ) -> c_int;
    fn blosc_internal_bitunshuffle(
        typesize: usize,
        blocksize: usize,
        src: *const u8,
        dest: *mut u8,
        tmp: *mut u8,
    ) -> c_int;
}
