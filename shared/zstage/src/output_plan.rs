//! The source as its metadata describes it, and what is done with each array: decided before anything is written.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::{Map, Value};
use zarray::{Array, Chain, Grid, Hierarchy, Key, Node, Part, Pool};
use zstore::{Location, Object, Store, StoreError, Trail};
use zwire::{Exit, Failure, PlanRecord, Record};

use crate::array_plan::{Action, ArrayPlan};
use crate::journal::{Completed, Journal};
use crate::memory::{divide, plan_regions};
use crate::objects::Work;
use crate::options::{ArrivalCheck, Begin, Verify, WriteOptions};
use crate::placement::Placement;
use crate::plan_file::{Header, MemoryPlan};
use crate::progress::Progress;
use crate::received::Arrivals;
use crate::rechunk::ASSUMED_RATIO;
use crate::report::ArrayRecord;
use crate::sources::Sources;
use crate::staged_store::StagedStore;
use crate::stats;
use crate::task::Task;

/// Documents of groups and arrays.
const METADATA: [&str; 5] = ["zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"];

/// A source, and the plan of every output array.
pub struct OutputPlan<'a> {
    /// The source stores; the plans' own arrays lie in the first.
    pub stores: &'a [Store],
    /// The nodes of the first.
    pub hierarchy: Arc<Hierarchy<'a>>,
    /// Whether objects are found by listing the source; otherwise their keys are computed.
    pub listed: bool,
    /// Whether arrays of the source may be left out.
    pub selects: bool,
    /// Paths of the groups.
    pub groups: Vec<String>,
    /// In path order.
    pub plans: Vec<ArrayPlan>,
    /// Threads that read.
    pub pool: Arc<Pool>,
    /// What regions are planned for.
    pub memory: MemoryPlan,
}

/// Decides on one array; `None` leaves it out.
pub type PlanArray<'a> = dyn Fn(&Store, Array) -> Result<Option<ArrayPlan>, Failure> + Sync + 'a;

/// Adds to the record of an array in a dry run.
pub type CompleteRecord<'a> = dyn Fn(&ArrayPlan, &mut PlanRecord) + 'a;

/// What the metadata allows.
pub enum Planned<'a> {
    /// An output.
    Possible(Box<OutputPlan<'a>>),
    /// Nodes that cannot be carried over, so that nothing is.
    Impossible(Vec<Failure>),
}

impl<'a> OutputPlan<'a> {
    /// Reads the metadata of the whole source and plans every array.
    ///
    /// # Errors
    /// What the store answers, and a signal.
    pub fn read(
        sources: &Sources<'a>,
        output: &Location,
        options: &WriteOptions,
        plan_array: &PlanArray,
        progress: &dyn Progress,
    ) -> Result<Planned<'a>, Failure> {
        let Sources { stores, hierarchy, listed, selects, pool } = sources.clone();
        let memory = MemoryPlan {
            memory_bytes: options.memory_bytes,
            jobs: options.jobs,
            readers: options.readers(&stores[0], output),
            verify: options.verify != Verify::None,
            remote_output: matches!(output, Location::Remote(_)),
            scratch_bytes: 0,
        };
        let mut plan =
            OutputPlan { stores, hierarchy, listed, selects, groups: Vec::new(), plans: Vec::new(), pool, memory };
        let failures = plan.plan_arrays(plan_array, progress)?;
        Ok(if failures.is_empty() { Planned::Possible(Box::new(plan)) } else { Planned::Impossible(failures) })
    }

    /// Adds arrays that the first source store does not have.
    pub fn add(&mut self, plans: Vec<ArrayPlan>) {
        if !plans.is_empty() {
            self.plans.extend(plans);
            self.plans.sort_by(|a, b| a.array.path.cmp(&b.array.path));
        }
    }

    /// The first source store.
    pub fn store(&self) -> &'a Store {
        &self.stores[0]
    }

    /// Plans every array; what stands in the way is returned.
    fn plan_arrays(&mut self, plan_array: &PlanArray, progress: &dyn Progress) -> Result<Vec<Failure>, Failure> {
        let (store, listable) = (self.store(), self.listed || self.selects);
        let (groups, plans) = (&mut self.groups, &mut self.plans);
        let (mut failures, mut equal) = (Vec::new(), Equal::default());
        self.hierarchy.walk(
            &self.pool,
            |visit| match visit {
                Ok(Node::Group(group)) => Ok((Some(group.path), None)),
                Ok(Node::Array(array)) if array.numbered().is_none() && !listable => {
                    let text = "its chunk keys must be listed, but this server cannot list objects";
                    Err(Failure::new(Exit::Unreadable, text).at(store.place(array.key_prefix())))
                }
                Ok(Node::Array(array)) if array.fetched.is_some() => {
                    let text = "only some of its chunks were fetched (zfetch --layout mirror)";
                    let failure = Failure::new(Exit::Unreadable, text).at(store.place(array.key_prefix()));
                    Err(failure.hint("fetch the selection with --layout crop, or leave out the array with --var"))
                }
                Ok(Node::Array(array)) => plan_array(store, *array).map(|plan| (None, plan)),
                Err(error) => Err(error.into()),
            },
            |planned: Result<_, Failure>| {
                match planned {
                    Ok((group, plan)) => {
                        groups.extend(group);
                        plans.extend(plan.map(|plan: ArrayPlan| equal.share(plan)));
                    }
                    Err(failure) => failures.push(failure),
                }
                progress.stopped().is_none()
            },
        );
        match progress.stopped() {
            Some(exit) => Err(Failure::stopped(exit)),
            None => Ok(failures),
        }
    }

    /// Divides memory, cores and disk space, and plans the regions of rechunked arrays, as the plan of an unfinished run did.
    ///
    /// # Errors
    /// A memory limit that nothing fits into; a scratch directory that cannot be used; what cannot be done in place on an object
    /// store.
    pub fn divide(
        &mut self,
        output: &Location,
        options: &WriteOptions,
        planned: Option<&Header>,
    ) -> Result<(), Failure> {
        self.check_in_place(options)?;
        divide(&mut self.plans, options.jobs, options.nthreads, options.verify != Verify::None, options.memory_bytes)?;
        let parts = planned.map(|header| header.parts).or(options.prepare).unwrap_or(1);
        self.memory.scratch_bytes = self.scratch_bytes(output, &options.scratch, parts)?;
        self.plan_regions(planned.map_or(self.memory, |header| header.memory))
    }

    /// Plans the regions of rechunked arrays for `memory`, with a scratch file no larger than there is space for now: its size
    /// decides how often source chunks are read, and not what the regions are.
    ///
    /// # Errors
    /// As [`OutputPlan::divide`].
    pub fn plan_regions(&mut self, memory: MemoryPlan) -> Result<(), Failure> {
        if self.plans.iter().any(|plan| plan.rechunk().is_some()) {
            self.memory = MemoryPlan { scratch_bytes: memory.scratch_bytes.min(self.memory.scratch_bytes), ..memory };
            plan_regions(&mut self.plans, self.memory, &self.stores[0])?;
        }
        Ok(())
    }

    /// On an object store nothing can be exchanged, and nothing can be linked into a backup.
    fn check_in_place(&self, options: &WriteOptions) -> Result<(), Failure> {
        if options.begin != Begin::InPlace || !self.store().is_remote() {
            return Ok(());
        }
        if options.backup.is_some() {
            return Err(Failure::usage("--backup requires a local store").at(self.store().location()));
        }
        match self.plans.iter().find(|plan| plan.placement == Placement::Swap) {
            None => Ok(()),
            Some(plan) => Err(Failure::usage("on an object store, --in-place supports only Blosc to Blosc")
                .at(self.store().place(plan.array.key_prefix()))
                .hint("write a new store")),
        }
    }

    /// Does the work of one part.
    ///
    /// # Errors
    /// What ended it before its time.
    pub fn work(&self, run: &PartRun) -> Result<stats::Work, Failure> {
        let PartRun { options, staged, header, part, .. } = *run;
        let of_many = part.of > 1;
        // A run that does everything lists what is there; a part, and a run on a server that cannot list, computes its keys.
        let listed = self.listed && run.whole;
        let work = match listed {
            true => Work::Listed,
            false => Work::Units { units: crate::array_plan::units(&self.plans, part), of_many },
        };
        let strays = if listed && !header.in_place { self.strays_outside_arrays()? } else { 0 };
        let completed = Completed::read(staged.folder(), part.number, &self.plans)?;
        let task = Task {
            options,
            // A part may always have run before; where a look costs a request, only what the journal tells counts.
            again: options.resume || completed.len() > 0 || (of_many && !staged.objects().is_remote()),
            stores: self.stores,
            staged,
            plans: &self.plans,
            work,
            completed,
            journal: Journal::new(staged, part.number, options.checkpoint),
            earlier: None,
            arrivals: self.arrivals(options)?,
            scratch: options.scratch.directory(staged.folder().location()),
            backup: header.backup.as_deref().map(std::path::Path::new),
            memory_bytes: options.memory_bytes,
            record: run.record,
            progress: run.progress,
        };
        task.run(&self.pool, strays)
    }

    /// What is known of the objects of each source store; empty if they are not checked as they arrive.
    ///
    /// # Errors
    /// The store's.
    pub fn arrivals(&self, options: &WriteOptions) -> Result<Vec<Arrivals>, Failure> {
        let is_checked = matches!(options.arrival, ArrivalCheck::Auto | ArrivalCheck::Decode);
        let checked = self.stores.iter().enumerate().filter(|_| is_checked);
        let arrivals = |(number, store)| Arrivals::of(store, (number == 0).then_some(&*self.hierarchy));
        Ok(checked.map(arrivals).collect::<Result<_, _>>()?)
    }

    /// Objects that lie below no array and are no metadata of a node; they are not carried over.
    fn strays_outside_arrays(&self) -> Result<u64, Failure> {
        let groups: HashSet<&str> = self.groups.iter().map(|path| path.trim_start_matches('/')).collect();
        let arrays: HashSet<&str> = self.plans.iter().map(|plan| plan.array.key_prefix()).collect();
        if arrays.contains("") {
            return Ok(0);
        }
        let mut strays = 0;
        let mut waiting = vec![(String::new(), Trail::default())];
        while let Some((prefix, trail)) = waiting.pop() {
            let Some(trail) = self.store().enter(&trail, &prefix) else { continue };
            let entries = self.store().entries(&prefix)?;
            let is_metadata = |name: &String| groups.contains(prefix.as_str()) && METADATA.contains(&name.as_str());
            strays += entries.files.iter().filter(|name| !is_metadata(name)).count() as u64;
            let below = |name: String| if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let directories = entries.directories.into_iter().map(below);
            let directories = directories.filter(|path| !arrays.contains(path.as_str()));
            waiting.extend(directories.map(|path| (path, trail.clone())));
        }
        Ok(strays)
    }

    /// The plan as records, each completed by `complete`; nothing is written. Returns the totals, with that of the arrays that are
    /// encoded again by its name.
    ///
    /// # Errors
    /// What the store answers, and a stream of records that cannot be written.
    pub fn describe(
        &self,
        options: &WriteOptions,
        encoded_again: &str,
        complete: &CompleteRecord,
        progress: &dyn Progress,
    ) -> Result<Map<String, Value>, Failure> {
        let name = self.store().location().to_string();
        // What only some tools know of an array.
        type Known = fn(&PlanRecord) -> Option<u64>;
        let parts: [(&str, Known); 3] = [
            ("estimated_bytes", |record| record.estimated_bytes),
            ("uncompressed_bytes_copied", |record| record.uncompressed_bytes_copied),
            ("uncompressed_bytes_recoded", |record| record.uncompressed_bytes_recoded),
        ];
        let mut sums: [Option<u64>; 3] = [None; 3];
        let mut encoded = 0;
        for plan in &self.plans {
            let mut record = plan.record(&name);
            // Of a part, those of the whole array say nothing.
            let is_asked = self.store().is_remote() || self.selects;
            record.bytes_before = if is_asked { None } else { Some(self.stored_bytes(plan)?) };
            if let (Some(regions), Some(stored)) = (plan.regions(), record.bytes_before) {
                // The plan knows how much of the chunks is read, and how large they are only decoded.
                let decoded = plan.array.uncompressed_bytes().unwrap_or(1).max(1);
                let ratio = stored as f64 / decoded as f64;
                record.bytes_to_read = Some((regions.stats.read_bytes as f64 * ratio / ASSUMED_RATIO) as u64);
            }
            complete(plan, &mut record);
            // What is copied as a whole may be cut inside some chunks.
            encoded += u64::from(!matches!(plan.action, Action::Copy(_)) || record.action == "recompress");
            for (sum, (_, of)) in sums.iter_mut().zip(&parts) {
                *sum = of(&record).map_or(*sum, |bytes| Some(sum.unwrap_or(0).saturating_add(bytes)));
            }
            progress.emit(&Record::Plan(Box::new(record)))?;
        }
        let sum =
            |field: fn(&ArrayPlan) -> Option<u64>| self.plans.iter().filter_map(field).fold(0u64, u64::saturating_add);
        let jobs = options.jobs as u64;
        let need = |plan: &ArrayPlan| match plan.regions() {
            Some(regions) => regions.stats.peak_memory_bytes,
            None => plan.need.saturating_mul(jobs).min(options.memory_bytes),
        };
        let totals = [
            ("arrays", self.plans.len() as u64),
            (encoded_again, encoded),
            ("objects_expected", sum(|plan| plan.array.numbered().map(|_| plan.objects_expected()))),
            ("uncompressed_bytes", sum(ArrayPlan::uncompressed_bytes)),
            ("jobs", jobs),
            ("memory_bytes", self.plans.iter().map(need).max().unwrap_or(0)),
        ];
        let sums = parts.iter().zip(sums).filter_map(|((name, _), sum)| Some((*name, sum?)));
        let totals = totals.into_iter().chain(sums);
        Ok(totals.map(|(key, value)| (key.to_owned(), value.into())).collect())
    }

    /// What is stored of an array.
    ///
    /// # Errors
    /// The store's.
    pub fn stored_bytes(&self, plan: &ArrayPlan) -> Result<u64, Failure> {
        let size = |object: Object| match plan.array.key_kind(&object.key) {
            Key::Chunk(_) => object.stat.size,
            _ => 0,
        };
        let sizes = self.store().list(plan.array.key_prefix())?.map(|object| object.map(size));
        Ok(sizes.sum::<Result<u64, StoreError>>()?)
    }
}

/// What most arrays of a store have in common, which is held once.
#[derive(Default)]
struct Equal {
    /// Codecs by a hash of them.
    chains: HashMap<u64, Arc<Chain>>,
    grids: HashSet<Grid>,
}

impl Equal {
    fn share(&mut self, mut plan: ArrayPlan) -> ArrayPlan {
        let text = |chain: &Chain| format!("{chain:?}");
        let own = text(&plan.array.chain);
        let mut hasher = DefaultHasher::new();
        own.hash(&mut hasher);
        let held = self.chains.entry(hasher.finish()).or_insert_with(|| Arc::clone(&plan.array.chain));
        if text(held) == own {
            plan.array.chain = Arc::clone(held);
        }
        plan.array.grid = plan.array.grid.take().map(|grid| self.grid(grid));
        plan
    }

    fn grid(&mut self, grid: Grid) -> Grid {
        if let Some(held) = self.grids.get(&grid) {
            return held.clone();
        }
        self.grids.insert(grid.clone());
        grid
    }
}

/// One part of the work, and where it is reported.
#[derive(Clone, Copy)]
pub struct PartRun<'a> {
    /// What the run is asked to do.
    pub options: &'a WriteOptions,
    /// Where it is written.
    pub staged: &'a StagedStore,
    /// The plan of the output.
    pub header: &'a Header,
    /// Which part.
    pub part: Part,
    /// Whether it is everything in one process.
    pub whole: bool,
    /// The record of a finished array.
    pub record: &'a ArrayRecord<'a>,
    /// Where it is reported.
    pub progress: &'a dyn Progress,
}
