//! Which compressors are tried: not every one there is, but those that have been the best of something on real fields.
//!
//! Zstd 1 to 5, with both filters, split and not: for size and for balance. Lz4 for speed, lz4hc for its reading speed with
//! fewer bytes. Smaller and larger blocks than Blosc's own for one level of zstd: they decide what a point costs and how
//! many threads can share a chunk, and hardly depend on the level. Zstd 7 only where size is all that counts, and 9, hundred times
//! slower than 1 for hardly fewer bytes, only where it is asked for.

use std::collections::HashSet;

use zcodec::{Blosc, Cname, Shuffle, SplitMode, predict_blocksize, predict_split};

use crate::trial::flags::Objective;

/// A compressor to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The compressor.
    pub compressor: Blosc,
    /// Whether it is the one that is taken without a trial.
    pub default: bool,
}

/// What the command line fixes; the rest is tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Narrow {
    /// Compressor inside Blosc.
    pub cname: Option<Cname>,
    /// Level.
    pub clevel: Option<u8>,
    /// Filter.
    pub shuffle: Option<Shuffle>,
    /// Split mode.
    pub split: Option<SplitMode>,
    /// Block size.
    pub blocksize: Option<u64>,
}

impl Narrow {
    /// The compressor that is taken without a trial, where elements have `typesize` bytes.
    pub fn untried(&self, typesize: u64) -> Blosc {
        Blosc {
            cname: self.cname.unwrap_or(Cname::Zstd),
            clevel: self.clevel.unwrap_or(3),
            shuffle: self.shuffle.unwrap_or(Shuffle::automatic(typesize)),
            split: self.split.unwrap_or_default(),
            blocksize: self.blocksize.unwrap_or(0),
        }
    }
}

/// The compressors to try on chunks of `chunk_bytes` bytes with elements of `typesize` bytes, the default first. Each makes
/// frames that no other one makes: small chunks, and elements of one byte, leave fewer of them.
pub fn candidates(narrow: &Narrow, objective: Objective, typesize: u64, chunk_bytes: u64) -> Vec<Candidate> {
    let default = narrow.untried(typesize);
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for compressor in std::iter::once(default).chain(grid(narrow, objective)) {
        if seen.insert(effect(&compressor, typesize, chunk_bytes)) {
            found.push(Candidate { compressor, default: compressor == default });
        }
    }
    found
}

fn grid(narrow: &Narrow, objective: Objective) -> Vec<Blosc> {
    let mut found = Vec::new();
    for (cname, clevel) in levels(narrow, objective) {
        for shuffle in one_or(narrow.shuffle, &[Shuffle::Shuffle, Shuffle::Bitshuffle]) {
            for split in one_or(narrow.split, splits(cname)) {
                for blocksize in one_or(narrow.blocksize, blocksizes(cname, clevel, narrow)) {
                    found.push(Blosc { cname, clevel, shuffle, split, blocksize });
                }
            }
        }
    }
    found
}

fn levels(narrow: &Narrow, objective: Objective) -> Vec<(Cname, u8)> {
    let cnames = one_or(narrow.cname, &[Cname::Zstd, Cname::Lz4, Cname::Lz4hc]);
    let of = |cname| one_or(narrow.clevel, levels_of(cname, objective)).into_iter().map(move |level| (cname, level));
    cnames.into_iter().flat_map(of).collect()
}

fn levels_of(cname: Cname, objective: Objective) -> &'static [u8] {
    match (cname, objective) {
        (Cname::Zstd, Objective::Size) => &[2, 3, 5, 7],
        (Cname::Zstd, _) => &[1, 2, 3, 5],
        _ => &[5],
    }
}

/// The two ways in which a compressor can store its blocks, by the names that differ from each other.
fn splits(cname: Cname) -> &'static [SplitMode] {
    match cname {
        Cname::Zstd => &[SplitMode::Auto, SplitMode::Always],
        Cname::Lz4 => &[SplitMode::Auto, SplitMode::Never],
        _ => &[SplitMode::Auto],
    }
}

/// The level of zstd at which other block sizes are tried.
const BLOCKS_AT: u8 = 2;

/// Split blocks become larger than this by as many times as an element has bytes.
fn blocksizes(cname: Cname, clevel: u8, narrow: &Narrow) -> &'static [u64] {
    if cname == Cname::Zstd && (clevel == BLOCKS_AT || narrow.clevel.is_some()) {
        &[0, 16 << 10, 256 << 10]
    } else {
        &[0]
    }
}

fn one_or<T: Copy>(fixed: Option<T>, all: &[T]) -> Vec<T> {
    fixed.map_or_else(|| all.to_vec(), |one| vec![one])
}

/// What of a compressor shows in a frame.
fn effect(codec: &Blosc, typesize: u64, nbytes: u64) -> (Cname, u8, Shuffle, u64, bool) {
    let shuffle = match codec.shuffle {
        // Moves nothing.
        Shuffle::Shuffle if typesize <= 1 => Shuffle::Noshuffle,
        shuffle => shuffle,
    };
    // One stream for each byte of an element of one byte is one stream.
    let split = typesize > 1 && predict_split(codec, typesize, nbytes);
    (codec.cname, codec.clevel, shuffle, predict_blocksize(codec, typesize, nbytes), split)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Narrow = Narrow { cname: None, clevel: None, shuffle: None, split: None, blocksize: None };

    #[test]
    fn a_considered_set_with_the_default_first() {
        let found = candidates(&ALL, Objective::Balanced, 4, 4 << 20);
        assert!((20..=32).contains(&found.len()), "{}", found.len());
        assert_eq!(found[0].compressor, Blosc::new(Cname::Zstd, 3, Shuffle::Shuffle));
        assert_eq!(found.iter().filter(|candidate| candidate.default).count(), 1);
        let winner = Blosc { split: SplitMode::Always, ..Blosc::new(Cname::Zstd, 2, Shuffle::Shuffle) };
        assert!(found.iter().any(|candidate| candidate.compressor == winner));
    }

    #[test]
    fn what_would_make_the_same_frames_is_tried_once() {
        let bytes = candidates(&ALL, Objective::Balanced, 1, 4 << 20);
        assert_eq!(bytes[0].compressor.shuffle, Shuffle::Bitshuffle);
        let small = candidates(&ALL, Objective::Balanced, 4, 400);
        for found in [&bytes, &small] {
            assert!(found.len() < candidates(&ALL, Objective::Balanced, 4, 4 << 20).len());
        }
        assert!(small.iter().all(|candidate| !predict_split(&candidate.compressor, 4, 400)));
    }

    #[test]
    fn flags_narrow_the_grid_even_to_what_is_not_in_it() {
        let narrow = Narrow { cname: Some(Cname::Zlib), clevel: Some(4), ..ALL };
        let found = candidates(&narrow, Objective::Balanced, 4, 4 << 20);
        assert!(
            found.iter().all(|c| c.compressor.cname == Cname::Zlib && c.compressor.clevel == 4) && found.len() == 2
        );
        let narrow = Narrow {
            cname: Some(Cname::Zstd),
            clevel: Some(2),
            shuffle: Some(Shuffle::Noshuffle),
            split: Some(SplitMode::Always),
            blocksize: Some(1 << 16),
        };
        let found = candidates(&narrow, Objective::Size, 4, 4 << 20);
        assert_eq!(found, [Candidate { compressor: narrow.untried(4), default: true }]);
    }
}
