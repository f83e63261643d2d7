//! Worker time per phase.

use crate::progress::Progress;

/// Seconds per phase, summed over all threads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seconds {
    /// Waiting for the source.
    pub read: f64,
    /// Decoding and cropping.
    pub decode: f64,
    /// Gathering the elements of output chunks.
    pub gather: f64,
    /// Encoding.
    pub encode: f64,
    /// Writing objects.
    pub write: f64,
    /// Reading back, decoding again and comparing.
    pub verify: f64,
}

impl Seconds {
    /// Adds the times of another worker.
    pub fn add(&mut self, other: &Seconds) {
        self.read += other.read;
        self.decode += other.decode;
        self.gather += other.gather;
        self.encode += other.encode;
        self.write += other.write;
        self.verify += other.verify;
    }

    /// The sum of all phases.
    pub fn total(&self) -> f64 {
        self.read + self.decode + self.gather + self.encode + self.write + self.verify
    }

    /// Reports the times per phase; gathering only if nonzero.
    pub fn report(&self, progress: &dyn Progress) {
        let phases = [
            ("read", self.read),
            ("decode", self.decode),
            ("encode", self.encode),
            ("write", self.write),
            ("verify", self.verify),
        ];
        phases.into_iter().for_each(|(phase, seconds)| progress.phase(phase, seconds));
        if self.gather > 0.0 {
            progress.phase("gather", self.gather);
        }
    }
}
