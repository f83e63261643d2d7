//! Scratch buffers that workers borrow and return: allocated once, as many as may be in use at the same time.

use std::ops::{Deref, DerefMut};

use parking_lot::{Condvar, Mutex};

/// A fixed number of scratch values.
pub struct ScratchPool<T> {
    free: Mutex<Vec<T>>,
    returned: Condvar,
}

/// A scratch value, returned to its pool when it is dropped.
pub struct Scratch<'a, T> {
    pool: &'a ScratchPool<T>,
    /// `None` only while it is dropped.
    value: Option<T>,
}

impl<T> ScratchPool<T> {
    /// A pool of `count` values (at least one).
    pub fn new(count: usize, make: impl Fn() -> T) -> ScratchPool<T> {
        ScratchPool { free: Mutex::new((0..count.max(1)).map(|_| make()).collect()), returned: Condvar::new() }
    }

    /// Waits until a value is free.
    pub fn take(&self) -> Scratch<'_, T> {
        let mut free = self.free.lock();
        loop {
            if let value @ Some(_) = free.pop() {
                return Scratch { pool: self, value };
            }
            self.returned.wait(&mut free);
        }
    }
}

impl<T> Deref for Scratch<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.value {
            Some(value) => value,
            None => unreachable!("a value is there until it is dropped"),
        }
    }
}

impl<T> DerefMut for Scratch<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.value {
            Some(value) => value,
            None => unreachable!("a value is there until it is dropped"),
        }
    }
}

impl<T> Drop for Scratch<'_, T> {
    fn drop(&mut self) {
        self.pool.free.lock().extend(self.value.take());
        self.pool.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn never_more_than_there_are() {
        let (pool, inside, most) = (ScratchPool::new(2, || 0u64), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let mut value = pool.take();
                    *value += 1;
                    most.fetch_max(1 + inside.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        let both = (pool.take(), pool.take());
        assert_eq!(*both.0 + *both.1, 6, "a value keeps what was done to it");
    }
}
