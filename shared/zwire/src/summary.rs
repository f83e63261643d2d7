//! The totals of each tool, one struct per tool: the fields of its `summary` record besides the common ones.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::schema::counts;

/// Totals of `zfetch`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct FetchSummary {
    /// Stores given.
    pub stores: u64,
    /// Stores that were in the cache already.
    pub reused: u64,
    /// Arrays fetched.
    pub arrays: u64,
    /// Stored objects fetched.
    pub objects: u64,
    /// Objects that the source does not have.
    pub missing_objects: u64,
    /// Stored bytes fetched.
    pub bytes: u64,
    /// Objects that were decoded and encoded again.
    pub recoded: u64,
    /// Objects that were read back and compared with what arrived.
    pub verified: u64,
    /// Objects by the strongest check that was made as they arrived.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, u64>,
    /// Objects that an earlier run had fetched.
    pub resumed: u64,
    /// With `--repair`: objects of which no checksum was kept when they were fetched first, so that another version of the source was
    /// not noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_versions: Option<u64>,
    /// Objects that failed.
    pub failed: u64,
}

/// Totals of `zinspect`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct InspectSummary {
    /// Stores given.
    pub stores: u64,
    /// Groups.
    pub groups: u64,
    /// Arrays.
    pub arrays: u64,
    /// Chunks that the arrays have; with sharding, inner chunks.
    pub chunks: u64,
    /// Bytes of all arrays, decoded.
    pub uncompressed_bytes: u64,
    /// Totals of `--sizes`.
    #[serde(flatten)]
    pub sizes: Option<SizesSummary>,
    /// Chunks whose first bytes were read.
    pub sampled_chunks: u64,
    /// Sampled chunks that are damaged or do not match the metadata.
    pub damaged_chunks: u64,
    /// Nodes whose metadata differs from the consolidated metadata.
    pub consolidated_differences: u64,
    /// What recompressing could gain, if anything.
    #[serde(flatten)]
    pub gain: Option<GainSummary>,
    /// Keys that belong to no array, by kind, as `keys_KIND`.
    #[serde(flatten, serialize_with = "keys")]
    #[schemars(schema_with = "keys_schema")]
    pub keys: BTreeMap<String, u64>,
    /// Arrays by verdict, as `verdict_WORD`.
    #[serde(flatten, serialize_with = "verdicts")]
    #[schemars(schema_with = "verdicts_schema")]
    pub verdicts: BTreeMap<String, u64>,
}

/// Totals that a list of the whole store adds to an [`InspectSummary`].
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct SizesSummary {
    /// Stored objects (chunks, or shards) that belong to arrays.
    pub objects_present: u64,
    /// Stored objects if all arrays were complete.
    pub objects_expected: u64,
    /// Bytes of the stored objects.
    pub stored_bytes: u64,
    /// Bytes of metadata documents.
    pub metadata_bytes: u64,
    /// Arrays of which objects are missing.
    pub incomplete_arrays: u64,
}

/// The arrays of an [`InspectSummary`] that recompressing would help.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct GainSummary {
    /// Number of arrays.
    pub recompress_arrays: u64,
    /// Their bytes, decoded.
    pub recompress_bytes: u64,
    /// Their stored bytes, with `--sizes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recompress_stored_bytes: Option<u64>,
    /// How many times faster they could be decoded at most, with the threads assumed by the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recompress_speedup: Option<f64>,
}

/// Totals of an extraction by `zpoint`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ExtractSummary {
    /// Stores given.
    pub stores: u64,
    /// Variables.
    pub variables: u64,
    /// Value columns.
    pub columns: u64,
    /// Points.
    pub points: u64,
    /// Rows.
    pub rows: u64,
    /// Chunks read.
    pub chunks_read: u64,
    /// Chunks that are not stored.
    pub chunks_missing: u64,
    /// Chunks that are damaged.
    pub chunks_failed: u64,
    /// Chunks that were decoded whole.
    pub chunks_whole: u64,
    /// Blosc blocks decoded individually.
    pub blocks_decoded: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Values that are missing because they lie outside the valid range.
    pub values_out_of_range: u64,
    /// Size of the output file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// The files that were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<String>>,
}

/// Totals of a dry run of `zpoint`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ExtractPlanSummary {
    /// Stores given.
    pub stores: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes that will be read.
    pub read_bytes: u64,
    /// Decoded bytes of the requested values.
    pub wanted_bytes: u64,
}

/// Totals of `zrecompress --trial`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct TrialSummary {
    /// Arrays on which compressors were tried.
    pub arrays: u64,
    /// Compressors that were tried, over all arrays.
    pub trials: u64,
    /// Estimated current size of those of which chunks are stored.
    pub bytes_before: u64,
    /// Size of these arrays with the chosen compressors.
    pub predicted_bytes: u64,
    /// Time to compress them.
    pub predicted_seconds: f64,
}

/// Totals of `zvalidate`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ValidateSummary {
    /// Stores given.
    pub stores: u64,
    /// Arrays checked.
    pub arrays: u64,
    /// How thoroughly: `list`, `header` or `full`; of several stores, the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Totals of the checks of chunks; of no comparison and no manifest.
    #[serde(flatten)]
    pub checks: Option<CheckSummary>,
    /// Bytes of the stored objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
    /// Arrays that could not be checked at this level.
    pub arrays_unchecked: u64,
    /// Totals of `--against`.
    #[serde(flatten)]
    pub against: Option<AgainstSummary>,
    /// Totals of `--write-manifest` and `--manifest`.
    #[serde(flatten)]
    pub manifest: Option<ManifestSummary>,
    /// Finding records; those above the limit of a kind and an array are counted together in one.
    pub findings: u64,
    /// Findings by severity, as `severity_NAME`.
    #[serde(flatten, serialize_with = "severities")]
    #[schemars(schema_with = "severities_schema")]
    pub severities: BTreeMap<String, u64>,
    /// Findings by kind, as `kind_NAME`.
    #[serde(flatten, serialize_with = "kinds")]
    #[schemars(schema_with = "kinds_schema")]
    pub kinds: BTreeMap<String, u64>,
}

/// What the checks of chunks add to a [`ValidateSummary`].
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct CheckSummary {
    /// Stored objects (chunks, or shards) if all arrays were complete.
    pub objects_expected: u64,
    /// Stored objects that are present.
    pub objects_present: u64,
    /// Stored objects that are missing.
    pub objects_missing: u64,
    /// Bytes of all arrays, decoded.
    pub uncompressed_bytes: u64,
    /// Chunks (with sharding: inner chunks) whose bytes were checked.
    pub chunks_checked: u64,
    /// Chunks that are damaged or do not match the metadata.
    pub chunks_damaged: u64,
    /// Bytes that were decoded.
    pub decoded_bytes: u64,
}

/// What `zvalidate --against` adds to a [`ValidateSummary`].
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct AgainstSummary {
    /// The other store.
    pub against: String,
    /// Arrays of both stores.
    pub arrays_compared: u64,
    /// Arrays that differ in values, metadata, or are in only one store.
    pub arrays_differing: u64,
    /// Values that were compared.
    pub values_compared: u64,
    /// Values that differ.
    pub values_differing: u64,
    /// Chunks whose stored bytes are equal, so that they were not decoded.
    pub chunks_identical: u64,
    /// Chunks that were not fetched into one of the stores, and not compared.
    pub chunks_skipped: u64,
}

/// What a manifest adds to a [`ValidateSummary`].
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ManifestSummary {
    /// The file.
    pub manifest: String,
    /// Objects of the store, or of the manifest.
    pub manifest_objects: u64,
    /// Objects whose bytes are as in the manifest.
    pub objects_same: u64,
    /// Objects whose bytes differ from the manifest.
    pub objects_changed: u64,
    /// Objects of the manifest that are not in the store.
    pub objects_gone: u64,
    /// Objects that are not in the manifest.
    pub objects_new: u64,
}

fn severities<S: Serializer>(counts: &BTreeMap<String, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    prefixed("severity_", counts, serializer)
}

fn kinds<S: Serializer>(counts: &BTreeMap<String, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    prefixed("kind_", counts, serializer)
}

fn keys<S: Serializer>(counts: &BTreeMap<String, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    prefixed("keys_", counts, serializer)
}

fn verdicts<S: Serializer>(counts: &BTreeMap<String, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    prefixed("verdict_", counts, serializer)
}

fn severities_schema(_: &mut SchemaGenerator) -> Schema {
    counts("severity_", "Findings of a severity.")
}

fn kinds_schema(_: &mut SchemaGenerator) -> Schema {
    counts("kind_", "Findings of a kind.")
}

fn keys_schema(_: &mut SchemaGenerator) -> Schema {
    counts("keys_", "Keys of a kind that belong to no array.")
}

fn verdicts_schema(_: &mut SchemaGenerator) -> Schema {
    counts("verdict_", "Arrays with a verdict.")
}

/// Counts as fields whose names start with `prefix`.
fn prefixed<S: Serializer>(prefix: &str, counts: &BTreeMap<String, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(name, count)| (format!("{prefix}{name}"), count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_kind_are_flat_fields() {
        let count = |name: &str| BTreeMap::from([(name.to_owned(), 2)]);
        let mut summary = InspectSummary { stores: 1, arrays: 2, verdicts: count("ok"), ..InspectSummary::default() };
        let line = |summary: &InspectSummary| serde_json::to_string(summary).expect("a summary serialises");
        assert_eq!(
            line(&summary),
            r#"{"stores":1,"groups":0,"arrays":2,"chunks":0,"uncompressed_bytes":0,"sampled_chunks":0,"damaged_chunks":0,"consolidated_differences":0,"verdict_ok":2}"#
        );
        summary.sizes = Some(SizesSummary { stored_bytes: 7, ..SizesSummary::default() });
        summary.keys = count("unknown");
        assert_eq!(
            line(&summary),
            r#"{"stores":1,"groups":0,"arrays":2,"chunks":0,"uncompressed_bytes":0,"objects_present":0,"objects_expected":0,"stored_bytes":7,"metadata_bytes":0,"incomplete_arrays":0,"sampled_chunks":0,"damaged_chunks":0,"consolidated_differences":0,"keys_unknown":2,"verdict_ok":2}"#
        );
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Totals of `zdedup`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct DedupSummary {
    /// Stores given.
    pub batches: u64,
    /// The dimension.
    pub dim: String,
    /// Coordinate values in all batches.
    pub values: u64,
    /// Different values.
    pub unique: u64,
    /// Values beyond the first occurrence of each.
    pub duplicates: u64,
    /// Values that occur more than once, with the same data each time.
    pub identical: u64,
    /// Values that occur more than once, with different data.
    pub conflicting: u64,
    /// Values that occur more than once, whose data were not all compared.
    pub not_compared: u64,
    /// Places where the coordinate leaves out a step.
    pub gaps: u64,
    /// Steps that are missing there.
    pub missing_steps: u64,
    /// Values that are smaller than the one before them.
    pub unsorted: u64,
    /// Neighbouring values that are much closer than a step.
    pub near_duplicates: u64,
    /// Values that are NaN, not a time, or marked as missing.
    pub missing_values: u64,
    /// With --merge: groups of stores with different variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged: Option<u64>,
    /// With --merge: values that some stores have and those with other variables do not.
    #[serde(skip_serializing_if = "is_zero")]
    pub unmatched: u64,
    /// Totals of the concatenation.
    #[serde(flatten)]
    pub concat: Option<ConcatSummary>,
}

/// What a concatenation adds to a [`DedupSummary`].
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ConcatSummary {
    /// Values along the dimension in the output; not known to a run that continues an append.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
    /// Arrays written.
    pub arrays: u64,
    /// Stored objects written.
    pub objects: u64,
    /// Objects whose stored bytes were copied.
    pub copied: u64,
    /// Objects that were encoded again.
    pub recoded: u64,
    /// Stored bytes of the output.
    pub bytes: u64,
    /// Objects that were read back and compared.
    pub verified: u64,
    /// Objects that an earlier run had written.
    pub resumed: u64,
    /// Objects that failed.
    pub failed: u64,
}

/// Totals of `lorenz-ens`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct EnsembleSummary {
    /// Members.
    pub members: u64,
    /// Steps of each.
    pub steps: u64,
    /// Steps of all members.
    pub member_steps: u64,
    /// Members whose state became NaN or infinite.
    pub diverged: u64,
    /// The instructions that were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Whether all methods agreed bit for bit, with `--check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identical: Option<bool>,
    /// The leading Lyapunov exponent, per unit of model time, with `--stats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lyapunov: Option<f64>,
    /// Its standard error over the members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lyapunov_error: Option<f64>,
    /// Members of which it was computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lyapunov_members: Option<u64>,
    /// Rows of `--every` or of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The file that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Totals of the stores that were written.
    #[serde(flatten)]
    pub written: Option<GeneratedSummary>,
}

/// What written stores add to an [`EnsembleSummary`].
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct GeneratedSummary {
    /// Stores.
    pub stores: u64,
    /// Arrays.
    pub arrays: u64,
    /// Stored objects.
    pub objects: u64,
    /// Decoded bytes.
    pub uncompressed_bytes: u64,
    /// Stored bytes.
    pub bytes: u64,
    /// Objects that were read back and compared.
    pub verified: u64,
    /// Objects that an earlier run had written.
    pub resumed: u64,
    /// Objects that failed.
    pub failed: u64,
    /// Faults that were planted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<u64>,
}
