//! The ordered map: items stream through the workers of a pool, and their results come out in the order of the items, on the
//! calling thread.
//!
//! The calling thread takes items only as there is room for their results, so any number of them flows through while no more
//! than a window is held. It alone takes items and permits for memory, in order: a later result can never hold what an earlier
//! one waits for.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::pool::Pool;
use super::semaphore::{Permit, Semaphore};

/// How often a calling thread that waits for a result asks whether to stop.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// A streaming, bounded, ordered map over the workers of a pool.
///
/// ```
/// # use zarray::{OrderedMap, Pool};
/// let (pool, mut squares) = (Pool::new(4), Vec::new());
/// let done: Result<(), ()> = OrderedMap::new(&pool, 16).run(0..1000u64, |n| n * n, |square| Ok(squares.push(square)));
/// assert!(done.is_ok() && squares.is_sorted());
/// ```
pub struct OrderedMap<'a, I> {
    pool: &'a Pool,
    window: usize,
    stop: Option<&'a dyn Fn() -> bool>,
    memory: Option<Memory<'a, I>>,
}

/// Memory, and how much of it an item holds.
type Memory<'a, I> = (&'a Semaphore, &'a dyn Fn(&I) -> u64);

impl<'a, I> OrderedMap<'a, I> {
    /// A map over the workers of `pool`. Of no more than `window` items (at least one) is the work begun and the result not yet
    /// delivered.
    pub fn new(pool: &'a Pool, window: usize) -> OrderedMap<'a, I> {
        OrderedMap { pool, window: window.max(1), stop: None, memory: None }
    }

    /// Ends the run early once `stop` returns true. Work under way is waited for; its results are dropped.
    pub fn stop(self, stop: &'a dyn Fn() -> bool) -> Self {
        OrderedMap { stop: Some(stop), ..self }
    }

    /// Each item holds `cost` of `memory` from before its work begins until its result is delivered.
    pub fn memory(self, memory: &'a Semaphore, cost: &'a dyn Fn(&I) -> u64) -> Self {
        OrderedMap { memory: Some((memory, cost)), ..self }
    }

    /// `work` on every item, on the workers; `deliver` takes the results in the order of the items, on the calling thread. With a
    /// single worker, or on a worker of the pool itself, all runs on the calling thread.
    ///
    /// # Errors
    /// The first error of `deliver`, which ends the run. A stop is not an error.
    ///
    /// # Panics
    /// With the panic of `work`, when it is that result's turn.
    pub fn run<T: Send, E>(
        &self,
        items: impl IntoIterator<Item = I>,
        work: impl Fn(I) -> T + Sync,
        deliver: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E>
    where
        I: Send,
    {
        match self.pool.is_caller() {
            true => self.run_alone(items, work, deliver),
            false => self.run_on_workers(items.into_iter(), &work, deliver),
        }
    }

    /// As [`OrderedMap::run`], where `read` waits for a store on every worker, and `decode` uses the CPU, on as many of
    /// them as `processors` has permits.
    ///
    /// # Errors
    /// As [`OrderedMap::run`].
    pub fn run_in_two<R, T: Send, E>(
        &self,
        items: impl IntoIterator<Item = I>,
        read: impl Fn(I) -> R + Sync,
        processors: &Semaphore,
        decode: impl Fn(R) -> T + Sync,
        deliver: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E>
    where
        I: Send,
    {
        let work = |item| {
            let read = read(item);
            let _turn = processors.acquire(1);
            decode(read)
        };
        self.run(items, work, deliver)
    }

    fn run_alone<T, E>(
        &self,
        items: impl IntoIterator<Item = I>,
        work: impl Fn(I) -> T,
        mut deliver: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        for item in items {
            if self.is_stopped() {
                break;
            }
            let _permit = self.memory.map(|(memory, cost)| memory.acquire(cost(&item)));
            deliver(work(item))?;
        }
        Ok(())
    }

    fn run_on_workers<T: Send, E>(
        &self,
        mut items: impl Iterator<Item = I>,
        work: &(impl Fn(I) -> T + Sync),
        mut deliver: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E>
    where
        I: Send,
    {
        let (results, queue) = (Results::default(), Queue::new(self.pool));
        let put = |(number, item)| results.put(number, || work(item));
        let take_all = || std::iter::from_fn(|| queue.take()).for_each(put);
        self.pool.scope(|begin| {
            // However this thread returns, items not yet started are not started any more.
            let _over = Over { results: &results.over, queue: &queue };
            let mut permits: VecDeque<Option<Permit>> = VecDeque::new();
            let mut held: Option<I> = None;
            let mut more = true;
            while !self.is_stopped() {
                while more && permits.len() < self.window {
                    let Some(item) = held.take().or_else(|| items.next()) else {
                        more = false;
                        break;
                    };
                    let Some(permit) = self.permit(&item, permits.is_empty()) else {
                        held = Some(item);
                        break;
                    };
                    permits.push_back(permit);
                    if queue.put(results.begin(), item) && !begin(Box::new(take_all)) {
                        queue.lose_job().into_iter().for_each(put);
                    }
                    // A result that is there already is not kept waiting for the next item.
                    if results.is_ready() {
                        break;
                    }
                }
                if permits.is_empty() {
                    break;
                }
                let Some(result) = results.wait(|| self.is_stopped()) else { break };
                deliver(result.unwrap_or_else(|panic| resume_unwind(panic)))?;
                permits.pop_front();
            }
            Ok(())
        })
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop())
    }

    /// A memory permit for an item; `None` if results must be delivered first. The first item waits for others.
    fn permit(&self, item: &I, first: bool) -> Option<Option<Permit<'a>>> {
        match self.memory {
            None => Some(None),
            Some((memory, cost)) if first => Some(Some(memory.acquire(cost(item)))),
            Some((memory, cost)) => memory.try_acquire(cost(item)).map(Some),
        }
    }
}

/// Items on their way to the workers. A job takes them one after the other, so that threads are begun, or woken, for a job and not
/// for an item.
struct Queue<I> {
    state: Mutex<Waiting<I>>,
    changed: Condvar,
    workers: usize,
    /// Whether jobs without an item wait for the next one, instead of giving their thread to other work.
    waits: bool,
}

struct Waiting<I> {
    items: VecDeque<(u64, I)>,
    /// Jobs that take items, and those of them that wait for one.
    jobs: usize,
    idle: usize,
    is_closed: bool,
}

impl<I> Queue<I> {
    fn new(pool: &Pool) -> Queue<I> {
        let state = Waiting { items: VecDeque::new(), jobs: 0, idle: 0, is_closed: false };
        Queue { state: Mutex::new(state), changed: Condvar::new(), workers: pool.workers(), waits: pool.may_wait() }
    }

    /// Adds an item. Whether one more job is to take items.
    fn put(&self, number: u64, item: I) -> bool {
        let mut state = self.state.lock();
        state.items.push_back((number, item));
        if state.idle > 0 {
            self.changed.notify_one();
        }
        let more = state.jobs < self.workers && state.items.len() > state.idle;
        state.jobs += usize::from(more);
        more
    }

    /// The next item. Without one, the job ends, unless it waits.
    fn take(&self) -> Option<(u64, I)> {
        let mut state = self.state.lock();
        loop {
            let item = state.items.pop_front().filter(|_| !state.is_closed);
            if item.is_some() || !self.waits || state.is_closed {
                state.jobs -= usize::from(item.is_none());
                return item;
            }
            state.idle += 1;
            self.changed.wait(&mut state);
            state.idle -= 1;
        }
    }

    /// A job could not be begun; an item, if there is no other job to take it.
    fn lose_job(&self) -> Option<(u64, I)> {
        let mut state = self.state.lock();
        state.jobs -= 1;
        if state.jobs == 0 { state.items.pop_front() } else { None }
    }

    fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }
}

/// Results on their way to the calling thread.
struct Results<T> {
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
    fn begin(&self) -> u64 {
        let mut state = self.state.lock();
        state.results.push_back(None);
        state.first + state.results.len() as u64 - 1
    }

    /// On a worker: does the work, unless the run is over, and leaves its result.
    fn put(&self, number: u64, work: impl FnOnce() -> T) {
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
    fn is_ready(&self) -> bool {
        self.state.lock().results.front().is_some_and(Option::is_some)
    }

    /// Waits for the next result; `None` after a stop.
    fn wait(&self, stop: impl Fn() -> bool) -> Option<thread::Result<T>> {
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
}

/// Says that the run is over when it is dropped.
struct Over<'a, I> {
    results: &'a AtomicBool,
    queue: &'a Queue<I>,
}

impl<I> Drop for Over<'_, I> {
    fn drop(&mut self) {
        self.results.store(true, Ordering::Relaxed);
        self.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use proptest::prelude::*;

    use super::*;

    /// Counts items that are started and not yet delivered.
    #[derive(Default)]
    struct Live {
        now: AtomicU64,
        most: AtomicU64,
    }

    impl Live {
        fn begin(&self) {
            self.most.fetch_max(1 + self.now.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        }

        fn end(&self) {
            self.now.fetch_sub(1, Ordering::SeqCst);
        }

        fn most(&self) -> u64 {
            self.most.load(Ordering::SeqCst)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn results_keep_the_order(delays in prop::collection::vec(0u64..300, 0..60), workers in 1usize..5, window in 1usize..9) {
            let (pool, live, mut seen) = (Pool::new(workers), Live::default(), Vec::new());
            let work = |(number, delay)| {
                live.begin();
                thread::sleep(Duration::from_micros(delay));
                number
            };
            let items = delays.iter().copied().enumerate();
            let done: Result<(), ()> = OrderedMap::new(&pool, window).run(items, work, |number| {
                live.end();
                seen.push(number);
                Ok(())
            });
            prop_assert!(done.is_ok() && live.most() <= window as u64);
            prop_assert_eq!(seen, (0..delays.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_slow_first_item_does_not_let_the_rest_run_away() {
        let (pool, live) = (Pool::new(4), Live::default());
        let work = |number| {
            live.begin();
            if number == 0 {
                thread::sleep(Duration::from_millis(30));
            }
        };
        let done: Result<(), ()> = OrderedMap::new(&pool, 7).run(0..100, work, |()| {
            live.end();
            Ok(())
        });
        assert!(done.is_ok() && live.most() == 7, "{}", live.most());
    }

    #[test]
    fn a_million_items_flow_through() {
        struct Held<'a>(u64, &'a Live);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                self.1.end();
            }
        }
        let (pool, live, mut next) = (Pool::new(4), Live::default(), 0);
        let work = |number| {
            live.begin();
            Held(number, &live)
        };
        let done: Result<(), ()> = OrderedMap::new(&pool, 64).run(0..1_000_000u64, work, |held| {
            assert_eq!(held.0, next);
            next += 1;
            Ok(())
        });
        assert!(done.is_ok() && next == 1_000_000 && live.most() <= 65, "{next} {}", live.most());
    }

    #[test]
    fn memory_is_held_until_a_result_is_delivered() {
        for workers in [1, 3] {
            let (pool, memory, live) = (Pool::new(workers), Semaphore::new(10), Live::default());
            let cost = |number: &u64| if *number == 20 { 100 } else { 4 };
            let map = OrderedMap::new(&pool, 50).memory(&memory, &cost);
            let mut seen = 0;
            let done: Result<(), ()> = map.run(
                0..40,
                |_| live.begin(),
                |()| {
                    live.end();
                    seen += 1;
                    Ok(())
                },
            );
            assert!(done.is_ok() && seen == 40 && live.most() <= 2, "two of 4 fit into 10: {}", live.most());
        }
    }

    #[test]
    fn decoders_are_fewer_than_readers() {
        let (pool, processors, live, mut sum) = (Pool::new(6), Semaphore::new(2), Live::default(), 0);
        let decode = |number: u64| {
            live.begin();
            thread::sleep(Duration::from_millis(1));
            live.end();
            number
        };
        let map = OrderedMap::new(&pool, 12);
        let done: Result<(), ()> = map.run_in_two(
            0..40,
            |number| number,
            &processors,
            decode,
            |number| {
                sum += number;
                Ok(())
            },
        );
        assert!(done.is_ok() && sum == 780 && live.most() <= 2);
    }

    #[test]
    fn it_stops_when_it_is_told_to() {
        for workers in [1, 4] {
            let (pool, stop, begun) = (Pool::new(workers), AtomicBool::new(false), AtomicU64::new(0));
            let stopped = || stop.load(Ordering::SeqCst);
            let work = |number: u64| {
                begun.fetch_add(1, Ordering::SeqCst);
                if number == 10 {
                    stop.store(true, Ordering::SeqCst);
                }
            };
            let mut delivered = 0;
            let done: Result<(), ()> = OrderedMap::new(&pool, 5).stop(&stopped).run(0.., work, |()| {
                delivered += 1;
                Ok(())
            });
            assert!(done.is_ok() && delivered <= 16, "{delivered}");
            assert!(begun.load(Ordering::SeqCst) <= 16);
        }
    }

    #[test]
    fn it_ends_with_the_first_error() {
        for workers in [1, 4] {
            let pool = Pool::new(workers);
            let mut delivered = 0;
            let done = OrderedMap::new(&pool, 5).run(
                0u64..,
                |number| number,
                |number| {
                    delivered += 1;
                    if number == 3 { Err("enough") } else { Ok(()) }
                },
            );
            assert_eq!((done, delivered), (Err("enough"), 4));
        }
    }

    #[test]
    fn a_panic_comes_through() {
        for workers in [1, 4] {
            let pool = Pool::new(workers);
            let mut delivered = 0;
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let work = |number: u64| if number == 2 { resume_unwind(Box::new("broken")) } else { number };
                let _: Result<(), ()> = OrderedMap::new(&pool, 5).run(0.., work, |_| {
                    delivered += 1;
                    Ok(())
                });
            }));
            assert_eq!(caught.expect_err("a panic").downcast_ref::<&str>(), Some(&"broken"));
            assert_eq!(delivered, 2);
        }
    }

    #[test]
    fn maps_may_be_nested() {
        let pool = Pool::new(2);
        let inner = |base: u64| {
            let mut sum = 0;
            let _: Result<(), ()> = OrderedMap::new(&pool, 2).run(
                0..10,
                |n| n + base,
                |n| {
                    sum += n;
                    Ok(())
                },
            );
            sum
        };
        let mut sums = Vec::new();
        // In the work, and where the results are delivered.
        let _: Result<(), ()> = OrderedMap::new(&pool, 4).run(0..5, inner, |sum| {
            sums.push((sum, inner(0)));
            Ok(())
        });
        assert_eq!(sums, [(45, 45), (55, 45), (65, 45), (75, 45), (85, 45)]);
    }
}
