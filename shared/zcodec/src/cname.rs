//! Compressors and filters of Blosc frames, by name and number.

/// The compressor inside a Blosc frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cname {
    /// BloscLZ.
    Blosclz,
    /// LZ4.
    Lz4,
    /// LZ4 HC, which writes the LZ4 format.
    Lz4hc,
    /// Snappy, decoding only: encoding would need a C++ compiler, for a codec that few readers support.
    Snappy,
    /// Zlib.
    Zlib,
    /// Zstandard.
    Zstd,
}

impl Cname {
    /// Every compressor.
    pub const ALL: [Cname; 6] = [Cname::Blosclz, Cname::Lz4, Cname::Lz4hc, Cname::Snappy, Cname::Zlib, Cname::Zstd];

    /// Those that can be written.
    pub const WRITTEN: [Cname; 5] = [Cname::Zstd, Cname::Lz4, Cname::Lz4hc, Cname::Blosclz, Cname::Zlib];

    /// The name in Zarr metadata.
    pub fn name(self) -> &'static str {
        match self {
            Cname::Blosclz => "blosclz",
            Cname::Lz4 => "lz4",
            Cname::Lz4hc => "lz4hc",
            Cname::Snappy => "snappy",
            Cname::Zlib => "zlib",
            Cname::Zstd => "zstd",
        }
    }

    /// The compressor with this name.
    pub fn from_name(name: &str) -> Option<Cname> {
        Cname::ALL.into_iter().find(|cname| cname.name() == name)
    }

    /// The format code in the flag byte; lz4 and lz4hc share one.
    pub(crate) fn format(self) -> u8 {
        match self {
            Cname::Blosclz => 0,
            Cname::Lz4 | Cname::Lz4hc => 1,
            Cname::Snappy => 2,
            Cname::Zlib => 3,
            Cname::Zstd => 4,
        }
    }
}

/// The filter that Blosc applies to each block before compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shuffle {
    /// None.
    Noshuffle,
    /// Groups bytes of the same significance.
    Shuffle,
    /// Groups bits of the same significance.
    Bitshuffle,
}

impl Shuffle {
    /// Every filter, in the order of their numbers in Zarr v2.
    pub const ALL: [Shuffle; 3] = [Shuffle::Noshuffle, Shuffle::Shuffle, Shuffle::Bitshuffle];

    /// The name in Zarr v3 metadata.
    pub fn name(self) -> &'static str {
        match self {
            Shuffle::Noshuffle => "noshuffle",
            Shuffle::Shuffle => "shuffle",
            Shuffle::Bitshuffle => "bitshuffle",
        }
    }

    /// The filter with this name.
    pub fn from_name(name: &str) -> Option<Shuffle> {
        Shuffle::ALL.into_iter().find(|shuffle| shuffle.name() == name)
    }

    /// The number in Zarr v2 metadata: 0, 1 or 2.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The automatic choice of numcodecs (`-1`): bit shuffle for 1-byte elements, byte shuffle for all others.
    pub fn automatic(itemsize: u64) -> Shuffle {
        if itemsize == 1 { Shuffle::Bitshuffle } else { Shuffle::Shuffle }
    }
}
