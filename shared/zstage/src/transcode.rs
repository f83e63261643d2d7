//! Makes one object of one source object. Bytes to bytes; values are not interpreted.

use std::path::Path;

use zarray::{Array, ScratchPool, Timer, ZarrError};
use zcodec::crc32c;
use zstore::{ByteRange, Stat, Store};
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::arriving::Arriving;
use crate::assembly_buffers::AssemblyBuffers;
use crate::backup::keep_replaced;
use crate::changes::Changes;
use crate::checks::Check;
use crate::chunk::{ChunkScratch, check_decodes, recode_owned};
use crate::encoding::Encoding;
use crate::large::LargeObjects;
use crate::objects::Item;
use crate::options::{ArrivalCheck, OnBadChunk};
use crate::placement::Placement;
use crate::read_back::at_fault;
use crate::received::Arrivals;
use crate::seconds::Seconds;
use crate::stats::Stats;
use crate::task::Task;

/// Number of attempts on an object that another program writes at the same time.
pub const TRIES: usize = 5;

/// Buffers that are kept from object to object, for one object at a time.
#[derive(Default)]
pub struct ObjectBuffers {
    stored: Vec<u8>,
    assembly: AssemblyBuffers,
}

/// Buffers and timings of a worker.
#[derive(Default)]
pub struct WorkerScratch {
    /// A stored object.
    pub stored: Vec<u8>,
    /// For objects that are put together.
    pub assembly: AssemblyBuffers,
    /// Time spent per phase.
    pub seconds: Seconds,
    /// Decoded bytes of the object in the making that the progress shows already.
    pub shown: u64,
}

impl WorkerScratch {
    /// Exchanges the buffers.
    pub fn swap(&mut self, buffers: &mut ObjectBuffers) {
        std::mem::swap(&mut self.stored, &mut buffers.stored);
        std::mem::swap(&mut self.assembly, &mut buffers.assembly);
    }
}

/// The outcome of one object.
#[derive(Default)]
pub struct Outcome {
    /// The source object read, if present.
    pub source: Option<Stat>,
    /// The output object written, if any.
    pub written: Option<Stat>,
    pub uncompressed_bytes: u64,
    /// CRC-32C of the decoded bytes, or of the stored bytes if copied.
    pub crc32c: u32,
    /// CRC-32C of the stored bytes of what was encoded.
    pub stored_crc32c: Option<u32>,
    /// Whether any part of it was compressed again.
    pub recompressed: bool,
    pub verified: bool,
    /// Chunks that could not be decoded and were copied or skipped as requested.
    pub bad: Vec<Failure>,
    /// Whether another program wrote the object in the meantime, so that it must be read again.
    pub changed: bool,
    /// How what arrived was checked.
    pub checked: Option<Check>,
    /// Why what arrived is not what the store holds, so that it must be read again.
    pub corrupt: Option<String>,
}

impl Outcome {
    pub fn changed() -> Outcome {
        Outcome { changed: true, ..Outcome::default() }
    }
}

impl From<&Outcome> for Stats {
    fn from(outcome: &Outcome) -> Stats {
        Stats {
            objects: u64::from(outcome.source.is_some()),
            bytes_before: outcome.source.map_or(0, |stat| stat.size),
            bytes_after: outcome.written.map_or(0, |stat| stat.size),
            uncompressed_bytes: outcome.uncompressed_bytes,
            recompressed: u64::from(outcome.recompressed),
            verified: u64::from(outcome.verified),
            checks: outcome.checked.into(),
            written: u64::from(outcome.written.is_some()),
            ..Stats::default()
        }
    }
}

/// An output object with a single source object, and everything needed to create it.
pub struct Job<'a> {
    /// The work that it is a part of.
    pub task: &'a Task<'a>,
    /// The store of the source object.
    pub store: &'a Store,
    /// Its index among the source stores.
    pub store_number: usize,
    /// The array of the source object.
    pub array: &'a Array,
    /// The encoding of the output; `None` copies the stored bytes.
    pub encoding: Option<&'a Encoding>,
    /// The output store.
    pub output: &'a Store,
    pub plan: &'a ArrayPlan,
    pub item: &'a Item,
    /// Whether to read back, decode and compare the output.
    pub verify: bool,
    /// How to treat a chunk that cannot be decoded.
    pub on_bad_chunk: OnBadChunk,
    /// Where to back up objects that are replaced.
    pub backup: Option<&'a Path>,
    /// Decode and encode buffers.
    pub scratch: &'a ScratchPool<ChunkScratch>,
    /// Large objects, which are copied by several workers.
    pub large: &'a LargeObjects<'a>,
    /// Room for objects that are arriving.
    pub arriving: &'a Arriving,
    /// Source objects that have changed.
    pub changes: &'a Changes,
    /// What is known of the objects of the source store; `None`: copies are not checked as they arrive.
    pub arrivals: Option<&'a Arrivals>,
    /// How copies are checked as they arrive.
    pub arrival: ArrivalCheck,
}

impl Job<'_> {
    /// Creates the output object; if another program writes the source object at the same time, it is read again.
    ///
    /// # Errors
    /// The source object is unreadable, or (exit code [`Exit::Output`]) the output cannot be written.
    pub fn run(&self, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        let mut corrupt = None;
        for _ in 0..TRIES {
            let mut outcome = self.once(scratch)?;
            self.check_stored(&mut outcome, scratch)?;
            match (outcome.corrupt.take(), self.arrivals) {
                (Some(why), Some(arrivals)) if arrivals.tries() == 1 => {
                    return Err(arrivals.failure(&why, self.place()));
                }
                (Some(why), _) => corrupt = Some(why),
                (None, _) if outcome.changed => self.changes.met(|| self.place())?,
                (None, _) => return Ok(outcome),
            }
        }
        Err(match (corrupt, self.arrivals) {
            (Some(why), Some(arrivals)) => arrivals.failure(&why, self.place()),
            _ => Failure::new(Exit::Output, "another program keeps writing to it").at(self.place()),
        })
    }

    fn once(&self, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        let done = match self.encoding {
            None => return self.copy(scratch),
            Some(encoding) if self.array.chain.sharding.is_some() => self.transcode_shard(encoding, scratch),
            Some(encoding) => self.transcode(encoding, scratch),
        };
        match (done, self.on_bad_chunk) {
            (Err(bad), OnBadChunk::Copy) if bad.exit == Exit::Unreadable => {
                let copied = if self.plan.placement == Placement::InPlace { self.kept() } else { self.copy(scratch) };
                copied.map(|outcome| Outcome { bad: vec![bad], ..outcome })
            }
            (Err(bad), OnBadChunk::Skip) if bad.exit == Exit::Unreadable => {
                Ok(Outcome { bad: vec![bad], ..Outcome::default() })
            }
            (done, _) => done,
        }
    }

    /// Leaves the object in place.
    fn kept(&self) -> Result<Outcome, Failure> {
        let stat = self.store.stat(&self.item.key)?;
        Ok(Outcome { source: stat, written: stat, ..Outcome::default() })
    }

    /// The key of the output object.
    pub fn output_key(&self) -> String {
        self.plan.new_key(&self.item.key, self.item.unit)
    }

    fn transcode(&self, encoding: &Encoding, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        let WorkerScratch { stored, seconds, .. } = scratch;
        let threads = self.plan.threads;
        let mut timer = Timer::start();
        let source = self.store.get(&self.item.key, stored)?;
        seconds.read += timer.lap();
        let Some(source) = source else { return self.absent() };
        let chunk = &mut *self.scratch.take();
        let recompressed = recode_owned(self.array.chain.innermost(), encoding, stored, threads, chunk, seconds)
            .map_err(|source| ZarrError::Chunk { place: self.place(), source })?;
        let mut outcome = Outcome {
            source: Some(source),
            uncompressed_bytes: chunk.decoded.len() as u64,
            crc32c: crc32c(&chunk.decoded),
            recompressed,
            ..Outcome::default()
        };
        let mut timer = Timer::start();
        if !recompressed && self.plan.placement == Placement::InPlace {
            return Ok(Outcome { written: Some(source), verified: self.verify, ..outcome });
        }
        if self.verify && self.plan.placement == Placement::InPlace {
            // Verify the new chunk before it replaces the old one.
            let encoded = std::mem::take(&mut chunk.encoded);
            let checked = check_decodes(encoding, &encoded, threads, chunk);
            chunk.encoded = encoded;
            checked.map_err(|error| self.verify_failure(&error.to_string()))?;
            seconds.verify += timer.lap();
        }
        self.task.compare_earlier(self.plan, self.item, outcome.crc32c)?;
        let key = self.output_key();
        let bytes = match recompressed {
            true => &chunk.encoded,
            false if self.array.chain.innermost().tail.is_empty() => &chunk.decoded,
            false => &*stored,
        };
        let Some(written) = self.put(&key, bytes, source)? else {
            return Ok(Outcome::changed());
        };
        outcome.written = Some(written);
        seconds.write += timer.lap();
        if self.verify {
            if self.has_changed(self.read_back(&key, stored)?, written) {
                return Ok(Outcome::changed());
            }
            check_decodes(encoding, stored, threads, chunk).map_err(|error| self.verify_failure(&error.to_string()))?;
            seconds.verify += timer.lap();
            outcome.verified = true;
        }
        Ok(outcome)
    }

    /// Writes an output object. In place, returns `None` if another program has written it since it was read as `source`.
    fn put(&self, key: &str, bytes: &[u8], source: Stat) -> Result<Option<Stat>, Failure> {
        if self.plan.placement != Placement::InPlace {
            return Ok(self.output.put(key, bytes).map(Some)?);
        }
        self.keep_replaced(key)?;
        Ok(self.output.put_over(key, bytes, source)?)
    }

    /// Whether another program has replaced an object that was written in place.
    pub fn has_changed(&self, now: Stat, written: Stat) -> bool {
        self.plan.placement == Placement::InPlace && now != written
    }

    /// Backs up the object that is about to be replaced.
    pub fn keep_replaced(&self, key: &str) -> Result<(), Failure> {
        if self.plan.placement == Placement::InPlace { keep_replaced(self.output, key, self.backup) } else { Ok(()) }
    }

    /// The path of the source object, for messages.
    pub fn place(&self) -> String {
        self.store.place(&self.item.key)
    }

    /// A computed key may have no object, but a listed key must.
    pub fn absent(&self) -> Result<Outcome, Failure> {
        match self.item.stat {
            None => Ok(Outcome::default()),
            Some(_) => Err(Failure::new(Exit::Unreadable, "deleted after it was listed").at(self.place())),
        }
    }

    /// Reads back the output object.
    fn read_back(&self, key: &str, buffer: &mut Vec<u8>) -> Result<Stat, Failure> {
        let stored = self.output.get(key, buffer).map_err(|error| self.verify_failure(&error.to_string()))?;
        stored.ok_or_else(|| self.verify_failure("the object is missing"))
    }

    /// Reads back part of the output object.
    pub fn read_output(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, Failure> {
        self.output.get_range(key, range, buffer).map_err(|error| self.verify_failure(&error.to_string()))
    }

    /// The failure if the output differs from what was written.
    pub fn verify_failure(&self, what: &str) -> Failure {
        Failure::new(Exit::Output, format!("verification failed: {what}"))
            .at(self.output.place(&self.output_key()))
            .hint(at_fault(self.output))
    }
}
