//! What the tools say to scripts: exit codes and JSON records.
//!
//! # The compatibility promise
//!
//! Every line on standard output is one flat JSON object that starts with `"type"` and `"v"`. New types and new fields may
//! come at any time; a field is removed, or given another meaning, only with a raise of `v`. Field names are snake_case and
//! carry their unit (`_bytes`, `_seconds`); node paths are absolute (`/`, `/t2m`); NaN and the infinities are strings; what
//! is not known is left out. The last line is the one `summary`: a stream without it was cut.
//!
//! This crate knows nothing of files, Zarr or terminals.

mod exit;
mod failure;
mod json;
mod record;
mod summary;
mod units;

pub use exit::{EXIT_STATUS, Exit};
pub use failure::Failure;
pub use json::{V1, ratio, round3};
pub use record::{
    ArrayRecord, BenchRecord, ChoiceRecord, ChunkRecord, ConsolidatedRecord, ErrorRecord, ExtractionRecord,
    GroupRecord, KeyRecord, MatchRecord, PlanRecord, RecompressRecord, Record, RowRecord, Summary, Timing, TrialRecord,
};
pub use summary::{ExtractPlanSummary, ExtractSummary, InspectSummary, SizesSummary, TrialSummary};
pub use units::{human_bytes, human_count, human_counted, shell_quote};
