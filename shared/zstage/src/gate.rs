//! How many workers begin objects: there are as many as the farthest server may need, and a near one needs fewer. Each that is not
//! needed would hold memory.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use zstore::Store;

/// Workers besides those that wait for a server: they check and write what has arrived.
const MORE: usize = 16;

/// How often a worker that is not needed looks whether the run is over.
const LOOK_AROUND: Duration = Duration::from_millis(200);

/// The workers of a run.
pub struct Gate<'a> {
    stores: &'a [Store],
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Workers that begin objects.
    working: usize,
    /// Whether there are no more objects, so that everybody may pass.
    is_open: bool,
}

impl<'a> Gate<'a> {
    /// For workers that read `stores`.
    pub fn new(stores: &'a [Store]) -> Gate<'a> {
        Gate { stores, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits until one more worker is needed, or nobody is.
    pub fn enter(&self, is_over: impl Fn() -> bool) {
        let mut state = self.state.lock();
        while !state.is_open && state.working >= self.needed() && !is_over() {
            self.changed.wait_for(&mut state, LOOK_AROUND);
        }
        state.working += 1;
    }

    /// An object is done: the server may take more requests now.
    pub fn look(&self) {
        if self.state.lock().working < self.needed() {
            self.changed.notify_one();
        }
    }

    /// There are no more objects.
    pub fn open(&self) {
        // Every worker says so when it ends; the first one wakes the others.
        if !std::mem::replace(&mut self.state.lock().is_open, true) {
            self.changed.notify_all();
        }
    }

    fn needed(&self) -> usize {
        let each = self.stores.iter().map(|store| store.requests().map_or(usize::MAX, |requests| requests + MORE));
        each.fold(0, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use zstore::StoreOptions;

    use super::*;

    #[test]
    fn as_many_enter_as_are_needed_and_all_at_the_end() {
        let options = StoreOptions { requests: Some(3), anonymous: true, ..StoreOptions::default() };
        let stores = [Store::open("http://127.0.0.1:9/x", &options).expect("opens")];
        let gate = Gate::new(&stores);
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..30 {
                scope.spawn(|| {
                    gate.enter(|| false);
                    inside.fetch_add(1, Ordering::SeqCst);
                });
            }
            while inside.load(Ordering::SeqCst) < 3 + MORE {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(inside.load(Ordering::SeqCst), 3 + MORE);
            gate.open();
        });
        assert_eq!(inside.load(Ordering::SeqCst), 30);
    }

    #[test]
    fn everybody_enters_where_nothing_is_remote() {
        let directory = tempfile::tempdir().expect("a directory");
        let stores = [Store::open(directory.path(), &StoreOptions::default()).expect("opens")];
        let gate = Gate::new(&stores);
        (0..1000).for_each(|_| gate.enter(|| false));
        assert_eq!(gate.state.lock().working, 1000);
    }
}
