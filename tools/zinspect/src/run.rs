//! The job of `zinspect`: open → walk → describe → emit.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use serde_json::{Map, Value};
use zarray::{Array, Hierarchy, Node, Pool, Visit};
use zcli::{Encoder, Ending, Line, Session, VarFilter, stores};
use zstore::Store;
use zwire::{ArrayRecord, ChunkRecord, Exit, Failure, Record};

use crate::bench::bench;
use crate::cli::Args;
use crate::sample::sample;
use crate::sizes::Inventory;
use crate::verdict::judge;
use crate::{check, describe};

/// Nodes described at once when they have all been read already.
const WINDOW: usize = 1024;

pub fn run(args: &Args, session: &mut Session) -> Result<Ending, Failure> {
    let var = args.var.filter()?;
    let names = stores(&args.stores, args.stores_from.as_deref())?;
    let mut totals = Totals::default();
    for name in &names {
        if let Err(failure) = inspect(args, &var, name, session, &mut totals) {
            if failure.is_closed_pipe() || failure.exit == Exit::Output {
                return Err(failure);
            }
            session.item_failed(&failure)?;
            totals.failed_stores += 1;
            totals.worst = totals.worst.or(Some(failure.exit));
        }
    }
    Ok(totals.ending(names.len() as u64, args.sizes))
}

fn inspect(
    args: &Args,
    var: &VarFilter,
    name: &OsStr,
    session: &mut Session,
    totals: &mut Totals,
) -> Result<(), Failure> {
    let store = Store::open(name, &args.store.options(&session.stop))?;
    let name = store.location().to_string();
    let pool = Pool::new(args.store.readers(&store, args.work.jobs()));
    let hierarchy = Hierarchy::open(&store, &pool, !args.no_consolidated)?;
    let mut work = Inspection { args, var, store: &store, name: &name, session, totals };
    if let Some(error) = &hierarchy.unusable {
        work.node_failed(&Failure::new(error.exit(), error.to_string()))?;
    }
    if args.sizes {
        work.nodes_with_sizes(&hierarchy, &pool)?;
    } else {
        let mut result = Ok(());
        let encoder = work.session.out.encoder();
        let describe = Describe { args, var, store: &store, name: &name, inventory: None, encoder };
        hierarchy.walk(
            &pool,
            |visit| describe.visit(visit),
            |described| {
                result = work.emit(described);
                result.is_ok()
            },
        );
        result?;
    }
    if args.check_consolidated {
        work.check_consolidated(&hierarchy, &pool)?;
    }
    Ok(())
}

/// A node on its way from the workers to the output.
enum Described {
    Skipped,
    Group(Line),
    Array { counts: Counts, lines: Vec<Line>, bench: Option<(Box<Array>, Vec<ChunkRecord>)> },
    Failed(Failure),
}

/// What the workers need to describe a node.
struct Describe<'a> {
    args: &'a Args,
    var: &'a VarFilter,
    store: &'a Store,
    name: &'a str,
    inventory: Option<&'a Inventory>,
    encoder: Encoder,
}

impl Describe<'_> {
    fn visit(&self, visit: Visit) -> Described {
        match visit {
            Err(error) => Described::Failed(error.into()),
            Ok(Node::Group(group)) if self.var.is_everything() => {
                let record = Record::Group(describe::group(self.name, &group, self.args.attributes));
                Described::Group(self.encoder.encode(record))
            }
            Ok(Node::Array(array)) if self.var.matches(&array.path) => {
                self.array(array).unwrap_or_else(Described::Failed)
            }
            Ok(_) => Described::Skipped,
        }
    }

    fn array(&self, array: Box<Array>) -> Result<Described, Failure> {
        let mut record = describe::array(self.name, &array, self.args.attributes);
        if let Some(inventory) = self.inventory {
            inventory.complete(&mut record, &array);
        }
        let wanted = if self.args.bench { self.args.sample.max(1) } else { self.args.sample };
        let mut sample = sample(self.store, self.name, &array, u64::from(wanted))?;
        if let Some(present) = record.objects_present {
            sample.nothing_stored = present == 0 && record.objects_expected > Some(0);
        }
        if self.args.zarrs {
            record.zarrs_error = describe::why_zarrs_cannot(self.store, &array)?;
        }
        judge(&mut record, &array, &sample, u64::from(self.args.nthreads));
        let counts = Counts::of(&record, &sample.chunks);
        let bench = self.args.bench.then(|| (array, sample.chunks.clone()));
        let chunks = sample.chunks.into_iter().map(|chunk| Record::Chunk(Box::new(chunk)));
        let records = std::iter::once(Record::Array(Box::new(record))).chain(chunks);
        Ok(Described::Array { counts, lines: records.map(|record| self.encoder.encode(record)).collect(), bench })
    }
}

/// One store being inspected, on the thread that puts records out.
struct Inspection<'a> {
    args: &'a Args,
    var: &'a VarFilter,
    store: &'a Store,
    name: &'a str,
    session: &'a mut Session,
    totals: &'a mut Totals,
}

impl Inspection<'_> {
    /// With sizes, the nodes are needed before the list, and the list before the first record.
    fn nodes_with_sizes(&mut self, hierarchy: &Hierarchy, pool: &Pool) -> Result<(), Failure> {
        let mut visits = Vec::new();
        hierarchy.walk(
            pool,
            |visit| visit,
            |visit| {
                visits.push(visit);
                true
            },
        );
        let inventory = Inventory::take(self.store, visits.iter().filter_map(|visit| visit.as_ref().ok()))?;
        let describe = Describe {
            args: self.args,
            var: self.var,
            store: self.store,
            name: self.name,
            inventory: Some(&inventory),
            encoder: self.session.out.encoder(),
        };
        let mut visits = visits.into_iter();
        loop {
            let window: Vec<Visit> = visits.by_ref().take(WINDOW).collect();
            if window.is_empty() {
                break;
            }
            for described in pool.map(window, |visit| describe.visit(visit)) {
                self.emit(described)?;
            }
        }
        for stray in inventory.strays(self.name) {
            self.session.out.emit(&Record::Key(stray))?;
        }
        for (kind, count) in &inventory.stray_counts {
            *self.totals.stray_keys.entry(*kind).or_default() += count;
        }
        self.totals.metadata_bytes += inventory.metadata_bytes;
        Ok(())
    }

    fn emit(&mut self, described: Described) -> Result<(), Failure> {
        match described {
            Described::Skipped => Ok(()),
            Described::Failed(failure) => self.node_failed(&failure),
            Described::Group(line) => {
                self.totals.groups += 1;
                self.session.out.emit_line(&line)
            }
            Described::Array { counts, lines, bench } => {
                self.totals.add(counts);
                for line in &lines {
                    self.session.out.emit_line(line)?;
                }
                bench.map_or(Ok(()), |(array, chunks)| self.bench(&array, &chunks))
            }
        }
    }

    fn bench(&mut self, array: &Array, chunks: &[ChunkRecord]) -> Result<(), Failure> {
        if chunks.iter().any(|chunk| !chunk.faults.is_empty()) || array.chain.innermost().unknown.is_some() {
            return Ok(());
        }
        match bench(self.store, array, chunks, self.args.work.jobs(), &self.session.stop) {
            Err(failure) => self.node_failed(&failure),
            Ok(records) => {
                for mut record in records {
                    record.store = self.name.to_owned();
                    self.session.out.emit(&Record::Bench(record))?;
                }
                Ok(())
            }
        }
    }

    fn check_consolidated(&mut self, hierarchy: &Hierarchy, pool: &Pool) -> Result<(), Failure> {
        let Some(copy) = hierarchy.consolidated() else {
            self.session.status.warn(&format!("{}: has no consolidated metadata to check", self.name));
            return Ok(());
        };
        for difference in check::differences(self.store, self.name, copy, hierarchy.format(), pool)? {
            self.totals.differences += 1;
            self.session.out.emit(&Record::Consolidated(difference))?;
        }
        Ok(())
    }

    fn node_failed(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.totals.failed_nodes += 1;
        self.session.item_failed(failure)
    }
}

/// What one array adds to the totals.
struct Counts {
    chunks: u64,
    uncompressed_bytes: u64,
    objects_present: u64,
    objects_expected: u64,
    stored_bytes: u64,
    damaged_chunks: u64,
    verdict: String,
}

impl Counts {
    fn of(record: &ArrayRecord, chunks: &[ChunkRecord]) -> Counts {
        Counts {
            chunks: record.chunks.unwrap_or(0),
            uncompressed_bytes: record.uncompressed_bytes.unwrap_or(0),
            objects_present: record.objects_present.unwrap_or(0),
            objects_expected: record.objects_expected.unwrap_or(0),
            stored_bytes: record.stored_bytes.unwrap_or(0),
            damaged_chunks: chunks.iter().filter(|chunk| !chunk.faults.is_empty()).count() as u64,
            verdict: record.verdict.clone(),
        }
    }
}

/// What the summary says.
#[derive(Default)]
struct Totals {
    failed_stores: u64,
    failed_nodes: u64,
    worst: Option<Exit>,
    groups: u64,
    arrays: u64,
    chunks: u64,
    uncompressed_bytes: u64,
    objects_present: u64,
    objects_expected: u64,
    stored_bytes: u64,
    metadata_bytes: u64,
    damaged_chunks: u64,
    differences: u64,
    verdicts: BTreeMap<String, u64>,
    stray_keys: BTreeMap<&'static str, u64>,
}

impl Totals {
    fn add(&mut self, counts: Counts) {
        self.arrays += 1;
        self.chunks = self.chunks.saturating_add(counts.chunks);
        self.uncompressed_bytes = self.uncompressed_bytes.saturating_add(counts.uncompressed_bytes);
        self.objects_present += counts.objects_present;
        self.objects_expected = self.objects_expected.saturating_add(counts.objects_expected);
        self.stored_bytes += counts.stored_bytes;
        self.damaged_chunks += counts.damaged_chunks;
        *self.verdicts.entry(counts.verdict).or_default() += 1;
    }

    fn ending(self, stores: u64, sizes: bool) -> Ending {
        let exit = match Exit::of_items(stores, self.failed_stores, self.worst.unwrap_or(Exit::Unreadable)) {
            Exit::Done if self.failed_nodes > 0 => Exit::Partial,
            Exit::Done if self.damaged_chunks + self.differences > 0 => Exit::No,
            exit => exit,
        };
        let mut totals: Map<String, Value> = Map::new();
        let mut put = |key: &str, value: u64| drop(totals.insert(key.to_owned(), value.into()));
        put("stores", stores);
        put("groups", self.groups);
        put("arrays", self.arrays);
        put("chunks", self.chunks);
        put("uncompressed_bytes", self.uncompressed_bytes);
        if sizes {
            put("objects_present", self.objects_present);
            put("objects_expected", self.objects_expected);
            put("stored_bytes", self.stored_bytes);
            put("metadata_bytes", self.metadata_bytes);
        }
        put("damaged_chunks", self.damaged_chunks);
        put("consolidated_differences", self.differences);
        for (kind, count) in &self.stray_keys {
            put(&format!("keys_{kind}"), *count);
        }
        for (verdict, count) in &self.verdicts {
            put(&format!("verdict_{verdict}"), *count);
        }
        Ending { exit, totals }
    }
}
