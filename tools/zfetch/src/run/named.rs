//! What the records of other tools name: objects to repair.

use serde_json::{Map, Value};
use zwire::{Exit, Failure, human_counted};

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    /// The path of an object.
    Object(String),
    /// That something is damaged, and not which objects.
    Unknown,
    /// Nothing of objects.
    Nothing,
}

/// What a record names: a finding of `zvalidate` an object by its store and key, an error of `zfetch cache verify` by its path.
pub fn named(record: &Map<String, Value>) -> Named {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    match (text("type"), text("store"), text("key"), text("path")) {
        (_, Some(store), Some(key), _) => Named::Object(format!("{}/{key}", store.trim_end_matches('/'))),
        (Some("error"), _, _, Some(path)) if !path.is_empty() => Named::Object(path.to_owned()),
        (Some("error"), ..) => Named::Unknown,
        // A warning is about something that is there.
        (Some("finding"), ..) if text("severity").is_none_or(|severity| severity == "error") => Named::Unknown,
        _ => Named::Nothing,
    }
}

/// The failure of a list in which `count` records report damage and name no object: it is not repaired.
pub fn unnamed(count: u64) -> Failure {
    let text = format!("{} of damage: no object is named, nothing is repaired", human_counted(count, "record"));
    let hint = "zvalidate --missing - STORE and zvalidate --corrupt - STORE name each object; pass their output to zfetch --repair -";
    Failure::new(Exit::Absent, text).hint(hint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_name_objects_or_only_report_damage() {
        let of = |record: Value| named(record.as_object().expect("an object"));
        let object = |path: &str| Named::Object(path.to_owned());
        assert_eq!(of(json!({"type": "finding", "store": "a.zarr/", "key": "t/0"})), object("a.zarr/t/0"));
        assert_eq!(of(json!({"type": "error", "path": "c/a.zarr/t/0", "error": "missing"})), object("c/a.zarr/t/0"));
        assert_eq!(
            of(json!({"type": "finding", "kind": "no_chunks", "severity": "error", "store": "a"})),
            Named::Unknown
        );
        assert_eq!(of(json!({"type": "error", "path": "", "error": "x"})), Named::Unknown);
        assert_eq!(of(json!({"type": "finding", "kind": "x", "severity": "warning", "store": "a"})), Named::Nothing);
        assert_eq!(of(json!({"type": "summary", "store": "a", "path": "b"})), Named::Nothing);
    }
}
