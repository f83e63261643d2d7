//! The compressors to try: those that were best in some respect on real fields.
//!
//! Zstd 1 to 5 with both filters, split and not split, for size and balance. Lz4 for speed; lz4hc for fast reading with
//! fewer bytes. Block sizes smaller and larger than the default for one zstd level only: they determine the bytes per
//! point and the usable threads, and hardly depend on the level. Zstd 7 only for the smallest size; 9, a hundred times
//! slower than 1 for hardly fewer bytes, only on request.

use std::collections::HashSet;

use zcodec::{Blosc, Cname, Shuffle, SplitMode, predict_blocksize, predict_split};

use super::options::{Fixed, Objective};

/// A compressor to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The compressor.
    pub compressor: Blosc,
    /// Whether it is the default, used without a trial.
    pub default: bool,
}

/// The compressors to try on chunks of `chunk_bytes` bytes with elements of `typesize` bytes, the default first.
/// Duplicates are removed: with small chunks or 1-byte elements, different settings give identical frames.
pub fn candidates(fixed: &Fixed, objective: Objective, typesize: u64, chunk_bytes: u64) -> Vec<Candidate> {
    let default = fixed.untried(typesize);
    let mut seen = HashSet::new();
    let all = std::iter::once(default).chain(combinations(fixed, objective));
    all.filter(|compressor| seen.insert(effect(compressor, typesize, chunk_bytes)))
        .map(|compressor| Candidate { compressor, default: compressor == default })
        .collect()
}

fn combinations(fixed: &Fixed, objective: Objective) -> Vec<Blosc> {
    let mut found = Vec::new();
    for cname in one_or(fixed.cname, &[Cname::Zstd, Cname::Lz4, Cname::Lz4hc]) {
        let (levels, splits) = variants(cname, objective);
        for clevel in one_or(fixed.clevel, levels) {
            // Split blocks are larger than this by a factor of the element size.
            let varies = cname == Cname::Zstd && (clevel == BLOCKSIZES_AT || fixed.clevel.is_some());
            let blocksizes: &[u64] = if varies { &[0, 16 << 10, 256 << 10] } else { &[0] };
            for shuffle in one_or(fixed.shuffle, &[Shuffle::Shuffle, Shuffle::Bitshuffle]) {
                for split in one_or(fixed.split, splits) {
                    for blocksize in one_or(fixed.blocksize, blocksizes) {
                        found.push(Blosc { cname, clevel, shuffle, split, blocksize });
                    }
                }
            }
        }
    }
    found
}

/// The level of zstd at which other block sizes are tried.
const BLOCKSIZES_AT: u8 = 2;

/// The levels to try, and the split modes that change the frames of this compressor.
fn variants(cname: Cname, objective: Objective) -> (&'static [u8], &'static [SplitMode]) {
    match (cname, objective) {
        (Cname::Zstd, Objective::Size) => (&[2, 3, 5, 7], &[SplitMode::Auto, SplitMode::Always]),
        (Cname::Zstd, _) => (&[1, 2, 3, 5], &[SplitMode::Auto, SplitMode::Always]),
        (Cname::Lz4, _) => (&[5], &[SplitMode::Auto, SplitMode::Never]),
        _ => (&[5], &[SplitMode::Auto]),
    }
}

fn one_or<T: Copy>(fixed: Option<T>, all: &[T]) -> Vec<T> {
    fixed.map_or_else(|| all.to_vec(), |one| vec![one])
}

/// The settings that affect a frame; equal for compressors that write identical frames.
fn effect(codec: &Blosc, typesize: u64, nbytes: u64) -> (Cname, u8, Shuffle, u64, bool) {
    // With 1-byte elements, the byte shuffle has no effect and blocks are not split.
    let shuffle = if codec.shuffle == Shuffle::Shuffle && typesize <= 1 { Shuffle::Noshuffle } else { codec.shuffle };
    let split = typesize > 1 && predict_split(codec, typesize, nbytes);
    (codec.cname, codec.clevel, shuffle, predict_blocksize(codec, typesize, nbytes), split)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Fixed = Fixed { cname: None, clevel: None, shuffle: None, split: None, blocksize: None };

    #[test]
    fn default_is_first_of_a_bounded_set() {
        let found = candidates(&ALL, Objective::Balanced, 4, 4 << 20);
        assert!((20..=32).contains(&found.len()), "{}", found.len());
        assert_eq!(found[0].compressor, Blosc::new(Cname::Zstd, 3, Shuffle::Shuffle));
        assert_eq!(found.iter().filter(|candidate| candidate.default).count(), 1);
        let winner = Blosc { split: SplitMode::Always, ..Blosc::new(Cname::Zstd, 2, Shuffle::Shuffle) };
        assert!(found.iter().any(|candidate| candidate.compressor == winner));
    }

    #[test]
    fn compressors_with_identical_frames_are_tried_once() {
        let bytes = candidates(&ALL, Objective::Balanced, 1, 4 << 20);
        assert_eq!(bytes[0].compressor.shuffle, Shuffle::Bitshuffle);
        let small = candidates(&ALL, Objective::Balanced, 4, 400);
        for found in [&bytes, &small] {
            assert!(found.len() < candidates(&ALL, Objective::Balanced, 4, 4 << 20).len());
        }
        assert!(small.iter().all(|candidate| !predict_split(&candidate.compressor, 4, 400)));
    }

    #[test]
    fn flags_restrict_and_extend_the_grid() {
        let fixed = Fixed { cname: Some(Cname::Zlib), clevel: Some(4), ..ALL };
        let found = candidates(&fixed, Objective::Balanced, 4, 4 << 20);
        assert!(
            found.iter().all(|c| c.compressor.cname == Cname::Zlib && c.compressor.clevel == 4) && found.len() == 2
        );
        let fixed = Fixed {
            cname: Some(Cname::Zstd),
            clevel: Some(2),
            shuffle: Some(Shuffle::Noshuffle),
            split: Some(SplitMode::Always),
            blocksize: Some(1 << 16),
        };
        let found = candidates(&fixed, Objective::Size, 4, 4 << 20);
        assert_eq!(found, [Candidate { compressor: fixed.untried(4), default: true }]);
    }
}
