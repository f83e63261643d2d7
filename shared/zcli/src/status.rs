//! Messages on stderr: errors, warnings, progress; never results.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use zwire::{Exit, redact};

use crate::flags::{Color, Common};
use zwire::Failure;

/// No progress bar is shown for work shorter than this.
const BAR_DELAY: Duration = Duration::from_millis(250);

/// Prints messages.
pub struct Status {
    name: String,
    quiet: bool,
    verbose: bool,
    progress: bool,
}

impl Status {
    pub(crate) fn new(name: &str, common: &Common) -> Status {
        let terminal = io::stderr().is_terminal();
        let progress = match common.progress {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !common.quiet,
        };
        Status { name: name.to_owned(), quiet: common.quiet, verbose: common.verbose, progress }
    }

    /// Prints a failure, and returns its exit code.
    pub fn failure(&self, failure: &Failure) -> Exit {
        self.write(&failure.to_string());
        if let Some(hint) = failure.advice() {
            self.line(&format!("hint: {hint}"));
        }
        failure.exit
    }

    /// Prints a warning.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            self.write(text);
        }
    }

    /// Prints a detail, with `--verbose`.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.write(text);
        }
    }

    fn write(&self, text: &str) {
        self.line(&format!("{}: {text}", self.name));
    }

    fn line(&self, text: &str) {
        // If stderr is closed, the message is lost.
        let _ = writeln!(io::stderr(), "{}", redact(text));
    }

    /// A progress bar over `total` bytes.
    pub fn bar(&self, total: u64) -> Bar {
        let done = AtomicU64::new(0);
        Bar { wanted: self.progress, started: Instant::now(), total, done, shown: OnceLock::new() }
    }
}

/// A progress bar, shown only for long work.
pub struct Bar {
    wanted: bool,
    started: Instant,
    total: u64,
    done: AtomicU64,
    shown: OnceLock<ProgressBar>,
}

impl Bar {
    /// Advances the bar.
    pub fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.wanted && self.started.elapsed() >= BAR_DELAY {
            self.shown.get_or_init(|| self.draw()).set_position(done);
        }
    }

    fn draw(&self) -> ProgressBar {
        let template = "{bar:30} {percent:>3}% {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let elapsed = self.started.elapsed();
        ProgressBar::with_draw_target(Some(self.total), ProgressDrawTarget::stderr())
            .with_style(style)
            .with_elapsed(elapsed)
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = self.shown.get() {
            bar.finish_and_clear();
        }
    }
}
