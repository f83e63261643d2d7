//! Safe bindings to c-blosc, for the compressors not handled by [`crate::block`] and as its reference in tests.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::os::raw::c_int;

use crate::blocksize::predict_split;
use crate::frame::NOT_SPLIT;
use crate::{Blosc, Cname, CodecError, HEADER_LEN, Header, SplitMode, set_len};
use parking_lot::{RwLock, RwLockReadGuard};

/// The current split mode of the library, a process-wide variable that no call takes as an argument. Calls in the same
/// mode run concurrently; a call in another mode waits for them. This crate alone links `blosc-src`, so no other code
/// uses it.
static SPLIT_MODE: RwLock<c_int> = RwLock::new(FORWARD_COMPAT_SPLIT);

// `blosc.h` of c-blosc 1.21.
const ALWAYS_SPLIT: c_int = 1;
const NEVER_SPLIT: c_int = 2;
const FORWARD_COMPAT_SPLIT: c_int = 4;

/// Sets the library's split mode to `wanted` for the lifetime of the guard.
fn in_split_mode(wanted: c_int) -> RwLockReadGuard<'static, c_int> {
    loop {
        let mode = SPLIT_MODE.read();
        if *mode == wanted {
            return mode;
        }
        drop(mode);
        let mut mode = SPLIT_MODE.write();
        // SAFETY: sets one global integer, which is read only under the read lock.
        unsafe { blosc_src::blosc_set_splitmode(wanted) };
        *mode = wanted;
    }
}

fn c_split_mode(codec: &Blosc, typesize: usize, nbytes: usize) -> c_int {
    match codec.split {
        SplitMode::Auto => FORWARD_COMPAT_SPLIT,
        // With split=always, c-blosc would also split blocks that it cannot read as split.
        SplitMode::Always if predict_split(codec, typesize as u64, nbytes as u64) => ALWAYS_SPLIT,
        _ => NEVER_SPLIT,
    }
}

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

/// Compresses `src` on the calling thread; the caller must have checked its length.
pub fn compress(codec: &Blosc, typesize: usize, src: &[u8], dst: &mut Vec<u8>) -> Result<(), CodecError> {
    set_len(dst, src.len() + HEADER_LEN);
    let _mode = in_split_mode(c_split_mode(codec, typesize, src.len()));
    // SAFETY: the source and destination pointers are valid for the given lengths and do not overlap (`dst` is borrowed
    // mutably); c-blosc writes at most `destsize` bytes. `_ctx` calls use no global state except the split mode.
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
            crate::to_usize(codec.blocksize.min(i32::MAX as u64)),
            1,
        )
    };
    match usize::try_from(written) {
        Ok(len) if len >= HEADER_LEN => {
            dst.truncate(len);
            Ok(())
        }
        _ => Err(CodecError::Invalid {
            format: "blosc",
            detail: format!("the compressor failed (c-blosc error {written})"),
        }),
    }
}

/// Decompresses a frame into `dst`, which must have the decoded length. The caller must have checked the header, and
/// that `frame` has the length given in it.
pub fn decompress(frame: &[u8], dst: &mut [u8], threads: usize) -> Result<(), CodecError> {
    debug_assert!(frame.len() >= HEADER_LEN);
    let threads = c_int::try_from(threads.clamp(1, 256)).unwrap_or(1);
    // SAFETY: the header has been validated against `frame.len()`, so every offset that c-blosc derives from it lies
    // inside `frame`; c-blosc checks the block table and stream lengths against the same size before using them, and
    // writes at most `dst.len()` bytes.
    let read =
        unsafe { blosc_src::blosc_decompress_ctx(frame.as_ptr().cast(), dst.as_mut_ptr().cast(), dst.len(), threads) };
    if usize::try_from(read) == Ok(dst.len()) {
        Ok(())
    } else {
        Err(CodecError::Invalid { format: "blosc", detail: format!("cannot decode a block (c-blosc error {read})") })
    }
}

/// Decodes one block of a frame from its stored bytes into `out`, which has the block's length, by building a frame
/// with only this block in `frame`.
pub fn decode_block(header: &Header, bytes: &[u8], out: &mut [u8], frame: &mut Vec<u8>) -> Result<(), CodecError> {
    let first = HEADER_LEN + 4;
    let too_large = |_| CodecError::TooLarge { nbytes: bytes.len() as u64 };
    let cbytes = i32::try_from(first + bytes.len()).map_err(too_large)?;
    let nbytes = i32::try_from(out.len()).map_err(too_large)?;
    // The last, shorter block of a frame is never split; a single-block frame needs a flag for that.
    let shorter = out.len() < header.blocksize as usize;
    let flags = if shorter { header.flags | NOT_SPLIT } else { header.flags };
    frame.clear();
    frame.extend([header.version, header.codec_version, flags, header.typesize]);
    for word in [nbytes, nbytes, cbytes, cbytes - i32::try_from(bytes.len()).map_err(too_large)?] {
        frame.extend(word.to_le_bytes());
    }
    frame.extend_from_slice(bytes);
    decompress(frame, out, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Header, Shuffle};

    /// The library has one split mode per process; each frame still gets the requested mode.
    #[test]
    fn concurrent_split_modes_do_not_interfere() {
        let src: Vec<u8> = (0..20_000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        std::thread::scope(|scope| {
            for (split, expected) in [(SplitMode::Never, false), (SplitMode::Always, true), (SplitMode::Auto, true)] {
                let src = &src;
                scope.spawn(move || {
                    let codec = Blosc { split, ..Blosc::new(Cname::Blosclz, 5, Shuffle::Shuffle) };
                    let mut frame = Vec::new();
                    for _ in 0..200 {
                        compress(&codec, 4, src, &mut frame).expect("compresses");
                        assert_eq!(Header::parse(&frame).expect("valid").split(), expected, "{split:?}");
                    }
                });
            }
        });
    }
}
