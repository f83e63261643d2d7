//! Integrates a whole ensemble, in pieces, between which a signal ends it and the progress bar moves.

use std::time::Instant;

use zarray::Pool;
use zcli::{Session, Unit};
use zwire::Failure;

use crate::ensemble::{Ensemble, Method};
use crate::system::System;

/// Member-steps of a piece: a fraction of a second.
const PIECE: u64 = 200_000_000;

/// Integrates `ensemble` by `steps` steps; `goes_on` looks at it after each piece, and may end it.
///
/// # Errors
/// A signal.
pub fn advance(
    ensemble: &mut Ensemble,
    system: &System,
    steps: u64,
    method: Method,
    pool: &Pool,
    session: &Session,
    mut goes_on: impl FnMut(&Ensemble) -> bool,
) -> Result<(), Failure> {
    let members = ensemble.len() as u64;
    let bar = session.status.bar(steps.saturating_mul(members), Unit::Items("member-steps"));
    let piece = (PIECE / members.max(1)).max(1);
    let (started, mut done) = (Instant::now(), 0);
    while done < steps {
        if let Some(exit) = session.stop.requested() {
            return Err(Failure::stopped(exit));
        }
        let now = piece.min(steps - done);
        ensemble.advance(system, now, method, pool);
        done += now;
        bar.advance(now.saturating_mul(members));
        if !goes_on(ensemble) {
            break;
        }
    }
    session.phases.add("integrate", started.elapsed().as_secs_f64());
    Ok(())
}
