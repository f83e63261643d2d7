//! Command-line flags of `zfetch`.

use std::ffi::OsString;
use std::path::PathBuf;

use zarray::parse_size;
use zcli::clap::{self, Args as ClapArgs, Parser, ValueEnum};
use zcli::{Common, JobFlags, MemoryFlags, SelectFlags, StoreFlags, VarFlags, WriterFlags};
use zcoord::BoundingBox;
use zstore::Target;

/// Fetch a Zarr store, or the part of it that a selection needs, and verify it
///
/// Copies STORE to the new store --to: from a cloud or a web server to a local disk, to another cloud, or upwards. Without --to,
/// it goes into the cache, and the record "fetched" has its path; the same request finds it there again as long as the metadata
/// of STORE is unchanged, and a second process waits for it. Several stores are fetched at the same time, and those on one server
/// share its requests (--requests). With a selection, only the chunks that it touches are transferred. Their keys are computed
/// from the metadata, so that nothing is listed, and their stored bytes are copied, not decoded.
///
/// The output is cropped: the range of each dimension grows to chunk boundaries, shapes shrink to it, chunks get new keys, and
/// coordinates are cut to the same range. Every reader of Zarr finds what is there and nothing else; no chunk that was not
/// fetched can be read as fill values. With --layout mirror, chunks keep their places and keys. --dry-run shows how much larger the range became (AMPLIFICATION). Variables come with
/// all that describe them: coordinates, bounds, grid mappings.
///
/// The output appears only when it is complete and verified. Until then, finished work is kept next to it in a directory that
/// ends in .plan; use --resume to continue after an interruption.
#[derive(Debug, Parser)]
#[command(
    name = "zfetch",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    override_usage = "zfetch [OPTIONS] STORE --to=DST\n       zfetch [OPTIONS] STORE...\n       zfetch cache ACTION [ENTRY...]"
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Subcommand>,

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
    /// Evict entries of the cache, the least recently used first, so that it takes no more than SIZE (with K, M, G or T); pinned
    /// entries and those in use are kept
    #[arg(long, value_name = "SIZE", value_parser = parse_size, conflicts_with = "to")]
    pub max_size: Option<u64>,
    /// Repair the objects listed in FILE ("-": standard input): fetch them again and replace them in place, in the cache, or in
    /// DST with the command that fetched it. FILE has paths, one per line, as zvalidate --corrupt and --missing print them, or
    /// records with the fields "store" and "key". What is fetched again into the cache is compared with what was fetched first (see
    /// --on-change); of DST no checksums are kept, so that objects of another version are not noticed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["stores_from", "max_size", "offline", "dry_run", "resume", "overwrite", "prepare", "part", "status", "finish"])]
    pub repair: Option<PathBuf>,
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
    /// How objects are checked: not at all; only their sizes; by the strongest check that needs no other request and no decoding,
    /// and objects of up to 16 MiB are read back once written (auto); or all are read back, and every chunk decoded
    #[arg(long, value_name = "HOW", value_enum, default_value = "auto")]
    pub verify: VerifyFlag,
    /// How shards are fetched of which the selection touches only some inner chunks: as smaller shards, made of the stored inner
    /// chunks, if less than half of them are needed (auto); whole; or always as smaller shards (inner)
    #[arg(long, value_name = "HOW", value_enum, default_value = "auto", help_heading = "Selection options")]
    pub shards: ShardsFlag,
    /// What to do when an object of STORE changes while it is fetched, or since an unfinished run fetched it, or, with --repair, since
    /// it was fetched into the cache
    #[arg(long, value_name = "WHAT", value_enum, default_value = "refetch")]
    pub on_change: OnChangeFlag,
    #[command(flatten)]
    pub source: StoreFlags,
}

impl Args {
    /// This command line with the store of an earlier one, and with those of its `arguments` to which this one has no others.
    ///
    /// # Errors
    /// What is wrong with them together.
    pub fn with_earlier(store: &str, arguments: &[String]) -> Result<Args, String> {
        let given: Vec<OsString> = std::env::args_os().skip(1).collect();
        let name = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
        let is_given = |argument: &str| given.iter().any(|given| name(&given.to_string_lossy()) == name(argument));
        let kept = arguments.iter().filter(|argument| !is_given(argument)).map(OsString::from);
        let all = ["zfetch", store].into_iter().map(OsString::from).chain(kept).chain(given.iter().cloned());
        Args::try_parse_from(all).map_err(|error| error.kind().to_string())
    }
}

/// What is done instead of fetching.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// List, verify, evict or pin what is in the cache
    Cache(CacheArgs),
}

/// Flags of `zfetch cache`.
#[derive(Debug, ClapArgs)]
#[command(override_usage = "zfetch cache ACTION [OPTIONS] [ENTRY...]")]
pub struct CacheArgs {
    /// What to do
    #[arg(value_name = "ACTION", value_enum)]
    pub action: CacheAction,
    /// Entries: names as "zfetch cache list" shows them, patterns ("era5_*"), or paths in the cache. Without any, list and verify take
    /// all, path prints the directory of the cache, evict needs --max-size, and pin and unpin are refused
    #[arg(value_name = "ENTRY")]
    pub entries: Vec<String>,
    /// Directory of the cache [default: $ZTOOLS_CACHE, or ztools in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// With evict: evict the least recently used until the cache takes no more than SIZE
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_size: Option<u64>,
    /// With evict: show what would be evicted
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub common: Common,
}

/// What `zfetch cache` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CacheAction {
    /// Show the entries: size, last use, source
    List,
    /// Compare every object with the checksum that it had when it was written
    Verify,
    /// Remove entries: those that are named, or the least recently used with --max-size
    Evict,
    /// Keep entries whatever --max-size is
    Pin,
    /// Let entries be evicted again
    Unpin,
    /// Print the paths of the cached stores, or the directory of the cache, as plain text; with --json, as records
    Path,
}

/// How objects are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyFlag {
    /// Not at all.
    None,
    /// Only their sizes.
    Size,
    /// The strongest check that needs no other request: checksums in headers and ETags, headers of compressors, shard indexes.
    Auto,
    /// Besides, all objects are read back, and every chunk is decoded.
    Decode,
}

/// How shards are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShardsFlag {
    /// As smaller shards, if less than half of their inner chunks are needed.
    Auto,
    /// Whole.
    Whole,
    /// As smaller shards of the inner chunks that are needed.
    Inner,
}

/// What happens when an object changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnChangeFlag {
    /// Fetch it again.
    Refetch,
    /// Stop; finished work is kept. With --repair, the old object is kept, and its entry is not complete.
    Stop,
}

/// Flags that select grid cells.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Selection options")]
pub struct CellFlags {
    /// Select the grid cells in a box, in degrees; longitudes in either convention, also across the meridian where the grid
    /// starts: -10,35,30,60
    #[arg(long, value_name = "W,S,E,N", allow_hyphen_values = true, conflicts_with_all = ["lat", "lon"])]
    pub bbox: Option<BoundingBox>,
    /// Select the cell nearest to a point: its latitude in degrees north; repeatable, each with a --lon. With
    /// --layout crop, all cells between several points are selected
    #[arg(long, value_name = "LAT", allow_negative_numbers = true)]
    pub lat: Vec<f64>,
    /// Its longitude in degrees east, in either convention: -0.1 equals 359.9
    #[arg(long, value_name = "LON", allow_negative_numbers = true)]
    pub lon: Vec<f64>,
    /// Read points from a CSV file ("-": standard input) whose header has lat and lon; other columns are ignored
    #[arg(long, value_name = "FILE", conflicts_with = "bbox")]
    pub points: Option<PathBuf>,
    /// Leave out lines of --points that are no points, with a warning, instead of stopping
    #[arg(long, requires = "points")]
    pub skip_bad_points: bool,
    /// What is written of a selection: a smaller store (crop), or its chunks in their places in a store with the metadata of the
    /// whole (mirror), of which only the tools of ztools know that the other chunks are not missing but not fetched
    #[arg(long, value_name = "LAYOUT", value_enum, default_value = "crop")]
    pub layout: LayoutFlag,
}

/// How a selection is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LayoutFlag {
    /// A smaller store.
    Crop,
    /// The chunks in their places.
    Mirror,
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
        "The chunks that the points of a file touch, in their places",
        "zfetch era5.zarr --to mirror.zarr --layout mirror --points points.csv",
    ),
    (
        "Fetch, then extract the series",
        "near=$(zfetch era5.zarr --cache cache --lat=51.5 --lon=-0.1 | \\\n  \
         jq -r 'select(.type==\"fetched\").path') && \\\n\
         zpoint \"$near\" --lat=51.5 --lon=-0.1 -f csv",
    ),
    (
        "Use at most 500 GB for the cache, and see what is in it",
        "zfetch era5.zarr --cache cache --max-size 500G --isel time=0 && \\\n\
         zfetch cache list --cache cache && \\\nzfetch cache verify --cache cache",
    ),
    (
        "Fetch again what is damaged in an output",
        "zfetch era5.zarr --to copy.zarr --var t2m && \\\n\
         zvalidate --corrupt - copy.zarr | \\\n  zfetch era5.zarr --to copy.zarr --var t2m --repair -",
    ),
    (
        "In parts, on many machines",
        "zfetch --prepare --parts 4 era5.zarr --to copy.zarr --var t2m && \\\n\
         seq 4 | xargs -P2 -I{} zfetch --part {}/4 --to copy.zarr && \\\n\
         zfetch --finish --to copy.zarr",
    ),
];

/// Further sections of the manual page.
pub const SECTIONS: &[(&str, &str)] = &[("LAYOUTS", LAYOUTS), ("THE CACHE", CACHE)];

const LAYOUTS: &str = "\
An array of 4 x 6 chunks, and a selection (s) that touches four of them:

       0   1   2   3   4   5
     +---+---+---+---+---+---+
   0 |   |   |   |   |   |   |
     +---+---+---+---+---+---+
   1 |   |   | ss|s  |   |   |
     +---+---+---+---+---+---+
   2 |   |   | ss|s  |   |   |
     +---+---+---+---+---+---+
   3 |   |   |   |   |   |   |
     +---+---+---+---+---+---+

--layout crop (the default) writes a smaller store. The chunks keep their
bytes and get new keys, the shape is that of 2 x 2 chunks, and the
coordinates are cut to the same range:

       0   1             source          output
     +---+---+           t2m/1.2   ->    t2m/0.0
   0 | ss|s  |           t2m/1.3   ->    t2m/0.1
     +---+---+           t2m/2.2   ->    t2m/1.0
   1 | ss|s  |           t2m/2.3   ->    t2m/1.1
     +---+---+

Any reader of Zarr finds what is there and nothing else. Cells around the
selection come along, up to the edges of the chunks; a dry run shows how
many (AMPLIFICATION). Several points are one box around all of them.

--layout mirror writes the chunks in their places, and the metadata of the
source as it is:

       0   1   2   3   4   5
     +---+---+---+---+---+---+
   0 | . | . | . | . | . | . |     . : not fetched
     +---+---+---+---+---+---+
   1 | . | . | ss|s  | . | . |
     +---+---+---+---+---+---+
   2 | . | . | ss|s  | . | . |
     +---+---+---+---+---+---+
   3 | . | . | . | . | . | . |
     +---+---+---+---+---+---+

Indices are those of the source, and of several points only the chunks that
they touch are fetched. But a reader that knows nothing of zfetch takes a
chunk that was not fetched for missing, and reads fill values. The file
.zfetch.json at the top of the store lists what was fetched; zinspect and
zpoint refuse to read the rest, and zrecompress refuses such arrays.
Variables that describe others, such as coordinates, are fetched whole.";

const CACHE: &str = "\
A cache is a directory with an entry for each store and selection:

   CACHEDIR.TAG                     makes the directory a cache
   era5_t2m_51.5_-0.1-0e46.../      an entry: what was selected, and a key
      entry.json                    written last: the entry is complete
      1/era5.zarr                   the store
      checksums-1/                  CRC-32C of its objects
      readers, lock, pinned

The same request finds the entry again while the metadata of the source is
unchanged; if it changed, the next version is fetched beside the old one.
With --max-size, whole entries are evicted before fetching, the least
recently used first. Entries that are pinned, that another process fetches,
or that one of these tools reads are kept. Other readers are not noticed:
pin what they use.";
