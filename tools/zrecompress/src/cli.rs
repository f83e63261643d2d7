//! The flags of `zrecompress`.

use std::ffi::OsString;
use std::path::PathBuf;

use zarray::parse_size;
use zcli::clap::builder::PossibleValue;
use zcli::clap::{self, Args as ClapArgs, Parser, ValueEnum};
use zcli::{Common, JobFlags, MemoryFlags, StoreFlags, WriterFlags};

use crate::trial::Objective;

/// Rewrite the chunks of a Zarr store: another codec, other chunks, the other Zarr format
///
/// Copies the store, group or array SRC to the new store DST, every chunk decoded and compressed again, byte for byte the
/// same values: no data type is looked at, so arrays that no library can open are recompressed, too. What no flag changes
/// stays as it is: shapes, chunks, shards, attributes, fill values, filters, dimension names, keys, consolidated metadata; a
/// chunk that is absent stays absent. DST can be opened only when it is whole and verified.
///
/// Until then DST.plan, beside DST, holds what is done. Whatever ends a run (a signal, a full disk, a power cut), --resume
/// goes on from there; finished chunks are not done again, torn ones are not believed.
///
/// Threads are not stored: --nthreads speeds this run up, and changes nothing for whoever reads DST. What readers get is the
/// number of blocks in a chunk (--blocksize); zinspect says how many there are, and --trial what each choice costs and gains.
#[derive(Debug, Parser)]
#[command(name = "zrecompress")]
pub struct Args {
    /// The store, group or array to read: a path, or a URL with file, s3, gs, az, http or https
    #[arg(value_name = "SRC")]
    pub source: Option<OsString>,
    /// The store to write, which must not exist: a path, or a URL with file, s3, gs or az
    #[arg(value_name = "DST")]
    pub target: Option<OsString>,

    /// Blosc threads inside one chunk, never more than it has blocks [default: what is left of the cores by --jobs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub nthreads: Option<u16>,
    /// What to do about a chunk that cannot be decoded: leave the output unfinished, copy its bytes as they are, or leave it
    /// absent, so that readers see the fill value. In any case it is named, and the exit code is 3
    #[arg(long, value_name = "WHAT", value_enum, default_value = "error")]
    pub on_bad_chunk: BadChunkFlag,
    /// Change SRC itself. Blosc to Blosc goes chunk by chunk, and SRC is right at every instant; any other change is written
    /// beside SRC, and then each array takes the old one's place in one step; until the metadata has followed, a consolidated copy
    /// of it still names the old codec
    #[arg(long, conflicts_with = "overwrite")]
    pub in_place: bool,
    /// Keep what --in-place replaces in the new directory DIR
    #[arg(long, value_name = "DIR", requires = "in_place")]
    pub backup: Option<PathBuf>,

    #[command(flatten)]
    pub writer: WriterFlags,
    #[command(flatten)]
    pub trial: TrialFlags,
    #[command(flatten)]
    pub encode: EncodeFlags,
    #[command(flatten)]
    pub many: ManyFlags,
    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub memory: MemoryFlags,
    #[command(flatten)]
    pub store: StoreFlags,
    #[command(flatten)]
    pub common: Common,
}

/// What becomes of a chunk that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BadChunkFlag {
    /// The output is not finished.
    Error,
    /// Its bytes are carried over as they are.
    Copy,
    /// It is left absent.
    Skip,
}

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

/// Flags of runs over many stores.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Options for many machines and many stores")]
pub struct ManyFlags {
    /// Stores, one a line, or records that name a store and a path: just those arrays are recompressed. "-" is standard input
    #[arg(long, value_name = "FILE", requires = "out_dir", conflicts_with_all = ["source", "target", "in_place", "prepare", "part", "status", "finish"])]
    pub stores_from: Option<PathBuf>,
    /// Directory for the outputs of --stores-from, each under the name of its store
    #[arg(long, value_name = "DIR", requires = "stores_from")]
    pub out_dir: Option<PathBuf>,
}

/// Flags that decide the bytes of the output; nothing where a flag was not given.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Codec options")]
pub struct EncodeFlags {
    /// Codec of the new chunks [default: blosc]
    #[arg(long, value_name = "CODEC", value_enum)]
    pub codec: Option<CodecFlag>,
    /// Compressor inside Blosc [default: zstd]
    #[arg(long, value_name = "NAME", value_parser = ["zstd", "lz4", "lz4hc", "blosclz", "zlib"])]
    pub cname: Option<String>,
    /// Compression level: 0 to 9, with --codec zstd up to 22 [default: 3; with --codec gzip 5]
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    pub clevel: Option<i32>,
    /// Filter inside Blosc; auto is bitshuffle for elements of one byte and shuffle for all others [default: auto]
    #[arg(long, value_name = "FILTER", value_parser = ["auto", "shuffle", "bitshuffle", "noshuffle"])]
    pub shuffle: Option<String>,
    /// Whether a Blosc block is compressed as one stream a byte position; auto is Blosc's own choice [default: auto]
    #[arg(long, value_name = "MODE", value_parser = ["auto", "always", "never"])]
    pub split: Option<String>,
    /// Bytes of a Blosc block, the unit that threads share; 0 lets Blosc choose [default: 0]
    #[arg(long, value_name = "SIZE", value_parser = parse_blocksize)]
    pub blocksize: Option<u64>,
    /// New chunk shape: "time=744,latitude=16", or "744,16,16"; -1 is the whole dimension, a dimension not named keeps its
    /// length. "t2m:time=744" is for arrays of that name only (a glob). Repeatable, the last match counts
    #[arg(long, value_name = "SHAPE", allow_hyphen_values = true, help_heading = "Chunk options")]
    pub chunks: Vec<String>,
    /// New shard shape, a multiple of the chunk shape, in the same words; Zarr v3 only. A shard larger than the memory is written
    /// in slices: the order of its chunks, not their values, then depends on --max-memory and --jobs
    #[arg(long, value_name = "SHAPE", allow_hyphen_values = true, help_heading = "Chunk options")]
    pub shards: Vec<String>,
    /// Store the chunks of sharded arrays as objects of their own
    #[arg(long, conflicts_with = "shards", help_heading = "Chunk options")]
    pub no_shards: bool,
    /// Zarr format of the output [default: that of the source]
    #[arg(long, value_name = "FORMAT", value_parser = clap::value_parser!(u8).range(2..=3), help_heading = "Chunk options")]
    pub zarr_format: Option<u8>,
    /// Coordinate arrays below this decoded size are copied as they are [default: 64K]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Selection options")]
    pub min_size: Option<u64>,
    /// Only arrays that match: a name ("t2m", "*_mean"), or with a slash the whole path ("/surface/*"); repeatable. The others
    /// are copied as they are
    #[arg(long, value_name = "GLOB", help_heading = "Selection options")]
    pub var: Vec<String>,
    /// Copy arrays that cannot be taken apart as they are, instead of refusing the store
    #[arg(long, help_heading = "Selection options")]
    pub copy_unknown: bool,
}

/// `--codec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CodecFlag {
    /// Blosc, whose blocks can be decoded one by one.
    Blosc,
    /// One Zstandard frame a chunk.
    Zstd,
    /// One gzip member a chunk.
    Gzip,
    /// Nothing.
    None,
}

/// Blosc takes blocks up to this (`BLOSC_MAX_BLOCKSIZE` in c-blosc 1.21), and makes smaller ones than 128 bytes larger.
const BLOCKSIZES: std::ops::RangeInclusive<u64> = 128..=(i32::MAX as u64 - 255 * 4) / 3;

fn parse_blocksize(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        size if size == 0 || BLOCKSIZES.contains(&size) => Ok(size),
        _ => Err(format!("a block has {} to {} bytes", BLOCKSIZES.start(), BLOCKSIZES.end())),
    }
}

/// Examples of `--help` and the manual page.
pub const EXAMPLES: &[(&str, &str)] = &[
    (
        "A whole store with zstd and bit shuffle, 16 chunks at once",
        "zrecompress era5.zarr era5-zstd.zarr --cname zstd --clevel 3 --shuffle bitshuffle -j 16",
    ),
    (
        "Few large chunks: 2 at once with 8 threads in each",
        "zrecompress big.zarr out.zarr --nthreads 8 -j 2 --max-memory 16G",
    ),
    ("See first what would be done", "zrecompress -n era5.zarr era5-zstd.zarr"),
    ("Go on after a kill, a full disk or Ctrl-C", "zrecompress --resume era5.zarr era5-zstd.zarr"),
    ("One array, the others copied as they are", "zrecompress era5.zarr out.zarr --var t2m --blocksize 128K"),
    (
        "Change the store itself, and keep the old chunks",
        "zrecompress --in-place era5.zarr --clevel 5 --backup era5.old",
    ),
    (
        "From maps to time series, in chunks for one place",
        "zrecompress era5.zarr series.zarr --chunks time=744,latitude=16,longitude=16 --max-memory 8G",
    ),
    ("Into shards of 16 chunks, in Zarr v3", "zrecompress era5.zarr out.zarr --zarr-format 3 --shards time=96"),
    ("Only the metadata to Zarr v3, no chunk touched", "zrecompress --in-place era5.zarr --zarr-format 3"),
    (
        "On many machines: plan, parts in any order and anywhere, the end",
        "zrecompress --prepare --parts 8 era5.zarr out.zarr --clevel 5 && \
         seq 8 | xargs -P4 -I{} zrecompress --part {}/8 out.zarr && zrecompress --finish out.zarr",
    ),
    (
        "Just the arrays that zinspect finds fault with",
        "zinspect *.zarr | jq -c 'select(.verdict==\"few_blocks\")' | zrecompress --stores-from - --out-dir fixed",
    ),
    ("What other compressors would give, on chunks of its own", "zrecompress --trial era5.zarr --var t2m"),
    ("Each array with what fits it best, for single cells", "zrecompress --auto --objective point era5.zarr out.zarr"),
    (
        "Only the records of arrays that did not get smaller",
        "zrecompress --json era5.zarr out.zarr | jq -c 'select(.type==\"recompress\" and .gain<=1)'",
    ),
];
