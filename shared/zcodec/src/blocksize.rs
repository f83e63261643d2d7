//! Predicts the block size that c-blosc 1.21 will choose for a recompression. Never used to describe an existing frame,
//! whose header stores its actual block size.
//!
//! Source of the rule: `compute_blocksize` in c-blosc 1.21's `blosc.c`.

use crate::split::MAX_SPLITS;
use crate::{Blosc, Cname, SplitMode};

const L1: u64 = 32 * 1024;
const MIN_BUFFER: u64 = 128;
const MAX_BLOCK: u64 = (i32::MAX as u64 - 255 * 4) / 3;

/// Block size of the frame that `codec` writes for `nbytes` bytes with elements of `typesize` bytes.
pub fn predict_blocksize(codec: &Blosc, typesize: u64, nbytes: u64) -> u64 {
    predict_layout(codec, typesize, nbytes).0
}

/// Whether that frame will have the flag for split blocks.
pub fn predict_split(codec: &Blosc, typesize: u64, nbytes: u64) -> bool {
    predict_layout(codec, typesize, nbytes).1
}

/// Predicted block size, and whether blocks are split.
fn predict_layout(codec: &Blosc, typesize: u64, nbytes: u64) -> (u64, bool) {
    let typesize = if (1..=255).contains(&typesize) { typesize } else { 1 };
    let layout = |split: SplitMode| {
        let blocksize = compute(&Blosc { split, ..*codec }, typesize, nbytes);
        (blocksize, split.splits(codec.cname, typesize, blocksize))
    };
    match layout(codec.split) {
        // Too small to be split; c-blosc then does not enlarge the block either.
        (_, false) if codec.split == SplitMode::Always => layout(SplitMode::Never),
        found => found,
    }
}

fn compute(codec: &Blosc, typesize: u64, nbytes: u64) -> u64 {
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
    let always = codec.split == SplitMode::Always && typesize <= MAX_SPLITS;
    if codec.clevel > 0 && (always || codec.split.splits(codec.cname, typesize, blocksize)) {
        blocksize = (blocksize.min(1 << 18) * typesize).clamp(1 << 16, 1 << 20);
    }
    blocksize = blocksize.min(nbytes);
    if blocksize > typesize { blocksize / typesize * typesize } else { blocksize }
}

fn automatic(codec: &Blosc) -> u64 {
    // Compressors optimized for ratio have a high overhead on small blocks.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Header, Shuffle};

    fn check(codec: &Blosc, typesize: u64, data: &[u8]) {
        let mut frame = Vec::new();
        codec.compress_with_c(typesize as usize, data, &mut frame).expect("compresses");
        let header = Header::parse(&frame).expect("valid");
        let predicted = predict_layout(codec, typesize, data.len() as u64);
        let found = (u64::from(header.blocksize), header.split());
        assert_eq!(predicted, found, "{codec:?} typesize {typesize} nbytes {}", data.len());
    }

    #[test]
    fn prediction_matches_c_blosc() {
        let data: Vec<u8> = (0..3_000_000u32).map(|i| (i / 97) as u8).collect();
        for cname in Cname::WRITTEN {
            for clevel in 0..=9 {
                for typesize in [1u64, 2, 4, 8, 12, 17] {
                    for (nbytes, blocksize) in [(3_000_000, 0), (40_000, 0), (1_000, 0), (3_000_000, 50_000), (7, 0)] {
                        let codec = Blosc { blocksize, ..Blosc::new(cname, clevel, Shuffle::Shuffle) };
                        check(&codec, typesize, &data[..nbytes]);
                    }
                }
            }
        }
    }

    #[test]
    fn prediction_matches_c_blosc_in_every_split_mode() {
        let data: Vec<u8> = (0..600_000u32).map(|i| (i / 97) as u8).collect();
        for (split, cname) in SplitMode::ALL.into_iter().flat_map(|s| Cname::WRITTEN.map(|cname| (s, cname))) {
            for (clevel, typesize) in [0, 1, 3, 5].into_iter().flat_map(|l| [1u64, 4, 8, 16, 17].map(|t| (l, t))) {
                for (nbytes, blocksize) in [(600_000, 0), (40_000, 0), (1_000, 0), (1_000, 128), (600_000, 300)] {
                    let codec = Blosc { blocksize, split, ..Blosc::new(cname, clevel, Shuffle::Shuffle) };
                    check(&codec, typesize, &data[..nbytes]);
                }
            }
        }
    }
}
