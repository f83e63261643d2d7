//! The metadata documents of the output: those of the source with the members that change replaced in place, or the same
//! said in the other Zarr format.

use parking_lot::Mutex;

use zarray::{Array, Consolidated, Node, Pool, Span, ZarrError, ZarrFormat, array_v2, json, node_v3};
use zstore::Store;
use zwire::Failure;

use crate::format::{
    FormatError, array_to_v2, array_to_v3, consolidated_v2, consolidated_v3, group_to_v2, group_to_v3, invalid, notes,
};
use crate::metadata::{Changes, Edits, replaced};
use crate::plan::ArrayPlan;

const MISSING: &str = "a member that changes is missing";

/// Where a finished document goes: its key and its text.
pub type Put<'a> = dyn Fn(&str, &[u8]) -> Result<(), Failure> + Sync + 'a;

/// The documents of a hierarchy.
pub struct Documents<'a> {
    pub store: &'a Store,
    pub format: ZarrFormat,
    /// The format of the output.
    pub wanted: ZarrFormat,
    /// Copies of documents that the source may not have on their own.
    pub consolidated: Option<&'a Consolidated>,
    /// The groups, in path order, without the leading slash.
    pub groups: Vec<&'a str>,
    pub plans: &'a [ArrayPlan],
}

/// The texts of one node: `zarr.json`; or `.zarray` or `.zgroup`, and `.zattrs`.
struct Texts {
    node: Vec<u8>,
    attributes: Option<Vec<u8>>,
}

impl Documents<'_> {
    /// Hands every document to `put`; what a user should know of them is returned.
    ///
    /// # Errors
    /// A document that cannot be read, understood, said in the other format, or written.
    pub fn write(&self, pool: &Pool, put: &Put) -> Result<Vec<String>, Failure> {
        if self.wanted == self.format { self.edit(pool, put) } else { self.convert(pool, put) }
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
        let edits = Edits::of(self.plans);
        let written: Vec<Result<_, Failure>> = pool.map(self.nodes(), |(prefix, is_array)| {
            let texts = self.read(prefix, is_array)?;
            let name = self.name(is_array);
            let place = || self.store.place(&key(prefix, name));
            put(
                &key(prefix, name),
                &edits.node(&texts.node, prefix, is_array).ok_or_else(|| cannot_be_changed(place()))?,
            )?;
            if let Some(attributes) = &texts.attributes {
                put(&key(prefix, ".zattrs"), attributes)?;
            }
            let copies = key(prefix, ".zmetadata");
            if let Some(text) = self.optional(&copies)?.filter(|_| !is_array && self.format == ZarrFormat::V2) {
                let edited =
                    edits.consolidated(&text, prefix).ok_or_else(|| cannot_be_changed(self.store.place(&copies)))?;
                put(&copies, &edited)?;
            }
            Ok(())
        });
        written.into_iter().collect::<Result<(), Failure>>().map(|()| Vec::new())
    }

    /// The documents of the other format.
    fn convert(&self, pool: &Pool, put: &Put) -> Result<Vec<String>, Failure> {
        let plans: std::collections::HashMap<&str, &ArrayPlan> =
            self.plans.iter().map(|plan| (plan.array.key_prefix(), plan)).collect();
        let copies = self.has_consolidated()?.then(|| Mutex::new(Vec::new()));
        let written: Vec<Result<_, Failure>> = pool.map(self.nodes(), |(prefix, is_array)| {
            let texts = self.read(prefix, is_array)?;
            let place = || self.store.place(&key(prefix, self.name(is_array)));
            let (documents, remarks) = self
                .converted(prefix, &texts, plans.get(prefix).copied(), is_array)
                .map_err(|error| Failure::from(error).at(place()))?;
            for (name, text) in documents {
                put(&key(prefix, name), &text)?;
                if let Some(copies) = &copies {
                    lock(copies).push((key(prefix, name), text));
                }
            }
            Ok(remarks.into_iter().map(|remark| format!("{}: {remark}", place())).collect::<Vec<_>>())
        });
        let mut told = Vec::new();
        for remarks in written {
            told.extend(remarks?);
        }
        if let Some(copies) = copies {
            let copies = copies.into_inner();
            let (key, text) =
                self.consolidate(copies).map_err(|error| Failure::from(error).at(self.store.location()))?;
            put(key, &text)?;
        }
        Ok(told)
    }

    /// One node in the other format, and what to tell of it.
    #[expect(clippy::type_complexity, reason = "names and texts of documents, then sentences")]
    fn converted(
        &self,
        prefix: &str,
        texts: &Texts,
        plan: Option<&ArrayPlan>,
        is_array: bool,
    ) -> Result<(Vec<(&'static str, Vec<u8>)>, Vec<String>), FormatError> {
        let attributes = texts.attributes.as_deref();
        // To v2, the changes come first: shards, which it cannot say, may be among what goes.
        let edited = match plan.filter(|_| self.wanted == ZarrFormat::V2) {
            Some(plan) => replaced(&texts.node, &plan.new_members(&plan.array)).ok_or_else(|| invalid(MISSING))?,
            None => texts.node.clone(),
        };
        let (node, attributes, remarks) = match (self.wanted, is_array) {
            (ZarrFormat::V3, true) => (array_to_v3(&texts.node, attributes)?, None, notes(&texts.node, attributes)),
            (ZarrFormat::V3, false) => (group_to_v3(attributes)?, None, Vec::new()),
            (ZarrFormat::V2, true) => array_to_v2(&edited).map(|(node, attributes)| (node, attributes, Vec::new()))?,
            (ZarrFormat::V2, false) => {
                group_to_v2(&texts.node).map(|(node, attributes)| (node, attributes, Vec::new()))?
            }
        };
        let changes = match plan.filter(|_| self.wanted == ZarrFormat::V3) {
            Some(plan) => plan.new_members(&parse_array(self.wanted, prefix, &node).map_err(invalid)?),
            None => Changes::new(),
        };
        let node = replaced(&node, &changes).ok_or_else(|| invalid(MISSING))?;
        let name = match (self.wanted, is_array) {
            (ZarrFormat::V3, _) => "zarr.json",
            (ZarrFormat::V2, true) => ".zarray",
            (ZarrFormat::V2, false) => ".zgroup",
        };
        let documents = std::iter::once((name, node)).chain(attributes.map(|text| (".zattrs", text)));
        Ok((documents.collect(), remarks))
    }

    /// The root's copies of all documents, as its key and text.
    fn consolidate(&self, mut documents: Vec<(String, Vec<u8>)>) -> Result<(&'static str, Vec<u8>), FormatError> {
        if self.wanted == ZarrFormat::V2 {
            return Ok((".zmetadata", consolidated_v2(documents.into_iter())?));
        }
        let root = documents.iter().position(|(key, _)| key == "zarr.json").map(|at| documents.swap_remove(at).1);
        let path = |key: String| key.trim_end_matches("zarr.json").trim_end_matches('/').to_owned();
        let nodes = documents.into_iter().map(|(key, text)| (path(key), text));
        Ok(("zarr.json", consolidated_v3(&root.unwrap_or_default(), nodes)?))
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

    fn name(&self, is_array: bool) -> &'static str {
        match (self.format, is_array) {
            (ZarrFormat::V3, _) => "zarr.json",
            (ZarrFormat::V2, true) => ".zarray",
            (ZarrFormat::V2, false) => ".zgroup",
        }
    }

    /// The documents of a node in the source.
    fn read(&self, prefix: &str, is_array: bool) -> Result<Texts, Failure> {
        let span = self.consolidated.and_then(|copy| copy.span(prefix));
        let copied = |range: fn(&Span) -> Option<std::ops::Range<usize>>| {
            Some(self.consolidated?.text()[range(span?)?].to_vec())
        };
        let key_of_node = key(prefix, self.name(is_array));
        let node = match self.optional(&key_of_node)? {
            Some(text) => text,
            // A node that had its document when the store was walked has it now, or is being changed.
            None => copied(|span| span.node.clone()).ok_or_else(|| {
                Failure::from(ZarrError::Metadata { place: self.store.place(&key_of_node), detail: "has gone".into() })
            })?,
        };
        if self.format == ZarrFormat::V3 {
            return Ok(Texts { node, attributes: None });
        }
        let attributes = match self.optional(&key(prefix, ".zattrs"))? {
            Some(text) => Some(text),
            None => copied(|span| span.attributes.clone()),
        };
        Ok(Texts { node, attributes })
    }

    fn optional(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let mut text = Vec::new();
        Ok(self.store.get(key, &mut text)?.map(|_| text))
    }
}

/// The array that a document of the output describes.
fn parse_array(format: ZarrFormat, prefix: &str, text: &[u8]) -> Result<Array, String> {
    let path = format!("/{prefix}");
    match format {
        ZarrFormat::V2 => array_v2(&path, text, None),
        ZarrFormat::V3 => match node_v3(&path, text)? {
            Node::Array(array) => Ok(*array),
            Node::Group(_) => Err("is no array".into()),
        },
    }
}

fn cannot_be_changed(place: String) -> Failure {
    let detail = "cannot be changed in place: a member that changes is missing".into();
    ZarrError::Metadata { place, detail }.into()
}

fn key(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") }
}

fn lock<T>(mutex: &Mutex<T>) -> parking_lot::MutexGuard<'_, T> {
    mutex.lock()
}
