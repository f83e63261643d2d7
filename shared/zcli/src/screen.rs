//! The terminal, shared by messages, results and the progress bar.

use std::sync::Arc;

use indicatif::ProgressBar;
use parking_lot::Mutex;

/// The terminal. The bar is hidden while others write, so that none is written over another.
#[derive(Clone, Default)]
pub struct Screen(Arc<Mutex<Option<ProgressBar>>>);

impl Screen {
    /// Writes to the terminal while the bar is hidden.
    pub fn print<T>(&self, write: impl FnOnce() -> T) -> T {
        match &*self.0.lock() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Shows this bar from now on.
    pub fn set(&self, bar: Option<ProgressBar>) {
        *self.0.lock() = bar;
    }
}
