//! Shards: the inner chunks are transcoded one by one, in the order they are stored in, and the index is written anew. A
//! shard is never held whole unless it is small.

use std::panic::resume_unwind;
use std::thread::ScopedJoinHandle;

use zarray::{Chain, IndexLayout, ShardIndex, Timer, ZarrError};
use zcodec::{CodecError, crc32c, crc32c_append};
use zstore::{ByteRange, Stat, StoreError, Upload};
use zwire::{Exit, Failure};

use crate::chunk::{ChunkScratch, check_decodes, recode};
use crate::encoding::Encoding;
use crate::memory::{WHOLE_SHARD, batch};
use crate::options::OnBadChunk;
use crate::seconds::Seconds;
use crate::transcode::{Job, Outcome, WorkerScratch};

impl Job<'_> {
    /// Transcodes one shard.
    ///
    /// # Errors
    /// As [`Job::run`].
    pub fn transcode_shard(&self, encoding: &Encoding, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        let Some(sharding) = &self.array.chain.sharding else { return Ok(Outcome::default()) };
        let WorkerScratch { stored, seconds } = scratch;
        let (layout, threads) = (&sharding.index, self.plan.threads);

        let mut timer = Timer::start();
        let Some((index, source)) = read_index(self, layout, stored)? else { return self.absent() };
        let whole = source.size <= WHOLE_SHARD;
        if whole && self.store.get(&self.item.key, stored)?.is_none() {
            return self.absent();
        }
        seconds.read += timer.lap();

        // The order in the shard may have been chosen for locality; it is kept.
        let mut order: Vec<Entry> =
            index.0.iter().enumerate().filter_map(|(number, entry)| Some((number, (*entry)?))).collect();
        order.sort_by_key(|(_, (start, _))| *start);

        let key = self.output_key();
        let mut output = ShardWriter::new(self, &key, layout)?;
        let mut outcome = Outcome { source: Some(source), ..Outcome::default() };
        let chunk = &mut *self.scratch.take();
        let work =
            InnerChunks { job: self, chain: &sharding.inner, encoding, shard: whole.then_some(stored.as_slice()) };
        for batch in order.chunks(batch(sharding.inner.chunk_bytes) * threads) {
            let done = work.batch(batch, threads, chunk, seconds)?;
            let mut timer = Timer::start();
            for ((number, _), inner) in batch.iter().zip(done) {
                outcome.uncompressed_bytes += inner.uncompressed_bytes;
                outcome.crc32c = crc32c_append(outcome.crc32c, &inner.crc32c.to_le_bytes());
                outcome.recompressed |= inner.recompressed;
                outcome.bad.extend(inner.bad);
                if let Some(bytes) = inner.bytes {
                    output.append(*number, &bytes)?;
                }
            }
            seconds.write += timer.lap();
        }
        let mut timer = Timer::start();
        self.keep_replaced(&key)?;
        let written = output.finish(layout)?;
        seconds.write += timer.lap();
        outcome.written = Some(written.stat);
        if self.verify {
            written.check(self, &key, layout)?;
            seconds.verify += timer.lap();
            outcome.verified = true;
        }
        Ok(outcome)
    }
}

/// Number of an inner chunk, and where it lies: start and length.
type Entry = (usize, (u64, u64));

/// The index of a shard, and what the shard is like. Nothing: there is no such shard.
fn read_index(job: &Job, layout: &IndexLayout, buffer: &mut Vec<u8>) -> Result<Option<(ShardIndex, Stat)>, Failure> {
    let len = layout.len().unwrap_or(u64::MAX);
    let range = if layout.at_end { ByteRange::Last { len } } else { ByteRange::At { start: 0, len } };
    let Some(stat) = job.store.get_range(&job.item.key, range, buffer)? else { return Ok(None) };
    match ShardIndex::parse(layout, buffer, stat.size) {
        Ok(index) => Ok(Some((index, stat))),
        Err(source) => Err(ZarrError::Chunk { place: job.place(), source }.into()),
    }
}

/// What is done with every inner chunk of a shard.
struct InnerChunks<'a> {
    job: &'a Job<'a>,
    chain: &'a Chain,
    encoding: &'a Encoding,
    /// The shard, where it is small enough to be held.
    shard: Option<&'a [u8]>,
}

/// An inner chunk on its way to the output.
#[derive(Default)]
struct Inner {
    /// Nothing for one that is left out.
    bytes: Option<Vec<u8>>,
    uncompressed_bytes: u64,
    crc32c: u32,
    recompressed: bool,
    bad: Option<Failure>,
}

impl InnerChunks<'_> {
    /// Transcodes a batch of inner chunks on `threads` threads, in order.
    fn batch(
        &self,
        batch: &[Entry],
        threads: usize,
        chunk: &mut ChunkScratch,
        seconds: &mut Seconds,
    ) -> Result<Vec<Inner>, Failure> {
        if threads <= 1 {
            return batch.iter().map(|entry| self.one(entry, chunk, seconds)).collect();
        }
        let shares = batch.chunks(batch.len().div_ceil(threads));
        let results: Vec<(Result<Vec<Inner>, Failure>, Seconds)> = std::thread::scope(|scope| {
            let workers: Vec<_> = shares
                .map(|share| {
                    scope.spawn(|| {
                        let (mut chunk, mut seconds) = (ChunkScratch::default(), Seconds::default());
                        let done = share.iter().map(|entry| self.one(entry, &mut chunk, &mut seconds)).collect();
                        (done, seconds)
                    })
                })
                .collect();
            let join = |worker: ScopedJoinHandle<'_, _>| worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            workers.into_iter().map(join).collect()
        });
        let mut all = Vec::with_capacity(batch.len());
        for (done, spent) in results {
            seconds.add(&spent);
            all.extend(done?);
        }
        Ok(all)
    }

    fn one(&self, entry: &Entry, chunk: &mut ChunkScratch, seconds: &mut Seconds) -> Result<Inner, Failure> {
        let (number, (start, len)) = *entry;
        let wrong = |source| {
            let place = format!("{} inner chunk {number}", self.job.place());
            Failure::from(ZarrError::Chunk { place, source })
        };
        let mut read = Vec::new();
        let stored = match self.shard {
            Some(shard) => shard.get(start as usize..(start + len) as usize).unwrap_or_default(),
            None => {
                let mut timer = Timer::start();
                let range = ByteRange::At { start, len };
                if self.job.store.get_range(&self.job.item.key, range, &mut read)?.is_none() {
                    return Err(Failure::new(Exit::Unreadable, "has gone while it was read").at(self.job.place()));
                }
                seconds.read += timer.lap();
                read.as_slice()
            }
        };
        if stored.len() as u64 != len {
            let (needed, found) = (len, stored.len() as u64);
            return Err(wrong(CodecError::Short { format: "inner chunk", needed, found }));
        }
        let recoded = match recode(self.chain, self.encoding, stored, 1, chunk, seconds) {
            Ok(recoded) => recoded,
            Err(error) => return self.bad(stored, wrong(error)),
        };
        let bytes = if recoded { chunk.encoded.clone() } else { stored.to_vec() };
        if self.job.verify && recoded {
            let mut timer = Timer::start();
            check_decodes(self.encoding, &bytes, 1, chunk).map_err(wrong)?;
            seconds.verify += timer.lap();
        }
        let crc32c = crc32c(&chunk.decoded);
        let uncompressed_bytes = chunk.decoded.len() as u64;
        Ok(Inner { bytes: Some(bytes), uncompressed_bytes, crc32c, recompressed: recoded, bad: None })
    }

    /// An inner chunk that cannot be decoded.
    fn bad(&self, stored: &[u8], bad: Failure) -> Result<Inner, Failure> {
        let bytes = match self.job.on_bad_chunk {
            OnBadChunk::Error => return Err(bad),
            OnBadChunk::Copy => Some(stored.to_vec()),
            OnBadChunk::Skip => None,
        };
        Ok(Inner { bytes, bad: Some(bad), ..Inner::default() })
    }
}

/// A shard being written: chunks are appended, the index goes to its place at the end.
struct ShardWriter<'a> {
    upload: Upload<'a>,
    index: ShardIndex,
    /// CRC-32C of each inner chunk; each of them has been decoded again from memory.
    checksums: Vec<u32>,
}

/// What a shard was written as.
struct Written {
    index: ShardIndex,
    checksums: Vec<u32>,
    stat: Stat,
}

impl<'a> ShardWriter<'a> {
    fn new(job: &Job<'a>, key: &str, layout: &IndexLayout) -> Result<ShardWriter<'a>, StoreError> {
        let chunks = layout.chunks as usize;
        let reserved = if layout.at_end { 0 } else { layout.len().unwrap_or_default() as usize };
        let upload = job.output.upload(key, reserved)?;
        Ok(ShardWriter { upload, index: ShardIndex(vec![None; chunks]), checksums: vec![0; chunks] })
    }

    fn append(&mut self, number: usize, bytes: &[u8]) -> Result<(), StoreError> {
        self.index.0[number] = Some((self.upload.len(), bytes.len() as u64));
        self.checksums[number] = crc32c(bytes);
        self.upload.write(bytes)
    }

    fn finish(mut self, layout: &IndexLayout) -> Result<Written, StoreError> {
        let encoded = self.index.encode(layout);
        let start: &[u8] = if layout.at_end {
            self.upload.write(&encoded)?;
            &[]
        } else {
            &encoded
        };
        let stat = self.upload.finish(start)?;
        Ok(Written { index: self.index, checksums: self.checksums, stat })
    }
}

impl Written {
    /// Holds the stored shard against what was written.
    fn check(&self, job: &Job, key: &str, layout: &IndexLayout) -> Result<(), Failure> {
        let mut buffer = Vec::new();
        let mut read = |range| match job.read_output(key, range, &mut buffer)? {
            Some(_) => Ok(std::mem::take(&mut buffer)),
            None => Err(job.not_the_same("is gone")),
        };
        let len = layout.len().unwrap_or_default();
        let range = if layout.at_end { ByteRange::Last { len } } else { ByteRange::At { start: 0, len } };
        let index = ShardIndex::parse(layout, &read(range)?, self.stat.size);
        if index.map_err(|error| job.not_the_same(&error.to_string()))? != self.index {
            return Err(job.not_the_same("another index than was written"));
        }
        for (entry, checksum) in self.index.0.iter().zip(&self.checksums) {
            let Some((start, len)) = *entry else { continue };
            if crc32c(&read(ByteRange::At { start, len })?) != *checksum {
                return Err(job.not_the_same("other bytes than were written"));
            }
        }
        Ok(())
    }
}
