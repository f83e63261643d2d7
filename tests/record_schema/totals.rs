//! The totals in the summary of each tool: those that have a type, and those of steps that all writers have.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use zwire::{
    DedupSummary, EnsembleSummary, ExtractPlanSummary, ExtractSummary, FetchSummary, InspectSummary, TrialSummary,
    ValidateSummary,
};

/// A step of a writer: what came of it.
#[derive(JsonSchema, Serialize)]
struct Steps {
    /// With `--prepare`: the number of parts. With `--status`: the same.
    parts: u64,
    /// Of a part that an earlier run did: true.
    already_done: bool,
    /// Of an output that an earlier run completed: true.
    already_complete: bool,
    /// With `--status`: the source store.
    source: String,
    /// With `--status`: parts that are done.
    done: u64,
    /// With `--status`: the other parts, as `3,7-9`.
    missing: String,
}

/// A dry run of a writer.
#[derive(JsonSchema, Serialize)]
struct Plan {
    /// Arrays.
    arrays: u64,
    /// With `--dry-run`: stored objects if all arrays are complete.
    objects_expected: u64,
    /// Bytes of all arrays, decoded.
    uncompressed_bytes: u64,
    /// With `--dry-run`: workers.
    jobs: u64,
    /// With `--dry-run`: peak memory.
    memory_bytes: u64,
}

/// What the dry runs of all but `zfetch` add.
#[derive(JsonSchema, Serialize)]
struct Recompressed {
    /// With `--dry-run`: arrays whose chunks are encoded again.
    recompress: u64,
}

/// What a dry run of `zdedup` adds.
#[derive(JsonSchema, Serialize)]
struct Pieces {
    /// With `--dry-run`: decoded bytes of the objects whose stored bytes are copied.
    uncompressed_bytes_copied: u64,
    /// With `--dry-run`: decoded bytes of the objects that are encoded again.
    uncompressed_bytes_recoded: u64,
}

/// What a dry run of `zfetch` adds.
#[derive(JsonSchema, Serialize)]
struct Estimate {
    /// With `--dry-run`: arrays whose chunks are encoded again.
    recoded_arrays: u64,
    /// With `--dry-run`: stored bytes to fetch, estimated from the sizes of a few objects.
    estimated_bytes: u64,
}

/// What was written.
#[derive(JsonSchema, Serialize)]
struct Written {
    /// Arrays.
    arrays: u64,
    /// Stored objects read.
    objects: u64,
    /// Objects that were encoded again.
    recompressed: u64,
    /// Objects that were read back and compared.
    verified: u64,
    /// Objects by the strongest check that was made as they arrived.
    checks: std::collections::BTreeMap<String, u64>,
    /// Objects that an earlier run had done.
    resumed: u64,
    /// Objects that failed.
    failed: u64,
    /// Of those, bad chunks that were copied as they are stored.
    bad_chunks_copied: u64,
    /// Stored bytes of the source.
    bytes_before: u64,
    /// Stored bytes of the output.
    bytes_after: u64,
    /// Keys of the source that belong to no array.
    skipped_keys: u64,
    /// `bytes_before / bytes_after`.
    gain: f64,
}

/// What `zrecompress --out-dir` adds.
#[derive(JsonSchema, Serialize)]
struct Stores {
    /// Stores given.
    stores: u64,
    /// Stores that failed.
    stores_failed: u64,
    /// Stores that an earlier run completed.
    stores_complete: u64,
}

/// What `zfetch cache` did.
#[derive(JsonSchema, Serialize)]
struct Cache {
    /// Entries looked at.
    entries: u64,
    /// Bytes of the cache on the disk.
    disk_bytes: u64,
    /// Objects that were compared with their checksums.
    verified: u64,
    /// Objects that are missing or differ.
    failed: u64,
    /// Entries whose checksums were not kept.
    not_verified: u64,
    /// Entries that were evicted.
    evicted: u64,
    /// Entries that were not evicted.
    kept: u64,
    /// Bytes that eviction freed.
    freed_bytes: u64,
    /// Whether nothing was evicted, because of `--dry-run`.
    dry_run: bool,
}

/// The schema of the totals of each tool. None is required, because they depend on what a run had to do.
pub fn by_tool() -> Map<String, Value> {
    let fields = |tool: &str, schemas: Vec<Map<String, Value>>| (tool.to_owned(), merged(tool, schemas));
    Map::from_iter([
        fields("lorenz-ens", vec![of::<EnsembleSummary>(), of::<Plan>(), of::<Recompressed>(), of::<Steps>()]),
        fields(
            "zdedup",
            vec![
                of::<DedupSummary>(),
                of::<Plan>(),
                of::<Recompressed>(),
                of::<Pieces>(),
                of::<Written>(),
                of::<Steps>(),
            ],
        ),
        fields("zfetch", vec![of::<FetchSummary>(), of::<Cache>(), of::<Plan>(), of::<Estimate>(), of::<Steps>()]),
        fields("zinspect", vec![of::<InspectSummary>()]),
        fields("zpoint", vec![of::<ExtractSummary>(), of::<ExtractPlanSummary>()]),
        fields(
            "zrecompress",
            vec![
                of::<Written>(),
                of::<TrialSummary>(),
                of::<Plan>(),
                of::<Recompressed>(),
                of::<Steps>(),
                of::<Stores>(),
            ],
        ),
        fields("zvalidate", vec![of::<ValidateSummary>()]),
    ])
}

fn of<T: JsonSchema>() -> Map<String, Value> {
    let mut schema = Value::Object(crate::schema_of::<T>());
    schema["required"] = json!([]);
    crate::without_null(&mut schema);
    schema.as_object().cloned().unwrap_or_default()
}

/// One schema with the fields of all; of fields of one name and type, the first.
fn merged(tool: &str, schemas: Vec<Map<String, Value>>) -> Value {
    let (mut properties, mut patterns) = (Map::new(), Map::new());
    for schema in schemas {
        for (key, fields) in [("properties", &mut properties), ("patternProperties", &mut patterns)] {
            let more = schema.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
            for (name, field) in more {
                let known = fields.entry(name).or_insert_with(|| field.clone());
                // What a step counts, and what another step lists.
                if known["type"] != field["type"] {
                    *known = json!({"anyOf": [known.take(), field]});
                }
            }
        }
    }
    let mut schema = Map::from_iter([
        ("description".to_owned(), format!("Totals of {tool}, next to the fields of every summary.").into()),
        ("properties".to_owned(), properties.into()),
    ]);
    if !patterns.is_empty() {
        schema.insert("patternProperties".into(), patterns.into());
    }
    schema.into()
}
