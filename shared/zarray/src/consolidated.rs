//! Consolidated metadata: one document that holds copies of all others.
//!
//! v2: `.zmetadata` (zarr-python 2's convention). v3: the member `consolidated_metadata` of the root's `zarr.json`
//! (zarr-python 3's convention). The document is held as text and cut into spans in one pass; nodes are parsed when they are
//! asked for.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::json;
use crate::metadata::{Group, Node, ZarrFormat, array_v2, group_v2};
use crate::node_v3::node_v3;

/// The position of one node's metadata in the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// `.zarray`, `.zgroup`, or the whole node in v3.
    pub node: Option<Range<usize>>,
    /// Whether `node` is a `.zgroup`.
    pub is_group: bool,
    /// `.zattrs`.
    pub attributes: Option<Range<usize>>,
}

/// Consolidated metadata.
#[derive(Debug)]
pub struct Consolidated {
    text: Vec<u8>,
    format: ZarrFormat,
    /// By path without the leading slash, split into its parts: the order of a walk through the hierarchy.
    spans: BTreeMap<Vec<String>, Span>,
}

impl Consolidated {
    /// Cuts `.zmetadata`.
    ///
    /// # Errors
    /// What is wrong with the document.
    pub fn v2(text: Vec<u8>) -> Result<Consolidated, String> {
        let metadata = json::member(&text, 0, "metadata").ok_or("is not a JSON object with \"metadata\"")?;
        let members = json::members(&text, metadata.start).ok_or("\"metadata\" is not an object")?;
        let mut spans: BTreeMap<Vec<String>, Span> = BTreeMap::new();
        for (key, range) in members {
            let (path, name) = key.rsplit_once('/').unwrap_or(("", &key));
            let span = spans.entry(parts(path)?).or_default();
            match name {
                ".zarray" => (span.node, span.is_group) = (Some(range), false),
                ".zgroup" if span.node.is_none() => (span.node, span.is_group) = (Some(range), true),
                ".zattrs" => span.attributes = Some(range),
                _ => {}
            }
        }
        Ok(Consolidated { text, format: ZarrFormat::V2, spans })
    }

    /// Cuts the copies out of the root's `zarr.json`, in which they stand at `member` (see [`inline_copies`]). The root
    /// itself is not among them.
    ///
    /// # Errors
    /// What is wrong with the member.
    pub fn v3(text: Vec<u8>, member: &Range<usize>) -> Result<Consolidated, String> {
        let metadata = json::member(&text, member.start, "metadata").ok_or("has no \"metadata\"")?;
        let members = json::members(&text, metadata.start).ok_or("\"metadata\" is not an object")?;
        let span = |(path, range): (String, _)| Ok((parts(&path)?, Span { node: Some(range), ..Span::default() }));
        let spans = members.into_iter().map(span).collect::<Result<_, String>>()?;
        Ok(Consolidated { text, format: ZarrFormat::V3, spans })
    }

    /// The key of the document.
    pub fn key(&self) -> &'static str {
        match self.format {
            ZarrFormat::V2 => ".zmetadata",
            ZarrFormat::V3 => "zarr.json",
        }
    }

    /// The document.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Its nodes in path order.
    pub fn paths(&self) -> impl Iterator<Item = (String, &Span)> {
        self.spans.iter().filter(|(_, span)| span.node.is_some()).map(|(parts, span)| (absolute(parts), span))
    }

    /// The position of the node at `path` (without the leading slash).
    pub fn span(&self, path: &str) -> Option<&Span> {
        self.spans.get(&parts(path).ok()?)
    }

    /// Parses one node.
    ///
    /// # Errors
    /// What is wrong with its metadata.
    pub fn node(&self, path: &str, span: &Span) -> Result<Node, String> {
        let Some(node) = span.node.clone() else { return Err("has no metadata".into()) };
        let node = &self.text[node];
        let attributes = span.attributes.clone().map(|range| &self.text[range]);
        match self.format {
            ZarrFormat::V3 => node_v3(path, node),
            ZarrFormat::V2 if span.is_group => group_v2(path, node, attributes).map(Node::Group),
            ZarrFormat::V2 => array_v2(path, node, attributes).map(|array| Node::Array(Box::new(array))),
        }
    }

    /// Whether it has a root group; documents without one do occur.
    pub fn root(&self) -> Option<Result<Node, String>> {
        let span = self.spans.get(&Vec::new())?;
        span.node.as_ref()?;
        Some(self.node("/", span))
    }

    /// The implicit root group of a document without one.
    pub fn implied_root(&self) -> Node {
        Node::Group(Group {
            path: "/".into(),
            format: self.format,
            attributes: serde_json::Map::new(),
            not_understood: None,
        })
    }
}

/// Where the consolidated copies stand in a root's `zarr.json`, and the document without them. Nothing: it holds none.
///
/// Consolidated metadata grows with the number of arrays, and is not needed to read the root alone.
pub fn inline_copies(text: &[u8]) -> Option<(Range<usize>, Vec<u8>)> {
    let member = json::member(text, 0, "consolidated_metadata").filter(|member| &text[member.clone()] != b"null")?;
    let root = json::splice(text, &[(member.clone(), b"null".to_vec())]);
    Some((member, root))
}

/// The path segments of a node; an error for a path that leaves the hierarchy.
fn parts(path: &str) -> Result<Vec<String>, String> {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    match parts.iter().any(|part| part == "." || part == ".." || part.contains('\0')) {
        true => Err(format!("{path:?} is not a valid node path")),
        false => Ok(parts),
    }
}

fn absolute(parts: &[String]) -> String {
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v2_nodes_come_in_path_order() {
        let text = br#"{"metadata": {".zgroup": {"zarr_format": 2}, "b/.zgroup": {"zarr_format": 2},
            "a.x/.zgroup": {"zarr_format": 2}, "b/.zattrs": {"k": 1}, "a/c/.zgroup": {"zarr_format": 2}},
            "zarr_consolidated_format": 1}"#;
        let consolidated = Consolidated::v2(text.to_vec()).expect("cut");
        let paths: Vec<String> = consolidated.paths().map(|(path, _)| path).collect();
        assert_eq!(paths, ["/", "/a/c", "/a.x", "/b"]);
        let (path, span) = consolidated.paths().last().expect("a node");
        let Ok(Node::Group(group)) = consolidated.node(&path, span) else { panic!("a group") };
        assert_eq!(group.attributes["k"], 1);
    }

    #[test]
    fn paths_stay_inside() {
        let text = br#"{"metadata": {"../../x/.zarray": {}}}"#;
        assert!(Consolidated::v2(text.to_vec()).expect_err("outside").contains("../../x"));
    }

    #[test]
    fn an_array_is_no_group_whatever_comes_first() {
        for text in [
            r#"{"metadata": {"a/.zgroup": {}, "a/.zarray": {}}}"#,
            r#"{"metadata": {"a/.zarray": {}, "a/.zgroup": {}}}"#,
        ] {
            let consolidated = Consolidated::v2(text.as_bytes().to_vec()).expect("cut");
            assert!(consolidated.paths().all(|(_, span)| !span.is_group));
        }
    }

    #[test]
    fn v3_may_hold_none() {
        for text in [r#"{"zarr_format": 3}"#, r#"{"consolidated_metadata": null}"#] {
            assert_eq!(inline_copies(text.as_bytes()), None);
        }
        let text = br#"{"a": 1, "consolidated_metadata": {"kind": "inline"}}"#;
        let (member, root) = inline_copies(text).expect("is there");
        assert_eq!(root, br#"{"a": 1, "consolidated_metadata": null}"#);
        assert!(Consolidated::v3(text.to_vec(), &member).is_err());
    }
}
