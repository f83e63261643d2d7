//! What a run of a writer is asked to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zarray::Pool;
use zstore::{Location, MOST_REQUESTS, Store, StoreOptions, requests_in_flight};
use zwire::Failure;

/// What a new run may do to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Nothing may be there.
    New,
    /// A Zarr store or an empty directory is replaced once the new one is whole; an unfinished output is given up.
    Overwrite,
    /// The store itself is changed.
    InPlace,
}

impl Begin {
    /// Whether an output that is there is replaced.
    pub fn replaces(self) -> bool {
        self == Begin::Overwrite
    }
}

/// Which objects are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// No objects.
    None,
    /// The first object and every 16th of each array.
    Sample,
    /// Every object.
    Full,
}

/// What happens to a chunk that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBadChunk {
    /// Leave the output unfinished.
    Error,
    /// Its stored bytes are copied as they are.
    Copy,
    /// Omit it.
    Skip,
}

/// How objects are checked as they arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrivalCheck {
    /// Not at all: they are decoded, or nobody asks.
    None,
    /// By their size.
    Size,
    /// By the strongest check that needs no other request and no decoding.
    Auto,
    /// Besides, every chunk is decoded.
    Decode,
}

/// How shards are copied of which a view needs a part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shards {
    /// As smaller shards, if less than half of their inner chunks are needed.
    #[default]
    Auto,
    /// Whole.
    Whole,
    /// As smaller shards of the inner chunks that are needed.
    Inner,
}

/// What happens when a source object changes between two requests, or since an earlier run read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnChange {
    /// It is read again from the start.
    Refetch,
    /// The run ends.
    Stop,
}

/// Where the scratch files of rechunking go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScratchPlace {
    /// Beside a local output; nowhere for an output on an object store.
    BesideOutput,
    /// To this directory.
    Directory(PathBuf),
    /// Nowhere.
    None,
}

impl ScratchPlace {
    /// The directory for an output.
    pub fn directory<'a>(&'a self, output: &'a Location) -> Option<&'a Path> {
        match self {
            ScratchPlace::BesideOutput => {
                let above = output.local()?.parent()?;
                Some(if above.as_os_str().is_empty() { Path::new(".") } else { above })
            }
            ScratchPlace::Directory(directory) => Some(directory),
            ScratchPlace::None => None,
        }
    }
}

/// What a run is asked to do.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// What may be there already.
    pub begin: Begin,
    /// Continue an unfinished run.
    pub resume: bool,
    /// Describe the plan and write nothing.
    pub dry_run: bool,
    /// Write the plan file for this many parts, and nothing else.
    pub prepare: Option<u32>,
    /// What is read back and compared.
    pub verify: Verify,
    /// How objects that are copied are checked as they arrive.
    pub arrival: ArrivalCheck,
    /// What happens to a chunk that cannot be decoded.
    pub on_bad_chunk: OnBadChunk,
    /// What happens when a source object changes.
    pub on_change: OnChange,
    /// How often finished work is synced and entered in the journal.
    pub checkpoint: Duration,
    /// Directory that keeps what is replaced in place.
    pub backup: Option<PathBuf>,
    /// Directory to which the journal is moved when a local output is published, for [`check_stored`](crate::check_stored).
    pub keep_journal: Option<PathBuf>,
    /// Workers: chunks processed in parallel.
    pub jobs: usize,
    /// Blosc threads inside one chunk; `None` chooses.
    pub nthreads: Option<usize>,
    /// Memory limit in bytes.
    pub memory_bytes: u64,
    /// Where the scratch files of rechunking go.
    pub scratch: ScratchPlace,
    /// Requests in flight; `None` chooses by where the store is.
    pub requests: Option<usize>,
    /// How stores are reached.
    pub store: StoreOptions,
}

impl WriteOptions {
    /// Objects in flight from `store` to `output`: as many as the farther one of them needs.
    pub fn readers(&self, store: &Store, output: &Location) -> usize {
        let remote = store.is_remote() || matches!(output, Location::Remote(_));
        requests_in_flight(self.requests, remote, self.jobs)
    }

    /// Threads that read from `store`. Where objects are only copied, a thread costs no more than its object, so that there are as
    /// many as the farthest store may need; how many of them have a request in flight is decided by the store.
    pub fn workers(&self, store: &Store, output: &Location, copies: bool) -> usize {
        let readers = self.readers(store, output);
        if copies && store.is_remote() && self.requests.is_none() { readers.max(MOST_REQUESTS) } else { readers }
    }

    /// Refuses what would erase chunks of the only copy.
    ///
    /// # Errors
    /// [`zwire::Exit::Usage`].
    pub fn check_bad_chunks(&self, in_place: bool) -> Result<(), Failure> {
        if in_place && self.on_bad_chunk == OnBadChunk::Skip {
            return Err(Failure::usage(
                "--on-bad-chunk skip with --in-place would delete data that exists nowhere else",
            )
            .hint("use --on-bad-chunk copy to keep such chunks unchanged"));
        }
        Ok(())
    }

    /// Threads for work on `store` that waits more than it computes.
    pub fn pool(&self, store: &Store) -> Pool {
        Pool::new(requests_in_flight(self.requests, store.is_remote(), self.jobs))
    }
}
