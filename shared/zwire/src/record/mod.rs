//! The records, one struct per type. Fields are printed in the order of the struct.

mod compare;
mod dedup;
mod end;
mod ensemble;
mod extract;
mod read;
mod trial;
mod validate;
mod write;

use schemars::JsonSchema;
use serde::Serialize;

pub use compare::CompareRecord;
pub use dedup::{BatchRecord, ConcatRecord, ConflictRecord, CoordinateRecord, DuplicateRecord};
pub use end::{ErrorRecord, Summary, Timing};
pub use ensemble::{DivergedRecord, GeneratedRecord, MethodRecord, StateRecord, StatisticsRecord, number};
pub use extract::{ExtractionRecord, MatchRecord, RowRecord};
pub use read::{ArrayRecord, BenchRecord, ChunkRecord, ConsolidatedRecord, GroupRecord, KeyRecord};
pub use trial::{ChoiceRecord, TrialRecord};
pub use validate::{CheckRecord, FindingRecord, Severity};
pub use write::{CacheEntryRecord, CacheRecord, FetchRecord, FetchedRecord, PlanRecord, RecompressRecord};

/// One line of a stream.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// A group of a hierarchy.
    Group(GroupRecord),
    /// An array, its stored size, and what limits decoding speed.
    Array(Box<ArrayRecord>),
    /// One stored chunk, as its own header describes it.
    Chunk(Box<ChunkRecord>),
    /// A key of the store that belongs to no array.
    Key(KeyRecord),
    /// A node whose metadata differs from the consolidated metadata.
    Consolidated(ConsolidatedRecord),
    /// A measured decoding speed.
    Bench(BenchRecord),
    /// What a writer will do.
    Plan(Box<PlanRecord>),
    /// The result of recompressing one array.
    Recompress(RecompressRecord),
    /// What was fetched of one array.
    Fetch(FetchRecord),
    /// A store that was fetched.
    Fetched(FetchedRecord),
    /// A cache.
    Cache(CacheRecord),
    /// An entry of the cache.
    CacheEntry(Box<CacheEntryRecord>),
    /// A compressor that was tried on chunks of an array.
    Trial(Box<TrialRecord>),
    /// The compressor that was chosen for an array.
    Choice(Box<ChoiceRecord>),
    /// The grid cell of a point.
    Match(Box<MatchRecord>),
    /// What an extraction will read and write.
    Extraction(Box<ExtractionRecord>),
    /// A row of an extraction: names and values.
    Row(RowRecord),
    /// Something wrong, or worth knowing, about a store.
    Finding(Box<FindingRecord>),
    /// What was checked of an array.
    Check(Box<CheckRecord>),
    /// What was compared of an array of two stores.
    Compare(Box<CompareRecord>),
    /// A batch of a concatenation.
    Batch(Box<BatchRecord>),
    /// A coordinate value that occurs more than once.
    Duplicate(Box<DuplicateRecord>),
    /// A variable that differs under two occurrences of a coordinate value.
    Conflict(Box<ConflictRecord>),
    /// Something wrong with the coordinate of a concatenation: a gap, or a value out of order.
    Coordinate(Box<CoordinateRecord>),
    /// The result of concatenating one array.
    Concat(Box<ConcatRecord>),
    /// The state of a member of an ensemble.
    State(StateRecord),
    /// The distribution of a variable over the members of an ensemble.
    Statistics(Box<StatisticsRecord>),
    /// A member whose state became NaN or infinite.
    Diverged(DivergedRecord),
    /// A measured way of integrating an ensemble.
    Method(Box<MethodRecord>),
    /// An array of a generated store.
    Generated(Box<GeneratedRecord>),
    /// An item that failed; the run continues.
    Error(ErrorRecord),
    /// The last line of every stream.
    Summary(Summary),
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::{Exit, V1};

    #[test]
    fn a_line_starts_with_type_and_version() {
        let record = Record::Key(KeyRecord {
            store: "s".into(),
            key: "t2m/x".into(),
            stored_bytes: 3,
            kind: "unknown".into(),
            ..Default::default()
        });
        let line = serde_json::to_string(&record).expect("a record serialises");
        assert_eq!(line, r#"{"type":"key","v":1,"store":"s","key":"t2m/x","stored_bytes":3,"kind":"unknown"}"#);
    }

    #[test]
    fn a_summary_is_flat() {
        let mut totals = Map::new();
        totals.insert("arrays".into(), 4.into());
        let summary = Summary { v: V1, tool: "zinspect".into(), exit: Exit::Done, errors: 0, totals, timing: None };
        let line = serde_json::to_string(&Record::Summary(summary)).expect("a record serialises");
        assert_eq!(line, r#"{"type":"summary","v":1,"tool":"zinspect","exit":0,"errors":0,"arrays":4}"#);
    }
}
