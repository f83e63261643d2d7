//! Whether the blocks of a Blosc frame contain one stream, or one per byte position of an element.
//!
//! Source: `split_block` in c-blosc 1.21's `blosc.c`. Zarr metadata has no member for the split mode; readers use the
//! flag byte of each frame.

use crate::Cname;

/// Maximum element size for which a block is split into one stream per byte position (`MAX_SPLITS`).
pub(crate) const MAX_SPLITS: u64 = 16;

/// Minimum length of a stream; shorter ones are not worth a length field (`MIN_BUFFERSIZE`).
const MIN_STREAM: u64 = 128;

/// When the blocks of a frame are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SplitMode {
    /// The default of c-blosc (`BLOSC_FORWARD_COMPAT_SPLIT`): for all compressors except zstd.
    #[default]
    Auto,
    /// For all compressors, within the limits of readers: elements up to 16 bytes and streams of at least 128 bytes.
    /// (c-blosc with split=always exceeds these limits and cannot read the result.)
    Always,
    /// Never.
    Never,
}

impl SplitMode {
    /// Every mode.
    pub const ALL: [SplitMode; 3] = [SplitMode::Auto, SplitMode::Always, SplitMode::Never];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            SplitMode::Auto => "auto",
            SplitMode::Always => "always",
            SplitMode::Never => "never",
        }
    }

    /// The mode with this name.
    pub fn from_name(name: &str) -> Option<SplitMode> {
        SplitMode::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Whether blocks of `blocksize` bytes with elements of `typesize` bytes are split for `cname`.
    pub(crate) fn splits(self, cname: Cname, typesize: u64, blocksize: u64) -> bool {
        let wanted = match self {
            SplitMode::Auto => cname != Cname::Zstd,
            SplitMode::Always => true,
            SplitMode::Never => false,
        };
        wanted && readable(typesize, blocksize)
    }
}

/// Whether a reader honours the split flag for this layout (`blosc_d` in c-blosc 1.21).
pub(crate) fn readable(typesize: u64, blocksize: u64) -> bool {
    typesize <= MAX_SPLITS && blocksize / typesize.max(1) >= MIN_STREAM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_readable_as_split_are_split() {
        for (mode, cname, typesize, blocksize, split) in [
            (SplitMode::Auto, Cname::Zstd, 4, 65536, false),
            (SplitMode::Auto, Cname::Lz4, 4, 65536, true),
            (SplitMode::Always, Cname::Zstd, 4, 65536, true),
            (SplitMode::Always, Cname::Zstd, 17, 65536, false),
            (SplitMode::Always, Cname::Zstd, 4, 511, false),
            (SplitMode::Never, Cname::Lz4, 4, 65536, false),
        ] {
            assert_eq!(mode.splits(cname, typesize, blocksize), split, "{mode:?} {cname:?} {typesize} {blocksize}");
        }
    }

    #[test]
    fn names_round_trip() {
        for mode in SplitMode::ALL {
            assert_eq!(SplitMode::from_name(mode.name()), Some(mode));
        }
    }
}
