//! The job of `lorenz-ens`: initial conditions → integrate → report, or write.

mod batches;
mod report;
mod store;

use std::path::Path;

use zcli::{Common, Ending, Session, Table, Tool};
use zstage::WriteOptions;
use zwire::{Exit, Failure, human_bytes};

use crate::cli::{Args, EXAMPLES};
use crate::divergence::Divergence;
use crate::grid::BatchSpec;
use crate::human::{self, Rows};
use crate::options::Options;
use crate::output::{Body, Content, Output};
use crate::place::Place;
use crate::plot;
use crate::sections::SECTIONS;
use batches::Batches;
use report::Report;

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] =
        &["members", "steps", "ics", "integrator", "method", "every", "stats", "compare", "plot", "grid", "output"];

    const EXAMPLES: &'static [(&'static str, &'static str)] = EXAMPLES;

    const SECTIONS: &'static [(&'static str, &'static str)] = SECTIONS;

    fn writes(&self) -> bool {
        self.common.output.is_some()
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
        if self.is_grid() {
            return self.grid(place, session);
        }
        if self.is_step() {
            let Place::Store(target) = place else {
                return Err(Failure::usage("missing option: -o DST, the prepared output"));
            };
            return self.step(&target, session);
        }
        self.method.plot.as_deref().map_or(Ok(()), plot::check)?;
        let options = Options::new(self, &session.stop)?;
        let report = Report { options: &options, flags: &self.method, overwrite: self.writer.overwrite };
        match place {
            _ if report.measures() => report.measure(session),
            Place::Store(_) if self.method.stats && self.is_prepared() => Err(Failure::usage(
                "statistics are written in one go: --stats takes no --prepare, --resume or --dry-run",
            )),
            Place::Store(_) if self.method.stats => report.states(&place, session),
            Place::Store(target) => {
                report.plot(session, Vec::new())?;
                self.store(&options, &target, session)
            }
            _ if self.is_prepared() => Err(Failure::usage("missing option: -o DST, the store to write")),
            place => report.states(&place, session),
        }
    }
}

impl Args {
    /// Whether the output is one that the common writer plans.
    fn is_prepared(&self) -> bool {
        self.writer.prepare || self.writer.dry_run || self.writer.resume
    }

    /// Writes batches on a grid, or does a step of batches that were prepared.
    fn grid(&self, place: Place, session: &mut Session) -> Result<Ending, Failure> {
        let Place::Store(directory) = place else {
            return Err(Failure::usage("missing option: -o DST, the directory of the batches"));
        };
        let write = self.writer.options(false, &self.work, &self.memory, &self.store, &session.stop);
        let write = WriteOptions { verify: self.verify.verify(), ..write };
        let output = |body| Output::new(body, write.memory_bytes, self.common.verbose);
        let codec = self.codec.options()?;
        let batches = match self.grid.grid.filter(|_| !self.is_step()) {
            None if !self.is_step() => return Err(Failure::usage("missing option: --grid GRID")),
            None => {
                let outputs = (0..self.batch_count()).map(|_| output(None)).collect();
                Batches { directory: &directory, outputs, specs: Vec::new(), faults: None }
            }
            Some(shape) => {
                let (specs, faults) = self.batches(shape)?;
                specs.iter().try_for_each(|spec| check_batch(spec, &write))?;
                let body = |spec: &BatchSpec| Body {
                    content: Content::Batch(spec.clone()),
                    zarr_format: self.format.zarr_format,
                    codec: codec.clone(),
                    diverged: Divergence::default(),
                };
                let outputs = specs.iter().map(|spec| output(Some(body(spec)))).collect();
                Batches { directory: &directory, outputs, specs, faults }
            }
        };
        batches::write(&batches, &self.writer, &write, session)
    }
}

/// Refuses a batch that is too large to be counted, or whose states do not fit into the memory.
fn check_batch(spec: &BatchSpec, write: &WriteOptions) -> Result<(), Failure> {
    let states = spec.grid.cells().saturating_mul(BatchSpec::STATE_BYTES).saturating_mul(write.jobs as u64 + 1);
    if spec.bytes().is_none() {
        return Err(
            Failure::usage("the batches are too large to be written").hint("reduce --grid, --times or --file-ids")
        );
    }
    if states > write.memory_bytes {
        let (states, memory) = (human_bytes(states), human_bytes(write.memory_bytes));
        let text = format!("the states of all cells need {states}, but --max-memory is {memory}");
        return Err(Failure::usage(text).hint("raise --max-memory, or reduce --grid or -j"));
    }
    if let Some(file_id) = spec.diverging_file() {
        let text =
            format!("the members of file_id {file_id} become infinite or NaN with a time step of {}", spec.system.dt);
        return Err(Failure::new(Exit::No, text).hint("reduce --dt"));
    }
    Ok(())
}
