//! The ordered map: items stream through the workers of a pool, and their results come out in the order of the items, on the
//! calling thread.
//!
//! The calling thread takes items only as there is room for their results, so any number of them flows through while no more
//! than a window is held. It alone takes items and permits for memory, in order: a later result can never hold what an earlier
//! one waits for.

use std::collections::VecDeque;
use std::panic::resume_unwind;

use super::pool::Pool;
use super::queue::Queue;
use super::results::Results;
use super::semaphore::{Permit, Semaphore};

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
        // Memory is given back only when no work is under way any more.
        let mut permits: VecDeque<Option<Permit>> = VecDeque::new();
        self.pool.scope(|begin| {
            // However this thread returns, items not yet started are not started any more.
            let _over = Over { queue: &queue, results: &results };
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

/// Ends the run when it is dropped.
struct Over<'a, I, T> {
    queue: &'a Queue<I>,
    results: &'a Results<T>,
}

impl<I, T> Drop for Over<'_, I, T> {
    fn drop(&mut self) {
        self.results.close();
        self.queue.close();
    }
}

#[cfg(test)]
#[path = "ordered_tests.rs"]
mod tests;
