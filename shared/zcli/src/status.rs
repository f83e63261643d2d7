//! Prose on standard error: failures, warnings, progress. Never a result.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use zwire::Exit;

use crate::failure::Failure;
use crate::flags::{Color, Common};

/// Nothing moves on the screen for work shorter than this.
const PATIENCE: Duration = Duration::from_millis(250);

/// Where prose goes.
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

    /// Shows a failure, and gives its exit code.
    pub fn failure(&self, failure: &Failure) -> Exit {
        self.write(&failure.to_string());
        if let Some(hint) = failure.advice() {
            self.line(&format!("hint: {hint}"));
        }
        failure.exit
    }

    /// Something the user should know, that is no failure.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            self.write(text);
        }
    }

    /// Something for whoever said `--verbose`.
    pub fn say(&self, text: &str) {
        if self.verbose {
            self.write(text);
        }
    }

    fn write(&self, text: &str) {
        self.line(&format!("{}: {text}", self.name));
    }

    fn line(&self, text: &str) {
        // Nothing can be done about a standard error that is closed.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// A progress bar over `total` bytes.
    pub fn bar(&self, total: u64) -> Bar {
        if !self.progress {
            return Bar(None);
        }
        let template = "{bar:30} {percent:>3}% {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style);
        Bar(Some((bar, std::time::Instant::now())))
    }
}

/// A progress bar, or nothing where none is wanted.
pub struct Bar(Option<(ProgressBar, std::time::Instant)>);

impl Bar {
    /// More is done.
    pub fn advance(&self, bytes: u64) {
        if let Some((bar, started)) = &self.0 {
            if started.elapsed() < PATIENCE {
                // Counted, not yet shown.
                bar.update(|state| state.set_pos(state.pos() + bytes));
            } else {
                bar.inc(bytes);
            }
        }
    }

    /// All is done: the bar goes away.
    pub fn finish(&self) {
        if let Some((bar, _)) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
