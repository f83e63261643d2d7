//! Workbenches: whoever has read an object needs one to decode and encode it. There are as many as workers (`--jobs`), so
//! that more readers than cores may wait for a slow store without taking the processor, or memory, from each other.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::chunk::ChunkScratch;

/// The benches that are free.
pub struct Benches {
    free: Mutex<Vec<ChunkScratch>>,
    returned: Condvar,
}

/// A bench that is taken until it is dropped.
pub struct Bench<'a> {
    benches: &'a Benches,
    scratch: ChunkScratch,
}

impl Benches {
    pub fn new(count: usize) -> Benches {
        let free = (0..count.max(1)).map(|_| ChunkScratch::default()).collect();
        Benches { free: Mutex::new(free), returned: Condvar::new() }
    }

    /// Waits for a free bench.
    pub fn take(&self) -> Bench<'_> {
        let mut free = self.lock();
        loop {
            if let Some(scratch) = free.pop() {
                return Bench { benches: self, scratch };
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ChunkScratch>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Bench<'_> {
    type Target = ChunkScratch;

    fn deref(&self) -> &ChunkScratch {
        &self.scratch
    }
}

impl DerefMut for Bench<'_> {
    fn deref_mut(&mut self) -> &mut ChunkScratch {
        &mut self.scratch
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        self.benches.lock().push(std::mem::take(&mut self.scratch));
        self.benches.returned.notify_one();
    }
}
