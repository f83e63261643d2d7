//! The totals of a run: the summary and the exit code.

use std::collections::BTreeSet;

use zarray::Array;
use zcli::Ending;
use zwire::{ArrayRecord, ChunkRecord, Exit, Failure, InspectSummary, SizesSummary, round3};

use crate::missing::missing;
use crate::sizes::Inventory;

/// The order of the arrays of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Stored bytes, the most first.
    Stored,
    /// Compression ratio, the worst first.
    Ratio,
    /// Number of chunks, the most first.
    Chunks,
}

/// The contribution of one array to the totals.
pub struct Counts {
    chunks: u64,
    uncompressed_bytes: u64,
    objects_present: u64,
    objects_expected: u64,
    stored_bytes: Option<u64>,
    ratio: Option<f64>,
    is_incomplete: bool,
    sampled_chunks: u64,
    damaged_chunks: u64,
    verdict: String,
    /// Whether recompressing helps, and how much faster it makes decoding at most.
    helps: bool,
    speedup: f64,
}

impl Counts {
    /// Its place in an order, the first of which has the smallest rank.
    pub fn rank(&self, sort: Sort) -> i64 {
        let most_first = |count: u64| -i64::try_from(count).unwrap_or(i64::MAX);
        match (sort, self.ratio) {
            (Sort::Stored, _) => most_first(self.stored_bytes.unwrap_or(0)),
            (Sort::Chunks, _) => most_first(self.chunks),
            (Sort::Ratio, Some(ratio)) => (ratio * 1000.0) as i64,
            (Sort::Ratio, None) => i64::MAX,
        }
    }

    /// The counts of an array whose sampled chunks are `chunks`.
    pub fn of(record: &ArrayRecord, array: &Array, chunks: &[ChunkRecord]) -> Counts {
        Counts {
            chunks: record.chunks.unwrap_or(0),
            uncompressed_bytes: record.uncompressed_bytes.unwrap_or(0),
            objects_present: record.objects_present.unwrap_or(0),
            // Where it is not known how many there should be, none is missing.
            objects_expected: record.objects_expected.or(record.objects_present).unwrap_or(0),
            stored_bytes: record.stored_bytes,
            ratio: record.ratio,
            is_incomplete: missing(record, array).is_some(),
            sampled_chunks: chunks.len() as u64,
            damaged_chunks: chunks.iter().filter(|chunk| !chunk.problems.is_empty()).count() as u64,
            verdict: record.verdict.clone(),
            helps: record.recompress_helps,
            speedup: record.recompressed_speedup.unwrap_or(1.0),
        }
    }
}

/// The running totals, and what else determines the exit code.
#[derive(Default)]
pub struct Totals {
    pub summary: InspectSummary,
    failed_stores: u64,
    pub failed_nodes: u64,
    worst: Option<Exit>,
    /// Paths of all arrays, selected or not, if there is a selection.
    pub paths: BTreeSet<String>,
    /// Time to decode the arrays that recompressing helps, in bytes of one thread.
    time_before: f64,
    time_after: f64,
}

impl Totals {
    /// Empty totals of a run over this many stores; with `sizes` if they are listed.
    pub fn new(stores: usize, sizes: bool) -> Totals {
        let sizes = sizes.then(SizesSummary::default);
        Totals {
            summary: InspectSummary { stores: stores as u64, sizes, ..InspectSummary::default() },
            ..Totals::default()
        }
    }

    /// Whether any store could be inspected.
    pub fn any_store(&self) -> bool {
        self.failed_stores < self.summary.stores
    }

    /// Adds a store that could not be inspected.
    pub fn store_failed(&mut self, failure: &Failure) {
        self.failed_stores += 1;
        self.worst = self.worst.or(Some(failure.exit));
    }

    /// Adds an array.
    pub fn add(&mut self, counts: Counts) {
        let summary = &mut self.summary;
        summary.arrays += 1;
        summary.chunks = summary.chunks.saturating_add(counts.chunks);
        summary.uncompressed_bytes = summary.uncompressed_bytes.saturating_add(counts.uncompressed_bytes);
        if let Some(sizes) = &mut summary.sizes {
            sizes.objects_present += counts.objects_present;
            sizes.objects_expected = sizes.objects_expected.saturating_add(counts.objects_expected);
            sizes.stored_bytes += counts.stored_bytes.unwrap_or(0);
            sizes.incomplete_arrays += u64::from(counts.is_incomplete);
        }
        summary.sampled_chunks += counts.sampled_chunks;
        summary.damaged_chunks += counts.damaged_chunks;
        if counts.helps {
            self.gain(&counts);
        }
        let summary = &mut self.summary;
        *summary.verdicts.entry(counts.verdict).or_default() += 1;
    }

    /// Adds an array that recompressing helps. Decoding all of them takes as long as their bytes, each at its own speed.
    fn gain(&mut self, counts: &Counts) {
        let gain = self.summary.gain.get_or_insert_default();
        gain.recompress_arrays += 1;
        gain.recompress_bytes = gain.recompress_bytes.saturating_add(counts.uncompressed_bytes);
        if let Some(bytes) = counts.stored_bytes {
            *gain.recompress_stored_bytes.get_or_insert_default() += bytes;
        }
        if counts.speedup > 1.0 {
            let bytes = counts.uncompressed_bytes as f64;
            self.time_before += bytes;
            self.time_after += bytes / counts.speedup;
            gain.recompress_speedup = Some(round3(self.time_before / self.time_after.max(f64::MIN_POSITIVE)));
        }
    }

    /// Adds what the list of a store contains besides its arrays.
    pub fn add_inventory(&mut self, inventory: &Inventory) {
        for (kind, count) in &inventory.stray_counts {
            *self.summary.keys.entry((*kind).to_owned()).or_default() += count;
        }
        if let Some(sizes) = &mut self.summary.sizes {
            sizes.metadata_bytes += inventory.metadata_bytes;
        }
    }

    /// The ending of the run; `unmatched` patterns selected no array, and with `complete` none may have missing chunks.
    pub fn ending(self, unmatched: bool, complete: bool) -> Ending {
        let Totals { summary, failed_stores, failed_nodes, worst, .. } = self;
        let incomplete = summary.sizes.as_ref().is_some_and(|sizes| complete && sizes.incomplete_arrays > 0);
        let exit = match Exit::of_items(summary.stores, failed_stores, worst.unwrap_or(Exit::Unreadable)) {
            Exit::Done if unmatched && summary.arrays == 0 && failed_nodes == 0 => Exit::Absent,
            Exit::Done if unmatched || failed_nodes > 0 => Exit::Partial,
            Exit::Done if summary.damaged_chunks + summary.consolidated_differences > 0 || incomplete => Exit::No,
            exit => exit,
        };
        Ending::new(exit, &summary)
    }
}
