//! Writes all trajectories as a store, or does a step of one that was prepared.

use zarray::Pool;
use zcli::{Ending, Session};
use zstage::{Command, Outcome, Summary};
use zstore::{Location, Target};
use zwire::{EnsembleSummary, Exit, Failure, GeneratedSummary, Record};

use crate::advance::advance;
use crate::cli::Args;
use crate::divergence::{Divergence, has_diverged};
use crate::ensemble::Ensemble;
use crate::options::{EnsembleOptions, Options};
use crate::output::{Body, Content, Output, SOURCE};

impl Args {
    /// Writes all trajectories.
    pub(super) fn store(&self, options: &Options, target: &Target, session: &mut Session) -> Result<Ending, Failure> {
        let spec = options.trajectories()?;
        let initial = spec.initial.ensemble(options.write.memory_bytes)?;
        let diverged =
            if options.write.dry_run { Divergence::default() } else { look_ahead(options, &initial, session)? };
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
    pub(super) fn step(&self, target: &Target, session: &mut Session) -> Result<Ending, Failure> {
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
        Ok(match self.writer.part()? {
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

/// What every summary says of the ensemble.
pub fn totals(options: &Options, diverged: &Divergence) -> EnsembleSummary {
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
pub fn report(diverged: &Divergence, options: &Options, session: &mut Session) -> Result<(), Failure> {
    for record in diverged.records(options.ensemble.system.dt) {
        session.out.emit(&Record::Diverged(record))?;
    }
    if let Some(text) = diverged.text().filter(|_| !options.stops) {
        session.status.warn(&text);
    }
    Ok(())
}
