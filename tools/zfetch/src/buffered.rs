//! The listener of one of several runs side by side: records are kept until it is the turn of the store, so that the output is in
//! the order of the stores.

use parking_lot::Mutex;
use zcli::Step;
use zstage::Progress;
use zwire::{Exit, Failure, Record};

/// A listener that keeps records and failed items, and passes on the rest.
pub struct Buffered<'a> {
    listener: &'a dyn Progress,
    /// Its work in the bar over all runs.
    step: Step,
    kept: Mutex<Vec<Item>>,
}

/// The records and failures of one run, in its order.
pub struct Kept(Vec<Item>);

enum Item {
    Record(Box<Record>),
    Failed(Failure),
}

impl<'a> Buffered<'a> {
    /// A listener of one run, which is a step of a bar.
    pub fn new(listener: &'a dyn Progress, step: Step) -> Buffered<'a> {
        Buffered { listener, step, kept: Mutex::default() }
    }

    /// What was kept.
    pub fn kept(self) -> Kept {
        Kept(self.kept.into_inner())
    }
}

impl Kept {
    /// Emits them.
    ///
    /// # Errors
    /// As [`Progress::emit`].
    pub fn emit(self, progress: &dyn Progress) -> Result<(), Failure> {
        self.0.into_iter().try_for_each(|item| match item {
            Item::Record(record) => progress.emit(&record),
            Item::Failed(failure) => progress.item_failed(&failure),
        })
    }
}

impl Progress for Buffered<'_> {
    fn start(&self, bytes: u64) {
        self.step.begin(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.step.advance(bytes);
    }

    fn skip(&self, bytes: u64) {
        self.step.skip(bytes);
    }

    fn finish(&self) {}

    fn phase(&self, name: &'static str, seconds: f64) {
        self.listener.phase(name, seconds);
    }

    fn warn(&self, text: &str) {
        self.listener.warn(text);
    }

    /// The record of the store says so.
    fn already_complete(&self, _: &str) {}

    fn item_failed(&self, failure: &Failure) -> Result<(), Failure> {
        self.kept.lock().push(Item::Failed(failure.clone()));
        Ok(())
    }

    fn emit(&self, record: &Record) -> Result<(), Failure> {
        self.kept.lock().push(Item::Record(Box::new(record.clone())));
        Ok(())
    }

    fn stopped(&self) -> Option<Exit> {
        self.listener.stopped()
    }

    /// Other stores may still be under way.
    fn too_late(&self) {}
}
