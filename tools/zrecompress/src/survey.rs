//! What there is to do: the source as its metadata describes it, and what will become of each array.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Map;
use zarray::{Array, Hierarchy, Node, Pool};
use zcli::{Ending, Failure, Part, Session, Status, Stop, VarFilter, VarFlags};
use zcodec::Blosc;
use zstore::{Begin, Draft, Location, Store, StoreError, write_failed};
use zwire::{Exit, Record};

use crate::choices::Choices;
use crate::cli::{Args, OnBadChunk, Verify};
use crate::documents::Documents;
use crate::finish::put_document;
use crate::journal::{self, Journal};
use crate::ledger::Totals;
use crate::ledger::misspelled;
use crate::plan::{Action, ArrayPlan, Placement, Wishes, cut_into_regions, share_out};
use crate::rechunk::ASSUMED_RATIO;
use crate::saved::{self, Cut, Saved};
use crate::source::{Work, is_misspelled};
use crate::work::Task;

/// Documents of groups and arrays.
const METADATA: [&str; 5] = ["zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"];

/// Keys of an array that are looked at before it is divided into parts.
const FIRST_KEYS: usize = 100;

/// A source, and the plan of every array.
pub struct Survey<'a> {
    store: &'a Store,
    hierarchy: Hierarchy<'a>,
    /// Whether the server can say what it holds.
    pub listable: bool,
    groups: Vec<String>,
    /// In path order.
    pub plans: Vec<ArrayPlan>,
    pool: Pool,
    budget: u64,
    cut: Cut,
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
        let wishes = Wishes { choices, var: filter(choices)?, shapes, in_place: begin == Begin::InPlace, chosen };
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

    /// Writes what must be there before the first chunk: the documents, and then the plan.
    ///
    /// # Errors
    /// A document that cannot be changed, which shows now and not at the end; an output that cannot be written.
    pub fn begin(
        &self,
        args: &Args,
        draft: &Draft,
        choices: Choices,
        chosen: &BTreeMap<String, Blosc>,
        status: &Status,
    ) -> Result<Saved, Failure> {
        if args.machines.prepare && self.listable {
            self.check_separators()?;
        }
        let documents = self.documents(&choices);
        let removed =
            if draft.in_place() && documents.wanted != documents.format { documents.old_keys() } else { Vec::new() };
        for remark in documents.write(&self.pool, &|key, text| put_document(draft, key, text))? {
            status.warn(&remark);
        }
        self.check_format(draft, &choices)?;
        let backup = args.backup.as_deref().map(|directory| self.prepare_backup(directory, draft)).transpose()?;
        let saved = Saved {
            v: saved::V,
            tool: "zrecompress".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            source: absolute(self.store.location()),
            in_place: draft.in_place(),
            overwrite: args.overwrite,
            backup,
            parts: self.parts(args.machines.parts.unwrap_or(1)),
            cut: self.cut,
            choices,
            chosen: chosen.iter().map(|(path, blosc)| (path.clone(), saved::spec_of(blosc))).collect(),
            fingerprint: saved::fingerprint(&self.plans),
            beside: saved::beside(&self.plans),
            removed,
        };
        draft.save_plan(&saved.text())?;
        Ok(saved)
    }

    /// Writes the documents of the output, which wait for the end where somebody could see them.
    ///
    /// # Errors
    /// A document that cannot be read, changed or written.
    pub fn write_documents(&self, draft: &Draft, choices: &Choices) -> Result<(), Failure> {
        let documents = self.documents(choices);
        documents.write(&self.pool, &|key, text| put_document(draft, key, text)).map(drop)
    }

    fn documents(&self, choices: &Choices) -> Documents<'_> {
        let format = self.hierarchy.format();
        Documents {
            store: self.store,
            format,
            wanted: choices.format().unwrap_or(format),
            consolidated: self.hierarchy.consolidated(),
            groups: self.groups.iter().map(|path| path.trim_start_matches('/')).collect(),
            plans: &self.plans,
        }
    }

    /// In place, the documents of the other format come at the end, all at once: nothing may have to move before.
    fn check_format(&self, draft: &Draft, choices: &Choices) -> Result<(), Failure> {
        let format = self.hierarchy.format();
        if !draft.in_place() || choices.format().unwrap_or(format) == format {
            return Ok(());
        }
        let moves = |plan: &&ArrayPlan| plan.placement == Placement::Beside || plan.new_keys.is_some();
        match self.plans.iter().find(moves) {
            None => Ok(()),
            Some(plan) => {
                Err(Failure::usage("its chunks would have to move: that cannot be done in place with a new format")
                    .at(self.store.place(plan.array.key_prefix()))
                    .hint("write a new store, or change the codec in a run of its own"))
            }
        }
    }

    /// Parts compute their keys and list nothing: chunks that are called otherwise would be lost in silence. A look at the
    /// first keys of each array tells.
    fn check_separators(&self) -> Result<(), Failure> {
        let checked = self.pool.map(self.plans.iter().collect(), |plan: &ArrayPlan| {
            for object in self.store.list(plan.array.key_prefix())?.take(FIRST_KEYS) {
                if is_misspelled(&plan.array, &object?.key) {
                    return Err(misspelled(&plan.array, self.store));
                }
            }
            Ok(())
        });
        checked.into_iter().collect()
    }

    /// The directory for what is replaced, which must be new: nothing in it is written over.
    fn prepare_backup(&self, directory: &Path, draft: &Draft) -> Result<String, Failure> {
        let above = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let inside = |store: &Path| above.canonicalize().is_ok_and(|above| above.starts_with(store));
        if self.store.location().local().and_then(|path| path.canonicalize().ok()).is_some_and(|store| inside(&store)) {
            return Err(Failure::usage("the backup lies inside the store").at(directory.display()));
        }
        // An empty one is as good: a run that was killed before it had a plan may have made it.
        if !fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none()) {
            fs::create_dir(directory).map_err(|error| write_failed(directory, error))?;
        }
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        let elsewhere = draft.folder().location().local().is_some_and(|folder| device(folder) != device(directory));
        if elsewhere && self.plans.iter().any(|plan| plan.placement == Placement::Beside) {
            let _ = fs::remove_dir(directory);
            return Err(Failure::usage("arrays are moved into the backup, which is on another file system")
                .at(directory.display())
                .hint("choose a directory beside the store"));
        }
        Ok(absolute(&Location::Local(directory.to_owned())))
    }

    /// As many parts as were asked for, but no more than there are units.
    fn parts(&self, wanted: u32) -> u32 {
        let units = self.plans.iter().map(ArrayPlan::units).fold(0, u64::saturating_add);
        u32::try_from(units).unwrap_or(u32::MAX).clamp(1, wanted)
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

    /// What is stored of an array.
    fn stored_bytes(&self, plan: &ArrayPlan) -> Result<u64, Failure> {
        let sizes = self.store.list(plan.array.key_prefix())?.map(|object| object.map(|object| object.stat.size));
        Ok(sizes.sum::<Result<u64, StoreError>>()?)
    }

    /// The plan as records; nothing is written.
    ///
    /// # Errors
    /// The output's.
    pub fn show(&self, args: &Args, session: &mut Session) -> Result<Ending, Failure> {
        let name = self.store.location().to_string();
        for plan in &self.plans {
            let mut record = plan.record(&name);
            if let (Some(regions), false) = (plan.regions(), self.store.is_remote()) {
                // The plan knows how much of the chunks is read, and how large they are only decoded.
                let ratio =
                    self.stored_bytes(plan)? as f64 / plan.array.uncompressed_bytes().unwrap_or(1).max(1) as f64;
                record.bytes_to_read = Some((regions.stats.read_bytes as f64 * ratio / ASSUMED_RATIO) as u64);
            }
            session.out.emit(&Record::Plan(record))?;
        }
        let sum = |field: fn(&Array) -> Option<u64>| {
            self.plans.iter().filter_map(|plan| field(&plan.array)).fold(0u64, u64::saturating_add)
        };
        let jobs = args.work.jobs() as u64;
        let need = |plan: &ArrayPlan| match plan.regions() {
            Some(regions) => regions.stats.peak_memory_bytes,
            None => plan.need.saturating_mul(jobs).min(self.budget),
        };
        let most = self.plans.iter().map(need).max().unwrap_or(0);
        let mut totals = Map::new();
        let mut put = |key: &str, value: u64| drop(totals.insert(key.to_owned(), value.into()));
        put("arrays", self.plans.len() as u64);
        put("recompress", self.plans.iter().filter(|plan| plan.target().is_some()).count() as u64);
        put("objects_expected", sum(|array| array.grid.as_ref().map(zarray::Grid::len)));
        put("uncompressed_bytes", sum(Array::uncompressed_bytes));
        put("jobs", jobs);
        put("memory_bytes", most);
        Ok(Ending { exit: Exit::Done, totals })
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
