//! The flags of `zrecompress`.

use std::ffi::OsString;
use std::path::PathBuf;

use zarray::parse_size;
use zcli::clap::{self, Parser, ValueEnum, builder::PossibleValue};
use zcli::{Common, Ending, Failure, JobFlags, MemoryFlags, Session, StoreFlags, Table, Tool, VarFlags};
use zcodec::{Cname, Shuffle};

use crate::{human, run};

/// Rewrite the chunks of a Zarr store with multithreaded Blosc
///
/// Copies the store, group or array SRC to the new store DST, every chunk decoded and compressed again, byte for byte the
/// same values: no data type is looked at, so arrays that no library can open are recompressed, too. Shapes, chunks, shards,
/// attributes, fill values, filters, dimension names, keys and consolidated metadata stay as they are; a chunk that is absent
/// stays absent. DST appears under its name only when it is whole and verified.
///
/// Threads are not stored: --nthreads speeds this run up, and changes nothing for whoever reads DST. What readers get is the
/// number of blocks in a chunk (--blocksize); zinspect says how many there are.
#[derive(Debug, Parser)]
#[command(name = "zrecompress")]
pub struct Args {
    /// The store, group or array to read: a path, or a URL with file, s3, gs, az, http or https
    #[arg(value_name = "SRC", required = true)]
    pub source: Option<OsString>,
    /// The store to write: a local path that does not exist yet
    #[arg(value_name = "DST", required = true)]
    pub target: Option<PathBuf>,

    /// Compressor inside Blosc
    #[arg(long, value_name = "NAME", value_enum, default_value = "zstd")]
    pub cname: CnameFlag,
    /// Compression level
    #[arg(long, value_name = "0-9", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=9))]
    pub clevel: u8,
    /// Filter; auto is bitshuffle for elements of one byte and shuffle for all others
    #[arg(long, value_name = "FILTER", value_enum, default_value = "auto")]
    pub shuffle: ShuffleFlag,
    /// Bytes of a block, the unit that threads share; 0 lets Blosc choose
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = parse_blocksize)]
    pub blocksize: u64,
    /// Blosc threads inside one chunk, never more than it has blocks [default: what is left of the cores by --jobs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub nthreads: Option<u16>,
    /// Coordinate arrays below this decoded size are copied as they are
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = parse_size)]
    pub min_size: u64,
    /// Copy arrays whose codec nobody here knows as they are, instead of refusing the store
    #[arg(long)]
    pub copy_unknown: bool,
    /// What to read back, decode and compare before DST gets its name: every object, the first and every 16th of an array,
    /// or none
    #[arg(long, value_name = "WHAT", value_enum, default_value = "full")]
    pub verify: Verify,
    /// Replace DST where it exists, once the new one is whole
    #[arg(long)]
    pub overwrite: bool,
    /// Print the plan and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

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

/// How much is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Verify {
    /// Nothing.
    None,
    /// The first object and every 16th of an array.
    Sample,
    /// Everything.
    Full,
}

/// [`Cname`] as a flag.
#[derive(Debug, Clone, Copy)]
pub struct CnameFlag(pub Cname);

impl ValueEnum for CnameFlag {
    fn value_variants<'a>() -> &'a [CnameFlag] {
        const VARIANTS: [CnameFlag; 5] = [
            CnameFlag(Cname::Zstd),
            CnameFlag(Cname::Lz4),
            CnameFlag(Cname::Lz4hc),
            CnameFlag(Cname::Blosclz),
            CnameFlag(Cname::Zlib),
        ];
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

/// [`Shuffle`] as a flag; nothing is the automatic choice.
#[derive(Debug, Clone, Copy)]
pub struct ShuffleFlag(pub Option<Shuffle>);

impl ValueEnum for ShuffleFlag {
    fn value_variants<'a>() -> &'a [ShuffleFlag] {
        const VARIANTS: [ShuffleFlag; 4] = [
            ShuffleFlag(None),
            ShuffleFlag(Some(Shuffle::Shuffle)),
            ShuffleFlag(Some(Shuffle::Bitshuffle)),
            ShuffleFlag(Some(Shuffle::Noshuffle)),
        ];
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.map_or("auto", Shuffle::name)))
    }
}

/// Blosc takes blocks up to this (`BLOSC_MAX_BLOCKSIZE` in c-blosc 1.21), and makes smaller ones than 128 bytes larger.
const BLOCKSIZES: std::ops::RangeInclusive<u64> = 128..=(i32::MAX as u64 - 255 * 4) / 3;

fn parse_blocksize(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        size if size == 0 || BLOCKSIZES.contains(&size) => Ok(size),
        _ => Err(format!("a block has {} to {} bytes", BLOCKSIZES.start(), BLOCKSIZES.end())),
    }
}

impl Tool for Args {
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        (
            "A whole store with zstd and bit shuffle, 16 chunks at once",
            "zrecompress era5.zarr era5-zstd.zarr --cname zstd --clevel 3 --shuffle bitshuffle -j 16",
        ),
        (
            "Few large chunks: 2 at once with 8 threads in each",
            "zrecompress big.zarr out.zarr --nthreads 8 -j 2 --max-memory 16G",
        ),
        ("See first what would be done", "zrecompress -n era5.zarr era5-zstd.zarr"),
        ("One array, the others copied as they are", "zrecompress era5.zarr out.zarr --var t2m --blocksize 128K"),
        (
            "Only the records of arrays that did not get smaller",
            "zrecompress --json era5.zarr out.zarr | jq -c 'select(.type==\"recompress\" and .gain<=1)'",
        ),
    ];
    const WRITES: bool = true;

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        human::table()
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        run::run(self, session)
    }
}
