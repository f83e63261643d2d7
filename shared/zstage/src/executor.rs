//! The workers: they take objects until there are no more, or the run is asked to stop.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use zarray::{Array, Key, Pool, ScratchPool, Semaphore};
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::arriving::Arriving;
use crate::assemble::assemble;
use crate::changes::Changes;
use crate::chunk::ChunkScratch;
use crate::encoding::Encoding;
use crate::gate::Gate;
use crate::gather::gather;
use crate::inner_chunks::is_gathered;
use crate::journal::Entry;
use crate::large::{LARGE, LargeObjects};
use crate::objects::{Item, ItemSource, Next, Objects, Work};
use crate::options::{ArrivalCheck, OnBadChunk, Verify};
use crate::placement::Placement;
use crate::rechunk::source_hash;
use crate::report::Report;
use crate::seconds::Seconds;
use crate::source_objects::sources_now;
use crate::stats::{self, Stats};
use crate::task::Task;
use crate::transcode::{Job, ObjectBuffers, Outcome, WorkerScratch};
use crate::view::ObjectSource;

/// Of a sample, every such object is verified.
const VERIFY_EVERY: u64 = 16;

/// Memory for an object of which only the stored size is known, as a multiple of that.
const UNKNOWN_NEED: u64 = 8;

impl Task<'_> {
    /// Does it on all workers of `pool`. `strays` keys that belong to no array have been found before.
    ///
    /// # Errors
    /// What ended it before its time.
    pub fn run(&self, pool: &Pool, strays: u64) -> Result<stats::Work, Failure> {
        let expected = self.plans.iter().filter_map(ArrayPlan::uncompressed_bytes).fold(0, u64::saturating_add);
        self.progress.start(expected);
        let report = Report::new(self.plans, self.record, self.progress, strays);
        let workers = Workers {
            task: self,
            objects: Objects::new(self.store(), self.plans, &self.work),
            memory: Semaphore::new(self.memory_bytes),
            arriving: Arriving::new(self.options.jobs),
            scratch: ScratchPool::new(self.options.jobs, || ChunkScratch::with_limit(Some(self.memory_bytes))),
            // One for each worker, most of which wait for a server: those that are free longest stay empty.
            buffers: ScratchPool::new(pool.workers(), ObjectBuffers::default),
            report: &report,
            seconds: Mutex::default(),
            met: AtomicU64::new(0),
            large: LargeObjects::new(self.stores, self.staged, self.again, self.memory_bytes, self.progress),
            changes: Changes::new(self.options.on_change),
            gate: Gate::new(self.stores),
        };
        pool.grow(|| workers.gate.wait_for_need(|| workers.is_over()), || workers.worker());
        let rechunked = self.rechunk(&report);
        let done = self.completed.units().filter(|(array, _)| self.plans[*array].rechunk().is_none()).count() as u64;
        // A run that computes keys has met them all.
        let may_have_vanished = matches!(self.work, Work::Listed) && workers.met.load(Ordering::Relaxed) < done;
        if may_have_vanished && !report.is_over() && self.progress.stopped().is_none() {
            self.remove_vanished(pool)?;
        }
        workers.changes.warning().iter().for_each(|warning| self.progress.warn(warning));
        let Workers { seconds, .. } = workers;
        seconds.into_inner().report(self.progress);
        self.progress.finish();
        // Whatever ended the run: what is done is entered.
        let entered = self.journal.close();
        let work = report.close()?;
        rechunked?;
        entered.map(|()| work)
    }

    /// Does the arrays that get other chunks.
    fn rechunk(&self, report: &Report) -> Result<(), Failure> {
        let mine = |array: &usize| self.plans[*array].rechunk().is_some() && !self.work.passes_over(*array);
        for array in (0..self.plans.len()).filter(mine) {
            let plan = &self.plans[array];
            let units = match &self.work {
                Work::Listed => {
                    self.look_for_strays(plan, array, report)?;
                    0..plan.units()
                }
                Work::Units { units, .. } => units[array].clone(),
                // Single objects are chosen only of arrays that keep their chunks.
                Work::Chosen(_) => 0..0,
            };
            self.regions(report).run(array, units)?;
            report.listed(array);
        }
        Ok(())
    }

    /// The regions compute the keys that they read; what else lies there is found by a list, where that costs nothing.
    fn look_for_strays(&self, plan: &ArrayPlan, array: usize, report: &Report) -> Result<(), Failure> {
        let store = self.store();
        if store.is_remote() {
            return Ok(());
        }
        let mut stored = 0;
        for object in store.list(plan.array.key_prefix())? {
            let object = object?;
            match plan.array.key_kind(&object.key) {
                Key::Stray | Key::OutsideGrid => report.stray(),
                Key::WrongSeparator => report.wrong_separator(array, store),
                Key::Chunk(_) => stored += object.stat.size,
                Key::Metadata => {}
            }
        }
        report.stored(array, stored);
        Ok(())
    }

    /// Removes the output objects whose source has gone since an earlier run made them.
    fn remove_vanished(&self, pool: &Pool) -> Result<(), Failure> {
        let look = |(array, unit): (usize, u64)| {
            let plan = &self.plans[array];
            let Some(grid) = plan.array.numbered().filter(|_| plan.rechunk().is_none()) else { return Ok(()) };
            let key = plan.array.key(&plan.array.keys.encode(&grid.index(unit)));
            match self.store().stat(&key)? {
                Some(_) => Ok(()),
                None => self.remove_output(plan, &key, Some(unit)),
            }
        };
        let units = Mutex::new(self.completed.units());
        let failed = Mutex::new(None);
        pool.broadcast(|_| {
            if let Err(failure) = std::iter::from_fn(|| units.lock().next()).try_for_each(look) {
                *failed.lock() = Some(failure);
            }
        });
        failed.into_inner().map_or(Ok(()), Err)
    }
}

/// What the workers share.
struct Workers<'a> {
    task: &'a Task<'a>,
    objects: Objects<'a>,
    memory: Semaphore,
    arriving: Arriving,
    scratch: ScratchPool<ChunkScratch>,
    /// Buffers of stored and assembled objects: only those of workers that have a permit are filled.
    buffers: ScratchPool<ObjectBuffers>,
    report: &'a Report<'a>,
    seconds: Mutex<Seconds>,
    /// Units of the journal that were met again.
    met: AtomicU64,
    large: LargeObjects<'a>,
    changes: Changes,
    gate: Gate<'a>,
}

impl Workers<'_> {
    fn is_over(&self) -> bool {
        self.task.progress.stopped().is_some() || self.report.is_over()
    }

    fn worker(&self) {
        let mut scratch = WorkerScratch::default();
        let (worker, working) = (self.gate.worker(), self.large.working());
        while !self.is_over() {
            match self.objects.next(self.report) {
                Next::Item(item) => {
                    self.object(&item, &mut scratch);
                    self.gate.look();
                }
                Next::ArrayDone(array) => self.report.listed(array),
                Next::NotMine(array) => self.report.pass_over(array),
                Next::Metadata => {}
                Next::Stray => self.report.stray(),
                Next::WrongSeparator(array) => self.report.wrong_separator(array, self.task.store()),
                Next::Failed(error) => self.report.end(error.into()),
                Next::End => break,
            }
        }
        drop((worker, working));
        self.large.help(&self.memory, || self.is_over());
        self.seconds.lock().add(&scratch.seconds);
    }

    fn object(&self, item: &Item, scratch: &mut WorkerScratch) {
        let plan = &self.task.plans[item.array];
        let before = scratch.seconds.total();
        let bytes = plan.object_bytes().unwrap_or(item.stat.map_or(0, |stat| stat.size));
        let result = match self.resumed(plan, item) {
            Ok(Some(stats)) => {
                self.task.progress.skip(bytes);
                Ok((stats, Vec::new()))
            }
            Ok(None) => {
                scratch.shown = 0;
                let made = self.make(plan, item, scratch);
                self.task.progress.advance(bytes.saturating_sub(scratch.shown));
                made
            }
            Err(failure) => Err(failure),
        };
        self.report.finished(item.array, &item.key, result, scratch.seconds.total() - before);
    }

    /// Makes one output object.
    fn make(
        &self,
        plan: &ArrayPlan,
        item: &Item,
        scratch: &mut WorkerScratch,
    ) -> Result<(Stats, Vec<Failure>), Failure> {
        let need = match plan.need {
            0 => item.stat.map_or(0, |stat| stat.size).saturating_mul(UNKNOWN_NEED),
            need => need,
        };
        // A server that ignores ranges sends whole objects.
        let whole = || item.stat.map(|stat| stat.size).or(plan.object_bytes()).unwrap_or(0);
        let ignores_ranges = self.task.source_of(plan, item).is_some_and(zstore::Store::ignores_ranges);
        let _permit = self.memory.acquire(if ignores_ranges { need.max(whole()) } else { need });
        // Back in the pool before the permit is: a worker that waits for memory holds none.
        let mut buffers = self.buffers.take();
        scratch.swap(&mut buffers);
        let made = self.make_within(plan, item, scratch);
        scratch.swap(&mut buffers);
        made
    }

    /// Makes one output object, with the memory for it.
    fn make_within(
        &self,
        plan: &ArrayPlan,
        item: &Item,
        scratch: &mut WorkerScratch,
    ) -> Result<(Stats, Vec<Failure>), Failure> {
        if !self.task.staged.is_private() {
            // From the first object on there is something that only the plan knows of.
            self.task.staged.keep();
        }
        let outcome = match &item.source {
            ItemSource::View(ObjectSource::Regions(regions)) if is_gathered(plan, regions) => {
                gather(self.task, &self.changes, plan, item, regions, self.verifies(item), scratch)?
            }
            ItemSource::View(ObjectSource::Regions(regions)) => {
                assemble(self.task, plan, item, regions, self.verifies(item), scratch)?
            }
            ItemSource::View(ObjectSource::Object { piece, .. }) => {
                let piece = plan.view.piece(*piece);
                let encoding = plan.encoding_of(&piece.array)?;
                self.job(plan, item, piece.store, &piece.array, encoding.as_ref()).run(scratch)?
            }
            ItemSource::Own => {
                let array = plan.array.at_key(&item.key);
                self.job(plan, item, 0, &array, plan.encoding()).run(scratch)?
            }
        };
        if matches!(self.task.work, Work::Chosen(_)) && outcome.written.is_none() && outcome.bad.is_empty() {
            let key = plan.new_key(&item.key, item.unit);
            if self.task.output(plan).stat(&key)?.is_some() {
                let failure = Failure::new(Exit::Absent, "not in the source any more; the old object is kept");
                return Err(failure.at(self.task.output(plan).place(&key)));
            }
        }
        let may_be_there = self.task.again || plan.placement == Placement::Append;
        if outcome.written.is_none() && may_be_there && plan.placement != Placement::InPlace {
            // An earlier run may have written what this one leaves out, or another program a chunk beyond the shape.
            self.task.remove_output(plan, &item.key, item.unit)?;
        }
        self.enter(plan, item, &outcome)?;
        let sources = self.sources(plan, item, &outcome)?;
        let copies = self.task.options.on_bad_chunk == OnBadChunk::Copy;
        let bad_copied = if copies { outcome.bad.len() as u64 } else { 0 };
        let mut stats = Stats { sources, bad_copied, ..Stats::from(&outcome) };
        if is_of_regions(item) && outcome.written.is_none() && outcome.bad.is_empty() {
            // None of its source objects was there.
            stats.objects = 0;
        }
        Ok((stats, outcome.bad))
    }

    /// Sum of the hashes of the source objects that were read.
    fn sources(&self, plan: &ArrayPlan, item: &Item, outcome: &Outcome) -> Result<u64, Failure> {
        if let ItemSource::View(ObjectSource::Regions(regions)) = &item.source {
            return match outcome.source {
                None if !outcome.bad.is_empty() => sources_now(self.task.stores, plan, regions),
                source => Ok(source.map_or(0, |stat| stat.tag)),
            };
        }
        let Some(store) = self.task.source_of(plan, item) else { return Ok(0) };
        let source = match outcome.source {
            // It cannot be decoded and is skipped.
            None if !outcome.bad.is_empty() => store.stat(&item.key)?,
            source => source,
        };
        Ok(source.map_or(0, |stat| source_hash(&item.key, Some(stat))))
    }

    fn job<'j>(
        &'j self,
        plan: &'j ArrayPlan,
        item: &'j Item,
        store: usize,
        array: &'j Array,
        encoding: Option<&'j Encoding>,
    ) -> Job<'j> {
        Job {
            task: self.task,
            store: &self.task.stores[store],
            store_number: store,
            array,
            encoding,
            output: self.task.output(plan),
            plan,
            item,
            verify: self.verifies(item),
            on_bad_chunk: self.task.options.on_bad_chunk,
            backup: self.task.backup,
            scratch: &self.scratch,
            large: &self.large,
            arriving: &self.arriving,
            changes: &self.changes,
            arrivals: self.task.arrivals.get(store),
            arrival: self.task.options.arrival,
        }
    }

    fn verifies(&self, item: &Item) -> bool {
        match self.task.options.verify {
            Verify::None => false,
            Verify::Sample => item.unit.unwrap_or(item.number).is_multiple_of(VERIFY_EVERY),
            Verify::Full => true,
        }
    }

    /// Enters what is done in the journal.
    fn enter(&self, plan: &ArrayPlan, item: &Item, outcome: &Outcome) -> Result<(), Failure> {
        let (Some(unit), Some(source), Some(written), true) =
            (item.unit, outcome.source, outcome.written, outcome.bad.is_empty())
        else {
            return Ok(());
        };
        // How many bytes of several objects were read is not known when they are looked at again.
        let source_bytes = if is_of_regions(item) { 0 } else { source.size };
        self.task.journal.note(&Entry {
            path: plan.array.path.clone(),
            unit,
            key: item.key.clone(),
            source_bytes,
            source_tag: source.tag,
            bytes: written.size,
            tag: written.tag,
            decoded_bytes: outcome.uncompressed_bytes,
            crc32c: outcome.crc32c,
            stored_crc32c: outcome.stored_crc32c,
            objects: 1,
            verified: outcome.verified,
        })
    }

    /// What an earlier run has done of it, where that still holds.
    fn resumed(&self, plan: &ArrayPlan, item: &Item) -> Result<Option<Stats>, Failure> {
        let Some(done) = self.task.completed.get(item.array, item.unit) else { return Ok(None) };
        self.met.fetch_add(1, Ordering::Relaxed);
        // Large objects are read back only where their checksum needs it, see `copy`.
        let is_exempt = self.task.options.arrival == ArrivalCheck::Auto && done.bytes > LARGE;
        if self.verifies(item) && !done.verified && !is_exempt {
            return Ok(None);
        }
        self.task.resumed(&self.changes, plan, item, done)
    }
}

/// Whether it is made of several source objects.
fn is_of_regions(item: &Item) -> bool {
    matches!(item.source, ItemSource::View(ObjectSource::Regions(_)))
}
