//! A counting semaphore: a limit that threads share (bytes of memory, cores). Work waits until its permit fits.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// A limit on concurrent use of a resource.
pub struct Semaphore {
    limit: u64,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Default)]
struct State {
    used: u64,
    /// Amounts that are waited for, and by how many.
    waiting: BTreeMap<u64, usize>,
}

/// A share of the limit, held until it is dropped.
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    amount: u64,
}

impl Semaphore {
    /// A semaphore over `limit` bytes, cores or other units.
    pub fn new(limit: u64) -> Semaphore {
        Semaphore { limit, state: Mutex::default(), released: Condvar::new() }
    }

    /// Waits until `amount` is free. A single permit is granted even if it exceeds the limit: the plan has rejected
    /// work that cannot fit, so this only happens if an estimate was too low.
    pub fn acquire(&self, amount: u64) -> Permit<'_> {
        let mut state = self.state.lock();
        while !self.fits(&state, amount) {
            state.begin_to_wait(amount);
            self.released.wait(&mut state);
            state.end_to_wait(amount);
        }
        self.take(&mut state, amount)
    }

    /// As [`Semaphore::acquire`], but `None` if `amount` was not free for so long.
    pub fn acquire_within(&self, amount: u64, patience: Duration) -> Option<Permit<'_>> {
        let end = Instant::now() + patience;
        let mut state = self.state.lock();
        while !self.fits(&state, amount) {
            state.begin_to_wait(amount);
            let is_late = self.released.wait_until(&mut state, end).timed_out();
            state.end_to_wait(amount);
            if is_late && !self.fits(&state, amount) {
                // It may have been woken in the place of another one.
                self.wake(&state);
                return None;
            }
        }
        Some(self.take(&mut state, amount))
    }

    /// As [`Semaphore::acquire`], without waiting: `None` if `amount` is not free now.
    pub fn try_acquire(&self, amount: u64) -> Option<Permit<'_>> {
        let mut state = self.state.lock();
        self.fits(&state, amount).then(|| self.take(&mut state, amount))
    }

    fn fits(&self, state: &State, amount: u64) -> bool {
        state.used == 0 || state.used.saturating_add(amount) <= self.limit
    }

    fn take(&self, state: &mut State, amount: u64) -> Permit<'_> {
        state.used = state.used.saturating_add(amount);
        self.wake(state);
        Permit { semaphore: self, amount }
    }

    /// Wakes who may go on. Of those that wait for the same amount one at a time, as each wakes the next: hundreds would keep the
    /// cores busy.
    fn wake(&self, state: &State) {
        match state.waiting.first_key_value() {
            Some((least, _)) if self.fits(state, *least) => match state.waiting.len() {
                1 => drop(self.released.notify_one()),
                _ => drop(self.released.notify_all()),
            },
            _ => {}
        }
    }
}

impl State {
    fn begin_to_wait(&mut self, amount: u64) {
        *self.waiting.entry(amount).or_default() += 1;
    }

    fn end_to_wait(&mut self, amount: u64) {
        if let Entry::Occupied(mut waiting) = self.waiting.entry(amount) {
            *waiting.get_mut() -= 1;
            if *waiting.get() == 0 {
                waiting.remove();
            }
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.semaphore.state.lock();
        state.used = state.used.saturating_sub(self.amount);
        self.semaphore.wake(&state);
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
        assert_eq!(semaphore.state.lock().used, 0);
    }

    #[test]
    fn one_that_does_not_fit_holds_up_nobody() {
        let semaphore = Semaphore::new(100);
        let (held, released) = (semaphore.acquire(20), semaphore.acquire(80));
        std::thread::scope(|scope| {
            let large = scope.spawn(|| drop(semaphore.acquire(90)));
            while semaphore.state.lock().waiting.is_empty() {
                std::thread::yield_now();
            }
            let small: Vec<_> = (0..10).map(|_| scope.spawn(|| drop(semaphore.acquire(2)))).collect();
            while semaphore.state.lock().waiting.values().sum::<usize>() < 11 {
                std::thread::yield_now();
            }
            drop(released);
            small.into_iter().for_each(|small| small.join().expect("ends"));
            assert!(!large.is_finished());
            drop(held);
            large.join().expect("ends");
        });
        let state = semaphore.state.lock();
        assert!(state.used == 0 && state.waiting.is_empty());
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
        assert_eq!(semaphore.state.lock().used, 0);
    }
}
