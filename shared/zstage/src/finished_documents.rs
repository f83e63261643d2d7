//! Whether the documents of an output are those that a command would write.

use std::collections::HashMap;

use serde_json::{Map, Value};
use zarray::{Array, json};
use zstore::{Store, StoreError};
use zwire::{Exit, Failure};

use crate::output_plan::OutputPlan;
use crate::prepare::Format;
use crate::sampled_values::other_output;

/// Attributes by which the values of a coordinate are read: the same numbers are other times with other units.
const MEANING: [&str; 4] = ["units", "calendar", "scale_factor", "add_offset"];

/// How a document that is there (the second text) differs from the one of the plan, by its key.
#[derive(Debug, PartialEq, Eq)]
enum Differs {
    /// In what describes the node.
    Node,
    /// In an attribute of a coordinate: its name, and what is there and would be.
    Attribute(&'static str, Value, Value),
}

/// Compares documents.
type Compare<'c> = dyn Fn(&str, &[u8], &[u8]) -> Option<Differs> + Sync + 'c;

impl OutputPlan<'_> {
    /// Checks that `written` has the documents of this plan, whatever attributes they were given since: only those by which coordinates
    /// are read must be the same.
    ///
    /// # Errors
    /// [`Exit::Output`] with the first document that is missing or differs; as [`OutputPlan::prepare`].
    pub fn check_described(&self, format: Format, written: &Store) -> Result<(), Failure> {
        let is_coordinate = |array: &&Array| array.shape.len() <= 1;
        let coordinates: HashMap<&str, &Array> = self
            .plans
            .iter()
            .map(|plan| &plan.array)
            .filter(is_coordinate)
            .map(|array| (array.key_prefix(), array))
            .collect();
        let compare = |key: &str, found: &[u8], text: &[u8]| -> Option<Differs> {
            if !is_only_attributes(key) && !describe_alike(found, text) {
                return Some(Differs::Node);
            }
            let (node, name) = key.rsplit_once('/').unwrap_or(("", key));
            match name {
                ".zattrs" | "zarr.json" if coordinates.contains_key(node) => other_meaning(name, found, text),
                _ => None,
            }
        };
        self.compare_documents(format, written, &compare)
    }

    /// Checks that `written` has exactly the documents of this plan, attributes as well: they say what the values mean.
    ///
    /// # Errors
    /// As [`OutputPlan::check_described`].
    pub fn check_written(&self, format: Format, written: &Store) -> Result<(), Failure> {
        let is_same = |found: &[u8], text: &[u8]| {
            found == text || json::parse(found).is_ok_and(|found| json::parse(text).is_ok_and(|text| found == text))
        };
        let compare = |_: &str, found: &[u8], text: &[u8]| (!is_same(found, text)).then_some(Differs::Node);
        self.compare_documents(format, written, &compare)
    }

    fn compare_documents(&self, format: Format, written: &Store, compare: &Compare) -> Result<(), Failure> {
        let compare = |key: &str, text: &[u8]| -> Result<Option<Differs>, StoreError> {
            let mut found = Vec::new();
            let is_there = written.get(key, &mut found)?.is_some();
            Ok(if is_there || is_only_attributes(key) { compare(key, &found, text) } else { Some(Differs::Node) })
        };
        let compared = self.documents(format).write(&self.pool, &|key, text| match compare(key, text)? {
            None => Ok(()),
            Some(Differs::Node) => Err(Failure::new(
                Exit::Output,
                "the output exists, and was not written by this command from this source",
            )
            .at(written.place(key))
            .hint("use another output, or --overwrite to replace it")),
            Some(Differs::Attribute(name, found, expected)) => {
                let node = key.rsplit_once('/').map_or("/", |(node, _)| node);
                let what = format!("the attribute {name} of {node} differs ({found}, expected {expected})");
                Err(other_output(&what).at(written.location()))
            }
        });
        compared.map(drop)
    }
}

/// Whether a document holds attributes, or copies of other documents with their attributes.
fn is_only_attributes(key: &str) -> bool {
    matches!(key.rsplit('/').next(), Some(".zattrs" | ".zmetadata"))
}

/// Whether two documents describe the same node but for its attributes. A program that changes these reprints the document.
fn describe_alike(one: &[u8], other: &[u8]) -> bool {
    let node = |text: &[u8]| {
        let mut document = json::parse(text).ok()?;
        let members = document.as_object_mut()?;
        for name in ["attributes", "consolidated_metadata"] {
            members.remove(name);
        }
        Some(document)
    };
    one == other || node(one).is_some_and(|one| node(other) == Some(one))
}

/// The first attribute by which values are read that is another in two documents, `.zattrs` or `zarr.json`.
fn other_meaning(document: &str, found: &[u8], text: &[u8]) -> Option<Differs> {
    let attributes = |text: &[u8]| -> Map<String, Value> {
        let Ok(Value::Object(mut members)) = json::parse(text) else { return Map::new() };
        match document {
            "zarr.json" => match members.remove("attributes") {
                Some(Value::Object(attributes)) => attributes,
                _ => Map::new(),
            },
            _ => members,
        }
    };
    let (found, expected) = (attributes(found), attributes(text));
    let value = |from: &Map<String, Value>, name: &str| from.get(name).cloned().unwrap_or(Value::Null);
    MEANING.into_iter().find_map(|name| {
        let (found, expected) = (value(&found, name), value(&expected, name));
        (found != expected).then_some(Differs::Attribute(name, found, expected))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_not_compared_and_all_else_is() {
        let document = br#"{"shape":[1],"fill_value":NaN,"attributes":{"a":1}}"#;
        let printed = b"{\n  \"shape\": [1], \"fill_value\": NaN, \"attributes\": {}, \"consolidated_metadata\": null}";
        assert!(describe_alike(document, document) && describe_alike(document, printed));
        for other in [&br#"{"shape":[2],"fill_value":NaN}"#[..], br#"{"shape":[1],"fill_value":0}"#, b"[]", b"{"] {
            assert!(!describe_alike(document, other), "{}", String::from_utf8_lossy(other));
        }
        assert!(describe_alike(b"{", b"{"), "what is no JSON is compared as text");
    }

    #[test]
    fn the_same_numbers_with_other_units_are_other_values() {
        let one = br#"{"units": "hours since 2019-03-01", "history": "a"}"#;
        let other = br#"{"units": "hours since 2019-03-02"}"#;
        let found = other_meaning(".zattrs", one, other);
        assert!(matches!(found, Some(Differs::Attribute("units", ..))), "{found:?}");
        assert_eq!(other_meaning(".zattrs", one, br#"{"units": "hours since 2019-03-01"}"#), None);
        assert_eq!(other_meaning("zarr.json", one, other), None, "these are its members");
        let v3 = |text: &[u8]| [b"{\"attributes\": ", text, b"}"].concat();
        assert!(other_meaning("zarr.json", &v3(one), &v3(other)).is_some());
        assert!(other_meaning(".zattrs", b"", other).is_some() && other_meaning(".zattrs", b"", b"{}").is_none());
    }
}
