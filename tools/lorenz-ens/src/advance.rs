//! Integrates in pieces, between which a signal ends it and the progress bar moves.

use std::time::Instant;

use zarray::Pool;
use zcli::{Session, Stop, Unit};
use zwire::Failure;

use crate::ensemble::{Ensemble, Method};
use crate::system::System;

/// Member-steps of a piece: a fraction of a second.
const PIECE: u64 = 100_000_000;

/// Fewer members take as long: lanes without a member are integrated as well.
const FEWEST: u64 = 32;

/// Steps of a piece of the integration of so many members.
pub fn piece(members: usize) -> u64 {
    (PIECE / FEWEST.max(members as u64)).max(1)
}

/// Integrates `members` members by `steps` steps: calls `advance` with the steps of each piece.
///
/// # Errors
/// A signal.
pub fn in_pieces(members: usize, steps: u64, stop: &Stop, mut advance: impl FnMut(u64)) -> Result<(), Failure> {
    let piece = piece(members);
    let mut left = steps;
    while left > 0 {
        check_stop(stop)?;
        let now = piece.min(left);
        advance(now);
        left -= now;
    }
    Ok(())
}

/// Ends what is done after a signal.
///
/// # Errors
/// A signal.
pub fn check_stop(stop: &Stop) -> Result<(), Failure> {
    stop.requested().map_or(Ok(()), |exit| Err(Failure::stopped(exit)))
}

/// How an ensemble is integrated.
#[derive(Clone, Copy)]
pub struct Integration<'a> {
    /// The system.
    pub system: &'a System,
    /// With which instructions, and on how many threads.
    pub method: Method,
    /// The threads.
    pub pool: &'a Pool,
    /// What ends it.
    pub stop: &'a Stop,
}

impl Integration<'_> {
    /// Integrates all members by `steps` steps.
    ///
    /// # Errors
    /// A signal.
    pub fn advance(&self, ensemble: &mut Ensemble, steps: u64) -> Result<(), Failure> {
        let Integration { system, method, pool, stop } = *self;
        in_pieces(ensemble.len(), steps, stop, |steps| ensemble.advance(system, steps, method, pool))
    }
}

/// Integrates `ensemble` by `steps` steps under a progress bar; `goes_on` looks at it after each piece, and may end it.
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
    let piece = piece(ensemble.len());
    let (started, mut done) = (Instant::now(), 0);
    while done < steps {
        check_stop(&session.stop)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_and_a_signal_ends_them() {
        let stop = Stop::never();
        for (members, steps, pieces) in [(0, 5, 1), (30, 5000, 1), (1_000_000, 450, 5), (usize::MAX, 2, 2)] {
            let mut seen = Vec::new();
            in_pieces(members, steps, &stop, |steps| seen.push(steps)).expect("no signal");
            assert_eq!((seen.len(), seen.iter().sum::<u64>()), (pieces, steps), "{members}");
        }
        let mut done = 0;
        let ended = in_pieces(1_000_000, u64::MAX, &stop, |_| {
            done += 1;
            stop.flag().store(15 + 128, std::sync::atomic::Ordering::Relaxed);
        });
        assert!(ended.is_err() && done == 1);
    }
}
