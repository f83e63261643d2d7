//! `--against OTHER`: whether two stores are equal in values, whatever their chunks, codecs, shards or format. Open both → pair
//! their arrays → compare metadata → compare values → emit.

mod encoding;
mod fill;
pub mod human;
mod metadata;
mod pair;
mod region;
mod regions;
mod report;
mod skipped;

use zarray::{Pool, ZarrError};
use zcli::{Bar, Ending};
use zwire::{AgainstSummary, CompareRecord, Exit, Failure, Record};

use crate::against::report::{Comparison, values};
use crate::comparison::Against;
use crate::division::Division;
use crate::finding::Finding;
use crate::kinds::Kind;
use crate::options::Options;
use crate::side::Side;
use crate::sink::Sink;

/// Compares the store of `options` with the other one.
///
/// # Errors
/// A store cannot be opened, or the output cannot be written.
pub fn run(options: &Options, against: &Against, sink: Sink, bar: &Bar) -> Result<Ending, Failure> {
    let target = against.only(&options.stores)?;
    let ours = Side::open(target, options, sink.session)?;
    let theirs = Side::open(&against.other, options, sink.session)?;
    let readers = |side: &Side| options.access.readers(&side.store, options.jobs);
    let pool = Pool::new(readers(&ours).max(readers(&theirs)));
    let total = AgainstSummary { against: theirs.name.clone(), ..AgainstSummary::default() };
    let mut run = Run { options, against, ours: &ours, theirs: &theirs, pool, sink, bar, total };
    run.sink.begin(&ours.name);
    run.sink.summary.stores = 1;
    run.all()?;
    run.ending()
}

/// A comparison of two stores.
struct Run<'r, 's> {
    options: &'r Options,
    against: &'r Against,
    ours: &'r Side,
    theirs: &'r Side,
    pool: Pool,
    sink: Sink<'s>,
    bar: &'r Bar,
    total: AgainstSummary,
}

impl Run<'_, '_> {
    /// Compares all nodes, in path order.
    fn all(&mut self) -> Result<(), Failure> {
        for error in self.ours.failed.iter().chain(&self.theirs.failed) {
            self.sink.failed(&Failure::from(error))?;
        }
        let mut division = Division::new(self.options.part);
        division.add(self.ours.arrays.values());
        division.add(self.theirs.arrays.values());
        if division.has_rest() {
            self.groups()?;
        }
        let (ours, theirs) = (&self.ours.arrays, &self.theirs.arrays);
        let more = theirs.keys().filter(|path| !ours.contains_key(*path));
        let mut paths: Vec<&String> = ours.keys().chain(more).collect();
        paths.sort_unstable();
        for path in paths.into_iter().filter(|path| division.has(path)) {
            if self.sink.session.stop.requested().is_some() {
                return Ok(());
            }
            self.array(path)?;
        }
        self.sink.end()
    }

    fn groups(&mut self) -> Result<(), Failure> {
        for (path, ours) in &self.ours.groups {
            let Some(theirs) = self.theirs.groups.get(path) else { continue };
            if let Some((found, expected)) = metadata::attributes(ours, theirs, |_| true) {
                self.sink.emit(Finding::at(Kind::AttributesDiffer, path, found).expected(expected))?;
            }
        }
        Ok(())
    }

    /// Compares the arrays at `path`.
    fn array(&mut self, path: &str) -> Result<(), Failure> {
        let mut record = CompareRecord {
            store: self.ours.name.clone(),
            against: self.theirs.name.clone(),
            path: path.to_owned(),
            result: "not_compared".into(),
            ..CompareRecord::default()
        };
        let serious = self.sink.serious;
        match (self.ours.arrays.get(path), self.theirs.arrays.get(path)) {
            (Some(ours), Some(theirs)) => {
                self.total.arrays_compared += 1;
                for finding in metadata::differences(ours, theirs) {
                    self.sink.emit(finding)?;
                }
                if ours.shape == theirs.shape {
                    let sides = Comparison { sides: [self.ours, self.theirs], arrays: [ours, theirs] };
                    values(&sides, self.options, self.against, &self.pool, self.bar, &mut self.sink, &mut record)?;
                }
            }
            (ours, _) => {
                // A node that cannot be read is there, too.
                let other = if ours.is_some() { self.theirs } else { self.ours };
                let place = other.store.place(path.trim_start_matches('/'));
                let is_below = |error: &ZarrError| {
                    error.place().strip_prefix(&*place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                if !other.failed.iter().any(is_below) {
                    let only = if ours.is_some() { self.ours } else { self.theirs };
                    self.sink.emit(Finding::at(Kind::OnlyInOne, path, format!("it is only in {}", only.name)))?;
                }
            }
        }
        record.findings = self.sink.serious - serious;
        self.total.arrays_differing += u64::from(record.findings > 0);
        self.total.values_compared += record.compared;
        self.total.values_differing += record.differing;
        self.total.chunks_identical += record.chunks_identical;
        self.total.chunks_skipped += record.chunks_skipped;
        self.sink.summary.arrays += 1;
        self.sink.session.out.emit(&Record::Compare(Box::new(record)))
    }

    fn ending(mut self) -> Result<Ending, Failure> {
        let paths: Vec<String> = self.ours.paths.iter().chain(&self.theirs.paths).cloned().collect();
        let unmatched = self.options.var.unmatched(&paths);
        unmatched.iter().try_for_each(|failure| self.sink.failed(failure))?;
        let is_absent = !unmatched.is_empty() && self.sink.summary.arrays == 0;
        self.sink.finish_lists()?;
        self.sink.summary.against = Some(self.total);
        let exit = match self.sink.session.out.errors() > 0 {
            _ if self.sink.serious > 0 => Exit::No,
            _ if is_absent => Exit::Absent,
            true => Exit::Partial,
            false => Exit::Done,
        };
        Ok(Ending::new(exit, &self.sink.summary))
    }
}
