//! Threads that share work, and results that keep its order.
//!
//! Threads that compute, no more than there are cores, stay and take work from each other (rayon). Threads that wait for a store
//! may be hundreds, for each of many stores: they are started for each piece of work and end with it, because idle threads that
//! look for work in each other's queues would keep the cores busy.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

/// A number of worker threads.
pub struct Pool(Threads);

enum Threads {
    /// The calling thread.
    Caller,
    Computing(rayon::ThreadPool),
    Waiting(Waiting),
}

/// So many threads at most, and what tells their pool from others.
struct Waiting {
    workers: usize,
    pool: u64,
}

/// Work for one worker.
pub(super) type Job<'env> = Box<dyn FnOnce() + Send + 'env>;

thread_local! {
    /// The pool of threads that wait which has started this thread.
    static POOL: Cell<Option<u64>> = const { Cell::new(None) };
}

impl Waiting {
    fn new(workers: usize) -> Waiting {
        static POOLS: AtomicU64 = AtomicU64::new(0);
        Waiting { workers, pool: POOLS.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Pool {
    /// A pool of `workers` threads (at least one). A system that refuses that many gets the work done by fewer.
    pub fn new(workers: usize) -> Pool {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        match workers {
            0 | 1 => Pool(Threads::Caller),
            _ if workers > cores => Pool::waiting(workers),
            _ => Pool::computing(workers),
        }
    }

    pub(super) fn waiting(workers: usize) -> Pool {
        Pool(Threads::Waiting(Waiting::new(workers)))
    }

    fn computing(workers: usize) -> Pool {
        let name = |number| format!("worker-{number}");
        let threads = rayon::ThreadPoolBuilder::new().num_threads(workers).thread_name(name).build();
        Pool(threads.map_or(Threads::Caller, Threads::Computing))
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        match &self.0 {
            Threads::Caller => 1,
            Threads::Computing(threads) => threads.current_num_threads(),
            Threads::Waiting(waiting) => waiting.workers,
        }
    }

    /// Whether work is done on the calling thread: there is no other one, or it is a worker itself.
    pub(super) fn is_caller(&self) -> bool {
        match &self.0 {
            Threads::Caller => true,
            Threads::Computing(threads) => threads.current_thread_index().is_some(),
            Threads::Waiting(waiting) => POOL.get() == Some(waiting.pool),
        }
    }

    /// Whether its workers may wait for more work: no other work waits for their threads.
    pub(super) fn may_wait(&self) -> bool {
        matches!(self.0, Threads::Waiting(_))
    }

    /// Gives `body` a function that begins a job on a worker, and waits for all of them. The function returns false where the system
    /// refuses a thread.
    pub(super) fn scope<'env, R>(&self, body: impl FnOnce(&dyn Fn(Job<'env>) -> bool) -> R) -> R {
        match &self.0 {
            Threads::Caller => body(&|job| {
                job();
                true
            }),
            Threads::Computing(threads) => threads.in_place_scope_fifo(|scope| {
                body(&|job| {
                    scope.spawn_fifo(|_| job());
                    true
                })
            }),
            Threads::Waiting(Waiting { pool, .. }) => thread::scope(|scope| {
                body(&|job| {
                    let work = || {
                        POOL.set(Some(*pool));
                        job();
                    };
                    thread::Builder::new().name("worker".into()).spawn_scoped(scope, work).is_ok()
                })
            }),
        }
    }

    /// `work` on every item, by all workers; the results in the order of the items.
    pub fn map<I: Send, T: Send>(&self, items: Vec<I>, work: impl Fn(I) -> T + Sync) -> Vec<T> {
        let jobs = items.len().min(self.workers());
        if jobs < 2 || (self.may_wait() && self.is_caller()) {
            return items.into_iter().map(work).collect();
        }
        let mut results: Vec<Option<T>> = std::iter::repeat_with(|| None).take(items.len()).collect();
        let slots = Mutex::new(items.into_iter().zip(&mut results));
        let next = || slots.lock().next();
        let is_done = || slots.lock().len() == 0;
        let run = || {
            while let Some((item, slot)) = next() {
                *slot = Some(work(item));
            }
        };
        self.scope(|begin| {
            // Threads are begun only for what is left: those that came first may have done all.
            if !(0..jobs).all(|_| is_done() || begin(Box::new(run))) {
                run();
            }
        });
        drop(slots);
        results.into_iter().flatten().collect()
    }

    /// `work` on several workers at the same time. A pool of threads that wait for a store begins one each time that `is_needed`, which
    /// may block, returns true; other pools run it on every worker.
    pub fn grow(&self, mut is_needed: impl FnMut() -> bool, work: impl Fn() + Sync) {
        match &self.0 {
            Threads::Waiting(Waiting { workers, .. }) => self.scope(|begin| {
                let mut begun = 0;
                while begun < *workers && is_needed() && begin(Box::new(&work)) {
                    begun += 1;
                }
                if begun == 0 {
                    work();
                }
            }),
            _ => self.broadcast(|_| work()),
        }
    }

    /// `work` once on every worker, at the same time; it is given the number of its worker.
    pub fn broadcast(&self, work: impl Fn(usize) + Sync) {
        match &self.0 {
            Threads::Caller => work(0),
            Threads::Computing(threads) => {
                threads.broadcast(|context| work(context.index()));
            }
            Threads::Waiting(Waiting { workers, .. }) => {
                let work = &work;
                self.scope(|begin| {
                    if !(1..*workers).all(|worker| begin(Box::new(move || work(worker))))
                        || !begin(Box::new(|| work(0)))
                    {
                        work(0);
                    }
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools() -> [Pool; 4] {
        [Pool::new(1), Pool::computing(2), Pool::waiting(4), Pool::waiting(300)]
    }

    #[test]
    fn results_keep_the_order() {
        let items: Vec<u64> = (0..1000).collect();
        for pool in pools() {
            let squares = pool.map(items.clone(), |item| item * item);
            assert!(squares.iter().zip(&items).all(|(square, item)| *square == item * item));
            assert_eq!(squares.len(), items.len());
        }
    }

    #[test]
    fn maps_may_be_nested() {
        for pool in pools() {
            let sums = pool.map((0..20u64).collect(), |item| {
                pool.map((0..20u64).collect(), |other| item * other).into_iter().sum::<u64>()
            });
            assert_eq!(sums, (0..20).map(|item| item * 190).collect::<Vec<_>>());
        }
    }

    #[test]
    fn as_many_workers_begin_as_are_needed() {
        for (pool, most) in [(Pool::waiting(4), 4), (Pool::waiting(300), 7), (Pool::waiting(300), 0)] {
            let (begun, mut asked) = (AtomicU64::new(0), 0);
            let work = || {
                begun.fetch_add(1, Ordering::Relaxed);
            };
            let is_needed = || {
                asked += 1;
                asked <= most
            };
            pool.grow(is_needed, work);
            // If none is needed, the work is done all the same.
            assert_eq!(begun.into_inner(), most.max(1));
        }
        let begun = Mutex::new(0);
        Pool::computing(2).grow(|| false, || *begun.lock() += 1);
        assert_eq!(begun.into_inner(), 2);
    }

    #[test]
    fn broadcast_reaches_every_worker() {
        for pool in pools() {
            let seen = Mutex::new(Vec::new());
            pool.broadcast(|worker| seen.lock().push(worker));
            let mut seen = seen.into_inner();
            seen.sort_unstable();
            assert_eq!(seen, (0..pool.workers()).collect::<Vec<_>>());
        }
    }
}
