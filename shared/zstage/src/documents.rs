//! The metadata documents of the output: those of the source with the members that change replaced in place, or the same
//! said in the other Zarr format.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use serde_json::{Map, Value};

use zarray::{
    Array, Consolidated, Hierarchy, Node, Pool, Span, ZarrError, ZarrFormat, array_v2, consolidated_v2,
    consolidated_v3, json, node_v3,
};
use zstore::Store;
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::edits::{Edits, replaced};
use crate::placement::Placement;
use crate::read_documents::ReadDocuments;
use crate::retire::without_copies;

const MISSING: &str = "a member to be changed is missing";

/// New attributes, by the start of the keys of a node.
pub type Attributes = BTreeMap<String, Map<String, Value>>;

/// Where a finished document goes: its key and its text.
pub type Put<'a> = dyn Fn(&str, &[u8]) -> Result<(), Failure> + Sync + 'a;

/// The documents of a hierarchy.
pub struct Documents<'a> {
    pub stores: &'a [Store],
    /// The first of them.
    pub store: &'a Store,
    /// Its nodes.
    pub hierarchy: &'a Hierarchy<'a>,
    /// The stores of arrays that the first does not have, by the start of their keys.
    pub origins: HashMap<&'a str, usize>,
    pub format: ZarrFormat,
    /// The format of the output.
    pub wanted: ZarrFormat,
    /// Copies of documents that the source may not have on their own.
    pub consolidated: Option<&'a Consolidated>,
    /// Whether arrays of the source may be left out: consolidated metadata is then made from the documents that are written.
    pub selects: bool,
    /// The groups, in path order, without the leading slash.
    pub groups: Vec<&'a str>,
    pub plans: &'a [ArrayPlan],
    /// What converts documents, where the output has another format.
    pub convert: Option<&'a dyn Convert>,
    /// New attributes of nodes.
    pub attributes: &'a Attributes,
    /// The source documents read to make them.
    pub read: ReadDocuments,
}

/// The texts of one node: `zarr.json`; or `.zarray` or `.zgroup`, and `.zattrs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTexts {
    /// The node's own document.
    pub node: Vec<u8>,
    /// Its `.zattrs`, in Zarr v2.
    pub attributes: Option<Vec<u8>>,
}

/// A node in the other format, and what a user should know of it.
pub type Converted = (NodeTexts, Vec<String>);

/// Converts metadata documents from one Zarr format to the other.
pub trait Convert: Sync {
    /// An array or a group in the format `wanted`.
    ///
    /// # Errors
    /// What that format cannot express.
    fn node(&self, wanted: ZarrFormat, texts: &NodeTexts, is_array: bool) -> Result<Converted, Failure>;
}

impl Documents<'_> {
    /// Hands every document to `put`; what a user should know of them is returned.
    ///
    /// # Errors
    /// A document that cannot be read, understood, said in the other format, or written.
    pub fn write(&self, pool: &Pool, put: &Put) -> Result<Vec<String>, Failure> {
        match self.convert.filter(|_| self.wanted != self.format) {
            None => self.edit(pool, put),
            Some(convert) => self.convert(convert, pool, put),
        }
    }

    /// Keys of the documents in the source's format, those of the root first.
    pub fn old_keys(&self) -> Vec<String> {
        let names = |is_array| match (self.format, is_array) {
            (ZarrFormat::V3, _) => &["zarr.json"][..],
            (ZarrFormat::V2, true) => &[".zarray", ".zattrs"],
            (ZarrFormat::V2, false) => &[".zgroup", ".zattrs", ".zmetadata"],
        };
        let keys = |(prefix, is_array): (&str, bool)| {
            names(is_array).iter().map(move |name| key(prefix, name)).collect::<Vec<_>>()
        };
        let mut all: Vec<String> = self.nodes().into_iter().flat_map(keys).collect();
        all.sort_by_key(|key| key.contains('/'));
        all
    }

    fn nodes(&self) -> Vec<(&str, bool)> {
        let arrays = self.plans.iter().map(|plan| (plan.array.key_prefix(), true));
        self.groups.iter().map(|prefix| (*prefix, false)).chain(arrays).collect()
    }

    /// The same documents, with the changes.
    fn edit(&self, pool: &Pool, put: &Put) -> Result<Vec<String>, Failure> {
        let edits =
            Edits::new(self.plans.iter().map(|plan| (plan.array.key_prefix(), plan.changed_members(&plan.array))));
        // A store that is appended to has consolidated metadata only if it had it.
        let appends = self.plans.iter().any(|plan| plan.placement == Placement::Append);
        let consolidates = self.selects && self.groups.contains(&"") && (!appends || self.has_consolidated()?);
        let copies = Copies::new(consolidates, self.format, put);
        if self.selects && self.consolidated.is_some() && self.format == ZarrFormat::V2 {
            // Its copies are read in place of the documents.
            self.optional(".zmetadata")?;
        }
        let written: Vec<Result<_, Failure>> = pool.map(self.nodes(), |(prefix, is_array)| {
            let texts = self.read(prefix, is_array)?;
            let name = name_of(self.format, is_array);
            let place = || self.store.place(&key(prefix, name));
            // A group below the root of a store that is appended to keeps its copies, which change with their arrays.
            let loses_copies = self.selects && !is_array && (!appends || prefix.is_empty());
            let node = match (loses_copies, without_copies(&texts.node)) {
                (true, Some(alone)) => alone,
                _ => edits.node(&texts.node, prefix, is_array).ok_or_else(|| cannot_be_changed(place()))?,
            };
            let (node, attributes) =
                self.with_attributes(prefix, node, texts.attributes).ok_or_else(|| cannot_be_changed(place()))?;
            copies.put(key(prefix, name), node)?;
            if let Some(attributes) = attributes {
                copies.put(key(prefix, ".zattrs"), attributes)?;
            }
            let has_copies = !self.selects || (appends && !prefix.is_empty());
            if !has_copies || is_array || self.format == ZarrFormat::V3 {
                return Ok(());
            }
            let consolidated = key(prefix, ".zmetadata");
            if let Some(text) = self.optional(&consolidated)? {
                let edited = edits.consolidated(&text, prefix);
                put(&consolidated, &edited.ok_or_else(|| cannot_be_changed(self.store.place(&consolidated)))?)?;
            }
            Ok(())
        });
        written.into_iter().collect::<Result<(), Failure>>()?;
        copies.finish().map_err(|failure| failure.or_at(self.store.location()))?;
        Ok(Vec::new())
    }

    /// The texts of a node with its new attributes, if it has any; `None` if they cannot be read.
    fn with_attributes(
        &self,
        prefix: &str,
        node: Vec<u8>,
        attributes: Option<Vec<u8>>,
    ) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let Some(new) = self.attributes.get(prefix) else { return Some((node, attributes)) };
        match self.format {
            ZarrFormat::V2 => {
                let old = attributes.unwrap_or_else(|| b"{}".to_vec());
                Some((node, Some(attributes_text(&old, 0, new)?)))
            }
            ZarrFormat::V3 => match json::member(&node, 0, "attributes") {
                Some(range) => {
                    let text = attributes_text(&node, range.start, new)?;
                    Some((json::splice(&node, &[(range, text)]), None))
                }
                None => {
                    let start = node.iter().position(|byte| *byte == b'{')? + 1;
                    let mut text = b"\n  \"attributes\": ".to_vec();
                    text.extend(attributes_text(b"{}", 0, new)?);
                    text.push(b',');
                    Some((json::splice(&node, &[(start..start, text)]), None))
                }
            },
        }
    }

    /// The documents of the other format.
    fn convert(&self, convert: &dyn Convert, pool: &Pool, put: &Put) -> Result<Vec<String>, Failure> {
        let plans: HashMap<&str, &ArrayPlan> = self.plans.iter().map(|plan| (plan.array.key_prefix(), plan)).collect();
        let copies = Copies::new(self.has_consolidated()?, self.wanted, put);
        let written: Vec<Result<_, Failure>> = pool.map(self.nodes(), |(prefix, is_array)| {
            let texts = self.read(prefix, is_array)?;
            let place = || self.store.place(&key(prefix, name_of(self.format, is_array)));
            let (texts, notes) = self
                .converted(convert, prefix, &texts, plans.get(prefix).copied())
                .map_err(|failure| failure.at(place()))?;
            copies.put(key(prefix, name_of(self.wanted, is_array)), texts.node)?;
            if let Some(attributes) = texts.attributes {
                copies.put(key(prefix, ".zattrs"), attributes)?;
            }
            Ok(notes.into_iter().map(|note| format!("{}: {note}", place())).collect::<Vec<_>>())
        });
        let mut all_notes = Vec::new();
        for notes in written {
            all_notes.extend(notes?);
        }
        copies.finish().map_err(|failure| failure.or_at(self.store.location()))?;
        Ok(all_notes)
    }

    /// One node in the other format, with the changes of its plan: an array's.
    fn converted(
        &self,
        convert: &dyn Convert,
        prefix: &str,
        texts: &NodeTexts,
        plan: Option<&ArrayPlan>,
    ) -> Result<Converted, Failure> {
        let Some(plan) = plan else { return convert.node(self.wanted, texts, false) };
        if self.wanted == ZarrFormat::V2 {
            // The changes come first: shards, which v2 cannot express, may be among what goes.
            let node = replaced(&texts.node, &plan.changed_members(&plan.array)).ok_or_else(|| unreadable(MISSING))?;
            return convert.node(self.wanted, &NodeTexts { node, attributes: texts.attributes.clone() }, true);
        }
        let (mut converted, notes) = convert.node(self.wanted, texts, true)?;
        let changes = plan.changed_members(&parse_array(self.wanted, prefix, &converted.node).map_err(unreadable)?);
        converted.node = replaced(&converted.node, &changes).ok_or_else(|| unreadable(MISSING))?;
        Ok((converted, notes))
    }

    /// Whether the source's root, a group, holds copies of all documents.
    fn has_consolidated(&self) -> Result<bool, Failure> {
        if !self.groups.contains(&"") {
            return Ok(false);
        }
        if self.consolidated.is_some() {
            return Ok(true);
        }
        match self.format {
            ZarrFormat::V2 => Ok(self.store.stat(".zmetadata")?.is_some()),
            ZarrFormat::V3 => {
                let text = self.optional("zarr.json")?.unwrap_or_default();
                let copies = json::member(&text, 0, "consolidated_metadata");
                Ok(copies.is_some_and(|range| &text[range] != b"null"))
            }
        }
    }

    /// The documents of a node in the source.
    fn read(&self, prefix: &str, is_array: bool) -> Result<NodeTexts, Failure> {
        let origin = self.origins.get(prefix).copied().unwrap_or(0);
        let span = self.consolidated.filter(|_| origin == 0).and_then(|copy| copy.span(prefix));
        let copied = |range: fn(&Span) -> Option<std::ops::Range<usize>>| {
            Some(self.consolidated?.text()[range(span?)?].to_vec())
        };
        let key_of_node = key(prefix, name_of(self.format, is_array));
        if let Some(node) = copied(|span| span.node.clone()).filter(|_| self.selects) {
            let attributes = copied(|span| span.attributes.clone());
            return Ok(NodeTexts { node, attributes });
        }
        let node = match self.optional_of(origin, &key_of_node)? {
            Some(text) => text,
            // A node that had its document when the store was walked has it now, or is being changed.
            None => copied(|span| span.node.clone()).ok_or_else(|| {
                Failure::from(ZarrError::Metadata {
                    place: self.stores[origin].place(&key_of_node),
                    detail: "was deleted".into(),
                })
            })?,
        };
        if self.format == ZarrFormat::V3 {
            return Ok(NodeTexts { node, attributes: None });
        }
        let attributes = match self.optional_of(origin, &key(prefix, ".zattrs"))? {
            Some(text) => Some(text),
            None => copied(|span| span.attributes.clone()),
        };
        Ok(NodeTexts { node, attributes })
    }

    /// A document of the first store.
    fn optional(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.optional_of(0, key)
    }

    /// A document without the byte order mark before it: it may come to stand in another.
    fn optional_of(&self, store: usize, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let text = match store {
            0 => self.hierarchy.document(key)?,
            _ => {
                let mut text = Vec::new();
                self.stores[store].get(key, &mut text)?.map(|_| text)
            }
        };
        self.read.note(store, key, text.as_deref());
        Ok(text.map(|text| json::without_mark(&text).to_vec()))
    }
}

/// Keys and texts of documents.
type Texts = Vec<(String, Vec<u8>)>;

/// Where documents go, of which consolidated metadata keeps copies where there is any.
struct Copies<'a> {
    kept: Option<Mutex<Texts>>,
    format: ZarrFormat,
    put: &'a Put<'a>,
}

impl<'a> Copies<'a> {
    fn new(consolidates: bool, format: ZarrFormat, put: &'a Put<'a>) -> Copies<'a> {
        Copies { kept: consolidates.then(Mutex::default), format, put }
    }

    /// Hands on a document. In v3 that of the root holds the copies, and comes last.
    fn put(&self, key: String, text: Vec<u8>) -> Result<(), Failure> {
        if self.kept.is_none() || key != "zarr.json" {
            (self.put)(&key, &text)?;
        }
        if let Some(kept) = &self.kept {
            kept.lock().push((key, text));
        }
        Ok(())
    }

    /// Hands on the consolidated metadata.
    fn finish(self) -> Result<(), Failure> {
        let Some(kept) = self.kept else { return Ok(()) };
        let mut documents = kept.into_inner();
        if self.format == ZarrFormat::V2 {
            return (self.put)(".zmetadata", &consolidated_v2(documents.into_iter()).map_err(unreadable)?);
        }
        let root = documents.iter().position(|(key, _)| key == "zarr.json").map(|at| documents.swap_remove(at).1);
        let path = |key: String| key.trim_end_matches("zarr.json").trim_end_matches('/').to_owned();
        let nodes = documents.into_iter().map(|(key, text)| (path(key), text));
        (self.put)("zarr.json", &consolidated_v3(&root.unwrap_or_default(), nodes).map_err(unreadable)?)
    }
}

/// The attributes `new` as text. Those that the object at `at` has keep their text: NaN, and the digits of numbers.
fn attributes_text(old: &[u8], at: usize, new: &Map<String, Value>) -> Option<Vec<u8>> {
    let members: BTreeMap<String, std::ops::Range<usize>> = json::members(old, at)?.into_iter().collect();
    let mut text = b"{".to_vec();
    for (number, (name, value)) in new.iter().enumerate() {
        text.extend_from_slice(if number == 0 { b"\n    " } else { b",\n    " });
        text.extend(serde_json::to_vec(name).ok()?);
        text.extend_from_slice(b": ");
        match members.get(name) {
            Some(range) => text.extend_from_slice(&old[range.clone()]),
            None => text.extend(serde_json::to_vec(value).ok()?),
        }
    }
    text.extend_from_slice(if new.is_empty() { b"}" } else { b"\n  }" });
    Some(text)
}

/// The name of a node's own document.
fn name_of(format: ZarrFormat, is_array: bool) -> &'static str {
    match (format, is_array) {
        (ZarrFormat::V3, _) => "zarr.json",
        (ZarrFormat::V2, true) => ".zarray",
        (ZarrFormat::V2, false) => ".zgroup",
    }
}

/// The array that a document of the output describes.
fn parse_array(format: ZarrFormat, prefix: &str, text: &[u8]) -> Result<Array, String> {
    let path = format!("/{prefix}");
    match format {
        ZarrFormat::V2 => array_v2(&path, text, None),
        ZarrFormat::V3 => match node_v3(&path, text)? {
            Node::Array(array) => Ok(*array),
            Node::Group(_) => Err("is not an array".into()),
        },
    }
}

fn unreadable(what: impl Into<String>) -> Failure {
    Failure::new(Exit::Unreadable, what)
}

fn cannot_be_changed(place: String) -> Failure {
    let detail = "cannot be changed in place: a member to be changed is missing".into();
    ZarrError::Metadata { place, detail }.into()
}

fn key(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") }
}
