//! Walks through directories, and the links that it follows.
//!
//! A link to a directory is followed if that lies in the store, or is a Zarr node or the chunks of one: archives have arrays
//! linked in from other file systems. It is not followed to a directory that it lies in itself, nor to anything else outside of
//! the store. Directories that are linked to each other have no end: [`Trail`] remembers the way.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, ReadDir};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{LocalStore, file_stat, is_absent};
use crate::{Entries, Listing, METADATA, Object, Stat, StoreError, read_failed};

/// Links to directories one behind the other on one way.
const LINKS: usize = 3;

/// The directories from the top of a walk to where it is.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    /// Device and inode of each.
    directories: Vec<(u64, u64)>,
    links: usize,
}

/// Something right below a directory.
#[derive(Debug)]
pub enum Child {
    /// An object.
    Object(Object),
    /// A directory, by its key.
    Directory(String),
    /// A link that is not followed.
    Link(Object),
}

/// The children of a directory, as it is read.
pub struct Children<'a> {
    directory: Arc<Directory<'a>>,
    entries: ReadDir,
}

/// Names of a directory that were read, and not yet looked at: to ask for their sizes takes much longer than to read them, and
/// several threads may share it.
pub struct Names<'a> {
    directory: Arc<Directory<'a>>,
    entries: Vec<io::Result<DirEntry>>,
}

/// A directory of a store.
struct Directory<'a> {
    store: &'a LocalStore,
    key: String,
    path: PathBuf,
}

impl LocalStore {
    pub fn list(&self, prefix: &str) -> Result<Listing<'_>, StoreError> {
        match self.directory(prefix) {
            Ok(children) => Ok(Box::new(Walk::new(self, prefix, children))),
            Err(StoreError::Absent { .. } | StoreError::NotADirectory { .. }) => Ok(Box::new(std::iter::empty())),
            Err(error) => Err(error),
        }
    }

    /// What lies right below a directory, as it is read.
    pub fn children(&self, prefix: &str) -> Result<Children<'_>, StoreError> {
        self.check_stop(prefix)?;
        self.directory(prefix)
    }

    pub fn entries(&self, prefix: &str) -> Result<Entries, StoreError> {
        self.check_stop(prefix)?;
        let path = self.path(prefix);
        let failed = |error| read_failed(&path, error);
        let mut entries = Entries::default();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let directory = kind.is_dir() || (kind.is_symlink() && self.follows(&path, &entry.path()));
            match entry.file_name().into_string() {
                Ok(name) if directory => entries.directories.push(name),
                Ok(name) => entries.files.push(name),
                // A name that is not UTF-8 cannot be a node of a hierarchy, whose metadata is JSON.
                Err(name) => entries.files.push(name.to_string_lossy().into_owned()),
            }
        }
        Ok(entries)
    }

    fn check_stop(&self, prefix: &str) -> Result<(), StoreError> {
        match self.stop.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(StoreError::Stopped { place: self.path(prefix).display().to_string() }),
        }
    }

    fn directory(&self, prefix: &str) -> Result<Children<'_>, StoreError> {
        let path = self.path(prefix);
        let entries = fs::read_dir(&path).map_err(|error| read_failed(&path, error))?;
        Ok(Children { directory: Arc::new(Directory { store: self, key: prefix.to_owned(), path }), entries })
    }

    /// The way on into the directory `prefix`; `None` if it goes in circles.
    pub fn enter(&self, trail: &Trail, prefix: &str) -> Option<Trail> {
        let path = self.path(prefix);
        let (Ok(link), Ok(target)) = (fs::symlink_metadata(&path), fs::metadata(&path)) else {
            return Some(trail.clone());
        };
        let identity = (target.dev(), target.ino());
        let links = trail.links + usize::from(link.is_symlink());
        let circle = link.is_symlink() && (trail.directories.contains(&identity) || links > LINKS);
        (!circle).then(|| Trail { directories: [trail.directories.as_slice(), &[identity]].concat(), links })
    }

    /// Whether a link in `directory` is to a directory that belongs to the store.
    fn follows(&self, directory: &Path, link: &Path) -> bool {
        let (Ok(directory), Ok(target), Ok(root)) =
            (directory.canonicalize(), link.canonicalize(), self.root.canonicalize())
        else {
            return false;
        };
        let above = directory.starts_with(&target) || root.starts_with(&target);
        let is_chunks = || link.file_name().is_some_and(is_part_of_a_chunk_key);
        let belongs = || target.starts_with(&root) || is_node(&target) || is_chunks();
        target.is_dir() && !above && belongs()
    }
}

fn is_node(directory: &Path) -> bool {
    METADATA.iter().any(|name| directory.join(name).is_file())
}

fn is_part_of_a_chunk_key(name: &OsStr) -> bool {
    name == "c" || name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

impl<'a> Children<'a> {
    /// The next `most` names, or those that are left, and whether there may be more.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] after a signal.
    pub fn names(&mut self, most: usize) -> Result<(Names<'a>, bool), StoreError> {
        self.directory.store.check_stop(&self.directory.key)?;
        let entries: Vec<_> = self.entries.by_ref().take(most).collect();
        let is_more = entries.len() == most;
        Ok((Names { directory: Arc::clone(&self.directory), entries }, is_more))
    }
}

impl Names<'_> {
    /// What they are.
    pub fn children(self) -> impl Iterator<Item = Result<Child, StoreError>> {
        let Names { directory, entries } = self;
        entries.into_iter().filter_map(move |entry| directory.child(entry).transpose())
    }
}

impl Directory<'_> {
    /// What an entry is; nothing for one that is gone since the directory was read, and for a link to nothing.
    fn child(&self, entry: io::Result<DirEntry>) -> Result<Option<Child>, StoreError> {
        let entry = entry.map_err(|error| read_failed(&self.path, error))?;
        let name = entry.file_name();
        // Made only where it is needed: there may be millions of names.
        let (key, path) = (join(&self.key, &name), || self.path.join(&name));
        let failed = |error| read_failed(&path(), error);
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            return Ok(Some(Child::Directory(key)));
        }
        let metadata = if kind.is_symlink() { fs::metadata(path()) } else { entry.metadata() };
        match metadata {
            Ok(metadata) if metadata.is_dir() && self.store.follows(&self.path, &path()) => {
                Ok(Some(Child::Directory(key)))
            }
            Ok(metadata) if metadata.is_dir() => Ok(Some(Child::Link(Object { key, stat: file_stat(&metadata) }))),
            Ok(metadata) => Ok(Some(Child::Object(Object { key, stat: file_stat(&metadata) }))),
            Err(error) if is_absent(&error) => Ok(None),
            // A link to itself.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                Ok(Some(Child::Link(Object { key, stat: Stat::new(0, 0) })))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

impl Iterator for Children<'_> {
    type Item = Result<Child, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let child = self.directory.child(self.entries.next()?);
            if let Some(child) = child.transpose() {
                return Some(child);
            }
        }
    }
}

/// A depth-first walk that holds one open directory a level.
struct Walk<'a> {
    store: &'a LocalStore,
    levels: Vec<(Trail, Children<'a>)>,
}

impl<'a> Walk<'a> {
    fn new(store: &'a LocalStore, prefix: &str, children: Children<'a>) -> Walk<'a> {
        let trail = store.enter(&Trail::default(), prefix).unwrap_or_default();
        Walk { store, levels: vec![(trail, children)] }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Object, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (trail, children) = self.levels.last_mut()?;
            match children.next() {
                None => drop(self.levels.pop()),
                Some(Ok(Child::Object(object))) => return Some(Ok(object)),
                Some(Ok(Child::Link(_))) => {}
                Some(Ok(Child::Directory(key))) => {
                    let Some(trail) = self.store.enter(trail, &key) else { continue };
                    match self.store.directory(&key) {
                        Ok(children) => self.levels.push((trail, children)),
                        // Gone since the directory above was read.
                        Err(StoreError::Absent { .. }) => {}
                        Err(error) => return Some(Err(error)),
                    }
                }
                Some(Err(error)) => return Some(Err(error)),
            }
        }
    }
}

/// A key from a directory and a name; what is not UTF-8 shows as replacement characters, which no chunk key contains.
fn join(key: &str, name: &OsStr) -> String {
    let name = name.to_string_lossy();
    if key.is_empty() { name.into_owned() } else { format!("{key}/{name}") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn keys(store: &LocalStore) -> Vec<String> {
        let mut keys: Vec<String> =
            store.list("").expect("lists").map(|object| object.expect("no error").key).collect();
        keys.sort();
        keys
    }

    /// A store with one array, in a directory with another file.
    fn store() -> (tempfile::TempDir, LocalStore) {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir_all(dir.path().join("s/a/b")).expect("creates");
        fs::write(dir.path().join("s/a/b/0.0"), b"0123456789").expect("writes");
        fs::write(dir.path().join("outside"), b"x").expect("writes");
        let store = LocalStore::open(&dir.path().join("s"), Arc::default()).expect("opens");
        (dir, store)
    }

    #[test]
    fn lists_with_sizes_and_survives_loops() {
        let (dir, store) = store();
        let s = dir.path().join("s");
        for (target, link) in
            [("..", "a/up"), ("..", "up"), (".", "self"), ("nowhere", "a/broken"), ("/", "root"), ("me", "me")]
        {
            symlink(target, s.join(link)).expect("links");
        }
        assert_eq!(keys(&store), ["a/b/0.0"]);
        let entries = store.entries("a").expect("lists");
        assert_eq!(
            (entries.directories, entries.files),
            (vec!["b".to_owned()], vec!["broken".to_owned(), "up".into()])
        );
        let links: Vec<String> = store
            .children("")
            .expect("lists")
            .filter_map(|child| match child {
                Ok(Child::Link(link)) => Some(link.key),
                _ => None,
            })
            .collect();
        assert_eq!(links.len(), 4, "{links:?}");
        assert_eq!(store.list("nothing").expect("lists").count(), 0);
    }

    #[test]
    fn nodes_and_chunks_are_followed_out_of_the_store_and_nothing_else() {
        let (dir, store) = store();
        for name in ["node", "chunks", "other"] {
            fs::create_dir(dir.path().join(name)).expect("creates");
            fs::write(dir.path().join(name).join("0"), b"1").expect("writes");
        }
        fs::write(dir.path().join("node/.zarray"), b"{}").expect("writes");
        for (target, link) in [("../node", "x"), ("../node", "y"), ("../chunks", "c"), ("../other", "other")] {
            symlink(target, dir.path().join("s").join(link)).expect("links");
        }
        assert_eq!(keys(&store), ["a/b/0.0", "c/0", "x/.zarray", "x/0", "y/.zarray", "y/0"]);
    }

    #[test]
    fn directories_linked_to_each_other_end() {
        let (dir, store) = store();
        for a in 0..8 {
            fs::create_dir(dir.path().join(format!("s/{a}"))).expect("creates");
        }
        for (a, b) in (0..64).map(|pair| (pair / 8, pair % 8)) {
            symlink(format!("../{b}"), dir.path().join(format!("s/{a}/to{b}"))).expect("links");
        }
        assert_eq!(keys(&store), ["a/b/0.0"]);
    }

    #[test]
    fn a_stop_ends_a_walk() {
        let (dir, _) = store();
        let store = LocalStore::open(dir.path(), Arc::new(AtomicUsize::new(15))).expect("opens");
        assert!(matches!(store.entries(""), Err(StoreError::Stopped { .. })));
        assert!(matches!(store.children("").err(), Some(StoreError::Stopped { .. })));
    }
}
