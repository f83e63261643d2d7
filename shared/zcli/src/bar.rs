//! The progress bar, drawn by a thread of its own: it appears even if the first item takes long, and workers only count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use zwire::{human_bytes, human_count};

use crate::screen::Screen;

/// No progress bar is shown for work shorter than this.
const DELAY: Duration = Duration::from_millis(250);

/// Time between two drawings.
const REPAINT: Duration = Duration::from_millis(100);

/// Work shorter than this has no meaningful rate.
const MEASURABLE: f64 = 0.01;

/// What a bar counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of data.
    Bytes,
    /// Rows of a table.
    Rows,
    /// Items with this plural, whose number says little of the time they take.
    Items(&'static str),
}

impl Unit {
    fn amount(self, count: u64) -> String {
        if self == Unit::Bytes { human_bytes(count) } else { human_count(count) }
    }

    fn noun(self) -> String {
        match self {
            Unit::Bytes => String::new(),
            Unit::Rows => " rows".into(),
            Unit::Items(noun) => format!(" {noun}"),
        }
    }

    /// Work for each second; `None` if that says nothing, if there was none, or for too short a time.
    pub fn rate(self, worked: u64, seconds: f64) -> Option<String> {
        let rate = worked as f64 / seconds;
        let tells = !matches!(self, Unit::Items(_));
        (tells && worked > 0 && seconds >= MEASURABLE && rate >= 1.0)
            .then(|| format!("{}{}/s", self.amount(rate as u64), self.noun()))
    }
}

/// A progress bar, shown only for long work.
pub struct Bar {
    counts: Arc<Counts>,
    painter: Option<(Sender<()>, JoinHandle<()>)>,
}

struct Counts {
    total: u64,
    unit: Unit,
    done: AtomicU64,
    /// What was done without work is not part of the rate.
    skipped: AtomicU64,
    /// Work of all bars of the run.
    worked: Arc<AtomicU64>,
    started: Instant,
}

impl Bar {
    /// A bar on `screen`; none is drawn without a screen.
    pub(crate) fn new(total: u64, unit: Unit, screen: Option<Screen>, worked: Arc<AtomicU64>) -> Bar {
        let (done, skipped) = (AtomicU64::new(0), AtomicU64::new(0));
        let counts = Arc::new(Counts { total, unit, done, skipped, worked, started: Instant::now() });
        let painter = screen.map(|screen| {
            let (end, ended) = channel();
            let counts = Arc::clone(&counts);
            (end, std::thread::spawn(move || paint(&counts, &screen, &ended)))
        });
        Bar { counts, painter }
    }

    /// Counts work that was done.
    pub fn advance(&self, amount: u64) {
        self.counts.done.fetch_add(amount, Ordering::Relaxed);
        self.counts.worked.fetch_add(amount, Ordering::Relaxed);
    }

    /// Counts work that an earlier run had done.
    pub fn skip(&self, amount: u64) {
        self.counts.done.fetch_add(amount, Ordering::Relaxed);
        self.counts.skipped.fetch_add(amount, Ordering::Relaxed);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((end, painter)) = self.painter.take() {
            drop(end);
            // A painter that panicked has been reported.
            let _ = painter.join();
        }
    }
}

impl Counts {
    /// What stands behind the bar.
    fn line(&self, seconds: f64) -> String {
        let Counts { total, unit, .. } = *self;
        let done = self.done.load(Ordering::Relaxed);
        let worked = done.saturating_sub(self.skipped.load(Ordering::Relaxed));
        let rate = unit.rate(worked, seconds).map_or_else(String::new, |rate| format!("  {rate}"));
        if total == 0 {
            return format!("{}{}{rate}", unit.amount(done), unit.noun());
        }
        let percent = (done as f64 / total as f64 * 100.0).min(100.0);
        let left = (total.saturating_sub(done)) as f64 / (worked as f64 / seconds);
        let left = if left.is_finite() && worked > 0 { format!("  {} left", duration(left)) } else { String::new() };
        format!("{percent:>3.0}%  {} of {}{}{rate}{left}", unit.amount(done), unit.amount(total), unit.noun())
    }
}

/// `12 s`, `3:05 min`, `5:20 h`.
fn duration(seconds: f64) -> String {
    let whole = seconds.min(1e9) as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3600, whole / 60 % 60),
    }
}

fn paint(counts: &Counts, screen: &Screen, ended: &Receiver<()>) {
    let is_over = |time| ended.recv_timeout(time) != Err(RecvTimeoutError::Timeout);
    if is_over(DELAY) {
        return;
    }
    let template = if counts.total == 0 { "{spinner} {msg}" } else { "{bar:24} {msg}" };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(counts.total), ProgressDrawTarget::stderr()).with_style(style);
    screen.set(Some(bar.clone()));
    loop {
        bar.set_position(counts.done.load(Ordering::Relaxed).min(counts.total.max(1)));
        bar.set_message(counts.line(counts.started.elapsed().as_secs_f64()));
        bar.tick();
        if is_over(REPAINT) {
            break;
        }
    }
    screen.set(None);
    bar.finish_and_clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(total: u64, unit: Unit) -> Bar {
        Bar::new(total, unit, None, Arc::default())
    }

    #[test]
    fn the_rate_counts_only_work() {
        let bar = bar(4 << 30, Unit::Bytes);
        bar.skip(3 << 30);
        assert_eq!(bar.counts.line(1.0), " 75%  3.00 GiB of 4.00 GiB");
        bar.advance(512 << 20);
        assert_eq!(bar.counts.line(2.0), " 88%  3.50 GiB of 4.00 GiB  256 MiB/s  2 s left");
        assert_eq!(bar.counts.worked.load(Ordering::Relaxed), 512 << 20);
    }

    #[test]
    fn items_are_counted_with_their_noun_and_without_a_total() {
        let bar = bar(0, Unit::Items("arrays"));
        bar.advance(3000);
        assert_eq!(bar.counts.line(2.0), "3 000 arrays");
        assert_eq!(Unit::Rows.rate(3000, 2.0).as_deref(), Some("1 500 rows/s"));
        assert_eq!(Unit::Bytes.rate(0, 1.0), None);
        assert_eq!(Unit::Bytes.rate(1 << 40, 0.001), None);
    }

    #[test]
    fn durations_are_short() {
        let shown = [5.4, 65.0, 3600.0 * 26.0].map(duration);
        assert_eq!(shown, ["5 s", "1:05 min", "26:00 h"]);
    }
}
