//! Options of trials.

use zcodec::{Blosc, Cname, Shuffle, SplitMode};

/// Criterion for choosing the compressor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Objective {
    /// Smallest store.
    Size,
    /// Fast writing.
    Encode,
    /// Fast reading of whole chunks.
    Decode,
    /// Fewest bytes read for a single point.
    Point,
    /// Size first, then speed; never larger than the default compressor.
    #[default]
    Balanced,
}

impl Objective {
    /// Its name in flags and records.
    pub fn name(self) -> &'static str {
        match self {
            Objective::Size => "size",
            Objective::Encode => "encode",
            Objective::Decode => "decode",
            Objective::Point => "point",
            Objective::Balanced => "balanced",
        }
    }
}

/// The parameters of Blosc that are fixed; the others are tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fixed {
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

impl Fixed {
    /// The compressor used without a trial for elements of `typesize` bytes.
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

/// How arrays are tried, and how the chosen compressor is applied.
#[derive(Debug, Clone, Default)]
pub struct TrialOptions {
    /// What is not tried.
    pub fixed: Fixed,
    /// Criterion for choosing the compressor.
    pub objective: Objective,
    /// Sampled chunks of an array.
    pub sample: usize,
    /// One trial for all arrays of the same data type, chunk shape and codec.
    pub share: bool,
    /// Threads on one chunk that are measured in addition to one.
    pub nthreads: usize,
    /// Chunks processed in parallel.
    pub jobs: usize,
    /// Bytes that may be held.
    pub memory: u64,
    /// The source, as it was named.
    pub source: String,
    /// The output, if it was named.
    pub target: Option<String>,
    /// The other flags that decide the bytes, as they are typed.
    pub other_flags: Vec<String>,
}
