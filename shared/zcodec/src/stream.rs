//! Decoders of the single-stream formats: zlib, gzip, zstd, lz4, bz2, lzma. A single stream cannot be decoded in
//! parallel by any reader.

use std::io::Read;

use crate::lz4::lz4_decompress;
use crate::{CodecError, Workspace, set_len, try_set_len};

/// Initial output capacity if the decoded size is unknown.
const FIRST_GUESS: usize = 64 * 1024;

/// Below this, a buffer is taken as large as it is said to become.
const SMALL: usize = 64 << 20;

/// Real data hardly ever shrink more than this.
const LARGEST_RATIO: usize = 1 << 14;

/// Memory for the dictionary of an LZMA stream: the largest preset needs 64 MiB.
const LZMA_MEMORY: u64 = 256 << 20;

/// Reads `decoder` to its end into `dst`, or one byte more than `most`: so a longer stream is noticed, and no malicious one
/// exhausts memory, nor does a size in the metadata that the stream does not have.
fn read_all(format: &'static str, decoder: impl Read, most: usize, dst: &mut Vec<u8>) -> Result<(), CodecError> {
    dst.clear();
    let _ = dst.try_reserve(if most <= SMALL { most } else { FIRST_GUESS });
    decoder
        .take((most as u64).saturating_add(1))
        .read_to_end(dst)
        .map(drop)
        .map_err(|error| CodecError::Invalid { format, detail: error.to_string() })
}

pub fn zlib(src: &[u8], most: usize, dst: &mut Vec<u8>) -> Result<(), CodecError> {
    read_all("zlib", flate2::read::ZlibDecoder::new(src), most, dst)
}

pub fn gzip(src: &[u8], most: usize, dst: &mut Vec<u8>) -> Result<(), CodecError> {
    read_all("gzip", flate2::read::MultiGzDecoder::new(src), most, dst)
}

pub fn bz2(src: &[u8], most: usize, dst: &mut Vec<u8>) -> Result<(), CodecError> {
    read_all("bz2", bzip2::read::MultiBzDecoder::new(src), most, dst)
}

/// xz containers and the older `.lzma` form, as numcodecs writes them, with nothing behind them but further containers. The dictionary
/// takes memory, too.
pub fn lzma(src: &[u8], most: usize, dst: &mut Vec<u8>) -> Result<(), CodecError> {
    let stream = liblzma::stream::Stream::new_auto_decoder(LZMA_MEMORY.max(most as u64), liblzma::stream::CONCATENATED)
        .map_err(|error| CodecError::Invalid { format: "lzma", detail: error.to_string() })?;
    read_all("lzma", liblzma::read::XzDecoder::new_stream(src, stream), most, dst)
}

/// numcodecs' lz4: the decoded size as a little-endian 32-bit integer, then one LZ4 block.
pub fn lz4(src: &[u8], expected: Option<usize>, most: usize, dst: &mut Vec<u8>) -> Result<(), CodecError> {
    let Some((size, block)) = src.split_first_chunk::<4>() else {
        return Err(CodecError::Short { format: "lz4", needed: 4, found: src.len() as u64 });
    };
    let len = u32::from_le_bytes(*size) as usize;
    // An LZ4 block expands at most 255-fold; a larger claim means damage, so do not allocate for it.
    if len > block.len().saturating_mul(255) + 64 || expected.is_some_and(|expected| expected != len) {
        let expected = expected.unwrap_or(block.len() * 255) as u64;
        return Err(CodecError::WrongSize { expected, found: len as u64 });
    }
    if len > most {
        return Err(CodecError::Memory { limit: most as u64 });
    }
    try_set_len(dst, len)?;
    match lz4_decompress(block, dst) {
        Some(decoded) if decoded == len => Ok(()),
        _ => Err(CodecError::Invalid { format: "lz4", detail: "cannot decode the block".into() }),
    }
}

fn zstd_error(code: usize) -> CodecError {
    let detail = zstd_safe::get_error_name(code).to_ascii_lowercase();
    CodecError::Invalid { format: "zstd", detail }
}

/// One or more zstd frames of a known size: one call, directly into the buffer, with one extra byte to detect a longer
/// stream.
pub fn zstd(src: &[u8], expected: usize, dst: &mut Vec<u8>, workspace: &mut Workspace) -> Result<(), CodecError> {
    if src.is_empty() {
        return Err(CodecError::Short { format: "zstd", needed: 9, found: 0 });
    }
    let room = expected.saturating_add(1);
    if room > dst.len().max(SMALL) && src.len().saturating_mul(LARGEST_RATIO) < expected {
        // So much smaller than it is said to be: memory is only taken for what it really is.
        return zstd_unknown(src, expected, dst, workspace);
    }
    try_set_len(dst, room)?;
    let dctx = workspace.dctx.get_or_insert_with(zstd_safe::DCtx::create);
    let len = dctx.decompress(dst.as_mut_slice(), src).map_err(zstd_error)?;
    dst.truncate(len);
    Ok(())
}

/// One or more zstd frames of an unknown size, of which no more than one byte beyond `most` is decoded.
pub fn zstd_unknown(src: &[u8], most: usize, dst: &mut Vec<u8>, workspace: &mut Workspace) -> Result<(), CodecError> {
    if src.is_empty() {
        return Err(CodecError::Short { format: "zstd", needed: 9, found: 0 });
    }
    let dctx = workspace.dctx.get_or_insert_with(zstd_safe::DCtx::create);
    dctx.reset(zstd_safe::ResetDirective::SessionOnly).map_err(zstd_error)?;
    let most = most.saturating_add(1);
    try_set_len(dst, FIRST_GUESS.max(src.len().saturating_mul(2)).min(most))?;
    let mut input = zstd_safe::InBuffer::around(src);
    let mut filled = 0;
    loop {
        let mut output = zstd_safe::OutBuffer::around_pos(dst.as_mut_slice(), filled);
        let wanted = dctx.decompress_stream(&mut output, &mut input).map_err(zstd_error)?;
        filled = output.pos();
        if wanted == 0 && input.pos() == src.len() {
            dst.truncate(filled);
            return Ok(());
        }
        let full = filled == dst.len();
        if full && filled == most {
            return Ok(());
        }
        if input.pos() == src.len() && !full {
            return Err(CodecError::Invalid { format: "zstd", detail: "the stream is truncated".into() });
        }
        if full {
            let len = dst.len().saturating_mul(2).min(most);
            try_set_len(dst, len)?;
        }
    }
}

/// Decodes the shuffle codec of numcodecs: bytes of elements grouped by significance. Bytes after the last complete
/// element stay at the end.
pub fn unshuffle(src: &[u8], elementsize: usize, dst: &mut Vec<u8>) {
    set_len(dst, src.len());
    let count = src.len() / elementsize.max(1);
    for (index, element) in dst.chunks_exact_mut(elementsize.max(1)).enumerate() {
        for (position, byte) in element.iter_mut().enumerate() {
            *byte = src[position * count + index];
        }
    }
    let whole = count * elementsize.max(1);
    dst[whole..].copy_from_slice(&src[whole..]);
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    type Decode = fn(&[u8], usize, &mut Vec<u8>, &mut Workspace) -> Result<(), CodecError>;

    fn sample() -> Vec<u8> {
        (0..300_000u32).flat_map(|i| (i / 7).to_le_bytes()).collect()
    }

    #[test]
    fn zstd_decodes_with_and_without_a_known_size() {
        let data = sample();
        let mut packed = vec![0; zstd_safe::compress_bound(data.len())];
        let len = zstd_safe::compress(packed.as_mut_slice(), &data, 3).expect("compresses");
        packed.truncate(len);
        let (mut dst, mut workspace) = (Vec::new(), Workspace::default());
        for (decode, most) in [(zstd as Decode, data.len()), (zstd_unknown, usize::MAX), (zstd_unknown, data.len())] {
            decode(&packed, most, &mut dst, &mut workspace).expect("decodes");
            assert!(dst == data);
            assert!(decode(&packed[..len / 2], most, &mut dst, &mut workspace).is_err(), "cut, {most}");
            assert!(decode(&[], most, &mut dst, &mut workspace).is_err(), "empty, {most}");
        }
    }

    /// The end of a stream may be met just when the buffer is full.
    #[test]
    fn zstd_streams_of_any_size_have_an_end() {
        for size in [1, FIRST_GUESS - 1, FIRST_GUESS, FIRST_GUESS + 1, 2 * FIRST_GUESS, 16 * FIRST_GUESS, 1 << 27] {
            let packed = zstd_safe::compress_bound(size);
            let (mut packed, data) = (vec![0; packed], vec![0u8; size]);
            let len = zstd_safe::compress(packed.as_mut_slice(), &data, 1).expect("compresses");
            packed.truncate(len);
            let (mut dst, mut workspace) = (Vec::new(), Workspace::default());
            for (decode, most) in [(zstd as Decode, size), (zstd_unknown, usize::MAX), (zstd_unknown, size)] {
                decode(&packed, most, &mut dst, &mut workspace).expect("decodes");
                assert!(dst == data, "{size}");
            }
        }
        let noise: Vec<u8> = (0..50_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let mut packed = vec![0; zstd_safe::compress_bound(noise.len())];
        let len = zstd_safe::compress(packed.as_mut_slice(), &noise[..100_000], 1).expect("compresses");
        packed.truncate(len);
        let (mut dst, mut workspace) = (Vec::new(), Workspace::default());
        zstd_unknown(&packed, usize::MAX, &mut dst, &mut workspace).expect("decodes");
        assert!(dst == noise[..100_000]);
    }

    #[test]
    fn gzip_and_zlib_detect_truncation() {
        let data = sample();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&data).expect("writes to memory");
        let packed = encoder.finish().expect("writes to memory");
        let mut dst = Vec::new();
        gzip(&packed, usize::MAX, &mut dst).expect("decodes");
        assert!(dst == data);
        assert!(gzip(&packed[..packed.len() - 4], usize::MAX, &mut dst).is_err());
        assert!(zlib(&packed, usize::MAX, &mut dst).is_err(), "gzip is not zlib");
    }

    /// Bytes behind a stream are an error as in numcodecs, which ignores them only behind zlib.
    #[test]
    fn bytes_behind_a_stream() {
        use crate::{Codec, Compressor, Stream};
        let data = sample();
        let packed = |stream: Stream| {
            let mut packed = Vec::new();
            let compressor = Compressor::Stream(stream);
            compressor.compress(1, &data, &mut packed, 1, &mut Workspace::default()).expect("compresses");
            packed
        };
        let mut xz = Vec::new();
        liblzma::read::XzEncoder::new(data.as_slice(), 1).read_to_end(&mut xz).expect("compresses");
        let mut alone = Vec::new();
        let options = liblzma::stream::LzmaOptions::new_preset(1).expect("a preset");
        let stream = liblzma::stream::Stream::new_lzma_encoder(&options).expect("an encoder");
        liblzma::read::XzEncoder::new_stream(data.as_slice(), stream).read_to_end(&mut alone).expect("compresses");
        let mut bz2 = Vec::new();
        bzip2::read::BzEncoder::new(data.as_slice(), bzip2::Compression::fast())
            .read_to_end(&mut bz2)
            .expect("compresses");
        assert!(lz4(&[3, 0, 0, 0, 0x30, 1, 2, 3], None, 9, &mut Vec::new()).is_ok());
        assert!(lz4(&[3, 0, 0, 0, 0x30, 1, 2, 3, 9], None, 9, &mut Vec::new()).is_err());
        for (codec, packed, is_ignored) in [
            (Codec::Lzma, xz, false),
            (Codec::Lzma, alone, false),
            (Codec::Gzip, packed(Stream::Gzip { level: 1 }), false),
            (Codec::Zstd, packed(Stream::Zstd { level: 1, checksum: false }), false),
            (Codec::Bz2, bz2, false),
            (Codec::Zlib, packed(Stream::Zlib { level: 1 }), true),
        ] {
            for expected in [Some(data.len()), None] {
                let (mut dst, mut workspace) = (Vec::new(), Workspace::default());
                codec.decode(&packed, expected, &mut dst, 1, &mut workspace).expect("decodes");
                assert!(dst == data, "{codec:?}");
                for behind in [&b"x"[..], b"more", &[7; 40]] {
                    let longer = [&packed, behind].concat();
                    let decoded = codec.decode(&longer, expected, &mut dst, 1, &mut workspace);
                    assert_eq!(decoded.is_ok(), is_ignored, "{codec:?} {behind:?}");
                }
            }
        }
    }

    #[test]
    fn lz4_rejects_a_huge_size() {
        let mut packed = u32::MAX.to_le_bytes().to_vec();
        packed.extend([0u8; 20]);
        assert!(matches!(lz4(&packed, None, usize::MAX, &mut Vec::new()), Err(CodecError::WrongSize { .. })));
    }

    /// A megabyte of zeros, and a stream of 100 MB of them, which every format packs into very little.
    #[test]
    fn no_stream_decodes_to_more_than_allowed() {
        use crate::Codec;
        let zeros = vec![0; 100 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).expect("writes to memory");
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&zeros).expect("writes to memory");
        let mut zstd = vec![0; zstd_safe::compress_bound(zeros.len())];
        let len = zstd_safe::compress(zstd.as_mut_slice(), &zeros, 1).expect("compresses");
        zstd.truncate(len);
        for (codec, packed) in [
            (Codec::Gzip, gzip.finish().expect("in memory")),
            (Codec::Zlib, zlib.finish().expect("in memory")),
            (Codec::Zstd, zstd),
        ] {
            let (mut dst, mut workspace) = (Vec::new(), Workspace { limit: Some(1 << 20), ..Workspace::default() });
            for expected in [None, Some(100 << 20)] {
                let error = codec.decode(&packed, expected, &mut dst, 1, &mut workspace);
                assert_eq!(error, Err(CodecError::Memory { limit: 1 << 20 }), "{codec:?} {expected:?}");
                assert!(dst.capacity() < 8 << 20, "{codec:?} {expected:?}: {}", dst.capacity());
            }
        }
    }

    /// A frame of a few bytes, and metadata that say it is 100 GB: the memory is not taken.
    #[test]
    fn a_size_that_only_the_metadata_have_takes_no_memory() {
        let mut packed = vec![0; 100];
        let len = zstd_safe::compress(packed.as_mut_slice(), b"few", 1).expect("compresses");
        packed.truncate(len);
        let mut dst = Vec::new();
        let error = crate::Codec::Zstd.decode(&packed, Some(100 << 30), &mut dst, 1, &mut Workspace::default());
        assert_eq!(error, Err(CodecError::WrongSize { expected: 100 << 30, found: 3 }));
        assert!(dst.capacity() < 1 << 20);
    }

    #[test]
    fn unshuffle_keeps_the_tail() {
        let mut dst = Vec::new();
        unshuffle(&[1, 3, 2, 4, 9], 2, &mut dst);
        assert_eq!(dst, [1, 2, 3, 4, 9]);
    }
}
