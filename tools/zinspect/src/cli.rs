//! The flags of `zinspect`.

use std::ffi::OsString;
use std::path::PathBuf;

use zcli::clap::{self, Parser};
use zcli::{Common, JobFlags, StoreFlags, VarFlags};

/// Say what is in a Zarr store, and why reading it is slow
///
/// Prints one record for each group and array of each STORE, in path order: shape, chunks, codecs, what the stored chunks
/// really are by their own headers, and a verdict on what bounds decoding, with the command that would change it. Nothing is
/// downloaded but metadata and 16 bytes of each sampled chunk. Blosc stores no thread count: what a file fixes is the number
/// of blocks in a chunk, and so how many threads can share one.
#[derive(Debug, Parser)]
#[command(name = "zinspect")]
pub struct Args {
    /// Stores: paths, or URLs with file, s3, gs, az, http or https; a group or a single array will do
    #[arg(value_name = "STORE")]
    pub stores: Vec<OsString>,
    /// Read more stores from FILE ("-": standard input): one a line, as text or as records with a "store"
    #[arg(long, value_name = "FILE")]
    pub stores_from: Option<PathBuf>,

    /// Add the attributes of groups and arrays to their records
    #[arg(long)]
    pub attributes: bool,
    /// List the whole store: chunks present and expected, stored bytes, ratio, keys that belong to no array
    #[arg(long)]
    pub sizes: bool,
    /// Stored chunks to look at in each array; 0 reads nothing but metadata
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub sample: u32,
    /// Threads inside one chunk that the verdict reckons with
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub nthreads: u16,
    /// Decode sampled chunks, with 1, 2, 4 … threads inside a chunk and with that many chunks at once, and print the speed
    #[arg(long)]
    pub bench: bool,
    /// Compare consolidated metadata with every node's own
    #[arg(long)]
    pub check_consolidated: bool,
    /// Walk the store even where it has consolidated metadata
    #[arg(long)]
    pub no_consolidated: bool,
    /// Say of each array whether the zarrs library can open it, and if not, why
    #[arg(long)]
    pub zarrs: bool,
    /// Draw the hierarchy (with --format table)
    #[arg(long)]
    pub tree: bool,

    #[command(flatten)]
    pub var: VarFlags,
    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub store: StoreFlags,
    #[command(flatten)]
    pub common: Common,
}

/// Numbered examples for help and manual page.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("What is in a store, and what bounds reading it", "zinspect era5.zarr"),
    ("The same with the reasons and the commands that would help", "zinspect -v era5.zarr"),
    ("What is really stored: the check that a cache is not empty", "zinspect --sizes cache/batch_*.zarr"),
    ("Measure whether threads inside a chunk would help on this machine", "zinspect --bench --var t2m era5.zarr"),
    (
        "Arrays that recompressing would help, as records for the next tool",
        "zinspect --json s3://bucket/era5.zarr --anonymous | jq -c 'select(.recompress_helps)'",
    ),
    ("Whether consolidated metadata is still true (exit 1 if not)", "zinspect --check-consolidated -q era5.zarr"),
];
