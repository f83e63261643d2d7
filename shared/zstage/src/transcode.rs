//! The kernel: one object from the source to the output. Bytes in, bytes out; values are not looked at.

use std::path::Path;

use zarray::{Array, ScratchPool, Timer, ZarrError};
use zcodec::{crc32c, crc32c_append};
use zstore::{ByteRange, Stat, Store};
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::backup::keep_replaced;
use crate::chunk::{ChunkScratch, check_decodes, recode};
use crate::encoding::Encoding;
use crate::memory::COPY_PIECE;
use crate::objects::Item;
use crate::options::OnBadChunk;
use crate::placement::Placement;
use crate::seconds::Seconds;
use crate::stats::Stats;

/// What one worker keeps from object to object.
#[derive(Default)]
pub struct WorkerScratch {
    /// A stored object.
    pub stored: Vec<u8>,
    /// Where its time went.
    pub seconds: Seconds,
}

/// What became of one object.
#[derive(Default)]
pub struct Outcome {
    /// What was read, where it was there at all.
    pub source: Option<Stat>,
    /// What was written, where anything was.
    pub written: Option<Stat>,
    pub uncompressed_bytes: u64,
    /// CRC-32C of the decoded bytes; of the stored ones where they were copied.
    pub crc32c: u32,
    /// Whether any byte of it was compressed again.
    pub recompressed: bool,
    pub verified: bool,
    /// What could not be decoded, and was carried over or left out as the flags say.
    pub bad: Vec<Failure>,
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
            resumed: 0,
        }
    }
}

/// One output object that has one source object, and all that is needed to make it.
pub struct Job<'a> {
    /// The store of the source object.
    pub store: &'a Store,
    /// The array of the source object.
    pub array: &'a Array,
    /// The encoding of the output; `None` copies the stored bytes.
    pub encoding: Option<&'a Encoding>,
    /// Where it goes.
    pub output: &'a Store,
    pub plan: &'a ArrayPlan,
    pub item: &'a Item,
    /// Read back what was written, decode and compare.
    pub verify: bool,
    /// What to do about a chunk that cannot be decoded.
    pub on_bad_chunk: OnBadChunk,
    /// Where an object is kept that another one takes the place of.
    pub backup: Option<&'a Path>,
    /// Where decoding and encoding is done.
    pub scratch: &'a ScratchPool<ChunkScratch>,
}

impl Job<'_> {
    /// Carries the object over.
    ///
    /// # Errors
    /// What is wrong with the source object, or (exit code [`Exit::Output`]) with the output.
    pub fn run(&self, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
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

    /// The object stays where it is.
    fn kept(&self) -> Result<Outcome, Failure> {
        let stat = self.store.stat(&self.item.key)?;
        Ok(Outcome { source: stat, written: stat, ..Outcome::default() })
    }

    /// The key that the object will have.
    pub fn output_key(&self) -> String {
        self.plan.new_key(&self.item.key, self.item.unit)
    }

    /// Carries the object over as it is, piece by piece: a shard may be larger than the memory.
    fn copy(&self, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        let WorkerScratch { stored, seconds } = scratch;
        let mut timer = Timer::start();
        let key = self.output_key();
        let mut output = None;
        let (mut done, mut checksum) = (0, 0);
        let source = loop {
            let range = ByteRange::At { start: done, len: COPY_PIECE };
            let Some(stat) = self.store.get_range(&self.item.key, range, stored)? else { return self.absent() };
            seconds.read += timer.lap();
            done += stored.len() as u64;
            checksum = crc32c_append(checksum, stored);
            let ends = done >= stat.size || stored.is_empty();
            if ends && output.is_none() {
                break self.put(&key, stored).map(|written| (stat, written))?;
            }
            let mut upload = output.take().map_or_else(|| self.output.upload(&key, 0), Ok)?;
            upload.write(stored)?;
            if ends {
                break (stat, upload.finish(&[])?);
            }
            output = Some(upload);
            seconds.write += timer.lap();
        };
        seconds.write += timer.lap();
        let (source, written) = source;
        let mut outcome =
            Outcome { source: Some(source), written: Some(written), crc32c: checksum, ..Outcome::default() };
        if self.verify {
            if self.checksum_of_output(&key, stored)? != checksum {
                return Err(self.not_the_same("the stored bytes differ from those copied"));
            }
            seconds.verify += timer.lap();
            outcome.verified = true;
        }
        Ok(outcome)
    }

    /// CRC-32C of what was written.
    fn checksum_of_output(&self, key: &str, buffer: &mut Vec<u8>) -> Result<u32, Failure> {
        let (mut done, mut checksum) = (0, 0);
        loop {
            let range = ByteRange::At { start: done, len: COPY_PIECE };
            let Some(stat) = self.read_output(key, range, buffer)? else {
                return Err(self.not_the_same("the object is missing"));
            };
            checksum = crc32c_append(checksum, buffer);
            done += buffer.len() as u64;
            if done >= stat.size || buffer.is_empty() {
                return Ok(checksum);
            }
        }
    }

    fn transcode(&self, encoding: &Encoding, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        let WorkerScratch { stored, seconds } = scratch;
        let threads = self.plan.threads;
        let mut timer = Timer::start();
        let source = self.store.get(&self.item.key, stored)?;
        seconds.read += timer.lap();
        let Some(source) = source else { return self.absent() };
        let chunk = &mut *self.scratch.take();
        let recompressed = recode(self.array.chain.innermost(), encoding, stored, threads, chunk, seconds)
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
            // What takes the old chunk's place must be good before it does.
            let encoded = std::mem::take(&mut chunk.encoded);
            let checked = check_decodes(encoding, &encoded, threads, chunk);
            chunk.encoded = encoded;
            checked.map_err(|error| self.not_the_same(&error.to_string()))?;
            seconds.verify += timer.lap();
        }
        let key = self.output_key();
        outcome.written = Some(self.put(&key, if recompressed { &chunk.encoded } else { stored })?);
        seconds.write += timer.lap();
        if self.verify {
            self.read_back(&key, stored)?;
            check_decodes(encoding, stored, threads, chunk).map_err(|error| self.not_the_same(&error.to_string()))?;
            seconds.verify += timer.lap();
            outcome.verified = true;
        }
        Ok(outcome)
    }

    /// Writes an object.
    fn put(&self, key: &str, bytes: &[u8]) -> Result<Stat, Failure> {
        self.keep_replaced(key)?;
        Ok(self.output.put(key, bytes)?)
    }

    /// Keeps the object whose place is about to be taken.
    pub fn keep_replaced(&self, key: &str) -> Result<(), Failure> {
        if self.plan.placement == Placement::InPlace { keep_replaced(self.output, key, self.backup) } else { Ok(()) }
    }

    /// Where the source object is, for messages.
    pub fn place(&self) -> String {
        self.store.place(&self.item.key)
    }

    /// A key that was computed may have no object; one that was listed must.
    pub fn absent(&self) -> Result<Outcome, Failure> {
        match self.item.stat {
            None => Ok(Outcome::default()),
            Some(_) => Err(Failure::new(Exit::Unreadable, "deleted after it was listed").at(self.place())),
        }
    }

    /// Reads what was written.
    fn read_back(&self, key: &str, buffer: &mut Vec<u8>) -> Result<(), Failure> {
        match self.output.get(key, buffer).map_err(|error| self.not_the_same(&error.to_string()))? {
            Some(_) => Ok(()),
            None => Err(self.not_the_same("the object is missing")),
        }
    }

    /// Reads part of what was written.
    pub fn read_output(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, Failure> {
        self.output.get_range(key, range, buffer).map_err(|error| self.not_the_same(&error.to_string()))
    }

    /// The output does not hold what was written to it.
    pub fn not_the_same(&self, what: &str) -> Failure {
        Failure::new(Exit::Output, format!("verification failed: {what}"))
            .at(self.output.place(&self.output_key()))
            .hint("the disk or memory of this machine may be faulty")
    }
}
