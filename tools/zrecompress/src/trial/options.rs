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
    /// The name in flags and records.
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

/// Blosc parameters fixed by flags; the others are tried.
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
    /// The default compressor for elements of `typesize` bytes, used without a trial.
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

/// How to try compressors, and how to apply the chosen one.
#[derive(Debug, Clone, Default)]
pub struct TrialOptions {
    /// Parameters that are not varied.
    pub fixed: Fixed,
    /// Criterion for choosing the compressor.
    pub objective: Objective,
    /// Number of chunks to sample per array.
    pub sample: usize,
    /// Run one trial for all arrays of the same data type, chunk shape and codec.
    pub share: bool,
    /// Threads per chunk to measure in addition to a single thread.
    pub nthreads: usize,
    /// Chunks processed in parallel.
    pub jobs: usize,
    /// Memory limit in bytes.
    pub memory: u64,
    /// The source as given on the command line.
    pub source: String,
    /// The output, if given.
    pub target: Option<String>,
    /// Other command-line flags that affect the output, to repeat in the command.
    pub other_flags: Vec<String>,
}
