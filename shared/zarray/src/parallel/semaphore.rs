//! A counting semaphore: a limit that threads share (bytes of memory, cores). Work waits until its permit fits.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// A limit on concurrent use of a resource.
pub struct Semaphore {
    limit: u64,
    used: Mutex<u64>,
    released: Condvar,
}

/// A share of the limit, held until it is dropped.
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    amount: u64,
}

impl Semaphore {
    /// A semaphore over `limit` bytes, cores or other units.
    pub fn new(limit: u64) -> Semaphore {
        Semaphore { limit, used: Mutex::new(0), released: Condvar::new() }
    }

    /// Waits until `amount` is free. A single permit is granted even if it exceeds the limit: the plan has rejected
    /// work that cannot fit, so this only happens if an estimate was too low.
    pub fn acquire(&self, amount: u64) -> Permit<'_> {
        let mut used = self.used.lock();
        while *used > 0 && *used + amount > self.limit {
            self.released.wait(&mut used);
        }
        *used += amount;
        // There may be room for one more, whom nobody else wakes.
        if *used < self.limit {
            self.released.notify_one();
        }
        Permit { semaphore: self, amount }
    }

    /// As [`Semaphore::acquire`], but `None` if `amount` was not free for so long.
    pub fn acquire_within(&self, amount: u64, patience: Duration) -> Option<Permit<'_>> {
        let end = Instant::now() + patience;
        let mut used = self.used.lock();
        while *used > 0 && *used + amount > self.limit {
            if self.released.wait_until(&mut used, end).timed_out() {
                return None;
            }
        }
        *used += amount;
        if *used < self.limit {
            self.released.notify_one();
        }
        Some(Permit { semaphore: self, amount })
    }

    /// As [`Semaphore::acquire`], without waiting: `None` if `amount` is not free now.
    pub fn try_acquire(&self, amount: u64) -> Option<Permit<'_>> {
        let mut used = self.used.lock();
        if *used > 0 && *used + amount > self.limit {
            return None;
        }
        *used += amount;
        Some(Permit { semaphore: self, amount })
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.semaphore.used.lock() -= self.amount;
        // One at a time, as each wakes the next: hundreds that wait would keep the cores busy.
        self.semaphore.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn patience_has_an_end_and_a_release_is_noticed() {
        let semaphore = Semaphore::new(100);
        let first = semaphore.acquire(60);
        assert!(semaphore.acquire_within(60, Duration::from_millis(1)).is_none());
        assert!(semaphore.acquire_within(40, Duration::ZERO).is_some(), "it is free");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| semaphore.acquire_within(60, Duration::from_secs(60)).is_some());
            drop(first);
            assert!(waits.join().expect("ends"));
        });
        assert_eq!(*semaphore.used.lock(), 0);
    }

    #[test]
    fn never_more_than_the_limit_but_always_one() {
        let semaphore = Semaphore::new(100);
        let (inside, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for bytes in [40, 40, 40, 40, 500, 40, 40] {
                let (semaphore, inside, most) = (&semaphore, &inside, &most);
                scope.spawn(move || {
                    let _permit = semaphore.acquire(bytes);
                    let now = inside.fetch_add(bytes, Ordering::SeqCst) + bytes;
                    most.fetch_max(if bytes > 100 { now - bytes + 1 } else { now }, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    inside.fetch_sub(bytes, Ordering::SeqCst);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 100, "{most:?}");
        assert_eq!(*semaphore.used.lock(), 0);
    }
}
