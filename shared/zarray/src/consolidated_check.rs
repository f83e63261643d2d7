//! Compares consolidated metadata with the metadata of each node.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use zstore::{Store, StoreError};

use crate::consolidated::{Consolidated, Span};
use crate::error::ZarrError;
use crate::hierarchy::Hierarchy;
use crate::json;
use crate::metadata::{Node, ZarrFormat};
use crate::parallel::Pool;

/// A difference between consolidated metadata and the metadata of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Absolute path of the node.
    pub path: String,
    /// `missing` (not in the consolidated metadata), `gone` (only there), or `differs`.
    pub difference: &'static str,
    /// Top-level members that differ.
    pub members: Vec<String>,
}

/// The differences, in path order. If the server cannot list objects, only the nodes in the consolidated metadata are
/// compared; nodes missing from it are not found.
///
/// # Errors
/// Fails if the store cannot be read.
pub fn differences(
    store: &Store,
    copy: &Consolidated,
    format: ZarrFormat,
    pool: &Pool,
) -> Result<Vec<Difference>, ZarrError> {
    let named: Vec<(String, &Span)> = copy.paths().collect();
    let record = |path: &str, difference, members| Difference { path: path.to_owned(), difference, members };
    let compared = pool.map(named.iter().collect(), |(path, span)| -> Result<_, StoreError> {
        let own = own_metadata(store, path, format)?;
        let Some(own) = own else { return Ok(Some(record(path, "gone", Vec::new()))) };
        let members = differing(&copied_metadata(copy, span, format), &own);
        Ok((!members.is_empty()).then(|| record(path, "differs", members)))
    });
    let mut found = Vec::new();
    for difference in compared {
        found.extend(difference?);
    }

    // In v3 the root holds the consolidated metadata, which does not contain the root itself.
    let known: BTreeSet<&str> = named.iter().map(|(path, _)| path.as_str()).chain(["/"]).collect();
    let mut failed: Option<ZarrError> = None;
    Hierarchy::open(store, pool, false)?.walk(
        pool,
        |visit| visit.map(|node: Node| node.path().to_owned()),
        |visit| {
            match visit {
                Ok(path) if !known.contains(path.as_str()) => found.push(record(&path, "missing", Vec::new())),
                // Nodes with invalid metadata are reported by the walk.
                Ok(_) | Err(ZarrError::Metadata { .. } | ZarrError::Store(StoreError::NotListable { .. })) => {}
                Err(error) => failed = Some(error),
            }
            failed.is_none()
        },
    );
    match failed {
        Some(error) => Err(error),
        None => {
            found.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
            Ok(found)
        }
    }
}

/// The metadata documents of a node, by name.
type Documents = Map<String, Value>;

fn own_metadata(store: &Store, path: &str, format: ZarrFormat) -> Result<Option<Documents>, StoreError> {
    let prefix = path.trim_start_matches('/');
    let mut documents = Documents::new();
    let names: &[&str] = match format {
        ZarrFormat::V2 => &[".zarray", ".zgroup", ".zattrs"],
        ZarrFormat::V3 => &["zarr.json"],
    };
    for name in names {
        let key = if prefix.is_empty() { (*name).to_owned() } else { format!("{prefix}/{name}") };
        let mut text = Vec::new();
        if store.get(&key, &mut text)?.is_some() {
            documents.insert((*name).to_owned(), json::parse(&text).unwrap_or(Value::Null));
        }
    }
    // zarr-python writes (empty) copies into the documents of groups in either format.
    for name in ["zarr.json", ".zgroup"] {
        if let Some(Value::Object(document)) = documents.get_mut(name) {
            document.remove("consolidated_metadata");
        }
    }
    documents.retain(|name, value| name != ".zattrs" || value.as_object().is_none_or(|members| !members.is_empty()));
    Ok((!documents.is_empty()).then_some(documents))
}

fn copied_metadata(copy: &Consolidated, span: &Span, format: ZarrFormat) -> Documents {
    let parse = |range: &std::ops::Range<usize>| json::parse(&copy.text()[range.clone()]).unwrap_or(Value::Null);
    let mut documents = Documents::new();
    let mut node = span.node.as_ref().map(parse).unwrap_or_default();
    if let Value::Object(members) = &mut node {
        members.remove("consolidated_metadata");
    }
    let name = match (format, span.is_group) {
        (ZarrFormat::V3, _) => "zarr.json",
        (ZarrFormat::V2, true) => ".zgroup",
        (ZarrFormat::V2, false) => ".zarray",
    };
    documents.insert(name.into(), node);
    let attributes = span.attributes.as_ref().map(parse).unwrap_or_default();
    if attributes.as_object().is_some_and(|members| !members.is_empty()) {
        documents.insert(".zattrs".into(), attributes);
    }
    documents
}

/// The names of documents that exist on one side only, and of members that differ.
fn differing(copied: &Documents, own: &Documents) -> Vec<String> {
    let names: BTreeSet<&String> = copied.keys().chain(own.keys()).collect();
    let mut members = Vec::new();
    for name in names {
        match (copied.get(name), own.get(name)) {
            (Some(Value::Object(copied)), Some(Value::Object(own))) => {
                let keys: BTreeSet<&String> = copied.keys().chain(own.keys()).collect();
                members.extend(keys.into_iter().filter(|key| copied.get(*key) != own.get(*key)).cloned());
            }
            (copied, own) if copied != own => members.push(name.clone()),
            _ => {}
        }
    }
    members
}
