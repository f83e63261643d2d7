//! Rechunks arrays region by region; all workers share the regions of one array before the next.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use zcodec::{CodecError, Workspace, crc32c, crc32c_append};
use zstore::{ByteRange, Store, StoreError, Upload};
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::checks::Checks;
use crate::chunk::{decode, encode};
use crate::journal::{Done, Entry};
use crate::memory::COPY_PIECE;
use crate::options::{OnBadChunk, Verify};
use crate::read_back::at_fault;
use crate::rechunk::{Coders, Engine, ObjectSink, OnBad, RechunkPlan, RegionOutcome, Scratch, ShardSink};
use crate::report::Report;
use crate::stats::Stats;
use crate::task::Task;

/// Shared state for the regions of all arrays.
pub struct Regions<'a> {
    task: &'a Task<'a>,
    report: &'a Report<'a>,
}

impl<'a> Task<'a> {
    /// The regions of this task, reporting to `report`.
    pub(crate) fn regions(&'a self, report: &'a Report<'a>) -> Regions<'a> {
        Regions { task: self, report }
    }
}

impl Regions<'_> {
    /// Rechunks array `array` of the plan, limited to the regions in `units`.
    ///
    /// # Errors
    /// A codec of the array is not supported.
    pub fn run(&self, array: usize, units: Range<u64>) -> Result<(), Failure> {
        let plan = &self.task.plans[array];
        let (Some(rechunk), Some(regions)) = (plan.rechunk(), plan.regions()) else { return Ok(()) };
        let sink = StoreSink {
            plan,
            output: self.task.output(plan),
            verify: self.task.options.verify == Verify::Full,
            written: self.task.again.then(Mutex::default),
        };
        let encoding = &rechunk.encoding;
        let encoder = |src: &[u8], dst: &mut Vec<u8>, threads: usize, workspace: &mut Workspace| {
            encode(encoding, src, dst, threads, workspace)
        };
        let decoder =
            |src: &[u8], dst: &mut Vec<u8>, threads: usize, workspace: &mut Workspace| -> Result<(), CodecError> {
                decode(encoding, src, dst, threads, workspace)
            };
        let coders = Coders {
            encode: &encoder,
            decode: if self.task.options.verify == Verify::None { None } else { Some(&decoder) },
        };
        let on_bad = match self.task.options.on_bad_chunk {
            OnBadChunk::Skip => OnBad::Skip,
            _ => OnBad::Error,
        };
        let stopped = || self.task.progress.stopped().is_some() || self.report.is_over();
        let engine = Engine::new(self.task.store(), &plan.array, regions, &sink, coders, on_bad, &stopped)?;
        for (group, in_two_passes) in regions.passes(units) {
            let scratch = if in_two_passes { self.first_pass(array, &engine, group.clone()) } else { None };
            let next = AtomicU64::new(group.start);
            let work = || {
                while !stopped() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= group.end {
                        return;
                    }
                    self.region(array, &engine, &sink, scratch.as_ref(), number);
                }
            };
            std::thread::scope(|scope| {
                for _ in 1..regions.stats.in_flight {
                    scope.spawn(work);
                }
                work();
            });
        }
        Ok(())
    }

    /// The first pass over a group of regions, without those in the journal. Nothing if a single region is left, or if it
    /// fails: then each region reads the source itself, and what cannot be read is reported where it is needed.
    fn first_pass<'s>(&'s self, array: usize, engine: &Engine, group: Range<u64>) -> Option<Scratch<'s>> {
        let left: Vec<u64> = group.filter(|number| self.task.completed.get(array, Some(*number)).is_none()).collect();
        let directory = self.task.scratch.filter(|_| left.len() > 1)?;
        match engine.first_pass(&left, directory) {
            Ok(scratch) => Some(scratch),
            Err(failure) => {
                if failure.exit == Exit::Output {
                    self.task.progress.warn(&format!("{failure}; source chunks are read repeatedly instead"));
                }
                None
            }
        }
    }

    fn region(&self, array: usize, engine: &Engine, sink: &StoreSink, scratch: Option<&Scratch>, number: u64) {
        let plan = &self.task.plans[array];
        let regions = engine.plan();
        let key = format!("region {number:012}");
        self.report.started(array);
        let share = plan.array.uncompressed_bytes().unwrap_or(0) / regions.regions().max(1);
        let result = match self.resumed(array, engine, number) {
            Ok(Some(stats)) => {
                self.task.progress.skip(share);
                Ok((stats, 0.0))
            }
            Ok(None) => {
                let done = engine
                    .run(number, scratch)
                    .and_then(|outcome| sink.remove_others(regions, number).map(|()| outcome))
                    .and_then(|outcome| self.record_done(array, number, &outcome));
                self.task.progress.advance(share);
                done
            }
            Err(failure) => Err(failure),
        };
        let seconds = result.as_ref().map_or(0.0, |(_, seconds)| *seconds);
        self.report.finished(array, &key, result.map(|(stats, _)| (stats, Vec::new())), seconds);
    }

    /// Whether the objects of a completed region still exist with the recorded count and total size.
    fn is_intact(&self, plan: &ArrayPlan, regions: &RechunkPlan, number: u64, done: &Done) -> Result<bool, Failure> {
        let output = self.task.output(plan);
        // Acknowledged PUTs are trusted; checking each object would cost a request per object.
        if output.is_remote() {
            return Ok(true);
        }
        let (mut objects, mut bytes) = (0, 0);
        for key in plan.region_keys(regions, number) {
            if let Some(stat) = output.stat(&key)? {
                objects += 1;
                bytes += stat.size;
            }
        }
        Ok(objects == done.objects() && bytes == done.bytes)
    }

    /// Records a completed region in the journal.
    fn record_done(&self, array: usize, number: u64, outcome: &RegionOutcome) -> Result<(Stats, f64), Failure> {
        let plan = &self.task.plans[array];
        outcome.seconds.report(self.task.progress);
        let verified = self.task.options.verify != Verify::None;
        for bad in &outcome.bad {
            let failure = Failure::new(Exit::Unreadable, bad.cause.clone()).at(&bad.place);
            self.report.bad(array, &bad.place, failure, self.task.options.on_bad_chunk == OnBadChunk::Error);
        }
        if outcome.bad.is_empty() {
            self.task.journal.note(&Entry {
                path: plan.array.path.clone(),
                unit: number,
                key: format!("region {number}"),
                source_bytes: 0,
                source_tag: outcome.sources,
                bytes: outcome.bytes_written,
                tag: outcome.checksum,
                decoded_bytes: outcome.bytes_encoded,
                crc32c: crc32c(&outcome.checksum.to_le_bytes()),
                stored_crc32c: None,
                objects: outcome.objects,
                verified,
            })?;
        }
        let stats = Stats {
            objects: outcome.objects,
            bytes_before: 0,
            bytes_after: outcome.bytes_written,
            uncompressed_bytes: outcome.bytes_encoded,
            recompressed: outcome.objects,
            verified: if verified { outcome.objects } else { 0 },
            checks: Checks::default(),
            resumed: 0,
            bad_copied: 0,
            written: outcome.objects,
            sources: outcome.sources,
        };
        Ok((stats, outcome.seconds.total()))
    }

    /// The counters of a region completed by an earlier run, if its source has not changed.
    fn resumed(&self, array: usize, engine: &Engine, number: u64) -> Result<Option<Stats>, Failure> {
        let Some(done) = self.task.completed.get(array, Some(number)) else { return Ok(None) };
        let plan = &self.task.plans[array];
        if !self.is_intact(plan, engine.plan(), number, done)? {
            return Ok(None);
        }
        let sources = engine.sources(number)?;
        if (self.task.options.verify == Verify::Full && !done.verified) || !done.is_of_sources(sources) {
            return Ok(None);
        }
        let objects = done.objects();
        let verified = if done.verified { objects } else { 0 };
        Ok(Some(Stats {
            objects,
            bytes_after: done.bytes,
            recompressed: objects,
            verified,
            resumed: objects,
            written: objects,
            sources,
            ..Stats::default()
        }))
    }
}

/// The output store as a sink of the engine.
struct StoreSink<'a> {
    plan: &'a ArrayPlan,
    output: &'a Store,
    /// Whether to read back written objects.
    verify: bool,
    /// Keys of the objects of the regions under way, if there may have been earlier runs.
    written: Option<Mutex<HashSet<String>>>,
}

impl StoreSink<'_> {
    fn note(&self, key: String) {
        if let Some(written) = &self.written {
            written.lock().insert(key);
        }
    }

    /// Removes the objects of a region that this run has not written: if the source has changed since an earlier run, there may be fewer.
    /// What it has written was never missing: another process may have counted on it.
    fn remove_others(&self, regions: &RechunkPlan, number: u64) -> Result<(), Failure> {
        let Some(written) = &self.written else { return Ok(()) };
        for key in self.plan.region_keys(regions, number) {
            let is_written = written.lock().remove(&key);
            if !is_written {
                self.output.delete(&key)?;
            }
        }
        Ok(())
    }

    fn key(&self, index: &[u64]) -> String {
        self.plan.output_key(index)
    }

    fn verify_failure(&self, key: &str) -> Failure {
        Failure::new(Exit::Output, "verification failed: the stored bytes differ from those written")
            .at(self.output.place(key))
            .hint(at_fault(self.output))
    }
}

impl ObjectSink for StoreSink<'_> {
    fn put(&self, index: &[u64], bytes: &[u8]) -> Result<(), Failure> {
        let key = self.key(index);
        self.output.put(&key, bytes)?;
        let mut stored = Vec::new();
        if self.verify && (self.output.get(&key, &mut stored)?.is_none() || stored != bytes) {
            return Err(self.verify_failure(&key));
        }
        self.note(key);
        Ok(())
    }

    fn shard(&self, index: &[u64], reserved: usize) -> Result<Box<dyn ShardSink + '_>, Failure> {
        let key = self.key(index);
        let upload = self.output.upload(&key, reserved)?;
        Ok(Box::new(StoredShard { sink: self, key, upload, checksum: 0 }))
    }
}

/// A shard being written to the store.
struct StoredShard<'a> {
    sink: &'a StoreSink<'a>,
    key: String,
    upload: Upload<'a>,
    /// CRC-32C of the bytes appended so far.
    checksum: u32,
}

impl ShardSink for StoredShard<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.checksum = crc32c_append(self.checksum, bytes);
        Ok(self.upload.write(bytes)?)
    }

    fn finish(self: Box<Self>, start: &[u8]) -> Result<(), Failure> {
        let StoredShard { sink, key, upload, checksum } = *self;
        let stat = upload.finish(start)?;
        if sink.verify && !is_stored(sink.output, &key, start, stat.size, checksum)? {
            return Err(sink.verify_failure(&key));
        }
        sink.note(key);
        Ok(())
    }
}

/// Whether the object at `key` has `size` bytes: `start`, followed by bytes with this CRC-32C.
fn is_stored(store: &Store, key: &str, start: &[u8], size: u64, checksum: u32) -> Result<bool, StoreError> {
    let mut piece = Vec::new();
    let mut read =
        |start, len| store.get_range(key, ByteRange::At { start, len }, &mut piece).map(|_| std::mem::take(&mut piece));
    if read(0, start.len() as u64)? != start {
        return Ok(false);
    }
    let (mut at, mut found) = (start.len() as u64, 0);
    while at < size {
        let piece = read(at, COPY_PIECE)?;
        if piece.is_empty() {
            return Ok(false);
        }
        found = crc32c_append(found, &piece);
        at += piece.len() as u64;
    }
    Ok(found == checksum && store.stat(key)?.is_some_and(|stat| stat.size == size))
}
