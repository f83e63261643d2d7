//! The flags of a trial, and what they mean.

use zcli::clap::builder::PossibleValue;
use zcli::clap::{self, Args as ClapArgs, ValueEnum};
use zcodec::{Cname, Shuffle, SplitMode};
use zstore::Store;
use zwire::{Failure, shell_quote};

use crate::choices::{Choices, CodecFlag};
use crate::cli::Args;
use crate::trial::{Fixed, Objective, TrialOptions};

/// Flags that try compressors out.
#[derive(Debug, Clone, ClapArgs)]
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

impl ValueEnum for Objective {
    fn value_variants<'a>() -> &'a [Objective] {
        &[Objective::Size, Objective::Encode, Objective::Decode, Objective::Point, Objective::Balanced]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Objective::Size => "The smallest store",
            Objective::Encode => "Writing it fast",
            Objective::Decode => "Reading whole chunks fast",
            Objective::Point => "Few bytes for a single cell",
            Objective::Balanced => "Size first, then speed; never larger than without a trial",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

/// What the command line asks of a trial of `store` for the output `target`.
///
/// # Errors
/// A codec other than Blosc.
pub fn trial_options(args: &Args, store: &Store, target: Option<String>) -> Result<TrialOptions, Failure> {
    let Args { trial, choices, .. } = args;
    if choices.codec.is_some_and(|codec| codec != CodecFlag::Blosc) {
        return Err(Failure::usage("only compressors inside Blosc are tried").hint("leave out --codec"));
    }
    Ok(TrialOptions {
        fixed: Fixed {
            cname: choices.cname.as_deref().and_then(Cname::from_name),
            clevel: choices.clevel.and_then(|level| u8::try_from(level).ok()),
            shuffle: choices.shuffle.as_deref().and_then(Shuffle::from_name),
            split: choices.split.as_deref().and_then(SplitMode::from_name),
            blocksize: choices.blocksize,
        },
        objective: trial.objective,
        sample: trial.sample.into(),
        share: trial.share_trial,
        // --auto tries many arrays in parallel: threads inside a chunk would show nothing there.
        nthreads: args.nthreads.filter(|_| trial.trial).map_or(1, usize::from),
        jobs: args.work.jobs(),
        memory: args.memory.max_memory.bytes(),
        source: store.location().to_string(),
        target,
        other_flags: other_flags(choices),
    })
}

/// The flags beside the codec's that decide the bytes, as they are typed.
fn other_flags(choices: &Choices) -> Vec<String> {
    let mut flags = Vec::new();
    flags.extend(choices.min_size.map(|size| format!("--min-size {size}")));
    flags.extend(choices.zarr_format.map(|format| format!("--zarr-format {format}")));
    flags.extend(choices.chunks.iter().map(|shape| format!("--chunks {}", shell_quote(shape))));
    flags.extend(choices.shards.iter().map(|shape| format!("--shards {}", shell_quote(shape))));
    flags.extend(choices.no_shards.then(|| "--no-shards".to_owned()));
    flags.extend(choices.copy_unknown.then(|| "--copy-unknown".to_owned()));
    flags
}
