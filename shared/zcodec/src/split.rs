//! Whether the blocks of a Blosc frame hold one stream, or one for each byte position of an element.
//!
//! Source: `split_block` in c-blosc 1.21's `blosc.c`. No metadata of Zarr has a member for it: the flag byte of each frame
//! tells a reader what it needs to know.

use crate::Cname;

/// Elements above this are never split into one stream a byte position (`MAX_SPLITS`).
pub(crate) const MAX_SPLITS: u64 = 16;

/// Streams below this are not worth their length field (`MIN_BUFFERSIZE`).
const MIN_STREAM: u64 = 128;

/// When the blocks of a frame are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SplitMode {
    /// The default of c-blosc (`BLOSC_FORWARD_COMPAT_SPLIT`): with every compressor but zstd.
    #[default]
    Auto,
    /// With every compressor, as far as readers support it: they accept no element above 16 bytes, and no stream below 128,
    /// for split. (With split=always, c-blosc writes such frames nevertheless, and cannot read them.)
    Always,
    /// Never.
    Never,
}

impl SplitMode {
    /// Every mode.
    pub const ALL: [SplitMode; 3] = [SplitMode::Auto, SplitMode::Always, SplitMode::Never];

    /// The name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            SplitMode::Auto => "auto",
            SplitMode::Always => "always",
            SplitMode::Never => "never",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<SplitMode> {
        SplitMode::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Whether `cname` splits blocks of `blocksize` bytes with elements of `typesize` bytes.
    pub(crate) fn splits(self, cname: Cname, typesize: u64, blocksize: u64) -> bool {
        let wanted = match self {
            SplitMode::Auto => cname != Cname::Zstd,
            SplitMode::Always => true,
            SplitMode::Never => false,
        };
        wanted && readable(typesize, blocksize)
    }
}

/// Whether a reader expects split blocks if the flag is set (`blosc_d` in c-blosc 1.21).
pub(crate) fn readable(typesize: u64, blocksize: u64) -> bool {
    typesize <= MAX_SPLITS && blocksize / typesize.max(1) >= MIN_STREAM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_reader_takes_for_split_is_split() {
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
    fn names_come_back() {
        for mode in SplitMode::ALL {
            assert_eq!(SplitMode::from_name(mode.name()), Some(mode));
        }
    }
}
