//! The stopwatch of one worker.

use std::time::Instant;

/// A stopwatch for consecutive phases of one worker.
pub struct Timer(Instant);

impl Timer {
    /// Starts it.
    pub fn start() -> Timer {
        Timer(Instant::now())
    }

    /// Seconds since the start or the last lap.
    pub fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let seconds = now.duration_since(self.0).as_secs_f64();
        self.0 = now;
        seconds
    }
}
