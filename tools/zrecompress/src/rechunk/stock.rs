//! Things that workers take and give back: as many as there may be in use at once, made once.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A stock of things.
pub struct Stock<T> {
    free: Mutex<Vec<T>>,
    returned: Condvar,
}

/// A thing that is taken until it is dropped.
pub struct Taken<'a, T> {
    stock: &'a Stock<T>,
    /// Nothing only while it is dropped.
    thing: Option<T>,
}

impl<T> Stock<T> {
    /// A stock of `count` (at least one) things.
    pub fn new(count: usize, make: impl Fn() -> T) -> Stock<T> {
        Stock { free: Mutex::new((0..count.max(1)).map(|_| make()).collect()), returned: Condvar::new() }
    }

    /// Waits until there is one.
    pub fn take(&self) -> Taken<'_, T> {
        let mut free = self.lock();
        loop {
            if let thing @ Some(_) = free.pop() {
                return Taken { stock: self, thing };
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.thing {
            Some(thing) => thing,
            None => unreachable!("is there until it is dropped"),
        }
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.thing {
            Some(thing) => thing,
            None => unreachable!("is there until it is dropped"),
        }
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        self.stock.lock().extend(self.thing.take());
        self.stock.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn never_more_than_there_are() {
        let (stock, inside, most) = (Stock::new(2, || 0u64), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let mut thing = stock.take();
                    *thing += 1;
                    most.fetch_max(1 + inside.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        let both = (stock.take(), stock.take());
        assert_eq!(*both.0 + *both.1, 6, "what was done to a thing stays done");
    }
}
