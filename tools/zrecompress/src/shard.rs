//! Shards: the inner chunks are transcoded one by one, in the order they are stored in, and the index is written anew. A
//! shard is never held whole unless it is small.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread::ScopedJoinHandle;

use zarray::{Chain, IndexLayout, ShardIndex, ZarrError};
use zcli::{Failure, Timer};
use zcodec::{CodecError, crc32c};
use zstore::{ByteRange, write_failed};
use zwire::Exit;

use crate::plan::{Target, WHOLE_SHARD, batch};
use crate::transcode::{ChunkScratch, Clocks, Job, Outcome, Scratch, check_decodes, recode};

/// Carries one shard over.
///
/// # Errors
/// As [`Job::run`].
pub fn transcode_shard(job: &Job, target: &Target, scratch: &mut Scratch) -> Result<Outcome, Failure> {
    let Some(sharding) = &job.plan.array.chain.sharding else { return Ok(Outcome::default()) };
    let Scratch { stored, clocks } = scratch;
    let (layout, threads) = (&sharding.index, job.plan.threads);

    let mut timer = Timer::start();
    let Some((index, size)) = read_index(job, layout, stored)? else { return job.absent() };
    let whole = size <= WHOLE_SHARD;
    if whole && job.store.get(&job.item.key, stored)?.is_none() {
        return job.absent();
    }
    clocks.read += timer.lap();

    // The order in the shard may have been chosen for locality; it is kept.
    let mut order: Vec<Entry> =
        index.0.iter().enumerate().filter_map(|(number, entry)| Some((number, (*entry)?))).collect();
    order.sort_by_key(|(_, (start, _))| *start);

    let failed = |error| Failure::from(write_failed(&job.target_path(), error));
    let mut output = ShardWriter::new(job.staging.create_file(&job.item.key)?, layout).map_err(failed)?;
    let mut outcome = Outcome { present: true, bytes_before: size, ..Outcome::default() };
    let chunk = &mut *job.benches.take();
    let work = InnerChunks { job, chain: &sharding.inner, target, shard: whole.then_some(stored.as_slice()) };
    for batch in order.chunks(batch(sharding.inner.chunk_bytes) * threads) {
        let done = work.batch(batch, threads, chunk, clocks)?;
        let mut timer = Timer::start();
        for ((number, _), inner) in batch.iter().zip(done) {
            outcome.uncompressed_bytes += inner.uncompressed_bytes;
            outcome.recompressed |= inner.recompressed;
            output.append(*number, &inner.bytes).map_err(failed)?;
        }
        clocks.write += timer.lap();
    }
    let mut timer = Timer::start();
    let written = output.finish(layout).map_err(failed)?;
    clocks.write += timer.lap();
    outcome.bytes_after = written.size;
    if job.verify {
        let path = job.staging.temporary().join(&job.item.key);
        written.check(&path, layout).map_err(|what| job.not_the_same(&what))?;
        clocks.verify += timer.lap();
        outcome.verified = true;
    }
    Ok(outcome)
}

/// Number of an inner chunk, and where it lies: start and length.
type Entry = (usize, (u64, u64));

/// The index of a shard, and the shard's size. Nothing: there is no such shard.
fn read_index(job: &Job, layout: &IndexLayout, buffer: &mut Vec<u8>) -> Result<Option<(ShardIndex, u64)>, Failure> {
    let len = layout.len().unwrap_or(u64::MAX);
    let range = if layout.at_end { ByteRange::Last { len } } else { ByteRange::At { start: 0, len } };
    let Some(stat) = job.store.get_range(&job.item.key, range, buffer)? else { return Ok(None) };
    match ShardIndex::parse(layout, buffer, stat.size) {
        Ok(index) => Ok(Some((index, stat.size))),
        Err(source) => Err(ZarrError::Chunk { place: job.place(), source }.into()),
    }
}

/// What is done with every inner chunk of a shard.
struct InnerChunks<'a> {
    job: &'a Job<'a>,
    chain: &'a Chain,
    target: &'a Target,
    /// The shard, where it is small enough to be held.
    shard: Option<&'a [u8]>,
}

/// An inner chunk on its way to the output.
struct Inner {
    bytes: Vec<u8>,
    uncompressed_bytes: u64,
    recompressed: bool,
}

impl InnerChunks<'_> {
    /// Transcodes a batch of inner chunks on `threads` threads, in order.
    fn batch(
        &self,
        batch: &[Entry],
        threads: usize,
        chunk: &mut ChunkScratch,
        clocks: &mut Clocks,
    ) -> Result<Vec<Inner>, Failure> {
        if threads <= 1 {
            return batch.iter().map(|entry| self.one(entry, chunk, clocks)).collect();
        }
        let shares = batch.chunks(batch.len().div_ceil(threads));
        let results: Vec<(Result<Vec<Inner>, Failure>, Clocks)> = std::thread::scope(|scope| {
            let workers: Vec<_> = shares
                .map(|share| {
                    scope.spawn(|| {
                        let (mut chunk, mut clocks) = (ChunkScratch::default(), Clocks::default());
                        let done = share.iter().map(|entry| self.one(entry, &mut chunk, &mut clocks)).collect();
                        (done, clocks)
                    })
                })
                .collect();
            let join = |worker: ScopedJoinHandle<'_, _>| worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            workers.into_iter().map(join).collect()
        });
        let mut all = Vec::with_capacity(batch.len());
        for (done, spent) in results {
            clocks.add(&spent);
            all.extend(done?);
        }
        Ok(all)
    }

    fn one(&self, entry: &Entry, chunk: &mut ChunkScratch, clocks: &mut Clocks) -> Result<Inner, Failure> {
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
                clocks.read += timer.lap();
                read.as_slice()
            }
        };
        if stored.len() as u64 != len {
            let (needed, found) = (len, stored.len() as u64);
            return Err(wrong(CodecError::Short { format: "inner chunk", needed, found }));
        }
        let recoded = recode(self.chain, self.target, stored, 1, chunk, clocks).map_err(wrong)?;
        let bytes = if recoded { chunk.encoded.clone() } else { stored.to_vec() };
        if self.job.verify && recoded {
            let mut timer = Timer::start();
            check_decodes(self.target, &bytes, 1, chunk).map_err(wrong)?;
            clocks.verify += timer.lap();
        }
        Ok(Inner { bytes, uncompressed_bytes: chunk.decoded.len() as u64, recompressed: recoded })
    }
}

/// A shard being written: chunks are appended, the index goes to its place at the end.
struct ShardWriter {
    file: BufWriter<File>,
    written: Written,
}

/// What a shard was written as.
struct Written {
    index: ShardIndex,
    /// CRC-32C of each inner chunk; each of them has been decoded again from memory.
    checksums: Vec<u32>,
    size: u64,
}

impl ShardWriter {
    fn new(file: File, layout: &IndexLayout) -> io::Result<ShardWriter> {
        let chunks = layout.chunks as usize;
        let size = if layout.at_end { 0 } else { layout.len().unwrap_or_default() };
        let mut file = BufWriter::with_capacity(1 << 18, file);
        file.seek(SeekFrom::Start(size))?;
        let written = Written { index: ShardIndex(vec![None; chunks]), checksums: vec![0; chunks], size };
        Ok(ShardWriter { file, written })
    }

    fn append(&mut self, number: usize, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written.index.0[number] = Some((self.written.size, bytes.len() as u64));
        self.written.checksums[number] = crc32c(bytes);
        self.written.size += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self, layout: &IndexLayout) -> io::Result<Written> {
        let index = self.written.index.encode(layout);
        if layout.at_end {
            self.written.size += index.len() as u64;
        } else {
            self.file.seek(SeekFrom::Start(0))?;
        }
        self.file.write_all(&index)?;
        self.file.flush()?;
        Ok(self.written)
    }
}

impl Written {
    /// Holds the file against what was written.
    fn check(&self, path: &Path, layout: &IndexLayout) -> Result<(), String> {
        let unreadable = |error: io::Error| error.to_string();
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let mut buffer = vec![0; layout.len().unwrap_or_default() as usize];
        let index_at = if layout.at_end { size.saturating_sub(buffer.len() as u64) } else { 0 };
        file.read_exact_at(&mut buffer, index_at).map_err(unreadable)?;
        let index = ShardIndex::parse(layout, &buffer, size).map_err(|error| error.to_string())?;
        if index != self.index {
            return Err("another index than was written".into());
        }
        for (entry, checksum) in index.0.iter().zip(&self.checksums) {
            let Some((start, len)) = *entry else { continue };
            buffer.resize(len as usize, 0);
            file.read_exact_at(&mut buffer, start).map_err(unreadable)?;
            if crc32c(&buffer) != *checksum {
                return Err("other bytes than were written".into());
            }
        }
        Ok(())
    }
}
