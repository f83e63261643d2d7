//! How many requests are in flight to one store, or to all stores of a run on one server: fewer when the server has too many of
//! them, and slowly more when it has not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The most requests in flight that one store is ever given, however far away it is.
pub const MOST_REQUESTS: usize = 256;

/// At the start.
const START: f64 = 64.0;
/// However overloaded the server is.
const LEAST: f64 = 16.0;
/// However well it answers.
const MOST: f64 = MOST_REQUESTS as f64;

/// What an answer costs a processor core, in seconds, and each byte of it: 100 KB are checked and written in 0.6 ms. More requests in
/// flight than the cores can do while one of them is under way only wait, and each holds its thread and its connection: some 200 KB.
const ANSWER_SECONDS: f64 = 200e-6;
const BYTE_SECONDS: f64 = 4.25e-9;

/// Bytes of an answer before there was any.
const TYPICAL: f64 = 100e3;

/// The share of one answer in the mean of their bytes.
const NEWEST: f64 = 1.0 / 32.0;

/// More for each answer until the server has refused one; from then on, one more for each round of answers.
const EAGER: f64 = 0.25;

/// The requests in flight.
#[derive(Debug)]
pub struct Window {
    state: Mutex<State>,
    freed: Notify,
    /// Stores that transfer many objects.
    transfers: AtomicUsize,
}

/// A store that transfers many objects: until it is dropped, it has its part of the window.
#[derive(Debug)]
pub struct Transfer(Arc<Window>);

#[derive(Debug)]
struct State {
    limit: f64,
    /// Whether the limit stays as it is.
    fixed: bool,
    /// Processor cores.
    cores: f64,
    /// The mean of the bytes of an answer.
    bytes: f64,
    in_flight: usize,
    /// When it was halved last.
    halved: Option<Instant>,
    /// The shortest time that a response took: the round trip, without the time in queues.
    round_trip: Duration,
}

/// One request in flight.
#[derive(Debug)]
pub struct Permit(Arc<Window>);

/// The requests in flight to each server, where the stores of a run share them: hundreds for each of many stores would be thousands.
#[derive(Debug, Default)]
pub struct Servers(Mutex<HashMap<String, Weak<Window>>>);

impl Servers {
    /// The window of all open stores of this server.
    pub(super) fn window(&self, server: &str, asked: Option<usize>) -> Arc<Window> {
        let mut windows = self.0.lock();
        if let Some(window) = windows.get(server).and_then(Weak::upgrade) {
            return window;
        }
        // What it has learned of a server is kept only while a store of it is open.
        windows.retain(|_, window| window.strong_count() > 0);
        let window = Window::new(asked);
        windows.insert(server.to_owned(), Arc::downgrade(&window));
        window
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.transfers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Window {
    /// As many requests as asked for, else as many as the server takes.
    pub fn new(asked: Option<usize>) -> Arc<Window> {
        Window::on(std::thread::available_parallelism().map_or(1, usize::from), asked)
    }

    /// As [`Window::new`], with so many processor cores.
    fn on(cores: usize, asked: Option<usize>) -> Arc<Window> {
        let limit = asked.map_or(START, |asked| asked.max(1) as f64);
        let (fixed, cores, bytes, round_trip) = (asked.is_some(), cores as f64, TYPICAL, Duration::MAX);
        let state = State { limit, fixed, cores, bytes, in_flight: 0, halved: None, round_trip };
        Arc::new(Window { state: Mutex::new(state), freed: Notify::new(), transfers: AtomicUsize::new(0) })
    }

    /// The number of requests that may be in flight now.
    fn limit(&self) -> usize {
        self.state.lock().limit as usize
    }

    /// As many of them as each store that transfers has.
    pub fn part(&self) -> usize {
        self.limit().div_ceil(self.transfers.load(Ordering::Relaxed).max(1))
    }

    /// A store begins to transfer many objects.
    pub fn transfer(self: &Arc<Self>) -> Transfer {
        self.transfers.fetch_add(1, Ordering::Relaxed);
        Transfer(Arc::clone(self))
    }

    /// Waits until there is room for a request.
    pub async fn enter(self: &Arc<Self>) -> Permit {
        loop {
            if self.take() {
                return Permit(Arc::clone(self));
            }
            self.freed.notified().await;
        }
    }

    fn take(&self) -> bool {
        let mut state = self.state.lock();
        let has_room = state.in_flight < state.limit as usize;
        state.in_flight += usize::from(has_room);
        // One notice may stand for several that left while nobody waited.
        if state.in_flight < state.limit as usize {
            self.freed.notify_one();
        }
        has_room
    }

    /// The server refused a request, sent at this time, because it has too many. Of those that were in flight together, one counts.
    pub fn refused(&self, sent: Instant) {
        let mut state = self.state.lock();
        if !state.fixed && state.halved.is_none_or(|halved| halved < sent) {
            state.limit = (state.limit / 2.0).max(LEAST);
            state.halved = Some(Instant::now());
        }
    }

    /// The server answered after this time; request and answer have so many bytes.
    pub fn answered(&self, after: Duration, bytes: u64) {
        let mut state = self.state.lock();
        state.round_trip = state.round_trip.min(after);
        state.bytes += (bytes as f64 - state.bytes) * NEWEST;
        let answers = state.cores / (ANSWER_SECONDS + state.bytes * BYTE_SECONDS);
        let useful = (state.round_trip.as_secs_f64() * answers).clamp(START, MOST);
        if !state.fixed && state.limit > useful + 1.0 {
            // The answers became larger, as where a store with large chunks begins.
            state.limit -= 1.0 / state.limit;
            return;
        }
        // Where there are fewer requests than allowed, nothing is learned about more of them.
        if state.fixed || state.in_flight + 1 < state.limit as usize {
            return;
        }
        let more = if state.halved.is_some() { 1.0 / state.limit } else { EAGER };
        if state.limit + more > useful {
            return;
        }
        state.limit += more;
        self.freed.notify_one();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state.lock().in_flight -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A round trip that needs as many requests as there may be.
    const FAR: Duration = Duration::from_millis(200);

    fn fill(window: &Arc<Window>) -> Vec<Permit> {
        std::iter::from_fn(|| window.take().then(|| Permit(Arc::clone(window)))).collect()
    }

    #[test]
    fn it_halves_once_for_requests_in_flight_together_and_grows_slowly() {
        let window = Window::new(None);
        let mut all = fill(&window);
        assert_eq!(all.len(), 64);
        let sent = Instant::now();
        std::thread::sleep(Duration::from_millis(1));
        (0..64).for_each(|_| window.refused(sent));
        assert_eq!(window.limit(), 32);
        assert!(!window.take(), "there are more in flight already");
        all.truncate(32);
        (0..31).for_each(|_| window.answered(FAR, 100_000));
        assert_eq!(window.limit(), 32);
        (0..3).for_each(|_| window.answered(FAR, 100_000));
        assert_eq!(window.limit(), 33);
        for _ in 0..9 {
            std::thread::sleep(Duration::from_millis(1));
            window.refused(Instant::now());
        }
        assert_eq!(window.limit(), 16);
    }

    #[test]
    fn it_grows_to_its_end_while_the_server_answers_and_is_asked_for_more() {
        let window = Window::new(None);
        (0..1000).for_each(|_| window.answered(FAR, 100_000));
        assert_eq!(window.limit(), 64, "nobody asks for more");
        let mut all = fill(&window);
        for _ in 0..2000 {
            window.answered(FAR, 100_000);
            all.extend(fill(&window));
        }
        assert_eq!((window.limit(), all.len()), (256, 256));
    }

    #[test]
    fn it_shrinks_where_the_answers_become_larger() {
        let window = Window::on(2, None);
        let mut all = fill(&window);
        let mut answer = |bytes| {
            for _ in 0..20_000 {
                window.answered(Duration::from_millis(20), bytes);
                all.extend(fill(&window));
            }
            window.limit()
        };
        assert_eq!([answer(1_000), answer(8_000_000), answer(1_000)], [195, 64, 195]);
    }

    #[test]
    fn it_grows_only_as_far_as_the_round_trip_needs() {
        let cases = [
            (1, 1, 100_000, 64),
            (1, 20, 100_000, 64),
            (1, 50, 100_000, 80),
            (1, 75, 100_000, 120),
            (1, 200, 100_000, 256),
            (2, 50, 100_000, 160),
            (96, 1, 100_000, 153),
            (2, 20, 25_000, 130),
            (2, 20, 1_000, 195),
            (2, 50, 8_000_000, 64),
        ];
        for (cores, round_trip, bytes, most) in cases {
            let window = Window::on(cores, None);
            let mut all = fill(&window);
            for number in 0..2000 {
                // Most answers have waited in a queue.
                let queued = if number % 10 == 0 { 0 } else { 500 };
                window.answered(Duration::from_millis(round_trip + queued), bytes);
                all.extend(fill(&window));
            }
            assert_eq!((window.limit(), all.len()), (most, most), "{round_trip} ms, {cores} cores, {bytes} bytes");
        }
    }

    #[test]
    fn stores_of_a_server_share_its_requests_while_they_transfer() {
        let servers = Servers::default();
        let [first, second, other] = ["a", "a", "b"].map(|server| servers.window(server, Some(30)));
        let taken = fill(&first);
        assert_eq!((taken.len(), fill(&second).len()), (30, 0), "one window for both");
        let transfer = first.transfer();
        assert_eq!([&first, &second, &other].map(|window| window.part()), [30, 30, 30], "only one transfers");
        let more = second.transfer();
        assert_eq!([&first, &second, &other].map(|window| window.part()), [15, 15, 30]);
        drop(transfer);
        assert_eq!(second.part(), 30);
        drop((first, second, taken, more));
        servers.window("c", None);
        assert_eq!(servers.0.lock().len(), 2, "a server without a store is forgotten");
    }

    #[test]
    fn a_number_that_is_asked_for_stays() {
        let window = Window::new(Some(3));
        let all = fill(&window);
        window.refused(Instant::now());
        (0..100).for_each(|_| window.answered(FAR, 100_000));
        assert_eq!((window.limit(), all.len()), (3, 3));
    }

    #[test]
    fn everybody_who_waits_gets_in() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let window = Window::new(Some(4));
            let tasks: Vec<_> = (0..200)
                .map(|_| {
                    let window = Arc::clone(&window);
                    tokio::spawn(async move {
                        let _permit = window.enter().await;
                        tokio::time::sleep(Duration::from_micros(50)).await;
                    })
                })
                .collect();
            for task in tasks {
                tokio::time::timeout(Duration::from_secs(20), task).await.expect("nobody is forgotten").expect("ends");
            }
            assert_eq!(window.state.lock().in_flight, 0);
        });
    }
}
