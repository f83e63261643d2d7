//! Objects that arrive over a network at the same time. Hundreds of requests may be answered at once; bytes of which the processor
//! cores cannot check and write more for now are left to the connection, and those that come share buffers.

use std::time::Duration;

use parking_lot::Mutex;
use zarray::{Permit, Semaphore};

/// Bytes for each processor core: what it checks and writes in some milliseconds.
const PER_CORE: u64 = 2 << 20;

/// How long an object waits for others: longer, where their connections are slow, would waste the time of its own.
const PATIENCE: Duration = Duration::from_millis(50);

/// Room for the objects that are arriving.
pub struct Arriving {
    permits: Semaphore,
    /// Buffers that nobody uses, and their bytes.
    free: Mutex<(Vec<Vec<u8>>, u64)>,
    limit: u64,
}

impl Arriving {
    /// Room for what so many cores can take.
    pub fn new(cores: usize) -> Arriving {
        let limit = PER_CORE.saturating_mul(cores as u64);
        Arriving { permits: Semaphore::new(limit), free: Mutex::default(), limit }
    }

    /// Waits until there is room for so many bytes, but not for long. A buffer for them, and their room until it is dropped.
    pub fn admit(&self, bytes: u64) -> (Vec<u8>, Option<Permit<'_>>) {
        let permit = self.permits.acquire_within(bytes, PATIENCE);
        let mut free = self.free.lock();
        let buffer = free.0.pop().unwrap_or_default();
        free.1 -= buffer.capacity() as u64;
        (buffer, permit)
    }

    /// Takes a buffer back.
    pub fn give_back(&self, buffer: Vec<u8>) {
        if buffer.capacity() == 0 {
            return;
        }
        let mut free = self.free.lock();
        let bytes = free.1 + buffer.capacity() as u64;
        if bytes <= self.limit {
            free.1 = bytes;
            free.0.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_kept_as_far_as_there_is_room_for_them() {
        let arriving = Arriving::new(1);
        let half = PER_CORE as usize / 2;
        (0..3).for_each(|_| arriving.give_back(Vec::with_capacity(half)));
        arriving.give_back(Vec::new());
        let capacities: Vec<usize> = (0..3).map(|_| arriving.admit(1).0.capacity()).collect();
        assert_eq!(capacities, [half, half, 0]);
        assert_eq!(arriving.free.lock().1, 0);
    }

    #[test]
    fn an_object_without_room_is_admitted_in_the_end() {
        let arriving = Arriving::new(1);
        let (_, first) = arriving.admit(PER_CORE * 3);
        assert!(first.is_some(), "one is admitted whatever its size");
        assert!(arriving.admit(1).1.is_none());
        drop(first);
        assert!(arriving.admit(1).1.is_some());
    }
}
