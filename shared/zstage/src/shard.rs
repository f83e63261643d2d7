//! Transcodes shards: inner chunks one by one in storage order, then a new index. Only small shards are held in memory
//! completely.

use std::panic::resume_unwind;
use std::thread::ScopedJoinHandle;

use zarray::{Chain, IndexLayout, ShardBuilder, ShardIndex, Timer, ZarrError, read_shard_index};
use zcodec::{CodecError, crc32c, crc32c_append};
use zstore::{ByteRange, Stat, StoreError, Upload};
use zwire::Failure;

use crate::chunk::{ChunkScratch, check_decodes, recode};
use crate::encoding::Encoding;
use crate::memory::{WHOLE_SHARD, batch};
use crate::options::OnBadChunk;
use crate::placement::Placement;
use crate::seconds::Seconds;
use crate::transcode::{Job, Outcome, WorkerScratch};

impl Job<'_> {
    /// Transcodes one shard.
    ///
    /// # Errors
    /// The errors of [`Job::run`].
    pub fn transcode_shard(&self, encoding: &Encoding, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        let Some(sharding) = &self.array.chain.sharding else { return Ok(Outcome::default()) };
        let WorkerScratch { stored, seconds, .. } = scratch;
        let (layout, threads) = (sharding.index, self.plan.threads);

        let mut timer = Timer::start();
        let Some((index, source)) = read_shard_index(self.store, &self.item.key, &layout, stored)? else {
            return self.absent();
        };
        let whole = source.size <= WHOLE_SHARD;
        if whole {
            match self.store.get(&self.item.key, stored)? {
                None => return self.absent(),
                // The index read before belongs to a replaced shard.
                Some(read) if read != source => return Ok(Outcome::changed()),
                Some(_) => {}
            }
        }
        seconds.read += timer.lap();

        // Keep the storage order, which may have been chosen for locality.
        let mut order: Vec<Entry> =
            index.0.iter().enumerate().filter_map(|(number, entry)| Some((number, (*entry)?))).collect();
        order.sort_by_key(|(_, (start, _))| *start);

        let key = self.output_key();
        let mut output = ShardWriter::new(self, &key, layout)?;
        let mut outcome = Outcome { source: Some(source), ..Outcome::default() };
        let chunk = &mut *self.scratch.take();
        let work = InnerChunks {
            job: self,
            chain: &sharding.inner,
            encoding,
            source,
            shard: whole.then_some(stored.as_slice()),
        };
        for batch in order.chunks(batch(sharding.inner.chunk_bytes) * threads) {
            let Some(done) = work.batch(batch, threads, chunk, seconds)? else { return Ok(Outcome::changed()) };
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
        self.task.compare_earlier(self.plan, self.item, outcome.crc32c)?;
        self.keep_replaced(&key)?;
        let Some(written) = output.finish((self.plan.placement == Placement::InPlace).then_some(source))? else {
            return Ok(Outcome::changed());
        };
        seconds.write += timer.lap();
        outcome.written = Some(written.stat);
        if self.verify {
            if !written.check(self, &key, layout)? {
                return Ok(Outcome::changed());
            }
            seconds.verify += timer.lap();
            outcome.verified = true;
        }
        Ok(outcome)
    }
}

/// An inner chunk: its number, and its start and length in the shard.
type Entry = (usize, (u64, u64));

/// The transcoding of the inner chunks of a shard.
struct InnerChunks<'a> {
    job: &'a Job<'a>,
    chain: &'a Chain,
    encoding: &'a Encoding,
    /// Size and tag of the shard when its index was read.
    source: Stat,
    /// The complete shard, if it is small enough to be held in memory.
    shard: Option<&'a [u8]>,
}

/// A transcoded inner chunk.
#[derive(Default)]
struct Inner {
    /// `None` if the chunk is omitted.
    bytes: Option<Vec<u8>>,
    uncompressed_bytes: u64,
    crc32c: u32,
    recompressed: bool,
    bad: Option<Failure>,
}

/// Inner chunks in order; `None` if the shard was replaced in the meantime.
type Batch = Result<Option<Vec<Inner>>, Failure>;

impl InnerChunks<'_> {
    /// Transcodes a batch of inner chunks on `threads` threads, in order. `None` if the shard was replaced in the meantime.
    fn batch(&self, batch: &[Entry], threads: usize, chunk: &mut ChunkScratch, seconds: &mut Seconds) -> Batch {
        if threads <= 1 {
            return batch.iter().map(|entry| self.one(entry, chunk, seconds)).collect();
        }
        let shares = batch.chunks(batch.len().div_ceil(threads));
        let limit = chunk.limit();
        let results: Vec<(Batch, Seconds)> = std::thread::scope(|scope| {
            let workers: Vec<_> = shares
                .map(|share| {
                    scope.spawn(|| {
                        let (mut chunk, mut seconds) = (ChunkScratch::with_limit(limit), Seconds::default());
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
            let Some(done) = done? else { return Ok(None) };
            all.extend(done);
        }
        Ok(Some(all))
    }

    fn one(&self, entry: &Entry, chunk: &mut ChunkScratch, seconds: &mut Seconds) -> Result<Option<Inner>, Failure> {
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
                match self.job.store.get_range(&self.job.item.key, range, &mut read)? {
                    Some(now) if now == self.source => {}
                    _ => return Ok(None),
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
            Err(error) => return self.bad(stored, wrong(error)).map(Some),
        };
        let bytes = if recoded { chunk.encoded.clone() } else { stored.to_vec() };
        if self.job.verify && recoded {
            let mut timer = Timer::start();
            check_decodes(self.encoding, &bytes, 1, chunk).map_err(wrong)?;
            seconds.verify += timer.lap();
        }
        let crc32c = crc32c(&chunk.decoded);
        let uncompressed_bytes = chunk.decoded.len() as u64;
        Ok(Some(Inner { bytes: Some(bytes), uncompressed_bytes, crc32c, recompressed: recoded, bad: None }))
    }

    /// Handles an inner chunk that cannot be decoded.
    fn bad(&self, stored: &[u8], bad: Failure) -> Result<Inner, Failure> {
        let bytes = match self.job.on_bad_chunk {
            OnBadChunk::Error => return Err(bad),
            OnBadChunk::Copy => Some(stored.to_vec()),
            OnBadChunk::Skip => None,
        };
        Ok(Inner { bytes, bad: Some(bad), ..Inner::default() })
    }
}

/// A shard being written: chunks are appended, and the index is written last.
struct ShardWriter<'a> {
    upload: Upload<'a>,
    shard: ShardBuilder,
    /// CRC-32C of each encoded inner chunk, all of which have been verified in memory.
    checksums: Vec<u32>,
}

/// A completed shard.
struct Written {
    index: ShardIndex,
    checksums: Vec<u32>,
    stat: Stat,
}

impl<'a> ShardWriter<'a> {
    fn new(job: &Job<'a>, key: &str, layout: IndexLayout) -> Result<ShardWriter<'a>, StoreError> {
        let upload = job.output.upload(key, layout.reserved() as usize)?;
        Ok(ShardWriter { upload, shard: ShardBuilder::new(layout), checksums: vec![0; layout.chunks as usize] })
    }

    fn append(&mut self, number: usize, bytes: &[u8]) -> Result<(), StoreError> {
        self.shard.append(number, bytes.len());
        self.checksums[number] = crc32c(bytes);
        self.upload.write(bytes)
    }

    /// Finishes the shard. If it replaces the shard `over` and that has changed, nothing is written and `None` returned.
    fn finish(mut self, over: Option<Stat>) -> Result<Option<Written>, StoreError> {
        let end = self.shard.finish();
        self.upload.write(&end.append)?;
        let stat = match over {
            Some(read) => self.upload.finish_over(&end.start, read)?,
            None => Some(self.upload.finish(&end.start)?),
        };
        Ok(stat.map(|stat| Written { index: end.index, checksums: self.checksums, stat }))
    }
}

impl Written {
    /// Verifies the stored shard against what was written. `false` if another program has written it since.
    fn check(&self, job: &Job, key: &str, layout: IndexLayout) -> Result<bool, Failure> {
        let mut buffer = Vec::new();
        let stored = read_shard_index(job.output, key, &layout, &mut buffer);
        match stored.map_err(|error| job.verify_failure(&error.to_string()))? {
            Some((_, now)) if job.has_changed(now, self.stat) => return Ok(false),
            Some((index, _)) if index == self.index => {}
            Some(_) => return Err(job.verify_failure("the stored shard index differs from the one written")),
            None => return Err(job.verify_failure("the object is missing")),
        }
        for (entry, checksum) in self.index.0.iter().zip(&self.checksums) {
            let Some((start, len)) = *entry else { continue };
            match job.read_output(key, ByteRange::At { start, len }, &mut buffer)? {
                None => return Err(job.verify_failure("the object is missing")),
                Some(now) if job.has_changed(now, self.stat) => return Ok(false),
                Some(_) => {}
            }
            if crc32c(&buffer) != *checksum {
                return Err(job.verify_failure("the stored bytes differ from those written"));
            }
        }
        Ok(true)
    }
}
