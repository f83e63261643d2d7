//! The steps of an output that was prepared: a part, which parts are done, and the end. All of a directory of batches.

use zcli::{Ending, Session, Unit};
use zstage::{Command, Outcome, Status, Summary, Totals, WriteOptions, missing_text};
use zstore::{Location, Target};
use zwire::{EnsembleSummary, Exit, Failure, GeneratedSummary, human_counted, shell_quote};

use super::batches::add;
use crate::cli::Args;
use crate::kernel::Lanes;
use crate::output::{Body, Content, Output};
use crate::prepared::{Prepared, diverged_members, plan_of};
use crate::trajectories::Trajectories;

impl Args {
    /// A step of an output that was prepared.
    pub(super) fn step(&self, target: &Target, session: &mut Session) -> Result<Ending, Failure> {
        let write = self.write_options(&session.stop);
        match Prepared::find(target, &write.store)? {
            Prepared::Store(location, body) => match self.grid.batches {
                None => self.step_of_store(&location, body.as_deref(), &write, session),
                Some(_) => Err(Failure::usage("--batches: no batches were prepared here").at(location)),
            },
            Prepared::Batches(locations) => {
                let planned = locations.len() as u64;
                if let Some(given) = self.grid.batches.filter(|given| *given != planned) {
                    let text = format!("--batches {given} does not match the plan, which has {planned} batches");
                    return Err(Failure::usage(text).at(Location::output(target)?));
                }
                let directory = Location::output(target)?;
                if self.writer.finish {
                    self.check_parts(&directory, &locations, &write, session)?;
                }
                self.step_of_batches(&locations, &write, session)
            }
        }
    }

    fn command(&self, output: Location) -> Result<Command, Failure> {
        Ok(match self.writer.part()? {
            Some(part) => Command::Part { sources: Vec::new(), output, part },
            None if self.writer.finish => Command::Finish { sources: Vec::new(), output },
            None => Command::Status(output),
        })
    }

    fn step_of_store(
        &self,
        location: &Location,
        body: Option<&Body>,
        write: &WriteOptions,
        session: &mut Session,
    ) -> Result<Ending, Failure> {
        let (output, write) = self.output(body, write, session)?;
        let outcome = zstage::run(&output, &self.command(location.clone())?, &write, &session.listener())?;
        let mut ending = match (&outcome.summary, body.map(|body| (body, &body.content))) {
            (Summary::Totals(done), Some((body, Content::Trajectories(spec)))) => {
                Ending::new(outcome.exit, &summary_of(spec, body, done))
            }
            (Summary::Totals(done), Some((body, Content::Batch(_)))) => {
                let mut totals = GeneratedSummary::default();
                add(&mut totals, done, body.arrays());
                Ending::new(outcome.exit, &totals)
            }
            _ => self.writer.ending(&outcome, session)?,
        };
        if !self.writer.finish || outcome.exit != Exit::Done {
            return Ok(ending);
        }
        // Once it is published, only its attributes tell.
        let diverged = match body {
            Some(body) => body.diverged.members,
            None => diverged_members(location, &write.store)?,
        };
        if diverged > 0 {
            let members = human_counted(diverged, "member");
            let text = output.divergence().text().unwrap_or_else(|| format!("{members} diverged"));
            session.status.warn(&text);
            ending.totals.insert("diverged".into(), diverged.into());
            ending.exit = Exit::No;
        }
        Ok(ending)
    }

    /// The writer of a step, and its options with the memory that the plan leaves for chunks. A step that computes nothing needs
    /// none.
    fn output(
        &self,
        body: Option<&Body>,
        write: &WriteOptions,
        session: &Session,
    ) -> Result<(Output, WriteOptions), Failure> {
        let memory = if self.writer.is_part() { write.memory_bytes } else { u64::MAX };
        let left = match body.map(|body| &body.content) {
            Some(Content::Trajectories(spec)) if self.writer.is_part() => spec.chunks_memory(memory)?,
            Some(Content::Batch(spec)) if self.writer.is_part() => spec.memory_for_chunks(memory).1.unwrap_or(memory),
            _ => write.memory_bytes,
        };
        let output = Output::new(None, Lanes::best(), memory, &session.stop, self.common.verbose);
        Ok((output, WriteOptions { memory_bytes: left, ..write.clone() }))
    }

    /// Checks that no batch lacks a part, before the first one is published.
    fn check_parts(
        &self,
        directory: &Location,
        locations: &[Location],
        write: &WriteOptions,
        session: &mut Session,
    ) -> Result<(), Failure> {
        let mut all: Option<Status> = None;
        let bar = session.status.bar_of_steps(locations.len() as u64, "batches", Unit::Bytes);
        for location in locations {
            let (output, write) = self.output(None, write, session)?;
            let listener = session.listener_of_step(bar.step());
            let outcome = zstage::run(&output, &Command::Status(location.clone()), &write, &listener)?;
            match (outcome.summary, &mut all) {
                (Summary::Status(status), None) => all = Some(status),
                (Summary::Status(status), Some(all)) => all.add(&status),
                _ => {}
            }
        }
        let Some(Status { parts, missing, .. }) = all.filter(|all| !all.missing.is_empty()) else { return Ok(()) };
        let failure = Failure::new(Exit::No, missing_text(&missing, parts)).at(directory);
        let output = shell_quote(&directory.to_string());
        Err(failure.hint(format!("run each with lorenz-ens --part I/{parts} -o {output}")))
    }

    fn step_of_batches(
        &self,
        locations: &[Location],
        write: &WriteOptions,
        session: &mut Session,
    ) -> Result<Ending, Failure> {
        let mut totals = GeneratedSummary::default();
        let (mut written, mut status, mut last) = (false, None, None);
        let bar = session.status.bar_of_steps(locations.len() as u64, "batches", Unit::Bytes);
        for location in locations {
            let body = plan_of(location, &write.store)?;
            let (output, write) = self.output(body.as_ref(), write, session)?;
            let command = self.command(location.clone())?;
            let outcome = zstage::run(&output, &command, &write, &session.listener_of_step(bar.step()))?;
            match outcome.summary {
                Summary::Totals(done) => {
                    add(&mut totals, &done, body.as_ref().map_or(0, Body::arrays));
                    written = true;
                }
                Summary::Status(of_batch) => match &mut status {
                    None => status = Some(of_batch),
                    Some(status) => status.add(&of_batch),
                },
                summary => last = Some(Outcome::new(outcome.exit, summary)),
            }
            if outcome.exit != Exit::Done && !self.writer.status {
                return Ok(Ending::new(outcome.exit, &totals));
            }
            let faults = if self.writer.finish { body.map_or(0, |body| body.faults()) } else { 0 };
            totals.faults = Some(totals.faults.unwrap_or(0) + faults).filter(|faults| *faults > 0);
        }
        drop(bar);
        if let Some(status) = status {
            let exit = if status.missing.is_empty() { Exit::Done } else { Exit::No };
            return self.writer.ending(&Outcome::new(exit, Summary::Status(status)), session);
        }
        match last.filter(|_| !written) {
            Some(outcome) => self.writer.ending(&outcome, session),
            None => Ok(Ending::new(Exit::Done, &totals)),
        }
    }
}

/// What a step of a store of trajectories reports.
fn summary_of(spec: &Trajectories, body: &Body, done: &Totals) -> EnsembleSummary {
    let mut written = GeneratedSummary::default();
    add(&mut written, done, body.arrays());
    EnsembleSummary {
        members: spec.initial.members(),
        steps: spec.steps,
        member_steps: spec.initial.members().saturating_mul(spec.steps),
        diverged: body.diverged.members,
        written: Some(written),
        ..EnsembleSummary::default()
    }
}
