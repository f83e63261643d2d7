//! The interface between tools and scripts: exit codes and JSON records.
//!
//! # The compatibility promise
//!
//! Every line on stdout is one flat JSON object that starts with `"type"` and `"v"`. New types and fields may be added at any
//! time; a field is removed or changes meaning only when `v` is incremented. Field names are snake_case and carry their unit
//! (`_bytes`, `_seconds`); node paths are absolute (`/`, `/t2m`); NaN and the infinities are strings; unknown fields are
//! omitted. The last line is the `summary`: a stream without it is truncated.
//!
//! This crate does not depend on files, Zarr or terminals.

mod closest;
mod exit;
mod failure;
mod json;
mod record;
mod redact;
mod schema;
mod summary;
mod units;

pub use closest::{closest, did_you_mean};
pub use exit::{EXIT_STATUS, Exit};
pub use failure::Failure;
pub use json::{V1, ratio, round3, three_digits};
pub use record::{
    ArrayRecord, BatchRecord, BenchRecord, CacheEntryRecord, CacheRecord, CheckRecord, ChoiceRecord, ChunkRecord,
    CompareRecord, ConcatRecord, ConflictRecord, ConsolidatedRecord, CoordinateRecord, DivergedRecord, DuplicateRecord,
    ErrorRecord, ExtractionRecord, FetchRecord, FetchedRecord, FindingRecord, GeneratedRecord, GroupRecord, KeyRecord,
    MatchRecord, MethodRecord, PlanRecord, RecompressRecord, Record, RowRecord, Severity, StateRecord,
    StatisticsRecord, Summary, Timing, TrialRecord, number,
};
pub use redact::{decoded, redact, redact_url};
pub use summary::{
    AgainstSummary, CheckSummary, ConcatSummary, DedupSummary, EnsembleSummary, ExtractPlanSummary, ExtractSummary,
    FetchSummary, GainSummary, GeneratedSummary, InspectSummary, ManifestSummary, SizesSummary, TrialSummary,
    ValidateSummary,
};
pub use units::{human_bytes, human_count, human_counted, recompressed_name, shell_quote};
