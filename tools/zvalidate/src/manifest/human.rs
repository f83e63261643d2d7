//! What a terminal shows below the findings of a manifest run: what was written, or what was checked.

use serde_json::Value;
use zwire::{Summary, human_bytes, human_count, human_counted};

use crate::human::severities;

/// After a manifest was written.
pub fn written(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64).unwrap_or(0);
    let line = format!(
        "wrote {}: {} with metadata, {} · {} of chunks hashed",
        name(summary),
        human_counted(number("manifest_objects"), "object"),
        human_counted(number("arrays"), "array"),
        human_bytes(number("stored_bytes"))
    );
    [vec![line], severities(&number)].concat()
}

/// After a store was checked.
pub fn checked(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64).unwrap_or(0);
    let states =
        [("same", "objects_same"), ("changed", "objects_changed"), ("missing", "objects_gone"), ("new", "objects_new")];
    let states = states.map(|(state, key)| format!("{} {state}", human_count(number(key))));
    let line = format!(
        "checked against {}: {} with metadata, {} · {}",
        name(summary),
        human_counted(number("manifest_objects"), "object"),
        human_counted(number("arrays"), "array"),
        states.join(", ")
    );
    [vec![line], severities(&number)].concat()
}

fn name(summary: &Summary) -> &str {
    summary.totals.get("manifest").and_then(Value::as_str).unwrap_or("the manifest")
}
