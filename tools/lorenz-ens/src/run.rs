//! The job of `lorenz-ens`: initial conditions → integrate → report, or write.

mod batches;
mod outcome;
mod report;
mod steps;
mod store;

use std::path::Path;

use zcli::{Common, Ending, Session, Table, Tool};
use zwire::Failure;

use crate::cli::{Args, EXAMPLES};
use crate::human::{self, Rows};
use crate::options::Options;
use crate::place::Place;
use crate::plot::Picture;
use crate::sections::SECTIONS;
use report::Report;

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] =
        &["members", "steps", "ics", "integrator", "method", "every", "stats", "compare", "plot", "grid", "output"];

    const EXAMPLES: &'static [(&'static str, &'static str)] = EXAMPLES;

    const SECTIONS: &'static [(&'static str, &'static str)] = SECTIONS;

    fn writes(&self) -> bool {
        self.common.output.is_some() || self.method.plot.is_some()
    }

    /// Also without an output: integrating takes long.
    fn heeds_stop(&self) -> bool {
        true
    }

    fn resumes(&self) -> bool {
        let is_store = matches!(self.place(), Ok(Place::Store(_)));
        is_store && !self.method.stats
    }

    /// Records go to standard output: the output holds trajectories.
    fn records_file(&self) -> Option<&Path> {
        None
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        let flags = &self.method;
        human::table(match self.place() {
            _ if flags.check || flags.compare || flags.scaling.is_some() => Rows::Methods,
            _ if flags.stats => Rows::Statistics,
            Ok(Place::Store(_)) => Rows::Arrays,
            _ => Rows::States,
        })
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        let place = self.place()?;
        if let (Place::Store(target), true) = (&place, self.is_step()) {
            return self.step(target, session);
        }
        if let (Some(shape), Place::Store(target)) = (self.grid.grid, &place) {
            return self.grid(shape, target, session);
        }
        let picture = Picture::new(self.method.plot.as_deref(), self.writer.overwrite, self.writer.resume)?;
        let options = Options::new(self, &session.stop)?;
        let report = Report { options: &options, flags: &self.method, picture, overwrite: self.writer.overwrite };
        match place {
            _ if report.measures() => report.measure(session),
            Place::Store(target) if !self.method.stats => self.store(&report, &target, session),
            place => report.states(&place, session),
        }
    }
}
