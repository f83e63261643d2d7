//! Which block size c-blosc 1.21 will choose: to *predict* a recompression, never to describe an existing frame, whose
//! header says what it really is.
//!
//! Source of the rule: `compute_blocksize` in c-blosc 1.21's `blosc.c`.

use crate::{Blosc, Cname};

const L1: u64 = 32 * 1024;
const MIN_BUFFER: u64 = 128;
const MAX_BLOCK: u64 = (i32::MAX as u64 - 255 * 4) / 3;

/// Bytes of a block in the frame that `codec` makes of `nbytes` bytes with elements of `typesize` bytes.
pub fn predict_blocksize(codec: &Blosc, typesize: u64, nbytes: u64) -> u64 {
    let typesize = if (1..=255).contains(&typesize) { typesize } else { 1 };
    if nbytes < typesize {
        return 1;
    }
    let mut blocksize = if codec.blocksize > 0 {
        codec.blocksize.clamp(MIN_BUFFER, MAX_BLOCK)
    } else if nbytes >= L1 {
        automatic(codec)
    } else {
        nbytes
    };
    if codec.clevel > 0 && splits(codec.cname, typesize, blocksize) {
        blocksize = (blocksize.min(1 << 18) * typesize).clamp(1 << 16, 1 << 20);
    }
    blocksize = blocksize.min(nbytes);
    if blocksize > typesize { blocksize / typesize * typesize } else { blocksize }
}

fn automatic(codec: &Blosc) -> u64 {
    // Compressors made for ratio see a big overhead on small blocks.
    let strong = matches!(codec.cname, Cname::Lz4hc | Cname::Zlib | Cname::Zstd);
    let base = if strong { 2 * L1 } else { L1 };
    match codec.clevel {
        0 => base / 4,
        1 => base / 2,
        2 => base,
        3 => base * 2,
        4 | 5 => base * 4,
        9 if strong => base * 16,
        _ => base * 8,
    }
}

/// Whether a block is stored as one stream a byte position, in c-blosc's default split mode.
pub(crate) fn splits(cname: Cname, typesize: u64, blocksize: u64) -> bool {
    cname != Cname::Zstd && typesize <= 16 && blocksize / typesize >= MIN_BUFFER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Header, Shuffle};

    #[test]
    fn predicts_what_the_library_does() {
        let data: Vec<u8> = (0..3_000_000u32).map(|i| (i / 97) as u8).collect();
        for cname in Cname::WRITTEN {
            for clevel in 0..=9 {
                for typesize in [1u64, 2, 4, 8, 12, 17] {
                    for (nbytes, blocksize) in [(3_000_000, 0), (40_000, 0), (1_000, 0), (3_000_000, 50_000), (7, 0)] {
                        let codec = Blosc { cname, clevel, shuffle: Shuffle::Shuffle, blocksize };
                        let mut frame = Vec::new();
                        codec.compress_with_c(typesize as usize, &data[..nbytes], &mut frame).expect("compresses");
                        let header = Header::parse(&frame).expect("valid");
                        assert_eq!(
                            predict_blocksize(&codec, typesize, nbytes as u64),
                            u64::from(header.blocksize),
                            "{codec:?} typesize {typesize} nbytes {nbytes}"
                        );
                    }
                }
            }
        }
    }
}
