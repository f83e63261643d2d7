//! Counters per object, per array, and per run.

use serde::{Deserialize, Serialize};
use zwire::{Exit, ratio};

use crate::checks::Checks;

/// Counters of one or several objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Objects present.
    pub objects: u64,
    /// Stored bytes of the source.
    pub bytes_before: u64,
    /// Stored bytes of the output.
    pub bytes_after: u64,
    /// Decoded bytes.
    pub uncompressed_bytes: u64,
    /// Objects of which any part was compressed again.
    pub recompressed: u64,
    /// Objects read back and compared.
    pub verified: u64,
    /// How objects were checked as they arrived.
    pub checks: Checks,
    /// Objects done by an earlier run.
    pub resumed: u64,
    /// Bad chunks that were copied as they are stored.
    pub bad_copied: u64,
    /// Objects in the output.
    pub written: u64,
    /// The sum of [`crate::rechunk::source_hash`] over all source objects that were read.
    pub sources: u64,
}

impl Stats {
    /// Adds the counters of other objects.
    pub fn add(&mut self, other: &Stats) {
        self.objects += other.objects;
        self.bytes_before += other.bytes_before;
        self.bytes_after += other.bytes_after;
        self.uncompressed_bytes += other.uncompressed_bytes;
        self.recompressed += other.recompressed;
        self.verified += other.verified;
        self.checks.add(&other.checks);
        self.resumed += other.resumed;
        self.bad_copied += other.bad_copied;
        self.written += other.written;
        self.sources = self.sources.wrapping_add(other.sources);
    }
}

/// What was read and written of one array, checked again before publishing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Objects in the output.
    pub written: u64,
    /// As in [`Stats::sources`].
    pub sources: u64,
}

impl Seen {
    /// Adds the counts of another part.
    pub fn add(&mut self, other: Seen) {
        self.written += other.written;
        self.sources = self.sources.wrapping_add(other.sources);
    }
}

/// The work of one process: totals, and what was read and written of each array.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// For the summary.
    pub totals: Totals,
    /// In the order of the plan.
    pub seen: Vec<Seen>,
}

/// Counters of one array.
#[derive(Debug, Clone, Copy, Default)]
pub struct ArrayStats {
    /// Sum over its objects.
    pub stats: Stats,
    /// Objects that failed.
    pub failed: u64,
    /// Seconds summed over all workers.
    pub seconds: f64,
}

/// Totals of a run, as in its summary and in the done-file of a part.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Number of arrays; `None` in a sum over parts, because each part counts all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrays: Option<u64>,
    /// Objects transferred.
    pub objects: u64,
    /// Transferred objects of which any part was compressed again.
    pub recompressed: u64,
    /// Transferred objects that were read back and compared.
    pub verified: u64,
    /// How objects were checked as they arrived; those of earlier runs do not count.
    #[serde(skip_serializing_if = "Checks::is_empty")]
    pub checks: Checks,
    /// Transferred objects that an earlier run had done.
    pub resumed: u64,
    /// Objects that failed.
    pub failed: u64,
    /// Of those, bad chunks that were copied as they are stored.
    #[serde(skip_serializing_if = "is_zero")]
    pub bad_chunks_copied: u64,
    /// Stored bytes of the source.
    pub bytes_before: u64,
    /// Stored bytes of the output.
    pub bytes_after: u64,
    /// Keys of the source that belong to no array.
    pub skipped_keys: u64,
    /// `bytes_before` over `bytes_after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// Failed objects missing from the output, which is therefore incomplete.
    #[serde(skip)]
    pub lost: u64,
    /// Lost objects that could not be decoded.
    #[serde(skip)]
    pub unreadable: u64,
    /// Lost objects whose access was refused.
    #[serde(skip)]
    pub refused: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Totals {
    /// Adds the counts of an array.
    pub fn add_stats(&mut self, stats: &Stats) {
        self.objects += stats.objects;
        self.recompressed += stats.recompressed;
        self.verified += stats.verified;
        self.checks.add(&stats.checks);
        self.resumed += stats.resumed;
        self.bad_chunks_copied += stats.bad_copied;
        self.bytes_before += stats.bytes_before;
        self.bytes_after += stats.bytes_after;
        self.gain = ratio(self.bytes_before, self.bytes_after);
    }

    /// The exit code of a run with lost objects.
    pub fn exit_of_lost(&self) -> Exit {
        if self.objects == 0 && self.refused == self.lost { Exit::Refused } else { Exit::Partial }
    }

    /// Adds the totals of another part or store.
    pub fn add(&mut self, other: &Totals) {
        self.objects += other.objects;
        self.recompressed += other.recompressed;
        self.verified += other.verified;
        self.checks.add(&other.checks);
        self.resumed += other.resumed;
        self.failed += other.failed;
        self.bad_chunks_copied += other.bad_chunks_copied;
        self.bytes_before += other.bytes_before;
        self.bytes_after += other.bytes_after;
        self.skipped_keys += other.skipped_keys;
    }
}
