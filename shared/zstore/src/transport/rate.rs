//! A limit on the bytes that all stores of a process move in a second.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// So much time's worth of bytes may come at once after a pause.
const BURST: Duration = Duration::from_millis(200);

/// A number of bytes a second, shared by everybody who has it.
#[derive(Debug)]
pub struct Rate {
    bytes_per_second: f64,
    /// When the bytes so far are paid for.
    paid: Mutex<Instant>,
}

impl Rate {
    /// A limit of at least one byte a second.
    pub fn new(bytes_per_second: u64) -> Rate {
        Rate { bytes_per_second: bytes_per_second.max(1) as f64, paid: Mutex::new(Instant::now()) }
    }

    /// Takes bytes, and says how long to wait after them.
    pub fn take(&self, bytes: usize) -> Duration {
        let now = Instant::now();
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        let mut paid = self.paid.lock();
        *paid = (*paid).max(now.checked_sub(BURST).unwrap_or(now)) + cost;
        paid.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_paid_for_in_time() {
        let rate = Rate::new(1000);
        let waits: Vec<Duration> = (0..5).map(|_| rate.take(1000)).collect();
        for (number, wait) in waits.iter().enumerate() {
            let expected = 1.0 + number as f64;
            assert!((expected - 0.3..=expected).contains(&wait.as_secs_f64()), "{waits:?}");
        }
        assert_eq!(Rate::new(1 << 40).take(1000), Duration::ZERO, "within the burst");
    }
}
