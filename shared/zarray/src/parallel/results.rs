//! The results of an ordered map, on their way to the calling thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How often a calling thread that waits for a result asks whether to stop.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// Results on their way to the calling thread.
pub(super) struct Results<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    over: AtomicBool,
}

struct State<T> {
    /// The number of the first result that is not delivered.
    first: u64,
    /// This result and the following ones that are available.
    results: VecDeque<Option<thread::Result<T>>>,
}

impl<T> Default for Results<T> {
    fn default() -> Results<T> {
        let state = State { first: 0, results: VecDeque::new() };
        Results { state: Mutex::new(state), ready: Condvar::new(), over: AtomicBool::new(false) }
    }
}

impl<T> Results<T> {
    /// Makes room for one more result, and returns its number.
    pub(super) fn begin(&self) -> u64 {
        let mut state = self.state.lock();
        state.results.push_back(None);
        state.first + state.results.len() as u64 - 1
    }

    /// On a worker: does the work, unless the run is over, and leaves its result.
    pub(super) fn put(&self, number: u64, work: impl FnOnce() -> T) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(work));
        let mut state = self.state.lock();
        let place = zcodec::to_usize(number - state.first);
        if let Some(slot) = state.results.get_mut(place) {
            *slot = Some(result);
        }
        if place == 0 {
            self.ready.notify_one();
        }
    }

    /// Whether the next result is there.
    pub(super) fn is_ready(&self) -> bool {
        self.state.lock().results.front().is_some_and(Option::is_some)
    }

    /// Waits for the next result; `None` after a stop.
    pub(super) fn wait(&self, stop: impl Fn() -> bool) -> Option<thread::Result<T>> {
        let mut state = self.state.lock();
        loop {
            if let Some(front @ Some(_)) = state.results.front_mut() {
                let result = front.take();
                state.results.pop_front();
                state.first += 1;
                return result;
            }
            if self.ready.wait_for(&mut state, LOOK_AROUND).timed_out() && stop() {
                return None;
            }
        }
    }

    /// Items that are not begun are not begun any more.
    pub(super) fn close(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
