//! The job of `zinspect`: open → walk → describe → emit.

use std::ffi::OsStr;

use zarray::{Array, Hierarchy, Node, Pool, Visit};
use zcli::{Encoder, Ending, Line, Session, VarFilter, stores};
use zstore::Store;
use zwire::{ArrayRecord, ChunkRecord, Exit, Failure, InspectSummary, Record, SizesSummary};

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
    let summary = InspectSummary {
        stores: names.len() as u64,
        sizes: args.sizes.then(SizesSummary::default),
        ..InspectSummary::default()
    };
    let mut totals = Totals { summary, ..Totals::default() };
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
    Ok(totals.ending())
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
        self.totals.add_strays(&inventory);
        Ok(())
    }

    fn emit(&mut self, described: Described) -> Result<(), Failure> {
        match described {
            Described::Skipped => Ok(()),
            Described::Failed(failure) => self.node_failed(&failure),
            Described::Group(line) => {
                self.totals.summary.groups += 1;
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
            self.totals.summary.consolidated_differences += 1;
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

/// The summary as it grows, and what else decides the exit code.
#[derive(Default)]
struct Totals {
    summary: InspectSummary,
    failed_stores: u64,
    failed_nodes: u64,
    worst: Option<Exit>,
}

impl Totals {
    fn add(&mut self, counts: Counts) {
        let summary = &mut self.summary;
        summary.arrays += 1;
        summary.chunks = summary.chunks.saturating_add(counts.chunks);
        summary.uncompressed_bytes = summary.uncompressed_bytes.saturating_add(counts.uncompressed_bytes);
        if let Some(sizes) = &mut summary.sizes {
            sizes.objects_present += counts.objects_present;
            sizes.objects_expected = sizes.objects_expected.saturating_add(counts.objects_expected);
            sizes.stored_bytes += counts.stored_bytes;
        }
        summary.damaged_chunks += counts.damaged_chunks;
        *summary.verdicts.entry(counts.verdict).or_default() += 1;
    }

    fn add_strays(&mut self, inventory: &Inventory) {
        for (kind, count) in &inventory.stray_counts {
            *self.summary.keys.entry((*kind).to_owned()).or_default() += count;
        }
        if let Some(sizes) = &mut self.summary.sizes {
            sizes.metadata_bytes += inventory.metadata_bytes;
        }
    }

    fn ending(self) -> Ending {
        let Totals { summary, failed_stores, failed_nodes, worst } = self;
        let exit = match Exit::of_items(summary.stores, failed_stores, worst.unwrap_or(Exit::Unreadable)) {
            Exit::Done if failed_nodes > 0 => Exit::Partial,
            Exit::Done if summary.damaged_chunks + summary.consolidated_differences > 0 => Exit::No,
            exit => exit,
        };
        Ending::new(exit, &summary)
    }
}
