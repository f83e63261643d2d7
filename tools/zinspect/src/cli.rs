//! The flags of `zinspect`.

use std::path::PathBuf;

use zcli::clap::builder::PossibleValue;
use zcli::clap::{self, Parser, ValueEnum};
use zcli::{Common, JobFlags, StoreFlags, VarFlags};
use zstore::Target;

use crate::totals::Sort;

/// Show what is in a Zarr store, and why reading it is slow
///
/// Prints one record for each group and array of each STORE, in path order: shape, chunks, codecs, how the stored chunks are
/// really compressed (from their own headers), and a verdict on what limits decoding speed, with a command that improves it.
/// Only metadata and 16 bytes of each sampled chunk are read. Blosc stores no thread count: the number of blocks in a chunk
/// is fixed when it is written, and limits how many threads can decode the chunk in parallel.
#[derive(Debug, Parser)]
#[command(name = "zinspect", override_usage = "zinspect [OPTIONS] STORE...")]
pub struct Args {
    /// Stores: paths, or URLs (file, s3, gs, az, http, https); also a group or a single array
    #[arg(value_name = "STORE")]
    pub stores: Vec<Target>,

    /// List the whole store: chunks present and expected, stored bytes, compression ratio, keys that belong to no array
    #[arg(long)]
    pub sizes: bool,
    /// Exit with 1 if chunks are not stored (of the selected arrays; implies --sizes)
    #[arg(long)]
    pub fail_on_missing: bool,
    /// Sort the arrays of each store: the largest first (stored), the worst compression ratio first (ratio), or the most chunks
    /// first (chunks); stored and ratio imply --sizes
    #[arg(long, value_name = "BY", value_enum)]
    pub sort: Option<Sort>,
    /// Show the hierarchy as a tree (with --format table)
    #[arg(long)]
    pub tree: bool,
    /// Chunks to sample in each array; 0 reads only metadata
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub sample: u32,
    /// Thread count assumed by the verdict (threads per chunk)
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub nthreads: u16,
    /// Measure decoding speed on the sampled chunks, with 1, 2, 4 … threads per chunk and with as many chunks in parallel
    #[arg(long)]
    pub bench: bool,
    /// Check consolidated metadata against each node
    #[arg(long)]
    pub check_consolidated: bool,
    /// Ignore consolidated metadata and walk the store
    #[arg(long)]
    pub no_consolidated: bool,
    /// Check whether the zarrs library can open each array, and show the error if not
    #[arg(long)]
    pub zarrs: bool,
    /// Include the attributes of groups and arrays in their records
    #[arg(long)]
    pub attributes: bool,
    /// Read more stores from FILE ("-": stdin), one per line: paths, URLs, or records with a "store" field
    #[arg(long, value_name = "FILE")]
    pub stores_from: Option<PathBuf>,

    #[command(flatten)]
    pub var: VarFlags,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub store: StoreFlags,
}

impl ValueEnum for Sort {
    fn value_variants<'a>() -> &'a [Sort] {
        &[Sort::Stored, Sort::Ratio, Sort::Chunks]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Sort::Stored => PossibleValue::new("stored").help("Stored bytes, the most first"),
            Sort::Ratio => PossibleValue::new("ratio").help("Compression ratio, the worst first"),
            Sort::Chunks => PossibleValue::new("chunks").help("Number of chunks, the most first"),
        })
    }
}

/// Numbered examples for the help and the manual page.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("Show what is in a store, and what limits read speed", "zinspect era5.zarr"),
    ("Also show the reasons, and commands that help", "zinspect -v era5.zarr"),
    (
        "Show what is really stored, for example to check that a cache is not empty",
        "zinspect --sizes cache/batch_*.zarr",
    ),
    ("Fail if chunks of t2m are missing", "zinspect --fail-on-missing --var t2m -q era5.zarr"),
    ("The arrays that take the most space first", "zinspect --sort stored era5.zarr"),
    ("Measure whether several threads per chunk help on this machine", "zinspect --bench --var t2m era5.zarr"),
    (
        "List the arrays that recompressing would help, as records for the next tool",
        "zinspect --json s3://bucket/era5.zarr --anonymous | \\\n  jq -c 'select(.recompress_helps)'",
    ),
    ("Check whether consolidated metadata is up to date (exit 1 if not)", "zinspect --check-consolidated -q era5.zarr"),
];
