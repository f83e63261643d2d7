//! The progress bar, drawn by a thread of its own: it appears even if the first item takes long, and workers only count.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use unicode_width::UnicodeWidthStr;
use zwire::{human_bytes, human_count};

use crate::screen::{Screen, terminal_width};

/// No progress bar is shown for work shorter than this.
const DELAY: Duration = Duration::from_millis(250);

/// Time between two drawings.
const REPAINT: Duration = Duration::from_millis(100);

/// Columns of a drawn bar, if the terminal is wide enough, and the fewest.
const WIDEST: usize = 24;
const NARROWEST: usize = 4;

/// The length of a drawn bar, in the units that its position has.
const PER_MILLE: u64 = 1000;

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
    total: AtomicU64,
    unit: Unit,
    done: AtomicU64,
    /// What was done without work is not part of the rate.
    skipped: AtomicU64,
    steps: Option<Steps>,
    /// Work of all bars of the run.
    worked: Arc<AtomicU64>,
    started: Instant,
}

/// The steps of a run over many stores.
struct Steps {
    number: u64,
    plural: &'static str,
    finished: AtomicU64,
    /// Steps that needed no work.
    without_work: AtomicU64,
    /// Those under way.
    running: Mutex<Vec<Arc<Work>>>,
}

/// The work of a step, which is known when it begins.
#[derive(Default)]
struct Work {
    total: AtomicU64,
    done: AtomicU64,
}

/// One step of a bar, until it is dropped. Several may be under way at the same time.
pub struct Step {
    counts: Arc<Counts>,
    work: Arc<Work>,
}

impl Step {
    /// Begins its work.
    pub fn begin(&self, total: u64) {
        self.work.total.store(total, Ordering::Relaxed);
    }

    /// Counts work that was done.
    pub fn advance(&self, amount: u64) {
        self.work.done.fetch_add(amount, Ordering::Relaxed);
        self.counts.advance(amount);
    }

    /// Counts work that an earlier run had done.
    pub fn skip(&self, amount: u64) {
        self.work.done.fetch_add(amount, Ordering::Relaxed);
        self.counts.skip(amount);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        let Some(steps) = &self.counts.steps else { return };
        let had_work = self.work.total.load(Ordering::Relaxed) > 0;
        steps.running.lock().retain(|work| !Arc::ptr_eq(work, &self.work));
        steps.without_work.fetch_add(u64::from(!had_work), Ordering::Relaxed);
        steps.finished.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bar {
    /// A bar on `screen`; none is drawn without a screen.
    pub(crate) fn new(total: u64, unit: Unit, screen: Option<Screen>, worked: Arc<AtomicU64>) -> Bar {
        Bar::with(total, unit, None, screen, worked)
    }

    /// A bar over so many steps, such as stores, on `screen`.
    pub(crate) fn of_steps(
        number: u64,
        plural: &'static str,
        unit: Unit,
        screen: Option<Screen>,
        worked: Arc<AtomicU64>,
    ) -> Bar {
        let zero = AtomicU64::default;
        let steps = Steps { number, plural, finished: zero(), without_work: zero(), running: Mutex::default() };
        Bar::with(0, unit, Some(steps), screen, worked)
    }

    fn with(total: u64, unit: Unit, steps: Option<Steps>, screen: Option<Screen>, worked: Arc<AtomicU64>) -> Bar {
        let (total, done, skipped) = (AtomicU64::new(total), AtomicU64::new(0), AtomicU64::new(0));
        let counts = Arc::new(Counts { total, unit, done, skipped, steps, worked, started: Instant::now() });
        let painter = screen.map(|screen| {
            let (end, ended) = channel();
            let counts = Arc::clone(&counts);
            (end, std::thread::spawn(move || paint(&counts, &screen, &ended)))
        });
        Bar { counts, painter }
    }

    /// One more step begins; it ends when it is dropped.
    pub fn step(&self) -> Step {
        let work = Arc::<Work>::default();
        self.counts.steps.iter().for_each(|steps| steps.running.lock().push(Arc::clone(&work)));
        Step { counts: Arc::clone(&self.counts), work }
    }

    /// Counts work that was done.
    pub fn advance(&self, amount: u64) {
        self.counts.advance(amount);
    }

    /// Counts work that an earlier run had done.
    pub fn skip(&self, amount: u64) {
        self.counts.skip(amount);
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
    fn advance(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
        self.worked.fetch_add(amount, Ordering::Relaxed);
    }

    fn skip(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
        self.skipped.fetch_add(amount, Ordering::Relaxed);
    }

    /// The share of all work that is done, from 0 to 1.
    fn share(&self) -> f64 {
        let share = |total: &AtomicU64, done: &AtomicU64| match total.load(Ordering::Relaxed) {
            0 => 0.0,
            total => (done.load(Ordering::Relaxed) as f64 / total as f64).min(1.0),
        };
        match &self.steps {
            None => share(&self.total, &self.done),
            Some(steps) => {
                let current: f64 = steps.running.lock().iter().map(|work| share(&work.total, &work.done)).sum();
                let finished = steps.finished.load(Ordering::Relaxed) as f64;
                ((finished + current) / steps.number.max(1) as f64).min(1.0)
            }
        }
    }

    /// What stands behind the bar.
    fn line(&self, seconds: f64) -> String {
        let (total, unit) = (self.total.load(Ordering::Relaxed), self.unit);
        let done = self.done.load(Ordering::Relaxed);
        let worked = done.saturating_sub(self.skipped.load(Ordering::Relaxed));
        let rate = unit.rate(worked, seconds).map_or_else(String::new, |rate| format!("  {rate}"));
        if let Some(steps) = &self.steps {
            let (finished, share) = (steps.finished.load(Ordering::Relaxed), self.share());
            let without_work = steps.without_work.load(Ordering::Relaxed) as f64 / steps.number.max(1) as f64;
            let left = time_left((1.0 - share) * seconds / (share - without_work).max(0.0));
            let (percent, finished, number) = (share * 100.0, human_count(finished), human_count(steps.number));
            return format!(
                "{percent:>3.0}%  {finished} of {number} {}, {}{rate}{left}",
                steps.plural,
                unit.amount(done)
            );
        }
        if total == 0 {
            return format!("{}{}{rate}", unit.amount(done), unit.noun());
        }
        let percent = self.share() * 100.0;
        let left = time_left((total.saturating_sub(done)) as f64 / (worked as f64 / seconds));
        format!("{percent:>3.0}%  {} of {}{}{rate}{left}", unit.amount(done), unit.amount(total), unit.noun())
    }
}

/// What stands at the end of a bar; nothing if the time is not known.
fn time_left(seconds: f64) -> String {
    if seconds.is_finite() { format!("  {} left", duration(seconds)) } else { String::new() }
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

/// The bar before a line, as wide as fits the terminal.
fn template(line: &str, terminal: usize) -> String {
    // The cursor stays behind the last letter.
    let room = terminal.saturating_sub(line.width() + 2);
    match room.min(WIDEST) {
        NARROWEST.. => format!("{{bar:{}}} {{wide_msg}}", room.min(WIDEST)),
        _ => "{wide_msg}".into(),
    }
}

fn paint(counts: &Counts, screen: &Screen, ended: &Receiver<()>) {
    let is_over = |time| ended.recv_timeout(time) != Err(RecvTimeoutError::Timeout);
    if is_over(DELAY) {
        return;
    }
    let unknown = counts.steps.is_none() && counts.total.load(Ordering::Relaxed) == 0;
    let bar = ProgressBar::with_draw_target(Some(PER_MILLE), ProgressDrawTarget::stderr());
    screen.set(Some(bar.clone()));
    loop {
        let line = counts.line(counts.started.elapsed().as_secs_f64());
        let template =
            if unknown { "{spinner} {wide_msg}".into() } else { template(&line, terminal_width(io::stderr())) };
        bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_position((counts.share() * PER_MILLE as f64) as u64);
        bar.set_message(line);
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
    fn a_run_over_many_stores_has_one_bar() {
        let bar = Bar::of_steps(4, "stores", Unit::Bytes, None, Arc::default());
        assert_eq!(bar.counts.line(1.0), "  0%  0 of 4 stores, 0 B");
        drop(bar.step());
        assert_eq!(
            bar.counts.line(1.0),
            " 25%  1 of 4 stores, 0 B",
            "a store without work says nothing of the time left"
        );
        let step = bar.step();
        step.begin(1 << 30);
        step.advance(512 << 20);
        assert_eq!(bar.counts.line(2.0), " 38%  1 of 4 stores, 512 MiB  256 MiB/s  10 s left");
        step.advance(512 << 20);
        drop(step);
        let both = [bar.step(), bar.step()];
        both[0].begin(3 << 30);
        assert_eq!(bar.counts.line(4.0), " 50%  2 of 4 stores, 1.00 GiB  256 MiB/s  8 s left");
        both[1].begin(1 << 30);
        both[1].skip(512 << 20);
        assert_eq!(bar.counts.line(4.0), " 62%  2 of 4 stores, 1.50 GiB  256 MiB/s  4 s left");
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
    fn a_bar_fits_the_terminal_with_its_line() {
        let bar = Bar::of_steps(4400, "stores", Unit::Bytes, None, Arc::default());
        let step = bar.step();
        step.begin(1 << 40);
        step.advance(513 << 30);
        let line = bar.counts.line(86_000.0);
        for (terminal, columns) in [(200, 24), (80, 80 - 2 - line.width()), (60, 0)] {
            let template = template(&line, terminal);
            let expected =
                if columns == 0 { "{wide_msg}".to_owned() } else { format!("{{bar:{columns}}} {{wide_msg}}") };
            assert_eq!(template, expected, "{line}");
        }
    }

    #[test]
    fn durations_are_short() {
        let shown = [5.4, 65.0, 3600.0 * 26.0].map(duration);
        assert_eq!(shown, ["5 s", "1:05 min", "26:00 h"]);
    }
}
