//! What there is to do: the source as its metadata describes it, and what will become of each array.

use std::collections::{BTreeMap, HashSet};

use serde_json::Map;
use zarray::{Hierarchy, Node, Part, Pool};
use zcli::{Ending, Session, Stop, VarFilter, VarFlags};
use zcodec::Blosc;
use zstore::{Begin, Draft, Location, Store, StoreError};
use zwire::{Exit, Failure};

use crate::action::{Action, Wishes};
use crate::choices::Choices;
use crate::cli::{Args, OnBadChunk, Verify};
use crate::journal::{self, Journal};
use crate::ledger::Totals;
use crate::plan::{ArrayPlan, Placement};
use crate::saved::{Cut, Saved};
use crate::share::{cut_into_regions, share_out};
use crate::source::Work;
use crate::work::Task;

/// Documents of groups and arrays.
const METADATA: [&str; 5] = ["zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"];

/// A source, and the plan of every array.
pub struct Survey<'a> {
    pub store: &'a Store,
    pub hierarchy: Hierarchy<'a>,
    /// Whether the server can say what it holds.
    pub listable: bool,
    pub groups: Vec<String>,
    /// In path order.
    pub plans: Vec<ArrayPlan>,
    pub pool: Pool,
    pub budget: u64,
    pub cut: Cut,
}

/// What the metadata allows.
pub enum Surveyed<'a> {
    Possible(Box<Survey<'a>>),
    /// Nodes that cannot be carried over, so that nothing is.
    Impossible(Vec<Failure>),
}

impl<'a> Survey<'a> {
    /// Looks at the whole source.
    ///
    /// # Errors
    /// A source that is no Zarr store, a budget that nothing fits into, a selection of nothing.
    pub fn of(
        args: &Args,
        store: &'a Store,
        choices: &Choices,
        chosen: &BTreeMap<String, Blosc>,
        begin: Begin,
        saved: Option<&Saved>,
        session: &Session,
    ) -> Result<Surveyed<'a>, Failure> {
        let readers = args.readers(store);
        let pool = Pool::new(readers);
        let (hierarchy, listable) = open(store, &pool)?;
        let shapes = choices.shapes()?;
        let cut = Cut {
            memory_bytes: args.memory.max_memory.bytes(),
            jobs: args.work.jobs(),
            readers,
            verify: args.verify != Verify::None,
            remote_output: args.writes_remotely(),
        };
        let wishes = Wishes {
            choices,
            var: filter(choices)?,
            shapes,
            in_place: begin == Begin::InPlace,
            tries: args.trial.trial || args.trial.auto || !chosen.is_empty(),
            chosen,
        };
        let mut survey = Survey {
            store,
            hierarchy,
            listable,
            groups: Vec::new(),
            plans: Vec::new(),
            pool,
            budget: cut.memory_bytes,
            cut,
        };
        let failures = survey.plan(&wishes, &session.stop)?;
        if !failures.is_empty() {
            return Ok(Surveyed::Impossible(failures));
        }
        survey.check_in_place(args, begin)?;
        let nthreads = args.nthreads.map(usize::from);
        share_out(&mut survey.plans, args.work.jobs(), nthreads, args.verify != Verify::None, survey.budget)?;
        survey.cut_into_regions(args, saved, &wishes)?;
        Ok(Surveyed::Possible(Box::new(survey)))
    }

    /// Plans the regions of rechunked arrays, as the plan of an unfinished run did.
    fn cut_into_regions(&mut self, args: &Args, saved: Option<&Saved>, wishes: &Wishes) -> Result<(), Failure> {
        if !wishes.choices.rechunks() {
            return Ok(());
        }
        let arrays = self.plans.iter().map(|plan| &plan.array);
        let shapes = &wishes.shapes;
        if let Some(name) = shapes.chunks.unused(arrays.clone()).into_iter().chain(shapes.shards.unused(arrays)).next()
        {
            return Err(Failure::new(Exit::Absent, format!("no array has {name}")).at(self.store.location()));
        }
        if args.on_bad_chunk == OnBadChunk::Copy && self.plans.iter().any(|plan| plan.rechunk().is_some()) {
            return Err(Failure::usage(
                "a chunk that cannot be decoded cannot be cut: --on-bad-chunk copy is not for --chunks",
            ));
        }
        self.cut = saved.map_or(self.cut, |saved| saved.cut);
        cut_into_regions(&mut self.plans, self.cut, self.store)
    }

    /// On an object store nothing can change places, and nothing can be linked into a backup.
    fn check_in_place(&self, args: &Args, begin: Begin) -> Result<(), Failure> {
        if begin != Begin::InPlace || !self.store.is_remote() {
            return Ok(());
        }
        if args.backup.is_some() {
            return Err(Failure::usage("--backup is for local stores").at(self.store.location()));
        }
        match self.plans.iter().find(|plan| plan.placement == Placement::Beside) {
            None => Ok(()),
            Some(plan) => Err(Failure::usage("on an object store, only Blosc to Blosc can be done in place")
                .at(self.store.place(plan.array.key_prefix()))
                .hint("write a new store")),
        }
    }

    /// Decides on every array; what stands in the way is returned.
    fn plan(&mut self, wishes: &Wishes, stop: &Stop) -> Result<Vec<Failure>, Failure> {
        let (store, listable) = (self.store, self.listable);
        let (groups, plans) = (&mut self.groups, &mut self.plans);
        let mut failures = Vec::new();
        self.hierarchy.walk(
            &self.pool,
            |visit| match visit {
                Ok(Node::Group(group)) => Ok((Some(group.path), None)),
                Ok(Node::Array(array)) if array.grid.is_none() && !listable => {
                    let text = "its chunks cannot be named without a list, and this server cannot list";
                    Err(Failure::new(Exit::Unreadable, text).at(store.place(array.key_prefix())))
                }
                Ok(Node::Array(array)) => ArrayPlan::new(wishes, store, *array).map(|plan| (None, Some(plan))),
                Err(error) => Err(error.into()),
            },
            |planned: Result<_, Failure>| {
                match planned {
                    Ok((group, plan)) => {
                        groups.extend(group);
                        plans.extend(plan);
                    }
                    Err(failure) => failures.push(failure),
                }
                stop.requested().is_none()
            },
        );
        if let Some(exit) = stop.requested() {
            return Err(Failure::new(exit, "stopped by a signal"));
        }
        let selected = plans.iter().any(|plan| !matches!(plan.action, Action::Copy(_)));
        if failures.is_empty() && !wishes.var.is_everything() && !selected {
            let text = format!("no array matches --var {}", wishes.choices.var.join(" "));
            return Err(Failure::new(Exit::Absent, text).at(store.location()));
        }
        Ok(failures)
    }

    /// Does the work of one part.
    ///
    /// # Errors
    /// What ended it before its time.
    pub fn work(
        &self,
        args: &Args,
        draft: &Draft,
        saved: &Saved,
        work: Work,
        part: Part,
        session: &mut Session,
    ) -> Result<Totals, Failure> {
        let strays = match work {
            Work::Listed if !saved.in_place => self.strays_outside_arrays()?,
            _ => 0,
        };
        let record = journal::Record::read(draft.folder(), part.number, &self.plans)?;
        let task = Task {
            args,
            // A part may always have run before; where a look costs a request, only what the journal tells counts.
            again: args.resume || record.len() > 0 || (part.of > 1 && !draft.objects().is_remote()),
            store: self.store,
            draft,
            plans: &self.plans,
            work,
            record,
            journal: Journal::new(draft, part.number, args.checkpoint),
            backup: saved.backup.as_deref().map(std::path::Path::new),
            budget: self.budget,
        };
        task.run(&self.pool, strays, session)
    }

    /// Objects that lie below no array and are no metadata of a node; they are not carried over.
    fn strays_outside_arrays(&self) -> Result<u64, Failure> {
        let groups: HashSet<&str> = self.groups.iter().map(|path| path.trim_start_matches('/')).collect();
        let arrays: HashSet<&str> = self.plans.iter().map(|plan| plan.array.key_prefix()).collect();
        if arrays.contains("") {
            return Ok(0);
        }
        let mut strays = 0;
        let mut waiting = vec![String::new()];
        while let Some(prefix) = waiting.pop() {
            let entries = self.store.entries(&prefix)?;
            let is_metadata = |name: &String| groups.contains(prefix.as_str()) && METADATA.contains(&name.as_str());
            strays += entries.files.iter().filter(|name| !is_metadata(name)).count() as u64;
            let below = |name: String| if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let directories = entries.directories.into_iter().map(below);
            waiting.extend(directories.filter(|path| !arrays.contains(path.as_str())));
        }
        Ok(strays)
    }
}

/// Opens the hierarchy as it really is. A stale consolidated copy would lose arrays, so it is only believed where the store
/// cannot be listed; that is said, too.
fn open<'a>(store: &'a Store, pool: &Pool) -> Result<(Hierarchy<'a>, bool), Failure> {
    let listable = match store.list("") {
        Ok(mut objects) => objects.next().transpose().map(|_| true)?,
        Err(StoreError::NotListable { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    Ok((Hierarchy::open(store, pool, !listable)?, listable))
}

fn filter(choices: &Choices) -> Result<VarFilter, Failure> {
    VarFlags { var: choices.var.clone() }.filter()
}

/// A location that means the same in every directory.
pub fn absolute(location: &Location) -> String {
    match location {
        Location::Local(path) => path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string(),
        Location::Remote(_) => location.to_string(),
    }
}

/// Tells of everything that stands in the way; nothing has been written.
///
/// # Errors
/// The output's.
pub fn refuse(failures: &[Failure], session: &mut Session) -> Result<Ending, Failure> {
    for failure in failures {
        session.item_failed(failure)?;
    }
    let exit = failures.first().map_or(Exit::Unreadable, |failure| failure.exit);
    Ok(Ending { exit, totals: Map::new() })
}
