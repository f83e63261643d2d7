//! MD5 sums of objects that have arrived whole: those that wait at the same time are computed together.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};
use zcodec::md5::LANES;

use crate::md5_lanes::{Sum, sums_of};

/// Objects with fewer bytes are not worth the wait.
const LEAST: usize = 16 << 10;

/// Objects that wait for their sums.
#[derive(Debug, Default)]
pub struct Md5Batches(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Vec<u8>, Arc<Slot>)>,
    /// Threads that compute.
    computing: usize,
}

/// Where the owner of an object finds it again, with its sum.
#[derive(Debug, Default)]
struct Slot {
    done: Mutex<Option<(Vec<u8>, Sum)>>,
    ready: Condvar,
}

impl Md5Batches {
    /// The sum of `bytes`. A thread that comes while another one computes lets that one take them along.
    pub fn sum(&self, bytes: &mut Vec<u8>) -> Sum {
        if bytes.len() < LEAST {
            return sums_of(&[bytes])[0];
        }
        let slot = Arc::new(Slot::default());
        let mut queue = self.0.lock();
        queue.waiting.push_back((std::mem::take(bytes), Arc::clone(&slot)));
        if queue.computing == 0 || queue.waiting.len() >= LANES {
            queue.computing += 1;
            while !queue.waiting.is_empty() {
                let count = queue.waiting.len().min(LANES);
                let batch: Vec<_> = queue.waiting.drain(..count).collect();
                MutexGuard::unlocked(&mut queue, || compute(batch));
            }
            queue.computing -= 1;
        }
        drop(queue);
        let mut done = slot.done.lock();
        loop {
            if let Some((all, sum)) = done.take() {
                *bytes = all;
                return sum;
            }
            slot.ready.wait(&mut done);
        }
    }
}

fn compute(batch: Vec<(Vec<u8>, Arc<Slot>)>) {
    let messages: Vec<&[u8]> = batch.iter().map(|(bytes, _)| bytes.as_slice()).collect();
    let sums = sums_of(&messages);
    for ((bytes, slot), sum) in batch.into_iter().zip(sums) {
        *slot.done.lock() = Some((bytes, sum));
        slot.ready.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest, Md5};

    use super::*;

    #[test]
    fn every_object_gets_its_own_sum_and_its_bytes_back() {
        let batches = Md5Batches::default();
        std::thread::scope(|scope| {
            for thread in 0..8_usize {
                let batches = &batches;
                scope.spawn(move || {
                    for round in 0..40 {
                        let bytes = vec![thread as u8; LEAST - 2 + (round % 7) * 1000];
                        let mut moved = bytes.clone();
                        let expected: Sum = Md5::digest(&bytes).into();
                        assert_eq!(batches.sum(&mut moved), expected);
                        assert_eq!(moved, bytes);
                    }
                });
            }
        });
        assert_eq!(batches.0.lock().computing, 0);
    }
}
