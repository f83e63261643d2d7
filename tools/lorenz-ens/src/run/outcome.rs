//! What every run reports of its ensemble.

use zcli::Session;
use zwire::{EnsembleSummary, Failure, Record};

use crate::divergence::Divergence;
use crate::options::{EnsembleOptions, Options};

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

/// Emits the members that diverged.
pub fn emit(diverged: &Divergence, options: &Options, session: &mut Session) -> Result<(), Failure> {
    for record in diverged.records(options.ensemble.system.dt) {
        session.out.emit(&Record::Diverged(record))?;
    }
    if let Some(text) = diverged.text().filter(|_| !options.stops) {
        session.status.warn(&text);
    }
    Ok(())
}
