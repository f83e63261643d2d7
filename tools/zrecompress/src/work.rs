//! The workers: they take objects until there are no more, or somebody says stop.

use parking_lot::Mutex;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use zarray::{Pool, ScratchPool, Semaphore};
use zcli::{Bar, Session};
use zstore::{Draft, Location, Stat, Store};
use zwire::Failure;

use crate::chunk::ChunkScratch;
use crate::cli::{Args, Verify};
use crate::journal::{Done, Entry, Journal, Record};
use crate::ledger::{Ledger, Tally, Totals};
use crate::plan::{ArrayPlan, Placement};
use crate::regions::Regions;
use crate::source::{Item, Key, Next, Source, Work, what_is};
use crate::transcode::{Clocks, Job, Outcome, Scratch};

/// Of a sample, every such object is verified.
const VERIFY_EVERY: u64 = 16;

/// What an object needs in memory of which nothing is known but its stored size.
const UNKNOWN_NEED: u64 = 8;

/// What is to be done, and with what.
pub struct Task<'a> {
    pub args: &'a Args,
    pub store: &'a Store,
    pub draft: &'a Draft,
    pub plans: &'a [ArrayPlan],
    pub work: Work,
    /// What earlier runs have done.
    pub record: Record,
    /// Whether there may have been earlier runs, which may have left what is in no journal.
    pub again: bool,
    pub journal: Journal<'a>,
    /// Where the chunks go that are replaced in place.
    pub backup: Option<&'a Path>,
    /// Bytes in flight, at most.
    pub budget: u64,
}

impl Task<'_> {
    /// Does it on all workers of `pool`. `strays` have been found before.
    ///
    /// # Errors
    /// What ended it before its time.
    pub fn run(&self, pool: &Pool, strays: u64, session: &mut Session) -> Result<Totals, Failure> {
        let name = self.store.location().to_string();
        let Session { out, status, stop, phases } = &mut *session;
        let expected =
            self.plans.iter().filter_map(|plan| plan.array.uncompressed_bytes()).fold(0, u64::saturating_add);
        let bar = status.bar(expected);
        let ledger = Ledger::new(&name, self.plans, out, status, self.args.common.timing, strays);
        let workers = Workers {
            task: self,
            source: Source::new(self.store, self.plans, &self.work),
            gate: Semaphore::new(self.budget),
            benches: ScratchPool::new(self.args.work.jobs(), ChunkScratch::default),
            ledger: &ledger,
            bar: &bar,
            stop,
            clocks: Mutex::new(Clocks::default()),
            met: AtomicU64::new(0),
        };
        pool.broadcast(|_| workers.worker());
        bar.finish();
        let rechunked = self.rechunk(&Regions { task: self, ledger: &ledger, bar: &bar, stop, phases });
        let done = self.record.units().filter(|(array, _)| self.plans[*array].rechunk().is_none()).count() as u64;
        // Whoever computes keys has met them all.
        let may_have_vanished = matches!(self.work, Work::Listed) && workers.met.load(Ordering::Relaxed) < done;
        if may_have_vanished && !ledger.is_over() && stop.requested().is_none() {
            self.remove_vanished(pool)?;
        }
        let clocks = workers.clocks.into_inner();
        clocks.report(phases);
        // Whatever ended the run: what is done is done.
        let saved = self.journal.checkpoint();
        let totals = ledger.close()?;
        rechunked?;
        saved.map(|()| totals)
    }
}

impl Task<'_> {
    /// Does the arrays that get other chunks.
    fn rechunk(&self, regions: &Regions) -> Result<(), Failure> {
        let mine = |array: &usize| self.plans[*array].rechunk().is_some() && !self.work.passes_over(*array);
        for array in (0..self.plans.len()).filter(mine) {
            let plan = &self.plans[array];
            let units = match &self.work {
                Work::Listed => {
                    self.look_for_strays(plan, array, regions)?;
                    0..plan.units()
                }
                Work::Units { units, .. } => units[array].clone(),
            };
            regions.run(array, units)?;
            regions.ledger.listed(array);
        }
        Ok(())
    }

    /// The engine computes the keys that it reads; what else lies there is found by a list, where that costs nothing.
    fn look_for_strays(&self, plan: &ArrayPlan, array: usize, regions: &Regions) -> Result<(), Failure> {
        if self.store.is_remote() {
            return Ok(());
        }
        let mut stored = 0;
        for object in self.store.list(plan.array.key_prefix())? {
            let object = object?;
            match what_is(&plan.array, &object.key) {
                Key::Stray => regions.ledger.stray(),
                Key::OtherSeparator => regions.ledger.misspelled(array, self.store),
                Key::Chunk(_) => stored += object.stat.size,
                Key::Metadata => {}
            }
        }
        regions.ledger.stored(array, stored);
        Ok(())
    }

    /// Removes the output objects of which the source has gone since an earlier run made them.
    fn remove_vanished(&self, pool: &Pool) -> Result<(), Failure> {
        let look = |(array, unit): (usize, u64)| {
            let plan = &self.plans[array];
            let Some(grid) = plan.array.grid.as_ref().filter(|_| plan.rechunk().is_none()) else { return Ok(()) };
            let key = plan.array.key(&plan.array.keys.encode(&grid.index(unit)));
            match self.store.stat(&key)? {
                Some(_) => Ok(()),
                None => self.vanished(array, &key, Some(unit)),
            }
        };
        let units = Mutex::new(self.record.units());
        let next = || units.lock().next();
        let failed = Mutex::new(None);
        pool.broadcast(|_| {
            if let Err(failure) = std::iter::from_fn(next).try_for_each(look) {
                *failed.lock() = Some(failure);
            }
        });
        failed.into_inner().map_or(Ok(()), Err)
    }

    fn vanished(&self, array: usize, key: &str, unit: Option<u64>) -> Result<(), Failure> {
        let plan = &self.plans[array];
        Ok(self.output(plan).delete(&plan.new_key(key, unit))?)
    }

    /// Where the objects of an array go.
    pub fn output(&self, plan: &ArrayPlan) -> &Store {
        if plan.placement == Placement::Beside { self.draft.replacements() } else { self.draft.objects() }
    }
}

/// What the workers share.
struct Workers<'a> {
    task: &'a Task<'a>,
    source: Source<'a>,
    gate: Semaphore,
    benches: ScratchPool<ChunkScratch>,
    ledger: &'a Ledger<'a>,
    bar: &'a Bar,
    stop: &'a zcli::Stop,
    clocks: Mutex<Clocks>,
    /// Units of the journal that were met again.
    met: AtomicU64,
}

impl Workers<'_> {
    fn worker(&self) {
        let mut scratch = Scratch::default();
        while self.stop.requested().is_none() && !self.ledger.is_over() {
            match self.source.next(self.ledger) {
                Next::Item(item) => self.object(&item, &mut scratch),
                Next::ArrayDone(array) => self.ledger.listed(array),
                Next::NotMine(array) => self.ledger.pass_over(array),
                Next::Metadata => {}
                Next::Stray => self.ledger.stray(),
                Next::OtherSeparator(array) => self.ledger.misspelled(array, self.task.store),
                Next::Failed(error) => self.ledger.end(error.into()),
                Next::End => break,
            }
        }
        self.clocks.lock().add(&scratch.clocks);
    }

    fn object(&self, item: &Item, scratch: &mut Scratch) {
        let plan = &self.task.plans[item.array];
        let before = scratch.clocks.total();
        let result = match self.resumed(plan, item) {
            Ok(Some(tally)) => Ok((tally, Vec::new())),
            Ok(None) => self.carry_over(plan, item, scratch),
            Err(failure) => Err(failure),
        };
        self.bar.advance(plan.object_bytes().unwrap_or(item.stat.map_or(0, |stat| stat.size)));
        self.ledger.finished(item.array, &item.key, result, scratch.clocks.total() - before);
    }

    fn carry_over(
        &self,
        plan: &ArrayPlan,
        item: &Item,
        scratch: &mut Scratch,
    ) -> Result<(Tally, Vec<Failure>), Failure> {
        let need = match plan.need {
            0 => item.stat.map_or(0, |stat| stat.size).saturating_mul(UNKNOWN_NEED),
            need => need,
        };
        let _room = self.gate.acquire(need);
        if !self.task.draft.is_private() {
            // From the first object on there is something that only the plan knows of.
            self.task.draft.keep();
        }
        let job = Job {
            store: self.task.store,
            output: self.task.output(plan),
            plan,
            item,
            verify: self.verifies(item),
            on_bad_chunk: self.task.args.on_bad_chunk,
            backup: self.task.backup,
            benches: &self.benches,
        };
        let outcome = job.run(scratch)?;
        if outcome.written.is_none() && self.task.again && plan.placement != Placement::Over {
            // An earlier run may have written what this one leaves out.
            self.task.vanished(item.array, &item.key, item.unit)?;
        }
        self.enter(plan, item, &outcome)?;
        Ok((Tally::from(&outcome), outcome.bad))
    }

    fn verifies(&self, item: &Item) -> bool {
        match self.task.args.verify {
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
        self.task.journal.note(&Entry {
            path: plan.array.path.clone(),
            unit,
            key: item.key.clone(),
            source_bytes: source.size,
            source_tag: source.tag,
            bytes: written.size,
            tag: written.tag,
            decoded_bytes: outcome.uncompressed_bytes,
            crc32c: outcome.crc32c,
            objects: 1,
            verified: outcome.verified,
        })
    }

    /// What an earlier run has done of it, where that still holds.
    fn resumed(&self, plan: &ArrayPlan, item: &Item) -> Result<Option<Tally>, Failure> {
        let Some(done) = self.task.record.get(item.array, item.unit) else { return Ok(None) };
        self.met.fetch_add(1, Ordering::Relaxed);
        if self.verifies(item) && !done.verified {
            return Ok(None);
        }
        let source = match item.stat {
            Some(stat) => Some(stat),
            None => self.task.store.stat(&item.key)?,
        };
        let Some(source) = source else {
            self.task.vanished(item.array, &item.key, item.unit)?;
            return Ok(None);
        };
        let Some(written) = self.still_there(plan, item, done, source)? else { return Ok(None) };
        Ok(Some(Tally {
            objects: 1,
            bytes_before: source.size,
            bytes_after: written.size,
            uncompressed_bytes: plan.object_bytes().unwrap_or(0),
            verified: u64::from(done.verified),
            recompressed: u64::from(plan.target().is_some()),
            resumed: 1,
        }))
    }

    fn still_there(&self, plan: &ArrayPlan, item: &Item, done: &Done, source: Stat) -> Result<Option<Stat>, Failure> {
        if plan.placement == Placement::Over {
            return Ok(Some(source).filter(|stat| done.is_there_as(*stat)));
        }
        if !done.is_of(source) {
            return Ok(None);
        }
        let output = self.task.output(plan);
        match output.location() {
            // A PUT that was answered is kept; to ask for each would cost a request an object.
            Location::Remote(_) => Ok(Some(Stat { size: done.bytes, tag: 0 })),
            Location::Local(_) => {
                let stat = output.stat(&plan.new_key(&item.key, item.unit))?;
                Ok(stat.filter(|stat| done.is_there_as(*stat)))
            }
        }
    }
}
