//! What a writer tells while it works. The command line implements it; tests do, too.

use zwire::{Exit, Failure, Record};

/// The listener of a run. Workers call it from several threads at once.
pub trait Progress: Sync {
    /// Work over `bytes` decoded bytes begins.
    fn start(&self, bytes: u64);

    /// Work over so many items begins, of which each counts as one.
    fn start_items(&self, _total: u64, _plural: &'static str) {}

    /// More of it is done.
    fn advance(&self, bytes: u64);

    /// More of it was done by an earlier run.
    fn skip(&self, bytes: u64);

    /// All of it is done, or the run has ended.
    fn finish(&self);

    /// Seconds of one worker in a phase (`read`, `decode`, …).
    fn phase(&self, name: &'static str, seconds: f64);

    /// Something the user should know that is no failure.
    fn warn(&self, text: &str);

    /// An output that an earlier run has published: there is nothing to do.
    fn already_complete(&self, text: &str) {
        self.warn(text);
    }

    /// An item that failed; the run goes on.
    ///
    /// # Errors
    /// [`Exit::Output`] where the stream of records cannot be written.
    fn item_failed(&self, failure: &Failure) -> Result<(), Failure>;

    /// A result.
    ///
    /// # Errors
    /// As [`Progress::item_failed`].
    fn emit(&self, record: &Record) -> Result<(), Failure>;

    /// The exit code of the signal that asked the run to stop, if one did.
    fn stopped(&self) -> Option<Exit>;

    /// The output is published: a signal that comes now stops nothing.
    fn too_late(&self);
}

/// A listener that drops everything: for tests, and for runs that nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn skip(&self, _: u64) {}
    fn finish(&self) {}
    fn phase(&self, _: &'static str, _: f64) {}
    fn warn(&self, _: &str) {}
    fn item_failed(&self, _: &Failure) -> Result<(), Failure> {
        Ok(())
    }
    fn emit(&self, _: &Record) -> Result<(), Failure> {
        Ok(())
    }
    fn stopped(&self) -> Option<Exit> {
        None
    }
    fn too_late(&self) {}
}
