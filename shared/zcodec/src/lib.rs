//! Compressors of Zarr chunks, bytes to bytes: Blosc frames and single-stream formats.
//!
//! This crate knows nothing about arrays, stores or data types except the element size of a shuffle. It is the only
//! crate with `unsafe` code and the only one that links `blosc-src`.

#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]

mod block;
mod block_bytes;
mod blocksize;
mod blosc;
mod c_blosc;
mod cells;
mod cname;
mod compare;
mod compressor;
mod encode_blocks;
mod encoder;
mod error;
mod frame;
mod gather;
mod lanes;
mod lz4;
mod lz4_trace;
pub mod md5;
mod memory;
mod pieces;
mod range;
mod settings;
mod shuffle;
mod spec;
mod split;
mod stream;
mod table;
mod workspace;

pub use block_bytes::BlockBytes;
pub use blocksize::{predict_blocksize, predict_split};
pub use blosc::decompress;
pub use cells::decode_cells;
pub use cname::{Cname, Shuffle};
pub use compare::holds;
pub use compressor::Compressor;
pub use encoder::Stream;
pub use error::CodecError;
pub use frame::{HEADER_LEN, Header, MAX_NBYTES, max_speedup};
pub use pieces::decompress_pieces;
pub use range::decompress_range;
pub use settings::Blosc;
pub use spec::{Codec, codec_name, describe, unsealed};
pub use split::SplitMode;
pub use table::{BlockTable, decode_block};
pub use workspace::Workspace;

/// CRC-32C (Castagnoli) of `bytes`, as used by the Zarr `crc32c` codec and shard indexes.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// Extends `before`, the CRC-32C of the preceding bytes, by `bytes`.
pub fn crc32c_append(before: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(before, bytes)
}

/// CRC-32C of bytes whose start has the checksum `before`, and whose `len` last bytes have `after`.
pub fn crc32c_combine(before: u32, after: u32, len: usize) -> u32 {
    crc32c::crc32c_combine(before, after, len)
}

/// A size or an index in memory; the largest one, which no buffer has, if the machine cannot have it.
pub fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A length that a format holds in 32 bits, and that was checked to fit.
pub(crate) fn to_u32(len: usize) -> u32 {
    debug_assert!(u32::try_from(len).is_ok());
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// As [`set_len`], for a length that a chunk or its metadata states: an error where there is no such memory.
pub(crate) fn try_set_len(buffer: &mut Vec<u8>, len: usize) -> Result<(), CodecError> {
    let room = buffer.try_reserve_exact(len.saturating_sub(buffer.len()));
    room.map_err(|_| CodecError::Memory { limit: buffer.capacity() as u64 })?;
    set_len(buffer, len);
    Ok(())
}

/// Resizes `buffer` to `len` bytes without clearing existing content: buffers are reused from chunk to chunk, and
/// zeroing megabytes that will be overwritten costs as much as a fast decoder.
pub(crate) fn set_len(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    } else {
        buffer.truncate(len);
    }
}
