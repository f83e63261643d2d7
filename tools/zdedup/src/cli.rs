//! The command-line flags of `zdedup`; `options.rs` turns them into options.

use std::path::PathBuf;

use zcli::clap::{self, Args as ClapArgs, Parser, ValueEnum};
use zcli::{ChunkFlags, CodecFlags, Common, JobFlags, MemoryFlags, StoreFlags, VarFlags, VerifyFlags, WriterFlags};
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
/// the first. Chunks that are the same in the output are copied as they are stored, without decoding; others are assembled and encoded
/// like those of the first STORE, or as the codec options say. Other chunk shapes (--chunks, --shards) apply to variables along --dim,
/// except its coordinate.
///
/// With --append-to, values that the store does not have are appended to it in place: chunks first, beyond the shape that
/// readers see, then the metadata, consolidated metadata last. Readers that use consolidated metadata see the old store or the new
/// one; to others, arrays have different lengths for a moment at the end. What is in the store already is never changed.
///
/// The output appears only when it is complete and verified. Until then, finished work is kept next to it in a directory that
/// ends in .plan; use --resume to continue after an interruption.
#[derive(Debug, Parser)]
#[command(
    name = "zdedup",
    mut_arg("chunks", |chunks| chunks.help(CHUNKS)),
    mut_arg("codec", |codec| codec.help(CODEC)),
    mut_arg("output", |output| output.help(OUTPUT).value_name("DST")),
    override_usage = "zdedup [OPTIONS] --dim=DIM STORE...\n       zdedup [OPTIONS] --dim=DIM -o DST STORE...\n       zdedup [OPTIONS] --dim=DIM --append-to=DST STORE..."
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
    /// Append to this store, in place, the values that it does not have. Readers see the old store until everything is written; an
    /// interrupted run is continued with --resume
    #[arg(long, value_name = "DST", conflicts_with_all = ["output", "overwrite", "prepare", "part", "status", "finish", "sort", "merge", "prefer", "var", "combine_attrs", "codec", "cname", "clevel", "shuffle", "split", "blocksize", "chunks", "shards", "no_shards"])]
    pub append_to: Option<Target>,

    #[command(flatten)]
    pub decide: DecideFlags,
    #[command(flatten)]
    pub agree: AgreeFlags,
    #[command(flatten)]
    pub codec: CodecFlags,
    #[command(flatten)]
    pub chunk: ChunkFlags,
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

const CHUNKS: &str = "Chunk shape of the output: \"time=744,latitude=16\" or \"744,16,16\"; -1 is the whole dimension; dimensions not named \
                      keep the chunk length of the first STORE. \"t2m:time=744\" applies only to arrays whose name matches the glob. \
                      Repeatable; the last match wins";

const CODEC: &str =
    "Codec of the output chunks [default: that of the first STORE; blosc if another codec option is given]";

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
    /// Merge stores that have other variables for the same values: all must have the same values, and the same data of variables that
    /// they share
    #[arg(long)]
    pub merge: bool,
}

/// What must agree between stores.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Options for agreement")]
pub struct AgreeFlags {
    /// How variables without --dim are joined, such as latitudes: they must have the same values in all stores (exact); the output has
    /// only the range of each dimension that all stores have (inner); or those of the first STORE are used (override)
    #[arg(long, value_name = "HOW", value_enum, default_value = "exact")]
    pub join: JoinFlag,
    /// Largest absolute difference of variables without --dim that counts as equal, also for --join inner; the values of the first
    /// STORE are used
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
    /// Only values that all stores have.
    Inner,
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
        "zdedup --dim time --overlap replace --sort -o year.zarr month_*.zarr",
    ),
    (
        "Chunks that hold 8 file_ids, with another codec",
        "zdedup --dim file_id --chunks file_id=8 --cname zstd \\\n  -o all.zarr batch_*.zarr",
    ),
    (
        "Two sources that have different variables for the same file_ids",
        "zdedup --dim file_id --merge -o all.zarr weather_*.zarr rain_*.zarr",
    ),
    (
        "Append tomorrow's batch; what the store has already is left out",
        "zdedup --dim file_id --append-to archive.zarr batch_*.zarr",
    ),
    ("Resume after a crash, a full disk or Ctrl-C", "zdedup --dim file_id --resume -o all.zarr batch_*.zarr"),
    (
        "On many machines: prepare, run the parts in any order, finish",
        "zdedup --dim file_id --prepare --parts 8 -o all.zarr batch_*.zarr && \\\n\
         seq 8 | xargs -P4 -I{} zdedup --part {}/8 -o all.zarr && \\\n\
         zdedup --finish -o all.zarr",
    ),
];

/// Further sections of the man page. `tests/by_tool/zdedup` makes these batches, and compares what is printed.
pub const SECTIONS: &[(&str, &str)] =
    &[("THE 26 DUPLICATES", DUPLICATES), ("WHAT MUST AGREE", AGREEMENT), ("WHAT IS COPIED", COPIED)];

const DUPLICATES: &str = "\
A model was trained on 22 batches of weather, 95 file_ids in all. Batch 0 and
batch 1 both held the file_ids 0 to 3, and later batches began before the end
of the one before them: 26 file_ids came twice, and counted twice in training.
Nothing had failed; concatenating batches never compares coordinates.

  $ zdedup --dim file_id --format table batch_*.zarr | head -n 10
  BATCH          VALUES  FIRST  LAST  DUPLICATES  KEPT
  batch_00.zarr       4  0      3              0     4
  batch_01.zarr       4  0      3              4     0
  0 … 3 also in batch_00.zarr: identical
  batch_02.zarr       3  4      6              0     3
  batch_03.zarr       5  5      9              2     3
  5 … 6 also in batch_02.zarr: identical
  batch_04.zarr       5  8      12             2     3
  8 … 9 also in batch_03.zarr: identical
  batch_05.zarr       5  11     15             2     3

The data of all 26 are identical, so that it does not matter which is kept:

  $ zdedup --dim file_id batch_*.zarr | tail -n 1 | \\
      jq -c '[.values, .unique, .duplicates, .identical, .conflicting]'
  [95,69,26,26,0]

For conflicting data, a record for each variable shows where and by how much,
and nothing is written until you decide. Here:

  $ zdedup --dim file_id -o all.zarr batch_*.zarr | tail -n 1 | \\
      jq -c '[.kept, .copied, .recoded]'
  [69,70,1]

69 file_ids. Their chunks are those of the batches, byte for byte; only the
coordinate was assembled and encoded again.";

const AGREEMENT: &str = "\
The first batch defines the output: its variables, data types, units, packing
and chunks. What differs in another batch is handled as follows:

  times that count from another date   shifted, if that is exact, else refused
  byte order                           converted
  chunks, shards, codecs, separators   decoded and encoded
  fill value of missing chunks         written where it is read differently
  attributes                           --combine-attrs
  latitudes and other coordinates      refused; --coord-tolerance, --join
  area                                 refused; --join inner crops all to the
                                       range that they have in common
  variables                            refused; --var, or --merge
  data type, units, scale, offset,     refused
  calendar, order of dimensions

With --merge, stores are first put into groups with the same variables. Each
group is concatenated; all must have the same coordinate values, and variables
of several groups the same data. The order of the values is that of the first
group.";

const COPIED: &str = "\
A chunk of the output is copied as it is stored if it holds the same elements
as a chunk of one batch: chunks of the same shape, and a batch that begins in
the output where a chunk begins. Chunks of one index along the dimension are
always copied. All others are assembled from the batches that lie under them
and encoded with the codecs of the first batch. Coordinates along the
dimension, of which each batch has a small chunk, get larger ones.

With --chunks, --shards or a codec option, chunks that have the new shape and
codec already are still copied. If the new chunks divide those of the batches,
each of these is read and decoded again for every chunk that needs a part of
it; a warning says how often. Concatenate first then, and change the chunks
with zrecompress, which reads each once.

A chunk that a batch does not store stays missing, unless the fill value of
that batch is another than that of the first: then it is written.";
