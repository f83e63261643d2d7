//! The command-line flags of `zdedup`; `options.rs` turns them into options.

use std::path::PathBuf;

use zcli::clap::{self, Args as ClapArgs, Parser, ValueEnum};
use zcli::{Common, JobFlags, MemoryFlags, StoreFlags, VarFlags, VerifyFlags, WriterFlags};
use zstore::Target;

/// Concatenate Zarr stores along a dimension without duplicates
///
/// Reads the coordinate --dim of every STORE and reports each value that occurs more than once: in which stores, at which
/// indices, and whether the data of all variables there are identical or conflicting. Values out of order, gaps and missing
/// values are reported, too. The exit code is 0 if there is nothing to report, 1 otherwise. Only coordinates are read, unless
/// values occur twice; then stored bytes are compared first, and chunks that differ are decoded.
///
/// With -o, the concatenation is written: each value once. Of identical duplicates the first is kept; conflicting ones stop the
/// run before anything is written, unless --keep, --prefer or --overlap decides. All other coordinates, data types, units and
/// calendars must agree with those of the first STORE; times that count from different dates are rewritten to count from that of
/// the first. Chunks that are the same in the output are copied as they are stored, without decoding; others are put together and
/// encoded like those of the first STORE.
///
/// The output appears only when it is complete and verified. Until then, finished work is kept next to it in a directory that
/// ends in .plan; use --resume to continue after an interruption.
#[derive(Debug, Parser)]
#[command(
    name = "zdedup",
    mut_arg("output", |output| output.help(OUTPUT).value_name("DST")),
    override_usage = "zdedup [OPTIONS] --dim=DIM STORE...\n       zdedup [OPTIONS] --dim=DIM -o DST STORE..."
)]
pub struct Args {
    /// Stores to concatenate, in this order: paths, or URLs (file, s3, gs, az, http or https)
    #[arg(value_name = "STORE")]
    pub stores: Vec<Target>,
    /// Read more stores from FILE ("-": standard input), one per line, as text or as records with a "store" field
    #[arg(long, value_name = "FILE")]
    pub stores_from: Option<PathBuf>,
    /// Dimension along which the stores are concatenated; it must have a coordinate of its name
    #[arg(short, long, value_name = "DIM")]
    pub dim: Option<String>,

    #[command(flatten)]
    pub decide: DecideFlags,
    #[command(flatten)]
    pub agree: AgreeFlags,
    #[command(flatten)]
    pub var: VarFlags,
    #[command(flatten)]
    pub verify: VerifyFlags,
    #[command(flatten)]
    pub writer: WriterFlags,
    #[command(flatten)]
    pub memory: MemoryFlags,
    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub source: StoreFlags,
}

const OUTPUT: &str =
    "Store to write, which must not exist: a path, or a URL (file, s3, gs or az). Without it, nothing is written";

/// What is done about duplicates.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Options for duplicates")]
pub struct DecideFlags {
    /// Compare the data of duplicates, or only report that there are any
    #[arg(long, value_name = "WHAT", value_enum, default_value = "data")]
    pub compare: CompareFlag,
    /// Which occurrence of a duplicate is kept: the first or the last, also if the data conflict; none of them; or stop if there are any
    /// (error) [default: the first if the data are identical, else stop]
    #[arg(long, value_name = "WHICH", value_enum)]
    pub keep: Option<KeepFlag>,
    /// Stores whose duplicates are kept, also if the data conflict: those with a name that matches; repeatable, the first match wins
    #[arg(long, value_name = "GLOB")]
    pub prefer: Vec<String>,
    /// How a STORE updates those before it: not at all, stop if it overlaps them (error); only with values beyond theirs (newer); its
    /// duplicates replace theirs; or theirs are retained
    #[arg(long, value_name = "HOW", value_enum, conflicts_with_all = ["keep", "prefer"])]
    pub overlap: Option<OverlapFlag>,
    /// Sort the output by the coordinate
    #[arg(long)]
    pub sort: bool,
}

/// What must agree between stores.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Options for agreement")]
pub struct AgreeFlags {
    /// How variables without --dim are joined, such as latitudes: they must have the same values in all stores (exact), or those of the
    /// first STORE are used (override)
    #[arg(long, value_name = "HOW", value_enum, default_value = "exact")]
    pub join: JoinFlag,
    /// Largest absolute difference of variables without --dim that counts as equal; the values of the first STORE are used
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, value_parser = parse_tolerance)]
    pub coord_tolerance: f64,
    /// Attributes of the output: those of the first STORE without those that differ in others (drop_conflicts); all, if none differ
    /// (no_conflicts); the same in all (identical); or those of the first (override)
    #[arg(long, value_name = "HOW", value_enum, default_value = "drop-conflicts")]
    pub combine_attrs: CombineFlag,
    /// Whether chunks are copied as they are stored where possible; stop where it is not (raw); or decode and encode all (recode)
    #[arg(long, value_name = "HOW", value_enum, default_value = "auto")]
    pub copy: CopyFlag,
}

/// `--compare`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompareFlag {
    /// Compare the data.
    Data,
    /// Do not.
    None,
}

/// `--keep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeepFlag {
    /// The first occurrence.
    First,
    /// The last occurrence.
    Last,
    /// No occurrence.
    None,
    /// Stop if there are duplicates.
    Error,
}

/// `--overlap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OverlapFlag {
    /// Stop if a store overlaps those before it.
    Error,
    /// Keep only values beyond those before.
    Newer,
    /// Later stores replace earlier ones.
    Replace,
    /// Earlier stores are retained.
    Retain,
}

/// `--join`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JoinFlag {
    /// The same values.
    Exact,
    /// Those of the first store.
    Override,
}

/// `--combine-attrs`, in xarray's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CombineFlag {
    /// The same in all stores.
    Identical,
    /// All attributes, none of which may differ.
    #[value(alias = "no_conflicts")]
    NoConflicts,
    /// Without those that differ.
    #[value(alias = "drop_conflicts")]
    DropConflicts,
    /// Those of the first store.
    Override,
}

/// `--copy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CopyFlag {
    /// Stored bytes where possible.
    Auto,
    /// Only stored bytes.
    Raw,
    /// Decode and encode.
    Recode,
}

fn parse_tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("must be a number that is not negative".into()),
    }
}

/// Examples for `--help` and the man page.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("Report duplicate file_ids of all batches", "zdedup --dim file_id batch_*.zarr"),
    ("Write the concatenation without duplicates", "zdedup --dim file_id -o all.zarr batch_*.zarr"),
    ("Dry run: print what would be written", "zdedup --dim file_id -n -o all.zarr batch_*.zarr"),
    (
        "Print the duplicates with conflicting data",
        "zdedup --dim file_id batch_*.zarr | \\\n  jq -c 'select(.type==\"duplicate\" and .data==\"conflicting\")'",
    ),
    (
        "Later batches are corrections: let them replace earlier ones, and sort by time",
        "zdedup --dim time --overlap replace --sort -o era5.zarr month_*.zarr",
    ),
    ("Resume after a crash, a full disk or Ctrl-C", "zdedup --dim file_id --resume -o all.zarr batch_*.zarr"),
    (
        "On many machines: prepare, run the parts in any order, finish",
        "zdedup --dim file_id --prepare --parts 8 -o all.zarr batch_*.zarr && \\\n\
         seq 8 | xargs -P4 -I{} zdedup --part {}/8 -o all.zarr && \\\n\
         zdedup --finish -o all.zarr",
    ),
];
