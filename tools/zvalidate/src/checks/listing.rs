//! What a list of the store shows: the objects of each array, and keys that belong to no array.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use zarray::{Array, Found, Hierarchy, Node, Owners, Tally};
use zstore::{Stat, StoreError};
use zwire::{Failure, human_bytes, human_count};

use crate::checks::presence::{KEPT, Presence};
use crate::finding::Finding;
use crate::kinds::Kind;
use crate::open::Context;
use crate::sink::Sink;

/// What a list of a store shows.
#[derive(Default)]
pub struct Listing {
    /// By path of the array.
    pub arrays: HashMap<String, Presence>,
    /// Bytes of metadata documents.
    pub metadata_bytes: u64,
    /// Keys that belong to no array, by kind and key, with their size and the array below which they lie.
    strays: BTreeMap<&'static str, Strays>,
    /// Directories with a metadata document that belong to no node.
    documented: BTreeSet<String>,
    failures: Vec<StoreError>,
}

#[derive(Default)]
struct Strays {
    count: u64,
    kept: BTreeMap<String, (u64, Option<String>)>,
    /// How many lie below each array.
    below: BTreeMap<String, u64>,
}

impl Strays {
    fn cut(&mut self) {
        while self.kept.len() > KEPT {
            self.kept.pop_last();
        }
    }
}

impl Tally for Listing {
    fn add(&mut self, key: &str, stat: &Stat, found: Found) {
        match found {
            Found::Metadata => self.metadata_bytes += stat.size,
            Found::Chunk(array, number) => {
                // The path is copied only for the first object of an array.
                match self.arrays.get_mut(&array.path) {
                    Some(presence) => presence.add(array, number, stat.size),
                    None => {
                        self.arrays.entry(array.path.clone()).or_default().add(array, number, stat.size);
                    }
                }
            }
            Found::Stray(kind, array) => {
                if let ("unknown", None, Some((directory, "zarr.json" | ".zarray" | ".zgroup"))) =
                    (kind, array, key.rsplit_once('/'))
                {
                    self.documented.insert(directory.to_owned());
                }
                let strays = self.strays.entry(kind).or_default();
                strays.count += 1;
                if let Some(array) = array {
                    *strays.below.entry(array.path.clone()).or_default() += 1;
                }
                strays.kept.insert(key.to_owned(), (stat.size, array.map(|array| array.path.clone())));
                strays.cut();
            }
        }
    }

    fn failed(&mut self, error: StoreError) {
        self.failures.push(error);
    }

    fn merge(&mut self, other: Listing) {
        for (path, presence) in other.arrays {
            self.arrays.entry(path).or_default().merge(presence);
        }
        self.metadata_bytes += other.metadata_bytes;
        for (kind, more) in other.strays {
            let strays = self.strays.entry(kind).or_default();
            strays.count += more.count;
            strays.kept.extend(more.kept);
            more.below.into_iter().for_each(|(path, count)| *strays.below.entry(path).or_default() += count);
            strays.cut();
        }
        self.documented.extend(other.documented);
        self.failures.extend(other.failures);
    }
}

impl Listing {
    /// Lists a store; `None` if it cannot be listed.
    ///
    /// # Errors
    /// The store fails, or a signal came.
    pub fn take(context: &Context) -> Result<Option<Listing>, StoreError> {
        let listing = Listing::of(context, &[])?;
        let unlisted = listing.as_ref().map(|listing| listing.unlisted(context)).unwrap_or_default();
        if unlisted.is_empty() {
            return Ok(listing);
        }
        Listing::of(context, &unlisted)
    }

    /// Nodes that the consolidated metadata does not have: their keys belong to them.
    fn unlisted(&self, context: &Context) -> Vec<Node> {
        if self.documented.is_empty() {
            return Vec::new();
        }
        let Ok(hierarchy) = Hierarchy::open(context.store, context.pool, false) else { return Vec::new() };
        let nodes = self.documented.iter().map(|directory| hierarchy.node(&format!("/{directory}")));
        nodes.filter_map(|node| node.ok().flatten()).collect()
    }

    /// Lists a store that has `more` nodes than are known.
    fn of(context: &Context, more: &[Node]) -> Result<Option<Listing>, StoreError> {
        let nodes = context.nodes;
        let more_arrays = more.iter().filter_map(|node| match node {
            Node::Array(array) => Some(&**array),
            Node::Group(_) => None,
        });
        let groups = nodes.groups.iter().map(|group| group.path.as_str()).chain(more.iter().map(Node::path));
        let owners = Owners::new(groups, nodes.dataset.arrays().chain(more_arrays));
        let counted = match context.division.has_rest() {
            true => owners.count(context.store, context.pool),
            false => {
                let own: Vec<&str> = context.own_arrays().map(Array::key_prefix).collect();
                owners.count_below(context.store, context.pool, &own)
            }
        };
        match counted {
            Ok(listing) => Ok(Some(listing)),
            Err(StoreError::NotListable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a key lies in a directory with Zarr metadata.
    fn is_documented(&self, key: &str) -> bool {
        key.match_indices('/').any(|(slash, _)| self.documented.contains(&key[..slash]))
    }

    /// Keys of an array that have the other separator.
    pub fn other_separator(&self, path: &str) -> u64 {
        self.strays.get("wrong_separator").and_then(|strays| strays.below.get(path)).copied().unwrap_or(0)
    }

    /// Reports what could not be read.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn failures(&mut self, context: &Context, sink: &mut Sink) -> Result<(), Failure> {
        self.failures.sort_by(|a, b| a.place().cmp(b.place()));
        let failures = std::mem::take(&mut self.failures);
        let known: HashSet<&str> = context.nodes.failed.iter().map(zarray::ZarrError::place).collect();
        for error in failures.into_iter().filter(|error| !known.contains(&error.place())) {
            sink.failed(&error.into())?;
        }
        Ok(())
    }

    /// Reports the keys that belong to no array.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn strays(&self, sink: &mut Sink) -> Result<(), Failure> {
        for (name, strays) in &self.strays {
            let kind = Kind::named(match *name {
                "temporary" => "temporary_file",
                "unknown" => "unknown_key",
                other => other,
            });
            let Some(kind) = kind else { continue };
            for (key, (size, array)) in &strays.kept {
                let mut finding = Finding::new(kind, human_bytes(*size)).key(key);
                if kind == Kind::UnknownKey && self.is_documented(key) {
                    "none, if it belongs to a node: the directory has Zarr metadata of its own"
                        .clone_into(&mut finding.record.hint);
                }
                sink.emit(match array {
                    Some(path) => finding.path(path),
                    None => finding,
                })?;
            }
            let more = strays.count - strays.kept.len() as u64;
            if more > 0 {
                sink.emit(Finding::new(kind, format!("{} more keys", human_count(more))).count(more))?;
            }
        }
        Ok(())
    }
}
