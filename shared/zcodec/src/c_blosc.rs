//! c-blosc behind two safe functions: for the compressors that [`crate::block`] leaves to it, and as its reference.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::os::raw::c_int;

use crate::{Blosc, Cname, CodecError, HEADER_LEN, set_len};

fn c_name(cname: Cname) -> &'static CStr {
    match cname {
        Cname::Blosclz => c"blosclz",
        Cname::Lz4 => c"lz4",
        Cname::Lz4hc => c"lz4hc",
        Cname::Snappy => c"snappy",
        Cname::Zlib => c"zlib",
        Cname::Zstd => c"zstd",
    }
}

/// Compresses `src` on the calling thread; the caller has checked its length.
pub fn compress(codec: &Blosc, typesize: usize, src: &[u8], dst: &mut Vec<u8>) -> Result<(), CodecError> {
    set_len(dst, src.len() + HEADER_LEN);
    // SAFETY: the source and destination pointers are valid for the lengths passed with them and do not overlap (`dst` is
    // borrowed mutably); c-blosc writes at most `destsize` bytes. `_ctx` calls keep no global state.
    let written = unsafe {
        blosc_src::blosc_compress_ctx(
            c_int::from(codec.clevel.min(9)),
            c_int::from(codec.shuffle.number()),
            typesize,
            src.len(),
            src.as_ptr().cast(),
            dst.as_mut_ptr().cast(),
            dst.len(),
            c_name(codec.cname).as_ptr(),
            codec.blocksize.min(i32::MAX as u64) as usize,
            1,
        )
    };
    match usize::try_from(written) {
        Ok(len) if len >= HEADER_LEN => {
            dst.truncate(len);
            Ok(())
        }
        _ => Err(CodecError::Invalid { format: "blosc", detail: format!("the compressor failed with {written}") }),
    }
}

/// Decompresses a frame whose header has been checked, and whose length is the one that the header names, into `dst`, which
/// is exactly as long as the header says.
pub fn decompress(frame: &[u8], dst: &mut [u8], threads: usize) -> Result<(), CodecError> {
    debug_assert!(frame.len() >= HEADER_LEN);
    // SAFETY: the header has been validated against `frame.len()`, so every offset that c-blosc derives from it lies inside
    // `frame`; it checks the block table and the stream lengths against the same size before it follows them, and writes
    // at most `dst.len()` bytes.
    let read = unsafe {
        blosc_src::blosc_decompress_ctx(
            frame.as_ptr().cast(),
            dst.as_mut_ptr().cast(),
            dst.len(),
            threads.clamp(1, 256) as c_int,
        )
    };
    if usize::try_from(read) == Ok(dst.len()) {
        Ok(())
    } else {
        Err(CodecError::Invalid { format: "blosc", detail: format!("a block does not decode (c-blosc says {read})") })
    }
}
