//! A budget that threads share (bytes of memory, turns on a processor): no work starts before there is room for it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// So much may be in flight at once.
pub struct Gate {
    limit: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

/// Room that is held until it is dropped.
pub struct Room<'a> {
    gate: &'a Gate,
    bytes: u64,
}

impl Gate {
    /// A gate with room for `limit`.
    pub fn new(limit: u64) -> Gate {
        Gate { limit, used: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until there is room for `bytes`. One piece of work is let in even where it is larger than the limit: the plan
    /// has refused what cannot be, and what is left are estimates that turned out low.
    pub fn enter(&self, bytes: u64) -> Room<'_> {
        let mut used = self.lock();
        while *used > 0 && *used + bytes > self.limit {
            used = self.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used += bytes;
        Room { gate: self, bytes }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        *self.gate.lock() -= self.bytes;
        self.gate.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn never_more_than_the_limit_but_always_one() {
        let gate = Gate::new(100);
        let (inside, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for bytes in [40, 40, 40, 40, 500, 40, 40] {
                let (gate, inside, most) = (&gate, &inside, &most);
                scope.spawn(move || {
                    let _room = gate.enter(bytes);
                    let now = inside.fetch_add(bytes, Ordering::SeqCst) + bytes;
                    most.fetch_max(if bytes > 100 { now - bytes + 1 } else { now }, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    inside.fetch_sub(bytes, Ordering::SeqCst);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 100, "{most:?}");
        assert_eq!(*gate.lock(), 0);
    }
}
