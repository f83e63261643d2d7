//! Writes all trajectories as a store.

use zarray::Pool;
use zcli::{Ending, Session};
use zstage::{Command, Outcome, Summary, WriteOptions};
use zstore::{Location, Target};
use zwire::{Exit, Failure, GeneratedSummary};

use super::outcome::{emit, totals};
use super::report::Report;
use crate::advance::advance;
use crate::cli::Args;
use crate::divergence::{Divergence, has_diverged};
use crate::options::{EnsembleOptions, Options};
use crate::output::{Body, Content, Output, SOURCE};
use crate::prepared::check_output;

impl Args {
    /// Writes all trajectories.
    pub(super) fn store(&self, report: &Report, target: &Target, session: &mut Session) -> Result<Ending, Failure> {
        let options = report.options;
        let spec = options.trajectories()?;
        let memory = options.write.memory_bytes;
        let left = spec.chunks_memory(memory)?;
        let location = Location::output(target)?;
        let mut body = Body {
            content: Content::Trajectories(spec),
            zarr_format: options.zarr_format,
            codec: options.codec.clone(),
            diverged: Divergence::default(),
        };
        if !options.write.dry_run {
            body.diverged = match check_output(&location, &body, &options.write)? {
                Some(planned) => planned.diverged,
                None => look_ahead(options, session)?,
            };
        }
        if let Some(failure) = body.diverged.failure().filter(|_| options.stops) {
            emit(&body.diverged, options, session)?;
            return Err(failure);
        }
        let output = Output::new(Some(body), options.lanes(), memory, &session.stop, options.verbose);
        let command = Command::Run { sources: vec![Target::from(SOURCE)], output: location };
        let write = WriteOptions { memory_bytes: left, ..options.write.clone() };
        let outcome = zstage::run(&output, &command, &write, &session.listener())?;
        let divergence = output.divergence();
        emit(&divergence, options, session)?;
        let is_complete =
            matches!(&outcome.summary, Summary::Totals(_) | Summary::Complete { .. } | Summary::Nothing {});
        if is_complete && outcome.exit == Exit::Done {
            // The store is published, but the picture may take long.
            session.stop.begin();
            report.plot(session, Vec::new())?;
        }
        self.ending(options, &divergence, outcome, session)
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

/// Integrates the ensemble to its end before it is written, which costs far less than writing, to see which members diverge.
fn look_ahead(options: &Options, session: &Session) -> Result<Divergence, Failure> {
    let EnsembleOptions { system, steps, initial } = &options.ensemble;
    let pool = Pool::new(options.write.jobs);
    let initial = initial.ensemble(initial.bytes(2), options.write.memory_bytes)?;
    let mut last = initial.clone();
    let goes_on = |now: &_| !(options.stops && has_diverged(now));
    advance(&mut last, system, *steps, options.method(), &pool, session, goes_on)?;
    Divergence::find(system, &initial, &last, &session.stop)
}
