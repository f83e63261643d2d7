//! Metadata documents are changed as text: the members that change are replaced, and every other byte stays as it was.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use zarray::json;

/// Changes of members of one array's metadata.
pub type Changes = Vec<(&'static str, Value)>;

/// The changes of all arrays, by the start of their keys. Most arrays have the same, which are held once.
pub struct Edits<'a>(HashMap<&'a str, Arc<Changes>>);

/// Kinds of changes that are compared to find out that they are the same.
const MOST_KINDS: usize = 64;

impl<'a> Edits<'a> {
    /// The changes of arrays, each with the start of its keys.
    pub fn new(changes: impl Iterator<Item = (&'a str, Changes)>) -> Edits<'a> {
        let mut kinds: Vec<Arc<Changes>> = Vec::new();
        let shared = changes.filter(|(_, members)| !members.is_empty()).map(|(prefix, members)| {
            let known = kinds.iter().find(|known| ***known == members).cloned();
            let members = known.unwrap_or_else(|| {
                let members = Arc::new(members);
                kinds.extend((kinds.len() < MOST_KINDS).then(|| Arc::clone(&members)));
                members
            });
            (prefix, members)
        });
        Edits(shared.collect())
    }

    /// The document of a node itself; a group's may hold copies of those below it. Nothing: a member is missing.
    pub fn node(&self, text: &[u8], prefix: &str, is_array: bool) -> Option<Vec<u8>> {
        match self.0.get(prefix).filter(|_| is_array) {
            Some(changes) => replaced(text, changes),
            None => inline_copies(text, prefix, &self.0).map(|replacements| json::splice(text, &replacements)),
        }
    }

    /// A `.zmetadata` of the group at `prefix`. Nothing: a member is missing.
    pub fn consolidated(&self, text: &[u8], prefix: &str) -> Option<Vec<u8>> {
        consolidated_copies(text, prefix, &self.0).map(|replacements| json::splice(text, &replacements))
    }
}

/// A document with the changes. Nothing: a member is missing.
pub fn replaced(text: &[u8], changes: &Changes) -> Option<Vec<u8>> {
    replace_members(text, 0, changes).map(|replacements| json::splice(text, &replacements))
}

/// The changes in the object that starts at `at`, in the order of the text.
fn replace_members(text: &[u8], at: usize, members: &Changes) -> Option<Vec<(Range<usize>, Vec<u8>)>> {
    let replace = |(member, value): &(&str, Value)| {
        let range = json::member(text, at, member)?;
        let value = json::print_like(text, range.start, value);
        Some((range, value))
    };
    let mut replacements: Vec<_> = members.iter().map(replace).collect::<Option<_>>()?;
    replacements.sort_by_key(|(range, _)| range.start);
    Some(replacements)
}

/// The changes in a `.zmetadata` of the group at `prefix`.
fn consolidated_copies(
    text: &[u8],
    prefix: &str,
    changes: &HashMap<&str, Arc<Changes>>,
) -> Option<Vec<(Range<usize>, Vec<u8>)>> {
    let metadata = json::member(text, 0, "metadata")?;
    let copies = json::members(text, metadata.start)?.into_iter().filter_map(|(key, range)| {
        let path = key.strip_suffix(".zarray")?;
        let change = changes.get(below(prefix, path.trim_end_matches('/')).as_str())?;
        Some(replace_members(text, range.start, change))
    });
    copies.collect::<Option<Vec<_>>>().map(|copies| copies.into_iter().flatten().collect())
}

/// The changes in the consolidated copy inside a `zarr.json` of the group at `prefix`, where it has one.
fn inline_copies(
    text: &[u8],
    prefix: &str,
    changes: &HashMap<&str, Arc<Changes>>,
) -> Option<Vec<(Range<usize>, Vec<u8>)>> {
    let inline = json::member(text, 0, "consolidated_metadata").filter(|range| &text[range.clone()] != b"null");
    let Some(inline) = inline else { return Some(Vec::new()) };
    let metadata = json::member(text, inline.start, "metadata")?;
    let copies = json::members(text, metadata.start)?.into_iter().filter_map(|(path, range)| {
        let change = changes.get(below(prefix, &path).as_str())?;
        Some(replace_members(text, range.start, change))
    });
    copies.collect::<Option<Vec<_>>>().map(|copies| copies.into_iter().flatten().collect())
}

fn below(prefix: &str, path: &str) -> String {
    let parts: Vec<&str> = [prefix, path].into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn copies_change_with_their_arrays_and_nothing_else_does() {
        let text = br#"{"metadata": {"a/.zarray": {"compressor": null, "fill_value": NaN, "x": 1.50},
            "b/.zarray": {"compressor": {"id": "zlib"}}, "b/.zattrs": {"compressor": 7}}, "zarr_consolidated_format": 1}"#;
        let changes = HashMap::from([("g/a", Arc::new(vec![("compressor", json!({"id": "blosc"}))]))]);
        let replacements = consolidated_copies(text, "g", &changes).expect("understood");
        let out = String::from_utf8(json::splice(text, &replacements)).expect("utf-8");
        let indented = "{\n                \"id\": \"blosc\"\n            }";
        let expected = String::from_utf8_lossy(text).replacen("null", "@", 1);
        assert!(
            out == expected.replacen('@', indented, 1) || out == expected.replacen('@', "{\"id\":\"blosc\"}", 1),
            "{out}"
        );
    }

    #[test]
    fn equal_changes_are_held_once() {
        let change = |level: usize| vec![("compressor", json!({"id": "zstd", "level": level}))];
        let names: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let edits = Edits::new(names.iter().enumerate().map(|(number, name)| (name.as_str(), change(number % 3))));
        let first: Vec<_> = ["0", "1", "2"].map(|name| Arc::as_ptr(&edits.0[name])).into();
        let number = |name: &str| name.parse::<usize>().expect("a number");
        assert!(edits.0.iter().all(|(name, held)| first[number(name) % 3] == Arc::as_ptr(held)));
    }

    #[test]
    fn a_document_without_the_member_is_refused() {
        let changes = HashMap::from([("a", Arc::new(vec![("compressor", json!(null))]))]);
        assert_eq!(consolidated_copies(br#"{"metadata": {"a/.zarray": {}}}"#, "", &changes), None);
        assert_eq!(inline_copies(br#"{"consolidated_metadata": null}"#, "", &changes), Some(Vec::new()));
        assert_eq!(inline_copies(br#"{"zarr_format": 3}"#, "", &changes), Some(Vec::new()));
    }
}
