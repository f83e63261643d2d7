//! Every object of a store, sorted to the array that it belongs to. A local store is walked directory by directory, several at a
//! time, and a large directory is shared by all workers; any other is one streaming list. Nothing is held here: what is counted is up to the [`Tally`].

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use zstore::{Child, Children, NameBuffer, Stat, Store, StoreError, Trail, is_temporary};

use crate::coverage::COVERAGE;
use crate::grid::Key;
use crate::metadata::{Array, Node};
use crate::parallel::{OrderedMap, Pool, ScratchPool};

/// Directories that are read before those below them are.
const WINDOW: usize = 1024;

/// Buffers of names after which a directory is large, and a worker looks whether something else is left to do.
const LARGE: usize = 4;

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
    fn add(&mut self, key: &str, stat: &Stat, found: Found);

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

/// What is still to be looked at, and the way to it.
enum Waiting<'s> {
    /// A directory.
    Directory(String, Trail),
    /// A large one, which other workers read, too.
    Shared(Children<'s>, Directory),
}

/// What the keys right in a directory have in common.
#[derive(Clone)]
struct Directory {
    key: String,
    trail: Trail,
}

/// Where the keys right in a directory belong.
struct Owner<'n> {
    is_node: bool,
    /// The array, and the length of a key before the part that is relative to it.
    array: Option<(&'n Array, usize)>,
}

/// A walk through a local store.
struct Walk<'w, 's> {
    owners: &'w Owners<'w>,
    store: &'s Store,
    /// Whether a large directory is being shared: of several, each has a worker of its own.
    is_shared: AtomicBool,
    buffers: ScratchPool<NameBuffer>,
    workers: usize,
}

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
        self.count_below(store, pool, &[""])
    }

    /// Counts every object of `store` below these directories, none of which lies in another one.
    ///
    /// # Errors
    /// As [`Owners::count`].
    pub fn count_below<T: Tally>(&self, store: &Store, pool: &Pool, directories: &[&str]) -> Result<T, StoreError> {
        if store.is_directory() {
            return self.walk(store, pool, directories);
        }
        let mut tally = T::default();
        for directory in directories {
            for object in store.list(directory)? {
                let object = object?;
                let (directory, _) = object.key.rsplit_once('/').unwrap_or_default();
                tally.add(&object.key, &object.stat, self.owner(directory).found(&object.key));
            }
        }
        Ok(tally)
    }

    /// Where the keys right in a directory belong.
    fn owner(&self, directory: &str) -> Owner<'n> {
        let above = directory.match_indices('/').map(|(slash, _)| slash).chain([directory.len()]);
        let mut arrays = above.filter_map(|end| Some((*self.arrays.get(&directory[..end])?, end + 1)));
        let root = self.arrays.get("").map(|array| (*array, 0));
        Owner { is_node: self.nodes.contains(directory), array: root.or_else(|| arrays.next()) }
    }

    /// Reads all directories, those of a batch in parallel. The last ones come first, so that few are waiting.
    fn walk<T: Tally>(&self, store: &Store, pool: &Pool, directories: &[&str]) -> Result<T, StoreError> {
        let walk = Walk {
            owners: self,
            store,
            is_shared: AtomicBool::new(false),
            buffers: ScratchPool::new(pool.workers(), NameBuffer::default),
            workers: pool.workers(),
        };
        let mut tally = T::default();
        let begin = |directory: &&str| Waiting::Directory((*directory).to_owned(), Trail::default());
        let mut waiting: Vec<Waiting> = directories.iter().map(begin).collect();
        while !waiting.is_empty() {
            let batch = waiting.split_off(waiting.len().saturating_sub(WINDOW));
            OrderedMap::new(pool, WINDOW).run(
                batch,
                |item| walk.step::<T>(item),
                |found| {
                    let (part, more) = found?;
                    tally.merge(part);
                    waiting.extend(more);
                    Ok::<(), StoreError>(())
                },
            )?;
        }
        Ok(tally)
    }
}

impl<'n> Owner<'n> {
    /// What the object at `key` is.
    fn found(&self, key: &str) -> Found<'n> {
        let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
        if self.is_node && matches!(name, "zarr.json" | ".zarray" | ".zgroup" | ".zattrs" | ".zmetadata" | COVERAGE) {
            return Found::Metadata;
        }
        let Some((array, start)) = self.array else { return Found::Stray(kind_of_name(key), None) };
        match array.key_kind(key) {
            Key::Chunk(number) => Found::Chunk(array, number),
            Key::OutsideGrid => Found::Stray("outside_grid", Some(array)),
            Key::WrongSeparator => Found::Stray("wrong_separator", Some(array)),
            Key::Metadata | Key::Stray => Found::Stray(kind_of_name(&key[start..]), Some(array)),
        }
    }
}

impl<'s> Walk<'_, 's> {
    /// What is found at once, and what is to be looked at then.
    fn step<T: Tally>(&self, item: Waiting<'s>) -> Result<(T, Vec<Waiting<'s>>), StoreError> {
        let (mut tally, mut more) = (T::default(), Vec::new());
        match item {
            Waiting::Directory(prefix, trail) => {
                if let Some((children, directory)) = self.open(prefix, &trail, &mut tally)? {
                    self.read(&children, &directory, false, &mut tally, &mut more)?;
                }
            }
            Waiting::Shared(children, directory) => self.read(&children, &directory, true, &mut tally, &mut more)?,
        }
        Ok((tally, more))
    }

    /// Opens a directory; `None` if it goes in circles, is gone, or cannot be read.
    fn open(
        &self,
        prefix: String,
        trail: &Trail,
        tally: &mut impl Tally,
    ) -> Result<Option<(Children<'s>, Directory)>, StoreError> {
        let Some(trail) = self.store.enter(trail, &prefix) else { return Ok(None) };
        match self.store.children(&prefix) {
            Err(error @ StoreError::Stopped { .. }) => Err(error),
            // Gone since the directory above was read.
            Err(StoreError::Absent { .. }) | Ok(None) => Ok(None),
            Err(error) => {
                tally.failed(error);
                Ok(None)
            }
            Ok(Some(children)) => Ok(Some((children, Directory { key: prefix, trail }))),
        }
    }

    /// Counts the children of a directory to its end; of a large one, until all workers take part.
    fn read(
        &self,
        children: &Children<'s>,
        directory: &Directory,
        is_shared: bool,
        tally: &mut impl Tally,
        more: &mut Vec<Waiting<'s>>,
    ) -> Result<(), StoreError> {
        let owner = self.owners.owner(&directory.key);
        let mut buffer = self.buffers.take();
        let mut parts = 0;
        loop {
            let is_more = children.read(&mut buffer, |child| match child {
                Ok(Child::Object(key, stat)) => tally.add(key, &stat, owner.found(key)),
                Ok(Child::Directory(key)) => more.push(Waiting::Directory(key.to_owned(), directory.trail.clone())),
                Ok(Child::Link(key, stat)) => tally.add(key, &stat, Found::Stray("link", None)),
                Err(error) => tally.failed(error),
            })?;
            if !is_more {
                break;
            }
            parts += 1;
            if !is_shared && parts == LARGE && self.workers > 1 && !self.is_shared.swap(true, Ordering::Relaxed) {
                let shares = (0..self.workers).map(|_| Waiting::Shared(children.clone(), directory.clone()));
                more.extend(shares);
                return Ok(());
            }
        }
        if is_shared {
            self.is_shared.store(false, Ordering::Relaxed);
        }
        Ok(())
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

    /// The keys of all objects, and how often each was found.
    #[derive(Default)]
    struct Keys(std::collections::BTreeMap<String, u64>);

    impl Tally for Keys {
        fn add(&mut self, key: &str, _: &Stat, _: Found) {
            *self.0.entry(key.to_owned()).or_default() += 1;
        }

        fn failed(&mut self, error: StoreError) {
            panic!("{error}");
        }

        fn merge(&mut self, other: Keys) {
            other.0.into_iter().for_each(|(key, count)| *self.0.entry(key).or_default() += count);
        }
    }

    /// More names than the buffers after which a directory is large.
    const NAMES: usize = 2 * LARGE * (1 << 15) / 24;

    /// Large directories, with directories between their names.
    #[test]
    fn large_directories_are_shared_and_every_object_is_found_once() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut expected = Vec::new();
        let mut file = |key: String| {
            let path = directory.path().join(&key);
            std::fs::create_dir_all(path.parent().expect("in a directory")).expect("creates");
            std::fs::File::create(path).expect("creates");
            expected.push(key);
        };
        for number in 0..NAMES {
            file(format!("a/{number}"));
            file(format!("b/{}/{number}", number % 3));
        }
        (0..NAMES).for_each(|number| file(format!("a/x/c/{number}")));
        expected.sort();
        let store = Store::open(directory.path(), &zstore::StoreOptions::default()).expect("opens");
        let owners = Owners::new(std::iter::empty(), std::iter::empty());
        for workers in [1, 2, 5] {
            let found: Keys = owners.count(&store, &Pool::new(workers)).expect("counts");
            assert!(found.0.values().all(|count| *count == 1), "{workers} workers");
            assert!(found.0.into_keys().eq(expected.iter().cloned()), "{workers} workers");
            let below: Keys = owners.count_below(&store, &Pool::new(workers), &["a/x", "b/1"]).expect("counts");
            let wanted = expected.iter().filter(|key| key.starts_with("a/x/") || key.starts_with("b/1/"));
            assert!(below.0.into_keys().eq(wanted.cloned()), "{workers} workers");
        }
    }

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
