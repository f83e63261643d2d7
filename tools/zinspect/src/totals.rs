//! The totals of a run: the summary and the exit code.

use zcli::Ending;
use zwire::{ArrayRecord, ChunkRecord, Exit, Failure, InspectSummary, SizesSummary};

use crate::sizes::Inventory;

/// The contribution of one array to the totals.
pub struct Counts {
    chunks: u64,
    uncompressed_bytes: u64,
    objects_present: u64,
    objects_expected: u64,
    stored_bytes: u64,
    damaged_chunks: u64,
    verdict: String,
}

impl Counts {
    /// The counts of an array whose sampled chunks are `chunks`.
    pub fn of(record: &ArrayRecord, chunks: &[ChunkRecord]) -> Counts {
        Counts {
            chunks: record.chunks.unwrap_or(0),
            uncompressed_bytes: record.uncompressed_bytes.unwrap_or(0),
            objects_present: record.objects_present.unwrap_or(0),
            // Where it is not known how many there should be, none is missing.
            objects_expected: record.objects_expected.or(record.objects_present).unwrap_or(0),
            stored_bytes: record.stored_bytes.unwrap_or(0),
            damaged_chunks: chunks.iter().filter(|chunk| !chunk.problems.is_empty()).count() as u64,
            verdict: record.verdict.clone(),
        }
    }
}

/// The running totals, and what else determines the exit code.
pub struct Totals {
    pub summary: InspectSummary,
    failed_stores: u64,
    pub failed_nodes: u64,
    worst: Option<Exit>,
}

impl Totals {
    /// Empty totals of a run over this many stores; with `sizes` if they are listed.
    pub fn new(stores: usize, sizes: bool) -> Totals {
        let sizes = sizes.then(SizesSummary::default);
        let summary = InspectSummary { stores: stores as u64, sizes, ..InspectSummary::default() };
        Totals { summary, failed_stores: 0, failed_nodes: 0, worst: None }
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
            sizes.stored_bytes += counts.stored_bytes;
        }
        summary.damaged_chunks += counts.damaged_chunks;
        *summary.verdicts.entry(counts.verdict).or_default() += 1;
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

    /// The ending of the run.
    pub fn ending(self) -> Ending {
        let Totals { summary, failed_stores, failed_nodes, worst } = self;
        let exit = match Exit::of_items(summary.stores, failed_stores, worst.unwrap_or(Exit::Unreadable)) {
            Exit::Done if failed_nodes > 0 => Exit::Partial,
            Exit::Done if summary.damaged_chunks + summary.consolidated_differences > 0 => Exit::No,
            exit => exit,
        };
        Ending::new(exit, &summary)
    }
}
