//! The job of `lorenz-ens`: initial conditions → integrate → report, or write.

use std::path::Path;

use zarray::Pool;
use zcli::{Common, Ending, Session, Table, Tool};
use zstage::{Command, Outcome, Summary};
use zstore::{Location, Target};
use zwire::{EnsembleSummary, Exit, Failure, GeneratedSummary, Record, StateRecord, human_bytes, number};

use crate::advance::advance;
use crate::cli::{Args, EXAMPLES, SECTIONS};
use crate::divergence::{Divergence, has_diverged};
use crate::ensemble::{Ensemble, Method};
use crate::grid::{self, BatchSpec, Batches};
use crate::human::{self, Rows};
use crate::kernel::Lanes;
use crate::options::{EnsembleOptions, Options, Place};
use crate::output::{Body, Content, Output, SOURCE};
use crate::trajectories::time_of;

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] = &[
        "members", "steps", "dt", "seed", "ics", "integrator", "method", "every", "output", "to", "check",
    ];

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
        human::table(match self.place() {
            Ok(Place::Store(_) | Place::File(..)) => Rows::Arrays,
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
        let options = Options::new(self, &session.stop)?;
        match place {
            Place::Store(target) => self.store(&options, &target, session),
            _ if self.needs_store() => Err(Failure::usage("missing option: -o DST, the store to write")),
            _ => final_states(&options, session),
        }
    }
}

impl Args {
    /// Writes batches on a grid, or does a step of batches that were prepared.
    fn grid(&self, place: Place, session: &mut Session) -> Result<Ending, Failure> {
        let Place::Store(directory) = place else {
            return Err(Failure::usage("missing option: -o DST, the directory of the batches"));
        };
        let write = self.writer.options(false, &self.work, &self.memory, &self.store, &session.stop);
        let write = zstage::WriteOptions { verify: self.verify.verify(), ..write };
        let output = |body| Output::new(body, write.memory_bytes, self.common.verbose);
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
                    codec: self.format.codec(),
                    diverged: Divergence::default(),
                };
                let outputs = specs.iter().map(|spec| output(Some(body(spec)))).collect();
                Batches { directory: &directory, outputs, specs, faults }
            }
        };
        grid::write(&batches, &self.writer, &write, session)
    }

    /// Whether a flag is given that makes sense only for a store.
    fn needs_store(&self) -> bool {
        let writer = &self.writer;
        writer.prepare || writer.dry_run || writer.resume || writer.overwrite
    }

    /// Writes all trajectories.
    fn store(&self, options: &Options, target: &Target, session: &mut Session) -> Result<Ending, Failure> {
        let spec = options.trajectories()?;
        let initial = spec.initial.ensemble(options.write.memory_bytes)?;
        let diverged = if options.write.dry_run { Divergence::default() } else { look_ahead(options, &initial, session)? };
        if let Some(failure) = diverged.failure().filter(|_| options.stops) {
            report(&diverged, options, session)?;
            return Err(failure);
        }
        let body = Body {
            content: Content::Trajectories(spec),
            zarr_format: options.zarr_format,
            codec: options.codec.clone(),
            diverged,
        };
        let output = Output::new(Some(body), options.write.memory_bytes, options.verbose);
        let command = self.command(target)?;
        let outcome = zstage::run(&output, &command, &options.write, &session.listener())?;
        let divergence = output.divergence();
        report(&divergence, options, session)?;
        self.ending(options, &divergence, outcome, session)
    }

    /// A step of an output that was prepared.
    fn step(&self, target: &Target, session: &mut Session) -> Result<Ending, Failure> {
        let write = self.writer.options(false, &self.work, &self.memory, &self.store, &session.stop);
        let output = Output::new(None, write.memory_bytes, self.common.verbose);
        let write = zstage::WriteOptions { verify: self.verify.verify(), ..write };
        let outcome = zstage::run(&output, &self.command(target)?, &write, &session.listener())?;
        let mut ending = self.writer.ending(&outcome, session)?;
        if let Some(text) = output.divergence().text().filter(|_| self.writer.finish && outcome.exit == Exit::Done) {
            session.status.warn(&text);
            ending.exit = Exit::No;
        }
        Ok(ending)
    }

    /// The step of writing `target`.
    fn command(&self, target: &Target) -> Result<Command, Failure> {
        let output = Location::output(target)?;
        let sources = vec![Target::from(SOURCE)];
        Ok(match self.writer.part {
            _ if self.writer.status => Command::Status(output),
            _ if self.writer.finish => Command::Finish { sources: Vec::new(), output },
            Some(part) => Command::Part { sources: Vec::new(), output, part },
            None => Command::Run { sources, output },
        })
    }

    fn ending(
        &self,
        options: &Options,
        diverged: &Divergence,
        outcome: Outcome,
        session: &mut Session,
    ) -> Result<Ending, Failure> {
        let mut summary = totals(options, diverged);
        let exit = if outcome.exit == Exit::Done && diverged.members > 0 { Exit::No } else { outcome.exit };
        match &outcome.summary {
            Summary::Totals(_) | Summary::Complete { .. } | Summary::Nothing {} => {
                summary.written = written(&outcome);
                Ok(Ending::new(exit, &summary))
            }
            Summary::Described(plan) => {
                let mut ending = Ending::new(exit, &summary);
                ending.totals.extend(plan.clone());
                Ok(ending)
            }
            _ => self.writer.ending(&outcome, session).map(|ending| Ending { exit, ..ending }),
        }
    }
}

/// Refuses a batch that is too large to be counted, or whose states do not fit into the memory.
fn check_batch(spec: &BatchSpec, write: &zstage::WriteOptions) -> Result<(), Failure> {
    let states = spec.grid.cells().saturating_mul(BatchSpec::STATE_BYTES).saturating_mul(write.jobs as u64 + 1);
    if spec.bytes().is_none() {
        return Err(Failure::usage("the batches are too large to be written").hint("reduce --grid, --times or --file-ids"));
    }
    if states > write.memory_bytes {
        let (states, memory) = (human_bytes(states), human_bytes(write.memory_bytes));
        let text = format!("the states of all cells need {states}, but --max-memory is {memory}");
        return Err(Failure::usage(text).hint("raise --max-memory, or reduce --grid or -j"));
    }
    Ok(())
}

/// Totals of a store that was written.
fn written(outcome: &Outcome) -> Option<GeneratedSummary> {
    let Summary::Totals(totals) = &outcome.summary else { return None };
    Some(GeneratedSummary {
        stores: 1,
        arrays: totals.arrays.unwrap_or(0),
        objects: totals.objects,
        uncompressed_bytes: totals.bytes_before,
        bytes: totals.bytes_after,
        verified: totals.verified,
        resumed: totals.resumed,
        failed: totals.failed,
        faults: None,
    })
}

fn totals(options: &Options, diverged: &Divergence) -> EnsembleSummary {
    let EnsembleOptions { initial, steps, .. } = &options.ensemble;
    EnsembleSummary {
        members: initial.members(),
        steps: *steps,
        member_steps: initial.members().saturating_mul(*steps),
        diverged: diverged.members,
        ..EnsembleSummary::default()
    }
}

/// Integrates the ensemble to its end before it is written, which costs far less than writing, to see which members diverge.
fn look_ahead(options: &Options, initial: &Ensemble, session: &Session) -> Result<Divergence, Failure> {
    let EnsembleOptions { system, steps, .. } = &options.ensemble;
    let pool = Pool::new(options.write.jobs);
    let mut last = initial.clone();
    let goes_on = |now: &Ensemble| !(options.stops && has_diverged(now));
    advance(&mut last, system, *steps, options.method(), &pool, session, goes_on)?;
    Ok(Divergence::find(system, initial, &last))
}

/// Emits the members that diverged.
fn report(diverged: &Divergence, options: &Options, session: &mut Session) -> Result<(), Failure> {
    for record in diverged.records(options.ensemble.system.dt) {
        session.out.emit(&Record::Diverged(record))?;
    }
    if let Some(text) = diverged.text().filter(|_| !options.stops) {
        session.status.warn(&text);
    }
    Ok(())
}

/// Integrates the ensemble and emits the final states.
fn final_states(options: &Options, session: &mut Session) -> Result<Ending, Failure> {
    let EnsembleOptions { system, initial, steps } = &options.ensemble;
    // The initial conditions are kept, to find where a member diverged.
    let initial = initial.ensemble(options.write.memory_bytes / 2)?;
    let pool = Pool::new(if options.method() == Method::Parallel { options.write.jobs } else { 1 });
    let mut last = initial.clone();
    let goes_on = |now: &Ensemble| !(options.stops && has_diverged(now));
    advance(&mut last, system, *steps, options.method(), &pool, session, goes_on)?;
    let diverged = Divergence::find(system, &initial, &last);
    if let Some(failure) = diverged.failure().filter(|_| options.stops) {
        report(&diverged, options, session)?;
        return Err(failure);
    }
    for member in 0..last.len() {
        let [x, y, z] = last.state(member).map(number);
        let (member, step, time) = (member as u64, *steps, time_of(*steps, system.dt));
        session.out.emit(&Record::State(StateRecord { member, step, time, x, y, z, ..StateRecord::default() }))?;
    }
    report(&diverged, options, session)?;
    let mut summary = totals(options, &diverged);
    let lanes = if options.method() == Method::Serial { Lanes::Scalar } else { Lanes::best() };
    summary.instructions = Some(lanes.name().into());
    Ok(Ending::new(if diverged.members > 0 { Exit::No } else { Exit::Done }, &summary))
}
