//! The flags of a trial.

use zcli::clap::{self, Args, ValueEnum};

/// Flags that try compressors out.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Trial options")]
pub struct TrialFlags {
    /// Try compressors on sampled chunks of each array, print what they would give, and write nothing; --cname, --clevel,
    /// --shuffle, --split and --blocksize say which
    #[arg(long, group = "trying", conflicts_with_all = ["auto", "dry_run", "resume", "in_place", "prepare", "part", "status", "finish", "stores_from"])]
    pub trial: bool,
    /// Try compressors on each array, and recompress it with the one that fits the objective
    #[arg(long, group = "trying", conflicts_with_all = ["part", "status", "finish"])]
    pub auto: bool,
    /// What the compressor is chosen for
    #[arg(long, value_name = "WHAT", value_enum, default_value = "balanced", requires = "trying")]
    pub objective: Objective,
    /// Chunks of each array that are tried
    #[arg(long, value_name = "N", default_value_t = 4, requires = "trying", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub sample: u16,
    /// One trial for all arrays of the same data type, chunk shape and codec
    #[arg(long, requires = "trying")]
    pub share_trial: bool,
}

/// What a compressor is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Objective {
    /// The smallest store.
    Size,
    /// Writing it fast.
    Encode,
    /// Reading whole chunks fast.
    Decode,
    /// Few bytes for a single cell.
    Point,
    /// Size first, then speed; never larger than without a trial.
    Balanced,
}

impl Objective {
    /// Its name on the command line.
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
