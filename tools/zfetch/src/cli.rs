//! Command-line flags of `zfetch`.

use std::path::PathBuf;

use zcli::clap::{self, Args as ClapArgs, Parser};
use zcli::{Common, JobFlags, MemoryFlags, SelectFlags, StoreFlags, VarFlags, WriterFlags};
use zcoord::BoundingBox;
use zstore::Target;

/// Fetch a Zarr store, or the part of it that a selection needs, and verify it
///
/// Copies STORE to the new store --to: from a cloud or a web server to a local disk, to another cloud, or upwards. Without --to,
/// it goes into the cache, and the record "fetched" has its path; the same request finds it there again as long as the metadata
/// of STORE is unchanged, and a second process waits for it. With a selection, only the chunks that it touches are transferred.
/// Their keys are computed from the metadata, so that nothing is listed, and their stored bytes are copied, not decoded.
///
/// The output is cropped: the range of each dimension grows to chunk boundaries, shapes shrink to it, chunks get new keys, and
/// coordinates are cut to the same range. Every reader of Zarr finds what is there and nothing else; no chunk that was not
/// fetched can be read as fill values. --dry-run shows how much larger the range became (AMPLIFICATION). Variables come with
/// all that describe them: coordinates, bounds, grid mappings.
///
/// The output appears only when it is complete and verified. Until then, finished work is kept next to it in a directory that
/// ends in .plan; use --resume to continue after an interruption.
#[derive(Debug, Parser)]
#[command(name = "zfetch", override_usage = "zfetch [OPTIONS] STORE --to=DST\n       zfetch [OPTIONS] STORE...")]
pub struct Args {
    /// Stores or groups to read: paths, or URLs (file, s3, gs, az, http or https)
    #[arg(value_name = "STORE")]
    pub stores: Vec<Target>,
    /// Read more stores from FILE ("-": standard input), one per line, as text or as records with a "store" field
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    pub stores_from: Option<PathBuf>,
    /// Store to write, instead of an entry of the cache; it must not exist: a path, or a URL (file, s3, gs or az)
    #[arg(long, value_name = "DST")]
    pub to: Option<Target>,
    /// Directory of the cache [default: $ZTOOLS_CACHE, or ztools in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR", conflicts_with = "to")]
    pub cache: Option<PathBuf>,
    /// Use only what is in the cache, and ask no server whether it is current
    #[arg(long, conflicts_with_all = ["to", "dry_run", "overwrite"])]
    pub offline: bool,

    #[command(flatten)]
    pub var: VarFlags,
    #[command(flatten)]
    pub select: SelectFlags,
    #[command(flatten)]
    pub cells: CellFlags,
    #[command(flatten)]
    pub memory: MemoryFlags,
    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub writer: WriterFlags,
    #[command(flatten)]
    pub source: StoreFlags,
}

/// Flags that select grid cells.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Selection options")]
pub struct CellFlags {
    /// Select the grid cells in a box, in degrees; longitudes in either convention, also across the meridian where the grid
    /// starts: -10,35,30,60
    #[arg(long, value_name = "W,S,E,N", allow_hyphen_values = true, conflicts_with_all = ["lat", "lon"])]
    pub bbox: Option<BoundingBox>,
    /// Select the cell nearest to a point: its latitude in degrees north; repeatable, each with a --lon. All cells between
    /// several points are selected
    #[arg(long, value_name = "LAT", allow_negative_numbers = true)]
    pub lat: Vec<f64>,
    /// Its longitude in degrees east, in either convention: -0.1 equals 359.9
    #[arg(long, value_name = "LON", allow_negative_numbers = true)]
    pub lon: Vec<f64>,
}

/// Examples for `--help` and the man page.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("Fetch a store", "zfetch era5.zarr --to copy.zarr"),
    (
        "The months of one variable in a box",
        "zfetch era5.zarr --to europe.zarr \\\n  --var t2m --sel time=2019-03 --bbox=-10,35,30,60",
    ),
    ("The chunks around one point", "zfetch era5.zarr --to london.zarr --lat=51.5 --lon=-0.1"),
    (
        "Dry run: the objects, and how much more is fetched than asked for",
        "zfetch -n era5.zarr --to london.zarr --lat=51.5 --lon=-0.1",
    ),
    ("Continue after an interruption", "zfetch --resume era5.zarr --to copy.zarr"),
    (
        "Fetch, then extract the series",
        "near=$(zfetch era5.zarr --cache cache --lat=51.5 --lon=-0.1 | \\\n  \
         jq -r 'select(.type==\"fetched\").path') && \\\n\
         zpoint \"$near\" --lat=51.5 --lon=-0.1 -f csv",
    ),
    (
        "In parts, on many machines",
        "zfetch --prepare --parts 4 era5.zarr --to copy.zarr --var t2m && \\\n\
         seq 4 | xargs -P2 -I{} zfetch --part {}/4 --to copy.zarr && \\\n\
         zfetch --finish --to copy.zarr",
    ),
];
