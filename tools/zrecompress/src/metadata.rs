//! The metadata of the output: the documents of the source, with the codecs of recompressed arrays changed in place. Every
//! other byte stays as it was.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;
use zarray::{Consolidated, Pool, Span, ZarrError, ZarrFormat, json};
use zcli::Failure;
use zstore::Store;

use crate::plan::ArrayPlan;

/// Changes of members of one array's metadata.
type Changes = Vec<(&'static str, Value)>;

/// Where a finished document goes: its key and its text.
pub type Put<'a> = dyn Fn(&str, &[u8]) -> Result<(), Failure> + Sync + 'a;

/// What is written when all chunks are.
pub struct Documents<'a> {
    pub store: &'a Store,
    pub format: ZarrFormat,
    /// Copies of documents that the source may not have on their own.
    pub consolidated: Option<&'a Consolidated>,
}

impl Documents<'_> {
    /// Writes the documents of all groups and arrays.
    ///
    /// # Errors
    /// A document that cannot be read, understood or written.
    pub fn write(&self, groups: &[String], plans: &[ArrayPlan], pool: &Pool, put: &Put) -> Result<(), Failure> {
        let changes: HashMap<&str, Changes> = plans
            .iter()
            .map(|plan| (plan.array.key_prefix(), plan.new_members()))
            .filter(|(_, members)| !members.is_empty())
            .collect();
        let spans: HashMap<String, &Span> = self.consolidated.map(|copy| copy.paths().collect()).unwrap_or_default();
        let groups = groups.iter().map(|path| (path.trim_start_matches('/'), false));
        let arrays = plans.iter().map(|plan| (plan.array.key_prefix(), true));
        let written = pool.map(groups.chain(arrays).collect(), |(prefix, is_array)| {
            let span = spans.get(&format!("/{prefix}")).copied();
            self.write_node(prefix, is_array, span, &changes, put)
        });
        written.into_iter().collect()
    }

    fn write_node(
        &self,
        prefix: &str,
        is_array: bool,
        span: Option<&Span>,
        changes: &HashMap<&str, Changes>,
        put: &Put,
    ) -> Result<(), Failure> {
        let copied = |range: Option<&Range<usize>>| Some(self.consolidated?.text()[range?.clone()].to_vec());
        let node = copied(span.and_then(|span| span.node.as_ref()));
        let attributes = copied(span.and_then(|span| span.attributes.as_ref()));
        let documents: &[(&str, Option<Vec<u8>>)] = match (self.format, is_array) {
            (ZarrFormat::V3, _) => &[("zarr.json", node)],
            (ZarrFormat::V2, true) => &[(".zarray", node), (".zattrs", attributes)],
            (ZarrFormat::V2, false) => &[(".zgroup", node), (".zattrs", attributes), (".zmetadata", None)],
        };
        for (name, copy) in documents {
            let key = if prefix.is_empty() { (*name).to_owned() } else { format!("{prefix}/{name}") };
            let mut text = Vec::new();
            if self.store.get(&key, &mut text)?.is_none() {
                match copy {
                    Some(copy) => text.clone_from(copy),
                    // A node that had its document when the store was walked has it now, or is being changed.
                    None if matches!(*name, ".zarray" | ".zgroup" | "zarr.json") => {
                        let gone = ZarrError::Metadata { place: self.store.place(&key), detail: "has gone".into() };
                        return Err(gone.into());
                    }
                    None => continue,
                }
            }
            let own = changes.get(prefix).filter(|_| is_array && *name != ".zattrs");
            let replacements = match (*name, own) {
                (_, Some(members)) => replace_members(&text, 0, members),
                ("zarr.json", None) => inline_copies(&text, prefix, changes),
                (".zmetadata", None) => consolidated_copies(&text, prefix, changes),
                _ => Some(Vec::new()),
            };
            let wrong = || ZarrError::Metadata {
                place: self.store.place(&key),
                detail: "cannot be changed in place: the member with the codecs is missing".into(),
            };
            let replacements = replacements.ok_or_else(wrong)?;
            put(&key, &json::splice(&text, &replacements))?;
        }
        Ok(())
    }
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
    changes: &HashMap<&str, Changes>,
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
fn inline_copies(text: &[u8], prefix: &str, changes: &HashMap<&str, Changes>) -> Option<Vec<(Range<usize>, Vec<u8>)>> {
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
        let changes = HashMap::from([("g/a", vec![("compressor", json!({"id": "blosc"}))])]);
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
    fn a_document_without_the_member_is_refused() {
        let changes = HashMap::from([("a", vec![("compressor", json!(null))])]);
        assert_eq!(consolidated_copies(br#"{"metadata": {"a/.zarray": {}}}"#, "", &changes), None);
        assert_eq!(inline_copies(br#"{"consolidated_metadata": null}"#, "", &changes), Some(Vec::new()));
        assert_eq!(inline_copies(br#"{"zarr_format": 3}"#, "", &changes), Some(Vec::new()));
    }
}
