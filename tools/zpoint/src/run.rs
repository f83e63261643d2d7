//! The job of `zpoint`: open → locate → plan → read → emit.

use std::path::Path;

use zcli::{Common, Ending, Session, Table, Tool, stores};
use zcoord::{BadLines, Points};
use zwire::{Exit, ExtractSummary, Failure};

use crate::cli::{Args, EXAMPLES};
use crate::human;
use crate::job::Job;
use crate::left_out::{LeftOut, listed};
use crate::locate::{self, Located};
use crate::options::DataOptions;
use crate::source::Source;

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] = &[
        "lat",
        "lon",
        "points",
        "var",
        "sel",
        "isel",
        "to",
        "output",
        "dry_run",
        "nearest_valid",
        "max_memory",
        "anonymous",
    ];

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
        human::table(self.read.dry_run, self.common.verbose)
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        let options = self.options(session)?;
        self.check_stores()?;
        let names = stores(&self.stores, self.stores_from.as_deref(), &options.read.store)?;
        if names.is_empty() {
            session.note_no_stores(self.stores_from.as_deref());
            return Ok(Ending::new(Exit::Done, &ExtractSummary::default()));
        }
        let mut bad = BadLines::new(self.point.skip_bad_points);
        let (lat, lon, file) = (&self.point.lat, &self.point.lon, self.point.points.as_deref());
        let points = Points::gather(lat, lon, file, &mut bad, &options.read.store)?;
        if bad.count > 0 {
            let count = zwire::human_counted(bad.count as u64, "point");
            session.status.warn(&format!("{count} left out: {}", bad.message()));
        }
        let Located { sources, lookups, empty } = locate::open(&options, &names, &points, session)?;
        if empty > 0 {
            let count = zwire::human_counted(empty, "store");
            session.status.warn(&format!("nothing selected in {count} of {}", names.len()));
        }
        let (points, lookups) = locate::kept(&options.points, &sources, points, lookups, session)?;
        let job = Job::plan(&options, &sources, points, lookups)?;
        for source in &sources {
            report_left_out(source, &options.data, session)?;
        }
        session.status.warn_kept();
        if options.read.dry_run { job.describe(session) } else { job.extract(session) }
    }
}

impl Args {
    /// Rejects coordinates without flags: `zpoint STORE 51.5 -0.1`.
    fn check_stores(&self) -> Result<(), Failure> {
        let is_number = |text: &str| text.parse::<f64>().is_ok() && !Path::new(text).exists();
        let typed: Vec<String> = self.stores.iter().map(ToString::to_string).collect();
        let numbers: Vec<&str> = typed.iter().map(String::as_str).filter(|text| is_number(text)).collect();
        match numbers.as_slice() {
            [] => Ok(()),
            [lat, lon] => {
                let failure = Failure::usage(format!("{lat} and {lon} are numbers, not stores"));
                Err(failure.hint(format!("use --lat {lat} --lon {lon}")))
            }
            [first, ..] => {
                let failure = Failure::usage(format!("{first} is a number, not a store"));
                Err(failure.hint("use --lat LAT --lon LON for a point"))
            }
        }
    }
}

/// Reports arrays that are not extracted, and why: those requested by name as failed items, others as a warning.
fn report_left_out(source: &Source, options: &DataOptions, session: &mut Session) -> Result<(), Failure> {
    for grid in &source.grids {
        session.status.detail(&format!("{}: points are located by {}", source.name, grid.found_by));
    }
    let (asked, others): (Vec<&LeftOut>, Vec<&LeftOut>) =
        source.left_out.iter().partition(|left_out| options.asks_for(&left_out.path));
    for LeftOut { path, why, exit } in asked {
        let failure = Failure::new(*exit, format!("left out: {why}"));
        session.item_failed(&failure.at(format!("{}: {path}", source.name)))?;
    }
    for failure in options.named.iter().flat_map(|filter| filter.unmatched(&source.paths)) {
        session.item_failed(&failure.at(&source.name))?;
    }
    if !others.is_empty() {
        let count = zwire::human_counted(others.len() as u64, "array");
        session.status.warn_of(&source.name, &format!("{count} left out: {}", listed(others)));
    }
    Ok(())
}
