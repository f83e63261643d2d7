//! One store: open → walk → describe → emit.

use zarray::{Array, Hierarchy, OrderedMap, Pool, differences};
use zcli::{Bar, Session};
use zstore::{Store, Target};
use zwire::{ChunkRecord, ConsolidatedRecord, Failure, Record};

use crate::bench::bench;
use crate::describe::{Describe, Described};
use crate::options::Options;
use crate::sizes::Inventory;
use crate::totals::Totals;

/// Nodes described ahead of the output if all have been read already.
const WINDOW: usize = 1024;

/// Inspects the store `name`.
///
/// # Errors
/// Fails if the store cannot be opened or listed, or the output fails; nodes that fail are error records.
pub fn inspect(
    options: &Options,
    name: &Target,
    session: &mut Session,
    bar: &Bar,
    totals: &mut Totals,
) -> Result<(), Failure> {
    let store = Store::open(name, &options.access.options(&session.stop))?;
    let name = store.location().to_string();
    let pool = Pool::new(options.access.readers(&store, options.jobs));
    let hierarchy = Hierarchy::open(&store, &pool, options.consolidated)?;
    let sorted = Vec::new();
    let mut inspection =
        Inspection { options, store: &store, name: &name, hierarchy: &hierarchy, session, bar, totals, sorted };
    if let Some(error) = &hierarchy.unusable {
        inspection.node_failed(&Failure::new(error.exit(), error.to_string()))?;
    }
    match options.sizes {
        true => inspection.nodes_with_sizes(&pool)?,
        false => inspection.nodes(&pool)?,
    }
    match options.check_consolidated {
        true => inspection.check_consolidated(&pool),
        false => Ok(()),
    }
}

/// One store being inspected, on the thread that writes records.
struct Inspection<'a> {
    options: &'a Options,
    store: &'a Store,
    name: &'a str,
    hierarchy: &'a Hierarchy<'a>,
    session: &'a mut Session,
    bar: &'a Bar,
    totals: &'a mut Totals,
    /// With `--sort`, the arrays until all are known.
    sorted: Vec<Described>,
}

impl<'a> Inspection<'a> {
    /// The nodes as they are read.
    fn nodes(&mut self, pool: &Pool) -> Result<(), Failure> {
        let describe = self.describe(None);
        let mut result = Ok(());
        self.hierarchy.walk(
            pool,
            |visit| describe.visit(visit),
            |described| {
                result = self.emit(described);
                result.is_ok()
            },
        );
        result.and_then(|()| self.emit_sorted())
    }

    /// With `--sizes`, the nodes are needed before the list, and the list before the first record.
    fn nodes_with_sizes(&mut self, pool: &Pool) -> Result<(), Failure> {
        let mut visits = Vec::new();
        self.hierarchy.walk(
            pool,
            |visit| visit,
            |visit| {
                visits.push(visit);
                true
            },
        );
        let nodes = visits.iter().filter_map(|visit| visit.as_ref().ok());
        let mut inventory = Inventory::take(self.store, nodes, pool)?;
        // A directory that the walk could not read either is told once.
        let told: Vec<String> =
            visits.iter().filter_map(|visit| Some(visit.as_ref().err()?.place().to_owned())).collect();
        inventory.failures.retain(|error| !told.iter().any(|place| place.starts_with(error.place())));
        let failures = std::mem::take(&mut inventory.failures);
        let describe = self.describe(Some(&inventory));
        OrderedMap::new(pool, WINDOW).run(visits, |visit| describe.visit(visit), |described| self.emit(described))?;
        self.emit_sorted()?;
        for error in failures {
            self.node_failed(&error.into())?;
        }
        for stray in inventory.strays(self.name) {
            self.session.out.emit(&Record::Key(stray))?;
        }
        self.totals.add_inventory(&inventory);
        Ok(())
    }

    fn describe<'i>(&self, inventory: Option<&'i Inventory>) -> Describe<'i>
    where
        'a: 'i,
    {
        Describe {
            options: &self.options.nodes,
            store: self.store,
            name: self.name,
            inventory,
            encoder: self.session.out.encoder(),
        }
    }

    fn emit(&mut self, described: Described) -> Result<(), Failure> {
        match described {
            Described::Array { .. } if self.options.sort.is_some() => {
                self.sorted.push(described);
                Ok(())
            }
            described => self.emit_now(described),
        }
    }

    fn emit_sorted(&mut self) -> Result<(), Failure> {
        let mut sorted = std::mem::take(&mut self.sorted);
        sorted.sort_by_key(|described| described.rank(self.options.sort));
        sorted.into_iter().try_for_each(|described| self.emit_now(described))
    }

    fn emit_now(&mut self, described: Described) -> Result<(), Failure> {
        match described {
            Described::Skipped(path) => {
                self.totals.paths.extend(path);
                Ok(())
            }
            Described::Failed(failure) => self.node_failed(&failure),
            Described::Group(line) => {
                self.totals.summary.groups += 1;
                self.session.out.emit_line(&line)
            }
            Described::Array { path, counts, lines, bench } => {
                self.bar.advance(1);
                if !self.options.nodes.var.is_everything() {
                    self.totals.paths.insert(path);
                }
                self.totals.add(counts);
                for line in &lines {
                    self.session.out.emit_line(line)?;
                }
                bench.map_or(Ok(()), |(array, chunks)| self.bench(&array, &chunks))
            }
        }
    }

    fn bench(&mut self, array: &Array, chunks: &[ChunkRecord]) -> Result<(), Failure> {
        if chunks.iter().any(|chunk| !chunk.problems.is_empty()) || array.chain.innermost().unknown.is_some() {
            return Ok(());
        }
        match bench(self.store, array, chunks, self.options.jobs, &self.session.stop) {
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

    fn check_consolidated(&mut self, pool: &Pool) -> Result<(), Failure> {
        let Some(copy) = self.hierarchy.consolidated() else {
            self.session.status.warn(&format!("{}: has no consolidated metadata", self.name));
            return Ok(());
        };
        for found in differences(self.store, copy, self.hierarchy.format(), pool)? {
            self.totals.summary.consolidated_differences += 1;
            let record = ConsolidatedRecord {
                store: self.name.to_owned(),
                path: found.path,
                difference: found.difference.to_owned(),
                members: found.members,
                ..ConsolidatedRecord::default()
            };
            self.session.out.emit(&Record::Consolidated(record))?;
        }
        Ok(())
    }

    fn node_failed(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.totals.failed_nodes += 1;
        self.session.item_failed(failure)
    }
}
