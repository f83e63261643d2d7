//! The job of `zrecompress`: open → plan → transcode → publish.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Map;
use zarray::{Array, Hierarchy, Node, Pool};
use zcli::{Bar, Ending, Failure, Session, Stop, human_counted};
use zstore::{Staging, Store, StoreError};
use zwire::{Exit, Record};

use crate::bench::Benches;
use crate::cli::{Args, Verify};
use crate::gate::Gate;
use crate::ledger::Ledger;
use crate::metadata::Documents;
use crate::plan::{Action, ArrayPlan, share_out};
use crate::source::{Next, Source};
use crate::transcode::{Clocks, Job, Scratch};

/// Of a sample, every such object is verified.
const VERIFY_EVERY: u64 = 16;

/// Documents of groups and arrays.
const METADATA: [&str; 5] = ["zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"];

/// What an object needs in memory of which nothing is known but its stored size.
const UNKNOWN_NEED: u64 = 8;

pub fn run(args: &Args, session: &mut Session) -> Result<Ending, Failure> {
    let (Some(source), Some(target)) = (&args.source, &args.target) else {
        return Err(Failure::usage("SRC and DST are needed"));
    };
    let store = Store::open(source, &args.store.options(&session.stop))?;
    check_target(&store, target, args.overwrite)?;
    let pool = Pool::new(args.store.readers(&store, args.work.jobs()));
    let (hierarchy, listable) = open(&store, &pool)?;
    let (groups, mut plans) = match plan(args, &store, &hierarchy, listable, &pool, &session.stop)? {
        Planned::Possible { groups, plans } => (groups, plans),
        Planned::Impossible(failures) => return refuse(&failures, session),
    };
    let budget = args.memory.max_memory.bytes();
    let nthreads = args.nthreads.map(usize::from);
    share_out(&mut plans, args.work.jobs(), nthreads, args.verify != Verify::None, budget)?;
    if args.dry_run {
        return show(&store, &plans, args.work.jobs(), budget, session);
    }

    let staging = Staging::create(target, args.overwrite)?;
    // Nobody sees them before the chunks are there, too; and what is wrong with one shows now, not at the end.
    let consolidated = hierarchy.consolidated();
    let documents = Documents { store: &store, staging: &staging, format: hierarchy.format(), consolidated };
    documents.write(&groups, &plans, &pool)?;
    let name = store.location().to_string();
    let totals = {
        let Session { out, status, stop, phases } = &mut *session;
        let expected = plans.iter().filter_map(|plan| plan.array.uncompressed_bytes()).fold(0, u64::saturating_add);
        let bar = status.bar(expected);
        let strays = if listable { strays_outside_arrays(&store, &groups, &plans)? } else { 0 };
        let ledger = Ledger::new(&name, &plans, out, status, args.common.timing, strays);
        let work = Transcoding {
            args,
            store: &store,
            staging: &staging,
            plans: &plans,
            source: Source::new(&store, &plans),
            gate: Gate::new(budget),
            benches: Benches::new(args.work.jobs()),
            ledger: &ledger,
            bar: &bar,
            stop,
            clocks: Mutex::new(Clocks::default()),
        };
        pool.broadcast(|_| work.worker());
        bar.finish();
        let clocks = work.clocks.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        clocks.report(phases);
        ledger.close()?
    };
    if let Some(exit) = session.stop.requested() {
        // The chassis says so; dropping the staging removes what was written.
        return Ok(Ending { exit, totals: totals.fields });
    }
    if totals.failed > 0 {
        let failed = human_counted(totals.failed, "object");
        session.status.warn(&format!("{}: not written, because {failed} of the source failed", target.display()));
        return Ok(Ending { exit: Exit::Partial, totals: totals.fields });
    }
    if totals.strays > 0 {
        let strays = human_counted(totals.strays, "key");
        session.status.warn(&format!("{name}: {strays} left out that belong to no array; zinspect --sizes lists them"));
    }
    staging.sync()?;
    if let Some(exit) = session.stop.requested() {
        return Ok(Ending { exit, totals: totals.fields });
    }
    staging.publish()?;
    session.stop.too_late();
    Ok(Ending { exit: Exit::Done, totals: totals.fields })
}

/// The output must be a local path that is neither the source nor inside it, nor around it.
fn check_target(store: &Store, target: &Path, overwrite: bool) -> Result<(), Failure> {
    let place = &target.display();
    if target.to_str().is_some_and(|text| text.contains("://")) {
        return Err(Failure::usage("the output is a local path").at(place));
    }
    if !overwrite && target.symlink_metadata().is_ok() {
        return Err(StoreError::Exists { place: place.to_string() }.into());
    }
    let Some(source) = store.location().local().and_then(|path| path.canonicalize().ok()) else { return Ok(()) };
    let Some(target) = resolve(target) else {
        return Err(Failure::new(Exit::Output, "the directory above it does not exist")
            .at(place)
            .hint("make it first"));
    };
    if target == source {
        return Err(Failure::usage("source and output are the same store").at(place));
    }
    if target.starts_with(&source) {
        return Err(Failure::usage("the output lies inside the source").at(place));
    }
    if source.starts_with(&target) {
        return Err(Failure::usage("the source lies inside the output, which would be replaced").at(place));
    }
    Ok(())
}

fn resolve(target: &Path) -> Option<PathBuf> {
    if let Ok(path) = target.canonicalize() {
        return Some(path);
    }
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(parent.canonicalize().ok()?.join(target.file_name().unwrap_or(OsStr::new(""))))
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

/// What the metadata allows.
enum Planned {
    Possible {
        groups: Vec<String>,
        plans: Vec<ArrayPlan>,
    },
    /// Nodes that cannot be carried over, so that nothing is.
    Impossible(Vec<Failure>),
}

/// Decides on every array.
fn plan(
    args: &Args,
    store: &Store,
    hierarchy: &Hierarchy,
    listable: bool,
    pool: &Pool,
    stop: &Stop,
) -> Result<Planned, Failure> {
    let var = args.var.filter()?;
    let (mut groups, mut plans, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    hierarchy.walk(
        pool,
        |visit| match visit {
            Ok(Node::Group(group)) => Ok((Some(group.path), None)),
            Ok(Node::Array(array)) if array.grid.is_none() && !listable => {
                let text = "its chunks cannot be named without a list, and this server cannot list";
                Err(Failure::new(Exit::Unreadable, text).at(store.place(array.key_prefix())))
            }
            Ok(Node::Array(array)) => ArrayPlan::new(args, &var, store, *array).map(|plan| (None, Some(plan))),
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
    if !failures.is_empty() {
        return Ok(Planned::Impossible(failures));
    }
    if !var.is_everything() && !plans.iter().any(|plan| matches!(plan.action, Action::Recompress(_))) {
        let text = format!("no array matches --var {}", args.var.var.join(" "));
        return Err(Failure::new(Exit::Absent, text).at(store.location()));
    }
    Ok(Planned::Possible { groups, plans })
}

/// Tells of everything that stands in the way; nothing has been written.
fn refuse(failures: &[Failure], session: &mut Session) -> Result<Ending, Failure> {
    for failure in failures {
        session.item_failed(failure)?;
    }
    let exit = failures.first().map_or(Exit::Unreadable, |failure| failure.exit);
    Ok(Ending { exit, totals: Map::new() })
}

/// Objects that lie below no array and are no metadata of a node; they are not carried over.
fn strays_outside_arrays(store: &Store, groups: &[String], plans: &[ArrayPlan]) -> Result<u64, Failure> {
    let groups: HashSet<&str> = groups.iter().map(|path| path.trim_start_matches('/')).collect();
    let arrays: HashSet<&str> = plans.iter().map(|plan| plan.array.key_prefix()).collect();
    if arrays.contains("") {
        return Ok(0);
    }
    let mut strays = 0;
    let mut waiting = vec![String::new()];
    while let Some(prefix) = waiting.pop() {
        let entries = store.entries(&prefix)?;
        let is_metadata = |name: &String| groups.contains(prefix.as_str()) && METADATA.contains(&name.as_str());
        strays += entries.files.iter().filter(|name| !is_metadata(name)).count() as u64;
        let below = |name: String| if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let directories = entries.directories.into_iter().map(below);
        waiting.extend(directories.filter(|path| !arrays.contains(path.as_str())));
    }
    Ok(strays)
}

/// The plan as records.
fn show(
    store: &Store,
    plans: &[ArrayPlan],
    jobs: usize,
    budget: u64,
    session: &mut Session,
) -> Result<Ending, Failure> {
    let name = store.location().to_string();
    for plan in plans {
        session.out.emit(&Record::Plan(plan.record(&name)))?;
    }
    let sum = |field: fn(&Array) -> Option<u64>| {
        plans.iter().filter_map(|plan| field(&plan.array)).fold(0u64, u64::saturating_add)
    };
    let most = plans.iter().map(|plan| plan.need.saturating_mul(jobs as u64)).max().unwrap_or(0);
    let mut totals = Map::new();
    let mut put = |key: &str, value: u64| drop(totals.insert(key.to_owned(), value.into()));
    put("arrays", plans.len() as u64);
    put("recompress", plans.iter().filter(|plan| plan.target().is_some()).count() as u64);
    put("objects_expected", sum(|array| array.grid.as_ref().map(zarray::Grid::len)));
    put("uncompressed_bytes", sum(Array::uncompressed_bytes));
    put("jobs", jobs as u64);
    put("memory_bytes", most.min(budget));
    Ok(Ending { exit: Exit::Done, totals })
}

/// What the workers share.
struct Transcoding<'a> {
    args: &'a Args,
    store: &'a Store,
    staging: &'a Staging,
    plans: &'a [ArrayPlan],
    source: Source<'a>,
    gate: Gate,
    benches: Benches,
    ledger: &'a Ledger<'a>,
    bar: &'a Bar,
    stop: &'a Stop,
    clocks: Mutex<Clocks>,
}

impl Transcoding<'_> {
    /// One worker: takes objects until there are no more, or somebody says stop.
    fn worker(&self) {
        let mut scratch = Scratch::default();
        while self.stop.requested().is_none() && !self.ledger.is_over() {
            match self.source.next(self.ledger) {
                Next::Item(item) => self.object(&item, &mut scratch),
                Next::ArrayDone(array) => self.ledger.listed(array),
                Next::Metadata => {}
                Next::Stray => self.ledger.stray(),
                Next::OtherSeparator(array) => self.ledger.misspelled(array, self.store),
                Next::Failed(error) => self.ledger.end(error.into()),
                Next::End => break,
            }
        }
        self.clocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(&scratch.clocks);
    }

    fn object(&self, item: &crate::source::Item, scratch: &mut Scratch) {
        let plan = &self.plans[item.array];
        let need = match plan.need {
            0 => item.size.unwrap_or(0).saturating_mul(UNKNOWN_NEED),
            need => need,
        };
        let _room = self.gate.enter(need);
        let verify = match self.args.verify {
            Verify::None => false,
            Verify::Sample => item.number.is_multiple_of(VERIFY_EVERY),
            Verify::Full => true,
        };
        let job = Job { store: self.store, staging: self.staging, plan, item, verify, benches: &self.benches };
        let before = scratch.clocks.total();
        let result = job.run(scratch);
        self.bar.advance(plan.object_bytes().unwrap_or(item.size.unwrap_or(0)));
        self.ledger.finished(item, result, scratch.clocks.total() - before);
    }
}
