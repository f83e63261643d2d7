//! How many workers begin objects: there may be as many as the farthest server needs, and a near one needs fewer. Each that is not
//! needed would cost memory and a thread.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use zstore::Store;

/// Workers besides those that wait for a server: they check and write what has arrived.
const MORE: usize = 16;

/// How often the thread that begins workers looks whether the run is over.
const LOOK_AROUND: Duration = Duration::from_millis(200);

/// The workers of a run.
pub struct Gate<'a> {
    stores: &'a [Store],
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Workers that have begun.
    working: usize,
    /// Whether there are no more objects.
    is_last: bool,
}

impl<'a> Gate<'a> {
    /// For workers that read `stores`.
    pub fn new(stores: &'a [Store]) -> Gate<'a> {
        Gate { stores, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits until one more worker is needed, which is true, or nobody is any more.
    pub fn is_needed(&self, is_over: impl Fn() -> bool) -> bool {
        let mut state = self.state.lock();
        while !is_over() {
            // Without objects that nobody has begun, there may still be parts of large ones.
            if state.working < self.needed() {
                state.working += 1;
                return true;
            }
            if state.is_last {
                return false;
            }
            self.changed.wait_for(&mut state, LOOK_AROUND);
        }
        false
    }

    /// An object is done: the server may take more requests now.
    pub fn look(&self) {
        if self.state.lock().working < self.needed() {
            self.changed.notify_one();
        }
    }

    /// There are no more objects.
    pub fn close(&self) {
        // Every worker says so when it ends.
        if !std::mem::replace(&mut self.state.lock().is_last, true) {
            self.changed.notify_one();
        }
    }

    fn needed(&self) -> usize {
        let each = self.stores.iter().map(|store| store.requests().map_or(usize::MAX, |requests| requests + MORE));
        each.fold(0, usize::saturating_add)
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
        assert!((0..3 + MORE).all(|_| gate.is_needed(|| false)));
        assert!(!gate.is_needed(|| true), "the run is over");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| gate.is_needed(|| false));
            gate.close();
            assert!(!waits.join().expect("ends"));
        });
    }

    #[test]
    fn after_the_last_object_workers_begin_for_parts_of_large_ones() {
        let options = StoreOptions { requests: Some(3), anonymous: true, ..StoreOptions::default() };
        let stores = [Store::open("http://127.0.0.1:9/x", &options).expect("opens")];
        let gate = Gate::new(&stores);
        gate.close();
        assert_eq!((0..100).filter(|_| gate.is_needed(|| false)).count(), 3 + MORE);
    }

    #[test]
    fn all_begin_where_nothing_is_remote() {
        let directory = tempfile::tempdir().expect("a directory");
        let stores = [Store::open(directory.path(), &StoreOptions::default()).expect("opens")];
        let gate = Gate::new(&stores);
        assert!((0..1000).all(|_| gate.is_needed(|| false)));
    }
}
