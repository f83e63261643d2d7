//! How many workers begin objects: there may be as many as the farthest server needs, and a near one needs fewer. Each that is not
//! needed would cost memory and a thread.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use zstore::{Store, Transfer};

/// Workers besides those that wait for a server: they check and write what has arrived.
const MORE: usize = 16;

/// Workers for the parts of large objects, of which fewer are fetched at the same time.
const HELPERS: usize = 16;

/// How often the thread that begins workers looks whether the run is over.
const LOOK_AROUND: Duration = Duration::from_millis(200);

/// The workers of a run.
pub struct Gate<'a> {
    stores: &'a [Store],
    state: Mutex<State>,
    changed: Condvar,
    _transfers: Vec<Transfer>,
}

#[derive(Default)]
struct State {
    /// Workers that have begun.
    working: usize,
    /// Whether somebody has found that there are no more objects.
    is_drained: bool,
}

/// A worker of the run. When it ends, however it does, no more objects are expected.
pub struct Worker<'a>(&'a Gate<'a>);

impl<'a> Gate<'a> {
    /// For workers that read `stores`.
    pub fn new(stores: &'a [Store]) -> Gate<'a> {
        let transfers = stores.iter().filter_map(Store::transfer).collect();
        Gate { stores, state: Mutex::default(), changed: Condvar::new(), _transfers: transfers }
    }

    /// Waits until another worker is needed (true), or no more will be (false).
    pub fn wait_for_need(&self, is_over: impl Fn() -> bool) -> bool {
        let mut state = self.state.lock();
        while !is_over() {
            // Where all objects are begun, others help with the parts of large ones.
            let needed = if state.is_drained { self.needed().min(HELPERS) } else { self.needed() };
            if state.working < needed {
                state.working += 1;
                return true;
            }
            if state.is_drained {
                return false;
            }
            self.changed.wait_for(&mut state, LOOK_AROUND);
        }
        false
    }

    /// A worker that has begun.
    pub fn worker(&self) -> Worker<'_> {
        Worker(self)
    }

    /// An object is done: the server may take more requests now.
    pub fn look(&self) {
        if self.state.lock().working < self.needed() {
            self.changed.notify_one();
        }
    }

    fn needed(&self) -> usize {
        let each = self.stores.iter().map(|store| store.requests().map_or(usize::MAX, |requests| requests + MORE));
        each.fold(0, usize::saturating_add)
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if !std::mem::replace(&mut self.0.state.lock().is_drained, true) {
            self.0.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use zstore::StoreOptions;

    use super::*;

    #[test]
    fn as_many_begin_as_are_needed() {
        let options = StoreOptions { requests: Some(3), anonymous: true, ..StoreOptions::default() };
        let stores = [Store::open("http://127.0.0.1:9/x", &options).expect("opens")];
        let gate = Gate::new(&stores);
        assert!((0..3 + MORE).all(|_| gate.wait_for_need(|| false)));
        assert!(!gate.wait_for_need(|| true), "the run is over");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| gate.wait_for_need(|| false));
            drop(gate.worker());
            assert!(!waits.join().expect("ends"));
        });
    }

    #[test]
    fn after_the_last_object_some_begin_for_parts_of_large_ones() {
        let options = StoreOptions { requests: Some(3), anonymous: true, ..StoreOptions::default() };
        let stores = [Store::open("http://127.0.0.1:9/x", &options).expect("opens")];
        let gate = Gate::new(&stores);
        drop(gate.worker());
        assert_eq!((0..100).filter(|_| gate.wait_for_need(|| false)).count(), HELPERS);
    }

    #[test]
    fn all_begin_where_nothing_is_remote() {
        let directory = tempfile::tempdir().expect("a directory");
        let stores = [Store::open(directory.path(), &StoreOptions::default()).expect("opens")];
        let gate = Gate::new(&stores);
        assert!((0..1000).all(|_| gate.wait_for_need(|| false)));
    }
}
