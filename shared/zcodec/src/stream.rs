//! Decoders of the single-stream formats: zlib, gzip, zstd, lz4, bz2, lzma. A single stream cannot be decoded in
//! parallel by any reader.

use std::io::Read;

use crate::lz4::lz4_decompress;
use crate::{CodecError, Workspace, set_len};

/// Initial output capacity if the decoded size is unknown.
const FIRST_GUESS: usize = 64 * 1024;

/// Reads `decoder` to its end into `dst`; `expected` is the decoded size from the metadata, if known. Requests one byte
/// more, to detect a longer stream while no malicious stream can exhaust memory.
fn read_all(
    format: &'static str,
    decoder: impl Read,
    expected: Option<usize>,
    dst: &mut Vec<u8>,
) -> Result<(), CodecError> {
    dst.clear();
    // Do not fail if the claimed size exceeds memory, because the stream may be shorter.
    let _ = dst.try_reserve(expected.unwrap_or(FIRST_GUESS));
    let limit = expected.map_or(u64::MAX, |len| len as u64 + 1);
    decoder
        .take(limit)
        .read_to_end(dst)
        .map(drop)
        .map_err(|error| CodecError::Invalid { format, detail: error.to_string() })
}

pub fn zlib(src: &[u8], expected: Option<usize>, dst: &mut Vec<u8>) -> Result<(), CodecError> {
    read_all("zlib", flate2::read::ZlibDecoder::new(src), expected, dst)
}

pub fn gzip(src: &[u8], expected: Option<usize>, dst: &mut Vec<u8>) -> Result<(), CodecError> {
    read_all("gzip", flate2::read::MultiGzDecoder::new(src), expected, dst)
}

pub fn bz2(src: &[u8], expected: Option<usize>, dst: &mut Vec<u8>) -> Result<(), CodecError> {
    read_all("bz2", bzip2::read::MultiBzDecoder::new(src), expected, dst)
}

/// xz containers and the legacy `.lzma` format, as written by numcodecs.
pub fn lzma(src: &[u8], expected: Option<usize>, dst: &mut Vec<u8>) -> Result<(), CodecError> {
    let stream = liblzma::stream::Stream::new_auto_decoder(u64::MAX, 0)
        .map_err(|error| CodecError::Invalid { format: "lzma", detail: error.to_string() })?;
    read_all("lzma", liblzma::read::XzDecoder::new_stream(src, stream), expected, dst)
}

/// The lz4 format of numcodecs: the decoded size as a little-endian 32-bit integer, then one LZ4 block.
pub fn lz4(src: &[u8], dst: &mut Vec<u8>, expected: Option<usize>) -> Result<(), CodecError> {
    let Some((size, block)) = src.split_first_chunk::<4>() else {
        return Err(CodecError::Short { format: "lz4", needed: 4, found: src.len() as u64 });
    };
    let len = u32::from_le_bytes(*size) as usize;
    // An LZ4 block expands at most 255-fold; a larger claim means damage, so do not allocate for it.
    if len > block.len().saturating_mul(255) + 64 || expected.is_some_and(|expected| expected != len) {
        let expected = expected.unwrap_or(block.len() * 255) as u64;
        return Err(CodecError::WrongSize { expected, found: len as u64 });
    }
    set_len(dst, len);
    match lz4_decompress(block, dst) {
        Some(decoded) if decoded == len => Ok(()),
        _ => Err(CodecError::Invalid { format: "lz4", detail: "cannot decode the block".into() }),
    }
}

/// One or more zstd frames.
pub fn zstd(
    src: &[u8],
    expected: Option<usize>,
    dst: &mut Vec<u8>,
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    let invalid = |code: usize| CodecError::Invalid {
        format: "zstd",
        detail: zstd_safe::get_error_name(code).to_ascii_lowercase(),
    };
    if src.is_empty() {
        return Err(CodecError::Short { format: "zstd", needed: 9, found: 0 });
    }
    let dctx = workspace.dctx.get_or_insert_with(zstd_safe::DCtx::create);
    if let Some(expected) = expected {
        // With a known size, a single call decodes into the buffer; one extra byte detects a longer stream.
        set_len(dst, expected + 1);
        let len = dctx.decompress(dst.as_mut_slice(), src).map_err(invalid)?;
        dst.truncate(len);
        return Ok(());
    }
    dctx.reset(zstd_safe::ResetDirective::SessionOnly).map_err(invalid)?;
    set_len(dst, FIRST_GUESS.max(src.len() * 2));
    let mut input = zstd_safe::InBuffer::around(src);
    let mut filled = 0;
    loop {
        let mut output = zstd_safe::OutBuffer::around_pos(dst.as_mut_slice(), filled);
        let wanted = dctx.decompress_stream(&mut output, &mut input).map_err(invalid)?;
        filled = output.pos();
        let full = filled == dst.len();
        if input.pos() == src.len() && !full {
            if wanted != 0 {
                return Err(CodecError::Invalid { format: "zstd", detail: "the stream is truncated".into() });
            }
            dst.truncate(filled);
            return Ok(());
        }
        if full {
            let len = dst.len() * 2;
            set_len(dst, len);
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
        for expected in [Some(data.len()), None] {
            zstd(&packed, expected, &mut dst, &mut workspace).expect("decodes");
            assert!(dst == data);
            assert!(zstd(&packed[..len / 2], expected, &mut dst, &mut workspace).is_err(), "cut, {expected:?}");
            assert!(zstd(&[], expected, &mut dst, &mut workspace).is_err(), "empty, {expected:?}");
        }
    }

    #[test]
    fn gzip_and_zlib_detect_truncation() {
        let data = sample();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&data).expect("writes to memory");
        let packed = encoder.finish().expect("writes to memory");
        let mut dst = Vec::new();
        gzip(&packed, None, &mut dst).expect("decodes");
        assert!(dst == data);
        assert!(gzip(&packed[..packed.len() - 4], None, &mut dst).is_err());
        assert!(zlib(&packed, None, &mut dst).is_err(), "gzip is not zlib");
    }

    #[test]
    fn lz4_rejects_a_huge_size() {
        let mut packed = u32::MAX.to_le_bytes().to_vec();
        packed.extend([0u8; 20]);
        assert!(matches!(lz4(&packed, &mut Vec::new(), None), Err(CodecError::WrongSize { .. })));
    }

    #[test]
    fn unshuffle_keeps_the_tail() {
        let mut dst = Vec::new();
        unshuffle(&[1, 3, 2, 4, 9], 2, &mut dst);
        assert_eq!(dst, [1, 2, 3, 4, 9]);
    }
}
