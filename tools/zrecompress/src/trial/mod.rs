//! `--trial` and `--auto`: compressors are tried on the user's own chunks, in memory, instead of guessed.
//!
//! The way of an array: [`sample`] decodes a few chunks, [`grid`] says what to try, [`measure`] measures it, [`choose`] finds
//! the front and the best, [`rounds`] does that in two rounds, [`chooser`] for all arrays, [`report`] makes records of it;
//! [`order`] is where the tool comes in.

mod choose;
mod chooser;
mod flags;
mod grid;
pub mod human;
mod measure;
mod order;
mod report;
mod rounds;
mod sample;
#[cfg(test)]
mod tests;

use serde_json::Map;
use zarray::Array;
use zcli::{Ending, Session};
use zstore::Store;
use zwire::{Exit, Failure, Record, round3};

use chooser::{Choice, Chooser};
use report::Route;
use rounds::Trial;

pub use flags::TrialFlags;
pub use order::{choose, try_out};

/// Tries compressors on each of `arrays`, and tells of them; nothing is written. An array that cannot be tried is an error
/// record.
///
/// # Errors
/// An output that fails.
fn run_trial<'a>(
    trial: Trial,
    share: bool,
    route: Route,
    store: &Store,
    arrays: impl Iterator<Item = &'a Array>,
    session: &mut Session,
) -> Result<Ending, Failure> {
    let mut chooser = Chooser::new(trial, store, route, share);
    let mut totals = Totals::default();
    for array in arrays {
        if session.stop.requested().is_some() {
            break;
        }
        match chooser.choose(array, &session.stop) {
            Ok(choice) => totals.tell(choice, session)?,
            // The chassis says so.
            Err(_) if session.stop.requested().is_some() => break,
            Err(failure) => {
                totals.failed.get_or_insert(failure.exit);
                session.item_failed(&failure)?;
            }
        }
    }
    Ok(totals.ending())
}

/// What the summary says.
#[derive(Default)]
struct Totals {
    arrays: u64,
    trials: u64,
    /// What the first failure alone would give.
    failed: Option<Exit>,
    /// Of the arrays that were tried.
    predicted_bytes: u64,
    predicted_seconds: f64,
}

impl Totals {
    fn tell(&mut self, choice: Choice, session: &mut Session) -> Result<(), Failure> {
        self.arrays += 1;
        self.trials += choice.trials.len() as u64;
        self.predicted_bytes = self.predicted_bytes.saturating_add(choice.record.predicted_bytes.unwrap_or(0));
        self.predicted_seconds += choice.record.predicted_seconds.unwrap_or(0.0);
        for trial in choice.trials {
            session.out.emit(&Record::Trial(Box::new(trial)))?;
        }
        session.out.emit(&Record::Choice(Box::new(choice.record)))
    }

    fn ending(self) -> Ending {
        let mut totals = Map::new();
        totals.insert("arrays".into(), self.arrays.into());
        totals.insert("trials".into(), self.trials.into());
        totals.insert("predicted_bytes".into(), self.predicted_bytes.into());
        totals.insert("predicted_seconds".into(), round3(self.predicted_seconds).into());
        let exit = match self.failed {
            None => Exit::Done,
            Some(exit) if self.arrays == 0 => exit,
            Some(_) => Exit::Partial,
        };
        Ending { exit, totals }
    }
}
