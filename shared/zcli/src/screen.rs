//! The terminal, shared by messages, results and the progress bar.

use std::os::fd::AsFd;
use std::sync::Arc;

use indicatif::ProgressBar;
use parking_lot::Mutex;

/// Columns of the terminal behind a stream; 80 where it does not say.
pub fn terminal_width(stream: impl AsFd) -> usize {
    let size = rustix::termios::tcgetwinsize(stream).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(80)
}

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
