//! Command-line flags of `zrecompress`.

use std::path::PathBuf;

use zarray::parse_size;
use zcli::clap::builder::PossibleValue;
use zcli::clap::{self, Args as ClapArgs, Parser, ValueEnum};
use zcli::{ChunkFlags, CodecFlags, Common, JobFlags, MemoryFlags, StoreFlags, VerifyFlags, WriterFlags};
use zstore::Target;

use crate::trial::Objective;

/// Rewrite the chunks of a Zarr store: change the codec, the chunk shape or the Zarr format
///
/// Copies the store, group or array SRC to the new store DST. Every chunk is decoded and compressed again; the values stay
/// identical bit for bit. Elements are treated as raw bytes, so arrays with data types unknown to other libraries can be
/// recompressed too. Everything that no flag changes is preserved: shapes, chunks, shards, attributes, fill values, filters,
/// dimension names, keys and consolidated metadata; missing chunks stay missing. DST appears only when it is complete and
/// verified.
///
/// Until then, finished work is kept in DST.plan, next to DST. If a run ends early (signal, full disk, power failure), use
/// --resume to continue it. Finished chunks are kept; chunks that may be incomplete are redone.
///
/// The thread count is not stored: --nthreads speeds up this run only. Readers can use as many threads as a chunk has blocks
/// (--blocksize): zinspect shows the number of blocks, and --trial measures the effect of each choice.
#[derive(Debug, Parser)]
#[command(
    name = "zrecompress",
    mut_arg("shards", |shards| shards.help(SHARDS)),
    override_usage = "zrecompress [OPTIONS] SRC DST\n       zrecompress [OPTIONS] --in-place SRC\n       \
                      zrecompress [OPTIONS] --out-dir DIR {SRC... | --stores-from FILE}"
)]
pub struct Args {
    /// Store, group or array to read: a path, or a URL (file, s3, gs, az, http or https)
    #[arg(value_name = "SRC")]
    pub source: Option<Target>,
    /// Store to write; it must not exist: a path, or a URL (file, s3, gs or az)
    #[arg(value_name = "DST")]
    pub target: Option<Target>,
    /// More stores to read, with --out-dir
    #[arg(value_name = "SRC", hide = true)]
    pub more: Vec<Target>,

    /// Blosc threads per chunk, limited to its number of blocks [default: cores not used by --jobs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub nthreads: Option<u16>,
    /// Directory for a scratch file: rechunking that would read its source chunks many times reads them once and keeps the parts
    /// there; "none" for no scratch file [default: beside DST, none if DST is a URL]
    #[arg(long, value_name = "DIR", help_heading = "Chunk options")]
    pub scratch: Option<PathBuf>,
    /// How to handle a chunk that cannot be decoded: leave the output unfinished, copy its stored bytes unchanged, or omit it,
    /// so that readers see the fill value. The chunk is always reported, and the exit code is 3
    #[arg(long, value_name = "WHAT", value_enum, default_value = "error")]
    pub on_bad_chunk: BadChunkFlag,
    /// Modify SRC itself. Blosc to Blosc replaces chunk by chunk, and SRC stays valid throughout. Any other change is written
    /// next to SRC, then each array is swapped atomically; until the metadata is updated, consolidated metadata still names the
    /// old codec
    #[arg(long, conflicts_with = "overwrite")]
    pub in_place: bool,
    /// Keep the data that --in-place replaces in the new directory DIR
    #[arg(long, value_name = "DIR", requires = "in_place")]
    pub backup: Option<PathBuf>,

    #[command(flatten)]
    pub encode: EncodeFlags,
    #[command(flatten)]
    pub trial: TrialFlags,
    #[command(flatten)]
    pub memory: MemoryFlags,
    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub verify: VerifyFlags,
    #[command(flatten)]
    pub writer: WriterFlags,
    #[command(flatten)]
    pub many: ManyFlags,
    #[command(flatten)]
    pub store: StoreFlags,
}

const SHARDS: &str = "New shard shape, a multiple of the chunk shape, in the same syntax; Zarr v3 only. A shard larger than the memory limit \
                      is written in slices; the order of its chunks (not their values) then depends on --max-memory and --jobs";

/// How to handle a chunk that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BadChunkFlag {
    /// Leave the output unfinished.
    Error,
    /// Copy its stored bytes unchanged.
    Copy,
    /// Omit it.
    Skip,
}

/// Flags of trials.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Trial options")]
pub struct TrialFlags {
    /// Try compressors on sampled chunks of each array; print the results and write nothing. --cname, --clevel, --shuffle,
    /// --split and --blocksize restrict the candidates
    #[arg(long, group = "trying", conflicts_with_all = ["auto", "dry_run", "resume", "in_place", "prepare", "part", "status", "finish", "stores_from"])]
    pub trial: bool,
    /// Use the best compressor for each array: the one that a trial finds best for --objective
    #[arg(long, group = "trying", conflicts_with_all = ["part", "status", "finish"])]
    pub auto: bool,
    /// Criterion for choosing the compressor
    #[arg(long, value_name = "WHAT", value_enum, default_value = "balanced", requires = "trying")]
    pub objective: Objective,
    /// Number of chunks to sample in each array
    #[arg(long, value_name = "N", default_value_t = 4, requires = "trying", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub sample: u16,
    /// Share one trial among arrays with the same data type, chunk shape and codec
    #[arg(long, requires = "trying")]
    pub share_trial: bool,
}

impl ValueEnum for Objective {
    fn value_variants<'a>() -> &'a [Objective] {
        &[Objective::Size, Objective::Encode, Objective::Decode, Objective::Point, Objective::Balanced]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Objective::Size => "Smallest store",
            Objective::Encode => "Fastest writing",
            Objective::Decode => "Fastest reading of whole chunks",
            Objective::Point => "Fewest bytes read for a single point",
            Objective::Balanced => "Size first, then speed; never larger than the default compressor",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

/// Flags of runs over many stores.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Options for many machines and many stores")]
pub struct ManyFlags {
    /// File with one store per line, or records that name a store and an array (only those arrays are recompressed); "-" is stdin
    #[arg(long, value_name = "FILE", requires = "out_dir", conflicts_with = "source")]
    pub stores_from: Option<PathBuf>,
    /// Directory for the outputs of many stores, named like them; all arguments are stores to read
    #[arg(long, value_name = "DIR", conflicts_with_all = ["trial", "in_place", "prepare", "part", "status", "finish"])]
    pub out_dir: Option<PathBuf>,
}

/// Flags that determine the bytes of the output; `None` if not given.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct EncodeFlags {
    #[command(flatten)]
    pub codec: CodecFlags,
    #[command(flatten)]
    pub chunk: ChunkFlags,
    /// Zarr format of the output [default: same as SRC]
    #[arg(long, value_name = "FORMAT", value_parser = clap::value_parser!(u8).range(2..=3), help_heading = "Chunk options")]
    pub zarr_format: Option<u8>,
    /// Copy coordinate arrays smaller than this decoded size unchanged [default: 64K]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Selection options")]
    pub min_size: Option<u64>,
    /// Recompress only arrays that match a name ("t2m", "*_mean") or, with a slash, a full path ("/surface/*"); repeatable.
    /// Other arrays are copied unchanged
    #[arg(long, value_name = "GLOB", help_heading = "Selection options")]
    pub var: Vec<String>,
    /// Copy arrays that cannot be decoded unchanged, instead of failing
    #[arg(long, help_heading = "Selection options")]
    pub copy_unknown: bool,
}

/// Examples for `--help` and the man page.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("Recompress a store with the default codec, zstd in Blosc", "zrecompress era5.zarr era5-zstd.zarr"),
    (
        "Recompress a store with zstd and bitshuffle, 16 chunks in parallel",
        "zrecompress era5.zarr era5-zstd.zarr \\\n  --cname zstd --clevel 3 --shuffle bitshuffle -j 16",
    ),
    (
        "Few large chunks: 2 in parallel with 8 threads each",
        "zrecompress big.zarr out.zarr --nthreads 8 -j 2 --max-memory 16G",
    ),
    ("Dry run: print the plan", "zrecompress -n era5.zarr era5-zstd.zarr"),
    ("Resume after a crash, a full disk or Ctrl-C", "zrecompress --resume era5.zarr era5-zstd.zarr"),
    ("Recompress one array and copy the others unchanged", "zrecompress era5.zarr out.zarr --var t2m --blocksize 128K"),
    (
        "Recompress in place and keep a backup of the old chunks",
        "zrecompress --in-place era5.zarr --clevel 5 --backup era5.old",
    ),
    (
        "Rechunk from maps to time series",
        "zrecompress era5.zarr series.zarr \\\n  --chunks time=744,latitude=16,longitude=16 --max-memory 8G",
    ),
    ("Write shards in Zarr v3", "zrecompress era5.zarr out.zarr --zarr-format 3 --shards time=96"),
    (
        "Convert only the metadata to Zarr v3, without touching chunks",
        "zrecompress --in-place era5.zarr --zarr-format 3",
    ),
    (
        "On many machines: prepare, run the parts in any order, finish",
        "zrecompress --prepare --parts 8 era5.zarr out.zarr --clevel 5 && \\\n\
         seq 8 | xargs -P4 -I{} zrecompress --part {}/8 out.zarr && \\\n\
         zrecompress --finish out.zarr",
    ),
    (
        "Only arrays flagged by zinspect",
        "zinspect *.zarr | jq -c 'select(.verdict==\"few_blocks\")' | \\\n  zrecompress --stores-from - --out-dir fixed",
    ),
    ("Compare compressors on sampled chunks", "zrecompress --trial era5.zarr --var t2m"),
    (
        "Choose the best compressor for point access, per array",
        "zrecompress --auto --objective point era5.zarr out.zarr",
    ),
    (
        "Print the records of arrays that did not get smaller",
        "zrecompress --json era5.zarr out.zarr | \\\n  jq -c 'select(.type==\"recompress\" and .gain<=1)'",
    ),
];
