//! Single LZ4 blocks, with the C library.

#![allow(unsafe_code)]

use std::os::raw::{c_char, c_int};

/// Compresses into `dst`; returns the length, or 0 if it does not fit.
pub fn lz4_compress(src: &[u8], dst: &mut [u8], acceleration: c_int) -> usize {
    // SAFETY: both pointers are valid for the given lengths (blocks are far below `c_int::MAX`); LZ4 writes at most
    // `dst.len()` bytes.
    let len = unsafe {
        lz4_sys::LZ4_compress_fast(
            src.as_ptr().cast::<c_char>(),
            dst.as_mut_ptr().cast::<c_char>(),
            src.len() as c_int,
            dst.len() as c_int,
            acceleration,
        )
    };
    usize::try_from(len).unwrap_or(0)
}

/// Decompresses one LZ4 block; returns the decoded length, or `None` if the block is invalid or does not fit.
pub fn lz4_decompress(src: &[u8], dst: &mut [u8]) -> Option<usize> {
    let (src_len, dst_len) = (c_int::try_from(src.len()).ok()?, c_int::try_from(dst.len()).ok()?);
    // SAFETY: both pointers are valid for the given lengths; `LZ4_decompress_safe` stays within them for any input.
    let len = unsafe {
        lz4_sys::LZ4_decompress_safe(src.as_ptr().cast::<c_char>(), dst.as_mut_ptr().cast::<c_char>(), src_len, dst_len)
    };
    usize::try_from(len).ok()
}

/// Decompresses only the first `dst.len()` bytes of an LZ4 block; returns the decoded length, or `None` if the part
/// read is invalid. The remainder is not checked.
pub fn lz4_decompress_prefix(src: &[u8], dst: &mut [u8]) -> Option<usize> {
    let (src_len, dst_len) = (c_int::try_from(src.len()).ok()?, c_int::try_from(dst.len()).ok()?);
    // SAFETY: both pointers are valid for the given lengths; the function stays within them for any input (since LZ4
    // 1.9 it writes nothing beyond its target length, which here is all of `dst`).
    let len = unsafe {
        LZ4_decompress_safe_partial(
            src.as_ptr().cast::<c_char>(),
            dst.as_mut_ptr().cast::<c_char>(),
            src_len,
            dst_len,
            dst_len,
        )
    };
    usize::try_from(len).ok()
}

// In LZ4's stable interface (`lz4.h`) but missing in `lz4-sys`, which builds and links the library.
unsafe extern "C" {
    fn LZ4_decompress_safe_partial(
        src: *const c_char,
        dst: *mut c_char,
        src_len: c_int,
        target_len: c_int,
        dst_len: c_int,
    ) -> c_int;
}
