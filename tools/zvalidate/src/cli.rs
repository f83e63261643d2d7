//! The flags of `zvalidate`; `options.rs` turns them into options.

mod against;
mod lists;
mod manifest;

use std::path::PathBuf;

use zarray::{Part, parse_size};
use zcli::clap::{self, Args as ClapArgs, Parser};
use zcli::{Choice, Common, JobFlags, MemoryFlags, StoreFlags, VarFlags, one_of};
use zstore::Target;

use crate::expect::{Annotations, Expect, ExpectChunks, NanRule, Share, StepRule};
use crate::level::Level;
use against::AgainstFlags;
use lists::ListFlags;
use manifest::ManifestFlags;

/// Check that Zarr stores are complete, intact and consistent
///
/// Checks each STORE and reports everything that it finds; it never stops at the first finding. Each finding is a record: what
/// kind, how bad (error, warning or info), where (store, array, key, steps along a dimension by coordinate value), what was
/// expected and found, and what to do. A check record for each array counts its chunks and values. The exit code is 0 if there
/// are no errors and warnings, 1 if there are, and 3 if something could not be checked and nothing else was found.
///
/// The level list reads metadata and coordinates, and lists the names and sizes of all objects; header also reads the first
/// bytes of each chunk and the index of each shard; full decodes every chunk. Several stores are also compared with each other:
/// variables, data types, units, grids, and whether their coordinates overlap or leave gaps.
///
/// The findings of all parts of --part I/N together are those of one run. An array of the same path belongs to the same part in
/// every store, and is not divided, because most findings about values follow from all chunks of an array; the largest arrays
/// are assigned first, each to the part that has least to do. The first part also checks metadata, coordinates, keys that
/// belong to no array, the size of each store, and the stores against each other. There is work for as many parts as there are
/// arrays.
#[derive(Debug, Parser)]
#[command(name = "zvalidate", override_usage = "zvalidate [OPTIONS] STORE...")]
pub struct Args {
    /// Stores: paths, or URLs (file, s3, gs, az, http, https); also a group or a single array
    #[arg(value_name = "STORE")]
    pub stores: Vec<Target>,
    /// Read more stores from FILE ("-": stdin), one per line: paths, URLs, or records with a "store" field
    #[arg(long, value_name = "FILE")]
    pub stores_from: Option<PathBuf>,
    /// How thoroughly to check [default: full for local stores, header for remote ones, full where values are asked for]
    #[arg(long, value_name = "LEVEL", value_parser = one_of(LEVELS))]
    pub level: Option<Level>,
    /// Check the bytes of a share of the chunks, such as 5%, spread over each array
    #[arg(long, value_name = "SHARE")]
    pub sample: Option<Share>,
    /// Check part I of N of the arrays: each array belongs to one part; the first part also checks everything else
    #[arg(long, value_name = "I/N")]
    pub part: Option<Part>,
    /// Check a part as --part does, counted from 0 as cloud array jobs count: --part-index 0 --parts 8 is --part 1/8
    #[arg(long, value_name = "K", requires = "parts", conflicts_with = "part")]
    pub part_index: Option<u32>,
    /// Number of parts, with --part-index
    #[arg(long, value_name = "N", requires = "part_index")]
    pub parts: Option<u32>,

    #[command(flatten)]
    pub against: AgainstFlags,
    #[command(flatten)]
    pub manifest: ManifestFlags,
    #[command(flatten)]
    pub lists: ListFlags,
    #[command(flatten)]
    pub expect: ExpectFlags,
    #[command(flatten)]
    pub report: ReportFlags,
    #[command(flatten)]
    pub var: VarFlags,
    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub memory: MemoryFlags,
    #[command(flatten)]
    pub store: StoreFlags,
    #[command(flatten)]
    pub common: Common,
}

const LEVELS: [Choice<Level>; 3] = [
    ("list", "Metadata, coordinates, names and sizes of objects", Level::List),
    ("header", "Also the first bytes of each chunk, and the indexes of shards", Level::Header),
    ("full", "Also every value", Level::Full),
];

/// Flags that say what is expected.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Expectations")]
pub struct ExpectFlags {
    /// Chunks that must be stored in each array: all, or a share such as 95%. Without it, missing chunks are errors or warnings
    /// unless the fill value is an ordinary value, which zarr-python does not store
    #[arg(long, value_name = "all|SHARE")]
    pub expect_chunks: Option<ExpectChunks>,
    /// Smallest size of a store in bytes, such as 280G
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub min_size: Option<u64>,
    /// Smallest size of a store as a share of its decoded size, such as 5%
    #[arg(long, value_name = "SHARE")]
    pub min_ratio: Option<Share>,
    /// Check only the coordinates of this dimension; repeatable
    #[arg(long, value_name = "DIM")]
    pub dim: Vec<String>,
    /// Step of a coordinate, such as 1h or 0.25; with a dimension, time=1h. Without one, that of every time dimension for a
    /// time, of the dimensions of --dim for a number
    #[arg(long, value_name = "[DIM=]STEP")]
    pub expect_step: Vec<StepRule>,
    /// First and last value of a coordinate, in either order, such as file_id=0:94, latitude=60:50 or
    /// time=2019-03-01:2019-03-31; with --expect-step, or for whole numbers, all values between them
    #[arg(long, value_name = "DIM=FIRST:LAST")]
    pub expect: Vec<Expect>,
    /// Arrays that may be NaN in any part
    #[arg(long, value_name = "GLOB")]
    pub allow_nan: Vec<String>,
    /// Largest share of NaN and fill values, such as 0.01, of all arrays or of those that match; those of missing chunks count
    /// unless the fill value is an ordinary value. Needs --level full, and is that without --level
    #[arg(long, value_name = "[GLOB=]SHARE")]
    pub max_nan: Vec<NanRule>,
    /// Read rules from a TOML file, whose keys are these flags; flags of the command line come after it
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
}

/// Flags about what is reported.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Reports")]
pub struct ReportFlags {
    /// Report only these kinds of findings, separated by commas; repeatable (the manual page lists all)
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub check: Vec<String>,
    /// Do not report these kinds of findings
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Findings of a kind printed for each array; the others are counted; 0 prints all
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    /// Draw the chunks of each array along its first dimension: stored, missing, damaged, all NaN. FILE is a picture (.svg or
    /// .png), which must not exist; "-" adds a strip of characters to the table, as on a terminal; repeatable
    #[arg(long, value_name = "FILE")]
    pub map: Vec<PathBuf>,
    /// Replace an existing picture (--map)
    #[arg(long)]
    pub overwrite: bool,
    /// Also print findings as annotations for a CI system, on stderr
    #[arg(long, value_name = "SYSTEM", value_parser = one_of(SYSTEMS))]
    pub annotations: Option<Annotations>,
}

const SYSTEMS: [Choice<Annotations>; 1] = [("github", "GitHub Actions workflow commands", Annotations::Github)];

/// Numbered examples for the help and the manual page.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("Check a local store, down to every value", "zvalidate era5.zarr"),
    ("Is my copy complete? Names and sizes only", "zvalidate --level list --expect-chunks all era5.zarr"),
    (
        "Is a cache data, or only metadata and NaN? Check it before it is used",
        "zvalidate --expect-chunks all --min-ratio 5% --max-nan 10% \\\n  cache/batch_*.zarr && echo ready",
    ),
    (
        "Check a cache without decoding it: all batches, and that they fit together",
        "zvalidate --level header cache/batch_*.zarr",
    ),
    ("Do batches overlap, or leave gaps?", "zvalidate --level list --dim file_id batch_*.zarr"),
    (
        "Is each of 95 file_ids there once, after batches were put together?",
        "zvalidate --level list --dim file_id --expect file_id=0:94 merged.zarr",
    ),
    ("Which hours are missing?", "zvalidate --level list --dim time --expect-step 1h era5.zarr"),
    ("Check a share of a large archive", "zvalidate --level full --sample 5% s3://bucket/era5.zarr --anonymous"),
    ("Fail if more than 1 % of t2m is NaN, and print no table", "zvalidate -q --var t2m --max-nan t2m=0.01 era5.zarr"),
    ("Is the rechunked store equal to the archive?", "zvalidate era5.zarr --against archive.zarr"),
    ("Is a store that was rounded close enough?", "zvalidate era5.zarr --against archive.zarr --rtol 1e-3"),
    ("Write down what a store holds", "zvalidate era5.zarr --write-manifest new.manifest"),
    (
        "List the paths of damaged objects, one per line, as zfetch --repair reads them",
        "zvalidate era5.zarr --corrupt -",
    ),
    ("See where the holes are", "zvalidate --map holes.svg era5.zarr"),
    ("Divide a large archive among four machines", "zvalidate --part 2/4 era5.zarr"),
    (
        "List the missing chunks, one per line, and write the damaged ones to a file",
        "zvalidate era5.zarr --missing - --corrupt damaged.txt",
    ),
];
