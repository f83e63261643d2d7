//! Messages on stderr: errors, warnings, progress; never results.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use zwire::{Exit, Failure, redact};

use crate::bar::{Bar, Unit};
use crate::flags::{Color, Common};
use crate::screen::Screen;

/// Prints messages.
pub struct Status {
    name: String,
    quiet: bool,
    verbose: bool,
    progress: bool,
    screen: Screen,
    started: Instant,
    /// Work done by all bars, and its unit.
    worked: Arc<AtomicU64>,
    unit: Mutex<Option<Unit>>,
}

impl Status {
    pub(crate) fn new(name: &str, common: &Common, started: Instant) -> Status {
        let terminal = io::stderr().is_terminal();
        let progress = match common.progress {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !common.quiet,
        };
        Status {
            name: name.to_owned(),
            quiet: common.quiet,
            verbose: common.verbose,
            progress,
            screen: Screen::default(),
            started,
            worked: Arc::default(),
            unit: Mutex::default(),
        }
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

    /// Whether details are printed.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    fn write(&self, text: &str) {
        self.line(&format!("{}: {text}", self.name));
    }

    fn line(&self, text: &str) {
        // If stderr is closed, the message is lost.
        let _ = self.screen.print(|| writeln!(io::stderr(), "{}", redact(text)));
    }

    /// The terminal, for those who write to it, too.
    pub(crate) fn screen(&self) -> Screen {
        self.screen.clone()
    }

    /// A progress bar over `total` units of work; 0 if it is not known how many there are.
    pub fn bar(&self, total: u64, unit: Unit) -> Bar {
        *self.unit.lock() = Some(unit);
        Bar::new(total, unit, self.progress.then(|| self.screen.clone()), Arc::clone(&self.worked))
    }

    /// A progress bar over so many steps, such as stores, whose work is known when each begins.
    pub fn bar_of_steps(&self, number: u64, plural: &'static str, unit: Unit) -> Bar {
        *self.unit.lock() = Some(unit);
        Bar::of_steps(number, plural, unit, self.progress.then(|| self.screen.clone()), Arc::clone(&self.worked))
    }

    /// Elapsed time and throughput: `12.3 s, 512 MiB/s`.
    pub(crate) fn elapsed(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = self.unit.lock().and_then(|unit| unit.rate(self.worked.load(Ordering::Relaxed), seconds));
        rate.map_or_else(|| format!("{seconds:.2} s"), |rate| format!("{seconds:.2} s, {rate}"))
    }
}
