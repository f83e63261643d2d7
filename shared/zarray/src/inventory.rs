//! Every object of a store, sorted to the array that it belongs to. A local store is walked directory by directory, several at a
//! time, and a large directory is shared by all workers; any other is one streaming list. Nothing is held here: what is counted is up to the [`Tally`].

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use zstore::{Child, Children, Names, Object, Store, StoreError, Trail, is_temporary};

use crate::coverage::COVERAGE;
use crate::grid::Key;
use crate::metadata::{Array, Node};
use crate::parallel::{OrderedMap, Pool};

/// Directories that are read before those below them are.
const WINDOW: usize = 1024;

/// Names of a directory that one worker looks at.
const NAMES: usize = 4096;

/// Shares of a large directory that are read before they are looked at: some megabytes of names.
const SHARES: usize = 16;

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

/// What is still to be looked at, and the way to it.
enum Waiting<'s> {
    /// A directory.
    Directory(String, Trail),
    /// The rest of a large one.
    Rest(Children<'s>, Trail),
    /// Some names of a large one.
    Names(Names<'s>, Trail),
}

/// A walk through a local store.
struct Walk<'w, 's> {
    owners: &'w Owners<'w>,
    store: &'s Store,
    /// Whether a large directory is being shared: of several, each has a worker of its own, so that few names are held.
    is_shared: AtomicBool,
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
                self.sort(object?, &mut tally);
            }
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
    fn walk<T: Tally>(&self, store: &Store, pool: &Pool, directories: &[&str]) -> Result<T, StoreError> {
        let walk = Walk { owners: self, store, is_shared: AtomicBool::new(false), workers: pool.workers() };
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

impl<'s> Walk<'_, 's> {
    /// What is found at once, and what is to be looked at then.
    fn step<T: Tally>(&self, item: Waiting<'s>) -> Result<(T, Vec<Waiting<'s>>), StoreError> {
        let (mut tally, mut more) = (T::default(), Vec::new());
        match item {
            Waiting::Directory(prefix, trail) => self.directory(&prefix, &trail, &mut tally, &mut more)?,
            Waiting::Rest(children, trail) => self.share(children, &trail, &mut more)?,
            Waiting::Names(names, trail) => self.names(names, &trail, &mut tally, &mut more),
        }
        Ok((tally, more))
    }

    /// What lies in one directory, and the directories below it.
    fn directory(
        &self,
        prefix: &str,
        trail: &Trail,
        tally: &mut impl Tally,
        more: &mut Vec<Waiting<'s>>,
    ) -> Result<(), StoreError> {
        let Some(trail) = self.store.enter(trail, prefix) else { return Ok(()) };
        let mut children = match self.store.children(prefix) {
            Err(error @ StoreError::Stopped { .. }) => return Err(error),
            // Gone since the directory above was read.
            Err(StoreError::Absent { .. }) | Ok(None) => return Ok(()),
            Err(error) => {
                tally.failed(error);
                return Ok(());
            }
            Ok(Some(children)) => children,
        };
        loop {
            let (names, is_more) = children.names(NAMES)?;
            if is_more && self.workers > 1 && !self.is_shared.swap(true, Ordering::Relaxed) {
                more.push(Waiting::Names(names, trail.clone()));
                return self.share(children, &trail, more);
            }
            self.names(names, &trail, tally, more);
            if !is_more {
                return Ok(());
            }
        }
    }

    /// Reads more names of a large directory, for all workers.
    fn share(&self, mut children: Children<'s>, trail: &Trail, more: &mut Vec<Waiting<'s>>) -> Result<(), StoreError> {
        let mut is_more = true;
        for _ in 0..SHARES {
            let (names, is_full) = children.names(NAMES)?;
            more.push(Waiting::Names(names, trail.clone()));
            is_more = is_full;
            if !is_more {
                break;
            }
        }
        match is_more {
            // First of the next batch: it is read while the others are looked at.
            true => more.insert(0, Waiting::Rest(children, trail.clone())),
            false => self.is_shared.store(false, Ordering::Relaxed),
        }
        Ok(())
    }

    fn names(&self, names: Names<'s>, trail: &Trail, tally: &mut impl Tally, more: &mut Vec<Waiting<'s>>) {
        for child in names.children() {
            match child {
                Ok(Child::Object(object)) => self.owners.sort(object, tally),
                Ok(Child::Directory(key)) => more.push(Waiting::Directory(key, trail.clone())),
                Ok(Child::Link(link)) => tally.add(link, Found::Stray("link", None)),
                Err(error) => tally.failed(error),
            }
        }
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
        fn add(&mut self, object: Object, _: Found) {
            *self.0.entry(object.key).or_default() += 1;
        }

        fn failed(&mut self, error: StoreError) {
            panic!("{error}");
        }

        fn merge(&mut self, other: Keys) {
            other.0.into_iter().for_each(|(key, count)| *self.0.entry(key).or_default() += count);
        }
    }

    /// Two directories with more names than a share, with directories between them, and one of exactly a share.
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
        for number in 0..2 * NAMES + 17 {
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
