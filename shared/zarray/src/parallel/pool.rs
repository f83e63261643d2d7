//! Threads that share work, and results that keep its order.

use rayon::prelude::*;

/// A fixed number of worker threads.
pub struct Pool {
    /// Nothing for a single worker, which is the calling thread.
    threads: Option<rayon::ThreadPool>,
}

impl Pool {
    /// A pool of `workers` threads (at least one). A system that refuses that many gets the work done by fewer.
    pub fn new(workers: usize) -> Pool {
        let threads = (workers > 1).then(|| {
            rayon::ThreadPoolBuilder::new().num_threads(workers).thread_name(|n| format!("worker-{n}")).build()
        });
        Pool { threads: threads.and_then(Result::ok) }
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.threads.as_ref().map_or(1, rayon::ThreadPool::current_num_threads)
    }

    /// The threads, for a caller that is not one of them and may wait for them; `None` for a single worker.
    pub(super) fn threads_from_outside(&self) -> Option<&rayon::ThreadPool> {
        self.threads.as_ref().filter(|threads| threads.current_thread_index().is_none())
    }

    /// `work` on every item, by all workers; the results in the order of the items.
    pub fn map<I: Send, T: Send>(&self, items: Vec<I>, work: impl Fn(I) -> T + Sync) -> Vec<T> {
        match &self.threads {
            None => items.into_iter().map(work).collect(),
            Some(threads) => threads.install(|| items.into_par_iter().with_max_len(1).map(&work).collect()),
        }
    }

    /// `work` once on every worker, at the same time; it is given the number of its worker.
    pub fn broadcast(&self, work: impl Fn(usize) + Sync) {
        match &self.threads {
            None => work(0),
            Some(threads) => {
                threads.broadcast(|context| work(context.index()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn results_keep_the_order() {
        let items: Vec<u64> = (0..1000).collect();
        for workers in [1, 4] {
            let squares = Pool::new(workers).map(items.clone(), |item| item * item);
            assert!(squares.iter().zip(&items).all(|(square, item)| *square == item * item));
        }
    }

    #[test]
    fn broadcast_reaches_every_worker() {
        for workers in [1, 3] {
            let seen = Mutex::new(Vec::new());
            Pool::new(workers).broadcast(|worker| seen.lock().expect("not poisoned").push(worker));
            let mut seen = seen.into_inner().expect("not poisoned");
            seen.sort_unstable();
            assert_eq!(seen, (0..workers).collect::<Vec<_>>());
        }
    }
}
