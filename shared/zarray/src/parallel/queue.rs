//! The items of an ordered map, on their way to the workers.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

use super::pool::Pool;

/// Items on their way to the workers. A job takes them one after the other, so that threads are begun, or woken, for a job and not
/// for an item.
pub(super) struct Queue<I> {
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
    pub(super) fn new(pool: &Pool) -> Queue<I> {
        let state = Waiting { items: VecDeque::new(), jobs: 0, idle: 0, is_closed: false };
        Queue { state: Mutex::new(state), changed: Condvar::new(), workers: pool.workers(), waits: pool.may_wait() }
    }

    /// Adds an item. Whether one more job is to take items.
    pub(super) fn put(&self, number: u64, item: I) -> bool {
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
    pub(super) fn take(&self) -> Option<(u64, I)> {
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
    pub(super) fn lose_job(&self) -> Option<(u64, I)> {
        let mut state = self.state.lock();
        state.jobs -= 1;
        if state.jobs == 0 { state.items.pop_front() } else { None }
    }

    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }
}
