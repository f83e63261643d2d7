//! Every object of a store, sorted to the array that it belongs to. A local store is walked directory by directory, several at a
//! time; any other is one streaming list. Nothing is held here: what is counted is up to the [`Tally`].

use std::collections::{HashMap, HashSet};

use zstore::{Child, Object, Store, StoreError, Trail, is_temporary};

use crate::coverage::COVERAGE;
use crate::grid::Key;
use crate::metadata::{Array, Node};
use crate::parallel::{OrderedMap, Pool};

/// Directories that are read before those below them are.
const WINDOW: usize = 1024;

/// What an object is.
#[derive(Debug, Clone, Copy)]
pub enum Found<'n> {
    /// A chunk (with sharding: a shard) of an array, with its number in the grid, if the grid is known.
    Chunk(&'n Array, Option<u64>),
    /// A metadata document of a node.
    Metadata,
    /// It belongs to no array: `temporary`, `outside_grid`, `wrong_separator`, `link` or `unknown`; with the array below which it
    /// lies.
    Stray(&'static str, Option<&'n Array>),
}

/// What is counted of the objects of a store. Parts of a store are counted apart and merged.
pub trait Tally: Default + Send {
    /// Counts an object.
    fn add(&mut self, object: Object, found: Found);

    /// A directory or an object that could not be read.
    fn failed(&mut self, error: StoreError);

    /// Adds what was counted of another part of the store.
    fn merge(&mut self, other: Self);
}

/// The nodes of a store, by the directory that belongs to them.
pub struct Owners<'n> {
    arrays: HashMap<&'n str, &'n Array>,
    nodes: HashSet<&'n str>,
}

/// A directory to be read, and the way to it.
type Waiting = (String, Trail);

impl<'n> Owners<'n> {
    /// The owners of the keys of a store with these groups (absolute paths) and arrays.
    pub fn new(groups: impl Iterator<Item = &'n str>, arrays: impl Iterator<Item = &'n Array>) -> Owners<'n> {
        let arrays: HashMap<_, _> = arrays.map(|array| (array.key_prefix(), array)).collect();
        let groups = groups.map(|path| path.trim_start_matches('/'));
        Owners { nodes: groups.chain(arrays.keys().copied()).collect(), arrays }
    }

    /// The owners of the keys of a store with these nodes.
    pub fn of_nodes(nodes: impl Iterator<Item = &'n Node> + Clone) -> Owners<'n> {
        let arrays = nodes.clone().filter_map(|node| match node {
            Node::Array(array) => Some(&**array),
            Node::Group(_) => None,
        });
        Owners::new(nodes.map(Node::path), arrays)
    }

    /// Counts every object of `store`.
    ///
    /// # Errors
    /// The store cannot be listed, or a signal came; of a local store, what cannot be read is [failed](Tally::failed).
    pub fn count<T: Tally>(&self, store: &Store, pool: &Pool) -> Result<T, StoreError> {
        if store.is_directory() {
            return self.walk(store, pool);
        }
        let mut tally = T::default();
        for object in store.list("")? {
            self.sort(object?, &mut tally);
        }
        Ok(tally)
    }

    fn sort(&self, object: Object, tally: &mut impl Tally) {
        let found = self.found(&object.key);
        tally.add(object, found);
    }

    /// What the object at `key` is.
    fn found(&self, key: &str) -> Found<'n> {
        let (directory, name) = key.rsplit_once('/').unwrap_or(("", key));
        if matches!(name, "zarr.json" | ".zarray" | ".zgroup" | ".zattrs" | ".zmetadata" | COVERAGE)
            && self.nodes.contains(directory)
        {
            return Found::Metadata;
        }
        let Some((array, relative)) = self.of(key) else { return Found::Stray(kind_of_name(key), None) };
        match array.key_kind(key) {
            Key::Chunk(number) => Found::Chunk(array, number),
            Key::OutsideGrid => Found::Stray("outside_grid", Some(array)),
            Key::WrongSeparator => Found::Stray("wrong_separator", Some(array)),
            Key::Metadata | Key::Stray => Found::Stray(kind_of_name(relative), Some(array)),
        }
    }

    /// The array that a key belongs to, and the rest of the key.
    fn of<'k>(&self, key: &'k str) -> Option<(&'n Array, &'k str)> {
        if let Some(array) = self.arrays.get("") {
            return Some((array, key));
        }
        key.match_indices('/').find_map(|(slash, _)| Some((*self.arrays.get(&key[..slash])?, &key[slash + 1..])))
    }

    /// Reads all directories, those of a batch in parallel. The last ones come first, so that few are waiting.
    fn walk<T: Tally>(&self, store: &Store, pool: &Pool) -> Result<T, StoreError> {
        let mut tally = T::default();
        let mut waiting: Vec<Waiting> = vec![(String::new(), Trail::default())];
        while !waiting.is_empty() {
            let batch = waiting.split_off(waiting.len().saturating_sub(WINDOW));
            OrderedMap::new(pool, WINDOW).run(
                batch,
                |directory| self.directory::<T>(store, directory),
                |found| {
                    let (part, below) = found?;
                    tally.merge(part);
                    waiting.extend(below);
                    Ok::<(), StoreError>(())
                },
            )?;
        }
        Ok(tally)
    }

    /// What lies in one directory, and the directories below it.
    fn directory<T: Tally>(&self, store: &Store, (prefix, trail): Waiting) -> Result<(T, Vec<Waiting>), StoreError> {
        let (mut tally, mut below) = (T::default(), Vec::new());
        let Some(trail) = store.enter(&trail, &prefix) else { return Ok((tally, below)) };
        let children = match store.children(&prefix) {
            Err(error @ StoreError::Stopped { .. }) => return Err(error),
            // Gone since the directory above was read.
            Err(StoreError::Absent { .. }) | Ok(None) => return Ok((tally, below)),
            Err(error) => {
                tally.failed(error);
                return Ok((tally, below));
            }
            Ok(Some(children)) => children,
        };
        for child in children {
            match child {
                Ok(Child::Object(object)) => self.sort(object, &mut tally),
                Ok(Child::Directory(key)) => below.push((key, trail.clone())),
                Ok(Child::Link(link)) => tally.add(link, Found::Stray("link", None)),
                Err(error) => tally.failed(error),
            }
        }
        Ok((tally, below))
    }
}

/// The kind of a key that is not a chunk: writers leave `NAME.tmp`, `NAME.UUID.partial` and temporary directories behind.
fn kind_of_name(key: &str) -> &'static str {
    let name = key.rsplit('/').next().unwrap_or(key);
    let left_behind = name.ends_with(".tmp") || name.ends_with(".partial") || name.ends_with('~');
    if left_behind || key.split('/').any(is_temporary) { "temporary" } else { "unknown" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_recognised() {
        for (key, kind) in [
            ("0.0.tmp", "temporary"),
            (".0.1.abc.partial", "temporary"),
            (".out.zarr.tmp-host-1-0/t2m/0.0", "temporary"),
            ("notes.txt", "unknown"),
        ] {
            assert_eq!(kind_of_name(key), kind, "{key}");
        }
    }
}
