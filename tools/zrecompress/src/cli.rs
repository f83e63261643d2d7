//! The flags of `zrecompress`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use zarray::{Part, Pool, parse_size};
use zcli::clap::{self, Args as ClapArgs, Parser, ValueEnum};
use zcli::{Common, Ending, JobFlags, MemoryFlags, Session, StoreFlags, Table, Tool, parse_duration};
use zwire::Failure;

use zstore::Store;

use crate::choices::Choices;
use crate::trial;
use crate::trial_flags::TrialFlags;
use crate::{human, run};

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
    /// What to read back, decode and compare before DST gets its name: every object, the first and every 16th of an array,
    /// or none
    #[arg(long, value_name = "WHAT", value_enum, default_value = "full")]
    pub verify: Verify,
    /// What to do about a chunk that cannot be decoded: leave the output unfinished, copy its bytes as they are, or leave it
    /// absent, so that readers see the fill value. In any case it is named, and the exit code is 3
    #[arg(long, value_name = "WHAT", value_enum, default_value = "error")]
    pub on_bad_chunk: OnBadChunk,
    /// Replace DST where it exists, once the new one is whole, and give up what an unfinished run left
    #[arg(long)]
    pub overwrite: bool,
    /// Print the plan and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Go on with an unfinished run
    #[arg(long, conflicts_with_all = ["overwrite", "dry_run"])]
    pub resume: bool,
    /// How much time's work a kill may cost: how often what is done is brought to the disk and entered in the journal
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub checkpoint: Duration,
    /// Change SRC itself. Blosc to Blosc goes chunk by chunk, and SRC is right at every instant; any other change is written
    /// beside SRC, and then each array takes the old one's place in one step; until the metadata has followed, a consolidated copy
    /// of it still names the old codec
    #[arg(long, conflicts_with = "overwrite")]
    pub in_place: bool,
    /// Keep what --in-place replaces in the new directory DIR
    #[arg(long, value_name = "DIR", requires = "in_place")]
    pub backup: Option<PathBuf>,

    #[command(flatten)]
    pub trial: TrialFlags,
    #[command(flatten)]
    pub choices: Choices,
    #[command(flatten)]
    pub machines: MachineFlags,
    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub memory: MemoryFlags,
    #[command(flatten)]
    pub store: StoreFlags,
    #[command(flatten)]
    pub common: Common,
}

impl Args {
    /// Whether the output is behind a URL.
    pub fn writes_remotely(&self) -> bool {
        let output = self.target.as_ref().or(self.source.as_ref());
        output.is_some_and(|output| {
            output.to_string_lossy().contains("://") && !output.to_string_lossy().starts_with("file:")
        })
    }

    /// Objects that are on their way at once, from `store` or to the output: as many as the farther one of them wants.
    pub fn readers(&self, store: &Store) -> usize {
        let jobs = self.work.jobs();
        let remote = if self.writes_remotely() { self.store.remote_requests(jobs) } else { jobs };
        self.store.readers(store, jobs).max(remote)
    }

    /// Threads for work on `store` that waits more than it computes.
    pub fn pool(&self, store: &Store) -> Pool {
        Pool::new(self.store.readers(store, self.work.jobs()))
    }
}

/// Flags that divide the work among processes.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Options for many machines and many stores")]
pub struct MachineFlags {
    /// Write the plan of SRC to DST, in --parts parts, and nothing else
    #[arg(long, requires = "parts", conflicts_with_all = ["resume", "dry_run", "status", "finish"])]
    pub prepare: bool,
    /// How many parts the plan has
    #[arg(long, value_name = "N", requires = "prepare", value_parser = clap::value_parser!(u32).range(1..))]
    pub parts: Option<u32>,
    /// Do part I of the N that DST was prepared for. Any part may run twice, at the same time, or be killed
    #[arg(long, value_name = "I/N", conflicts_with_all = ["prepare", "status", "finish", "overwrite", "dry_run"])]
    pub part: Option<Part>,
    /// Say which parts of DST are done; the exit code is 1 while any is missing
    #[arg(long, conflicts_with_all = ["finish", "overwrite"])]
    pub status: bool,
    /// With --status: print just the missing parts, as in "3,7-9"
    #[arg(long, requires = "status")]
    pub missing: bool,
    /// Make DST a store, now that all parts are done
    #[arg(long, conflicts_with_all = ["overwrite", "dry_run"])]
    pub finish: bool,
    /// Stores, one a line, or records that name a store and a path: just those arrays are recompressed. "-" is standard input
    #[arg(long, value_name = "FILE", requires = "out_dir", conflicts_with_all = ["source", "target", "in_place", "prepare", "part", "status", "finish"])]
    pub stores_from: Option<PathBuf>,
    /// Directory for the outputs of --stores-from, each under the name of its store
    #[arg(long, value_name = "DIR", requires = "stores_from")]
    pub out_dir: Option<PathBuf>,
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

/// What becomes of a chunk that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnBadChunk {
    /// The output is not finished.
    Error,
    /// Its bytes are carried over as they are.
    Copy,
    /// It is left absent.
    Skip,
}

/// Blosc takes blocks up to this (`BLOSC_MAX_BLOCKSIZE` in c-blosc 1.21), and makes smaller ones than 128 bytes larger.
const BLOCKSIZES: std::ops::RangeInclusive<u64> = 128..=(i32::MAX as u64 - 255 * 4) / 3;

pub fn parse_blocksize(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        size if size == 0 || BLOCKSIZES.contains(&size) => Ok(size),
        _ => Err(format!("a block has {} to {} bytes", BLOCKSIZES.start(), BLOCKSIZES.end())),
    }
}

pub fn parse_size_text(text: &str) -> Result<u64, String> {
    parse_size(text)
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
        (
            "Each array with what fits it best, for single cells",
            "zrecompress --auto --objective point era5.zarr out.zarr",
        ),
        (
            "Only the records of arrays that did not get smaller",
            "zrecompress --json era5.zarr out.zarr | jq -c 'select(.type==\"recompress\" and .gain<=1)'",
        ),
    ];

    fn writes(&self) -> bool {
        true
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        if self.trial.trial { trial::human::table() } else { human::table() }
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        run::run(self, session)
    }
}
