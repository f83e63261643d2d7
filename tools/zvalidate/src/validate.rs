//! One store after the other: open → metadata → coordinates → list → chunks → emit.

use std::collections::BTreeSet;

use zarray::{Hierarchy, Pool};
use zcli::{Bar, Ending};
use zstore::{Store, Target};
use zwire::{Exit, Failure};

use crate::checks::across::Across;
use crate::checks::applied::Applied;
use crate::checks::{arrays, coordinates, metadata};
use crate::division::Division;
use crate::labels::Labels;
use crate::level::Level;
use crate::open::{Context, Nodes};
use crate::options::Options;
use crate::sink::Sink;

/// A run over stores.
pub struct Run<'s> {
    options: &'s Options,
    sink: Sink<'s>,
    bar: &'s Bar,
    across: Across,
    /// Rules that applied to a coordinate of any store.
    applied: Applied,
    division: Division,
    failed_stores: u64,
    worst: Option<Exit>,
    /// Paths of all arrays, if there is a selection.
    paths: BTreeSet<String>,
    lowest: Option<Level>,
}

impl<'s> Run<'s> {
    /// A run whose findings go to `sink`.
    pub fn new(options: &'s Options, sink: Sink<'s>, bar: &'s Bar) -> Run<'s> {
        let across = Across::default();
        let (division, paths) = (Division::new(options.part), BTreeSet::new());
        let applied = Applied::default();
        let mut run =
            Run { options, sink, bar, across, applied, division, failed_stores: 0, worst: None, paths, lowest: None };
        run.sink.summary.stores = options.stores.len() as u64;
        run.sink.checks();
        run
    }

    /// Checks one store.
    ///
    /// # Errors
    /// The store cannot be opened, or the output fails; anything else is a finding or an error record.
    pub fn store(&mut self, name: &Target) -> Result<(), Failure> {
        let store = Store::open(name, &self.options.access.options(&self.sink.session.stop))?;
        let name = store.location().to_string();
        let pool = Pool::new(self.options.access.readers(&store, self.options.jobs));
        let hierarchy = Hierarchy::open(&store, &pool, true)?;
        let level = self.options.level.unwrap_or(if store.is_remote() { Level::Header } else { Level::Full });
        if self.lowest.is_none() {
            self.warn_level(level);
        }
        self.lowest = Some(self.lowest.map_or(level, |lowest| lowest.min(level)));
        let nodes = Nodes::read(&hierarchy, &pool);
        let options = self.options;
        self.division.add(nodes.dataset.arrays().filter(|array| options.var.matches(&array.path)));
        let division = &self.division;
        let context = Context { options, store: &store, name: &name, nodes: &nodes, pool: &pool, level, division };
        // What is named must be there.
        if options.named.iter().map(|(_, named)| named).chain([&options.var]).any(|named| !named.is_everything()) {
            self.paths.extend(nodes.dataset.arrays().map(|array| array.path.clone()));
        }
        self.sink.begin(&name);
        let labels = Labels::new(&context);
        let mut digest = self.across.digest(&name);
        // Other parts have to know which arrays are coordinates, and how many findings are about each of their arrays.
        self.sink.is_muted = !division.has_rest();
        metadata::check(&context, &hierarchy, &mut self.sink)?;
        coordinates::check(&context, &mut digest, &mut self.applied, &mut self.sink)?;
        self.sink.is_muted = false;
        arrays::check(&context, &labels, self.bar, &mut digest, &mut self.sink)?;
        self.across.add(&context, digest, &mut self.sink)?;
        self.sink.end()
    }

    /// Kinds that are asked for by name, and limits of a rules file, that this level does not look for.
    fn warn_level(&self, level: Level) {
        if level < Level::Full && !self.options.policy.max_nan.is_empty() {
            let text = format!("max-nan of the rules is not looked for at --level {}: use full", level.name());
            self.sink.session.status.warn(&text);
        }
        for kind in self.options.policy.only.iter().filter(|kind| kind.about().level > level) {
            let (name, needed) = (kind.about().name, kind.about().level.name());
            self.sink
                .session
                .status
                .warn(&format!("{name} is not looked for at --level {}: use {needed}", level.name()));
        }
    }

    /// Reports a store that could not be checked at all.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn store_failed(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.failed_stores += 1;
        self.worst = self.worst.or(Some(failure.exit));
        self.sink.failed(failure)?;
        self.sink.end()
    }

    /// Compares the stores with each other.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn compare(&mut self) -> Result<(), Failure> {
        if self.division.has_rest() {
            std::mem::take(&mut self.across).report(&mut self.sink)?;
        }
        self.sink.end()
    }

    /// The end of the run.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn ending(mut self) -> Result<Ending, Failure> {
        let paths: Vec<String> = std::mem::take(&mut self.paths).into_iter().collect();
        let opened = self.failed_stores < self.sink.summary.stores;
        let unmatched = if opened { self.options.var.unmatched(&paths) } else { Vec::new() };
        unmatched.iter().try_for_each(|failure| self.sink.failed(failure))?;
        for (flag, named) in self.options.named.iter().filter(|_| opened) {
            named.unmatched_of(flag, &paths).iter().try_for_each(|failure| self.sink.failed(failure))?;
        }
        if opened && self.division.has_rest() && self.sink.session.stop.requested().is_none() {
            self.applied.report(&self.options.expect.steps, &mut self.sink)?;
        }
        self.sink.finish_lists()?;
        if self.sink.session.stop.requested().is_none() {
            self.sink.maps.finish(self.lowest.map_or("none", Level::name))?;
        }
        self.sink.summary.level = self.lowest.map(|level| level.name().to_owned());
        let summary = &self.sink.summary;
        let failed = Exit::of_items(summary.stores, self.failed_stores, self.worst.unwrap_or(Exit::Unreadable));
        let errors = self.sink.session.out.errors() > 0;
        let exit = match failed {
            // What was found is certain; what was not checked is not.
            Exit::Done | Exit::Partial if self.sink.serious > 0 => Exit::No,
            Exit::Done if !unmatched.is_empty() && summary.arrays == 0 => Exit::Absent,
            Exit::Done if errors => Exit::Partial,
            exit => exit,
        };
        Ok(Ending::new(exit, summary))
    }
}
