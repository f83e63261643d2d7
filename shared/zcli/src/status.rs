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

/// Failed items of one kind that a terminal shows.
const SHOWN: u64 = 3;

/// Counts failed items by kind: those with the same message but for its numbers.
#[derive(Default)]
struct Kinds(Vec<(String, u64)>);

impl Kinds {
    /// Counts one more of this kind; how many there are now.
    fn add(&mut self, message: &str) -> u64 {
        let kind = message.replace(|c: char| c.is_ascii_digit(), "");
        match self.0.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                self.0.push((kind, 1));
                1
            }
        }
    }

    /// How many were not shown.
    fn hidden(&self) -> u64 {
        self.0.iter().map(|(_, count)| count.saturating_sub(SHOWN)).sum()
    }
}

/// A warning about several stores.
struct Repeated {
    text: String,
    /// The first of them.
    first: String,
    others: u64,
}

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
    /// Warnings that wait until all stores have been looked at.
    repeated: Mutex<Vec<Repeated>>,
    /// On a terminal, where failed items of one kind are counted after the first.
    kinds: Option<Mutex<Kinds>>,
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
            repeated: Mutex::default(),
            kinds: (terminal && !common.verbose).then(Mutex::default),
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

    /// Prints the failure of an item. On a terminal, only the first failures of a kind are printed.
    pub fn item_failure(&self, failure: &Failure) {
        let before = self.kinds.as_ref().map_or(0, |kinds| kinds.lock().add(&failure.record().error));
        match before {
            0 | 1 => drop(self.failure(failure)),
            // The hint was the same.
            2..=SHOWN => self.write(&failure.to_string()),
            _ => {}
        }
    }

    /// Counts the failures that were not printed.
    pub(crate) fn count_hidden(&self) {
        let hidden = self.kinds.as_ref().map_or(0, |kinds| kinds.lock().hidden());
        if hidden > 0 {
            let errors = zwire::human_counted(hidden, "more error");
            self.write(&format!("{errors} of these kinds; -v shows all"));
        }
    }

    /// Prints a warning.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            self.write(text);
        }
    }

    /// Keeps a warning about a store, until [`Status::warn_kept`]: what is so in many stores is said once.
    pub fn warn_of(&self, store: &str, text: &str) {
        let mut repeated = self.repeated.lock();
        match repeated.iter_mut().find(|known| known.text == text) {
            Some(known) => known.others += u64::from(known.first != store),
            None => repeated.push(Repeated { text: text.to_owned(), first: store.to_owned(), others: 0 }),
        }
    }

    /// Prints the warnings that were kept, each with the number of stores.
    pub fn warn_kept(&self) {
        for Repeated { text, first, others } in std::mem::take(&mut *self.repeated.lock()) {
            let more = zwire::human_counted(others, "more store");
            let also = if others == 0 { String::new() } else { format!(" (and {more})") };
            self.warn(&format!("{first}{also}: {text}"));
        }
    }

    /// Prints a line for another program that reads messages, without the name of the tool.
    pub fn plain(&self, text: &str) {
        self.line(text);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_kind() {
        let mut kinds = Kinds::default();
        let counts: Vec<u64> = (0..5).map(|number| kinds.add(&format!("chunk {number}: checksum mismatch"))).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5]);
        assert_eq!(kinds.add("permission denied"), 1);
        assert_eq!(kinds.hidden(), 2);
    }
}
