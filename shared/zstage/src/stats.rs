//! Counts: of one object, of an array, of a run.

use serde::{Deserialize, Serialize};
use zwire::{Exit, ratio};

/// What was done with one object, or with several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Objects that were there.
    pub objects: u64,
    /// Stored bytes of the source.
    pub bytes_before: u64,
    /// Stored bytes of the output.
    pub bytes_after: u64,
    /// Decoded bytes.
    pub uncompressed_bytes: u64,
    /// Objects of which any byte was compressed again.
    pub recompressed: u64,
    /// Objects read back and compared.
    pub verified: u64,
    /// Objects that an earlier run had done.
    pub resumed: u64,
}

impl Stats {
    /// Adds what was done with other objects.
    pub fn add(&mut self, other: &Stats) {
        self.objects += other.objects;
        self.bytes_before += other.bytes_before;
        self.bytes_after += other.bytes_after;
        self.uncompressed_bytes += other.uncompressed_bytes;
        self.recompressed += other.recompressed;
        self.verified += other.verified;
        self.resumed += other.resumed;
    }
}

/// What was done with one array.
#[derive(Debug, Clone, Copy, Default)]
pub struct ArrayStats {
    /// Over its objects.
    pub stats: Stats,
    /// Objects that failed.
    pub failed: u64,
    /// Seconds of all workers.
    pub seconds: f64,
}

/// Totals of a run, as its summary and the done-file of a part have them.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Arrays; absent from the sum over all parts, each of which counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrays: Option<u64>,
    /// Objects that were carried over.
    pub objects: u64,
    /// Of them, those of which any byte was compressed again.
    pub recompressed: u64,
    /// Of them, those read back and compared.
    pub verified: u64,
    /// Of them, those that an earlier run had done.
    pub resumed: u64,
    /// Objects that failed.
    pub failed: u64,
    /// Stored bytes of the source.
    pub bytes_before: u64,
    /// Stored bytes of the output.
    pub bytes_after: u64,
    /// Keys of the source that belong to no array.
    pub skipped_keys: u64,
    /// `bytes_before` over `bytes_after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// Failed objects that are not in the output in any form, so that it is not complete.
    #[serde(skip)]
    pub lost: u64,
    /// Of those, the ones that could not be decoded.
    #[serde(skip)]
    pub unreadable: u64,
    /// Of those, the ones that a server refused.
    #[serde(skip)]
    pub refused: u64,
}

impl Totals {
    /// Adds the counts of an array.
    pub fn add_stats(&mut self, stats: &Stats) {
        self.objects += stats.objects;
        self.recompressed += stats.recompressed;
        self.verified += stats.verified;
        self.resumed += stats.resumed;
        self.bytes_before += stats.bytes_before;
        self.bytes_after += stats.bytes_after;
        self.gain = ratio(self.bytes_before, self.bytes_after);
    }

    /// The exit code of a run that lost something.
    pub fn exit_of_lost(&self) -> Exit {
        if self.objects == 0 && self.refused == self.lost { Exit::Refused } else { Exit::Partial }
    }

    /// Adds the totals of another part, or of another store.
    pub fn add(&mut self, other: &Totals) {
        self.objects += other.objects;
        self.recompressed += other.recompressed;
        self.verified += other.verified;
        self.resumed += other.resumed;
        self.failed += other.failed;
        self.bytes_before += other.bytes_before;
        self.bytes_after += other.bytes_after;
        self.skipped_keys += other.skipped_keys;
    }
}
