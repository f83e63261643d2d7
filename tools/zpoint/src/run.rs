//! The job of `zpoint`: open → locate → plan → read → emit.

use std::path::Path;

use zcli::{Common, Ending, Session, Table, Tool, stores};
use zwire::Failure;

use crate::cli::{Args, EXAMPLES};
use crate::human;
use crate::job::Job;
use crate::locate::locate;
use crate::points::Points;
use crate::source::Source;

impl Tool for Args {
    const EXAMPLES: &'static [(&'static str, &'static str)] = EXAMPLES;

    fn writes(&self) -> bool {
        self.rows_file().is_some()
    }

    fn records_file(&self) -> Option<&Path> {
        self.rows_file().filter(|_| self.rows_are_records() && !self.read.dry_run)
    }

    fn replaces(&self) -> bool {
        self.rows.overwrite
    }

    fn keeps_failed(&self) -> bool {
        false
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        human::table(self.read.dry_run)
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        let options = self.options(session)?;
        let names = stores(&self.stores, self.stores_from.as_deref())?;
        let points = Points::gather(&self.point.lat, &self.point.lon, self.point.points.as_deref())?;
        let sources = names.iter().map(|name| Source::open(&options, name, session));
        let sources = sources.collect::<Result<Vec<_>, Failure>>()?;
        let (points, lookups) = locate(&options, &sources, points, session)?;
        let job = Job::plan(&options, &sources, points, lookups)?;
        sources.iter().for_each(|source| report_left_out(source, session));
        if options.read.dry_run { job.describe(session) } else { job.extract(session) }
    }
}

/// Reports arrays that are not extracted, and why: all with --verbose, otherwise the first.
fn report_left_out(source: &Source, session: &Session) {
    for (path, why) in &source.left_out {
        session.status.detail(&format!("{}: {path} is left out: {why}", source.name));
    }
    for grid in &source.grids {
        session.status.detail(&format!("{}: points are located by {}", source.name, grid.found_by));
    }
    if let Some((path, why)) = source.left_out.first() {
        let count = zwire::human_counted(source.left_out.len() as u64, "array");
        session.status.warn(&format!("{}: {count} left out, including {path}: {why}", source.name));
    }
}
