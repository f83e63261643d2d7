//! Walks through directories, and the links that it follows.
//!
//! A link to a directory is followed if that lies in the store, or is a Zarr node or the chunks of one: archives have arrays
//! linked in from other file systems. It is not followed to a directory that it lies in itself, nor to anything else outside of
//! the store. Directories that are linked to each other have no end: [`Trail`] remembers the way.

use std::collections::VecDeque;
use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use rustix::fs::{AtFlags, FileType, OFlags, RawDir};
use rustix::io::Errno;

use super::{LocalStore, is_absent};
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

/// Something right below a directory. Names are borrowed: there may be millions of them.
#[derive(Debug)]
pub enum Child<'k> {
    /// An object: its key, size and tag.
    Object(&'k str, Stat),
    /// A directory, by its key.
    Directory(&'k str),
    /// A link that is not followed.
    Link(&'k str, Stat),
}

/// The children of a directory, as it is read. Clones share it: each child is seen by one of them.
#[derive(Clone)]
pub struct Children<'a>(Arc<Directory<'a>>);

/// Names of a directory, as the system returns them.
pub struct NameBuffer {
    bytes: Box<[MaybeUninit<u8>]>,
    key: String,
}

/// A directory of a store.
struct Directory<'a> {
    store: &'a LocalStore,
    key: String,
    path: PathBuf,
    file: File,
    /// Held while names are read: systems differ in whether several threads may do that.
    reading: Mutex<()>,
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
        let flags = OFlags::DIRECTORY.bits() as i32;
        let file = File::options().read(true).custom_flags(flags).open(&path);
        let file = file.map_err(|error| read_failed(&path, error))?;
        let key = prefix.to_owned();
        Ok(Children(Arc::new(Directory { store: self, key, path, file, reading: Mutex::new(()) })))
    }

    /// The way on into the directory `prefix`; `None` if it goes in circles.
    pub fn enter(&self, trail: &Trail, prefix: &str) -> Option<Trail> {
        let path = self.path(prefix);
        let Ok(found) = fs::symlink_metadata(&path) else { return Some(trail.clone()) };
        let is_link = found.is_symlink();
        let Ok(target) = (if is_link { fs::metadata(&path) } else { Ok(found) }) else { return Some(trail.clone()) };
        let identity = (target.dev(), target.ino());
        let links = trail.links + usize::from(is_link);
        let circle = is_link && (trail.directories.contains(&identity) || links > LINKS);
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

impl Default for NameBuffer {
    /// As large as the C library's.
    fn default() -> NameBuffer {
        NameBuffer { bytes: vec![MaybeUninit::uninit(); 1 << 15].into_boxed_slice(), key: String::new() }
    }
}

impl Children<'_> {
    /// Reads the next names, as many as the buffer holds, and calls `visit` with what they are. Whether there may be more.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] after a signal.
    pub fn read(
        &self,
        buffer: &mut NameBuffer,
        mut visit: impl FnMut(Result<Child, StoreError>),
    ) -> Result<bool, StoreError> {
        let directory = &*self.0;
        directory.store.check_stop(&directory.key)?;
        let NameBuffer { bytes, key } = buffer;
        let mut names = RawDir::new(&directory.file, bytes);
        let mut reading = Some(directory.reading.lock());
        loop {
            let entry = names.next();
            drop(reading.take());
            match entry {
                None => return Ok(false),
                Some(Ok(entry)) => {
                    if let Some(child) = directory.child(entry.file_name(), entry.file_type(), key).transpose() {
                        visit(child);
                    }
                }
                Some(Err(error)) => {
                    visit(Err(read_failed(&directory.path, error.into())));
                    return Ok(false);
                }
            }
            if names.is_buffer_empty() {
                return Ok(true);
            }
        }
    }
}

impl Directory<'_> {
    /// What a name is; nothing for one that is gone since the directory was read, and for a link to nothing. Its key is written
    /// to `key`.
    fn child<'k>(&self, name: &CStr, kind: FileType, key: &'k mut String) -> Result<Option<Child<'k>>, StoreError> {
        if matches!(name.to_bytes(), b"." | b"..") {
            return Ok(None);
        }
        key.clear();
        if !self.key.is_empty() {
            key.push_str(&self.key);
            key.push('/');
        }
        // What is not UTF-8 shows as replacement characters, which no chunk key contains.
        key.push_str(&name.to_string_lossy());
        // Made only where it is needed.
        let path = || self.path.join(OsStr::from_bytes(name.to_bytes()));
        if kind.is_dir() {
            return Ok(Some(Child::Directory(key)));
        }
        let stat = |flags| rustix::fs::statat(&self.file, name, flags);
        let is_link = |stat: &rustix::io::Result<rustix::fs::Stat>| {
            stat.as_ref().is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_symlink())
        };
        let mut found = stat(if kind.is_symlink() { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW });
        // Some file systems do not show what a name is.
        let is_linked = kind.is_symlink() || is_link(&found);
        if is_link(&found) {
            found = stat(AtFlags::empty());
        }
        match found {
            Ok(found) if !FileType::from_raw_mode(found.st_mode).is_dir() => {
                Ok(Some(Child::Object(key, raw_stat(&found))))
            }
            Ok(found) if is_linked && !self.store.follows(&self.path, &path()) => {
                Ok(Some(Child::Link(key, raw_stat(&found))))
            }
            Ok(_) => Ok(Some(Child::Directory(key))),
            // A link to itself.
            Err(Errno::LOOP) => Ok(Some(Child::Link(key, Stat::new(0, 0)))),
            Err(error) if is_absent(&error.into()) => Ok(None),
            Err(error) => Err(read_failed(&path(), error.into())),
        }
    }
}

/// As [`super::file_stat`].
fn raw_stat(stat: &rustix::fs::Stat) -> Stat {
    let tag = stat.st_mtime.wrapping_mul(1_000_000_000).wrapping_add(stat.st_mtime_nsec as i64);
    Stat::new(stat.st_size as u64, tag as u64)
}

/// A depth-first walk that holds one open directory, and a buffer of its children, a level.
struct Walk<'a> {
    store: &'a LocalStore,
    levels: Vec<Level<'a>>,
    buffer: NameBuffer,
}

struct Level<'a> {
    trail: Trail,
    children: Children<'a>,
    /// Those that were read: objects, and the keys of directories.
    read: VecDeque<Result<Step, StoreError>>,
    is_more: bool,
}

enum Step {
    Object(Object),
    Directory(String),
}

impl<'a> Walk<'a> {
    fn new(store: &'a LocalStore, prefix: &str, children: Children<'a>) -> Walk<'a> {
        let trail = store.enter(&Trail::default(), prefix).unwrap_or_default();
        Walk { store, levels: vec![Level::new(trail, children)], buffer: NameBuffer::default() }
    }
}

impl<'a> Level<'a> {
    fn new(trail: Trail, children: Children<'a>) -> Level<'a> {
        Level { trail, children, read: VecDeque::new(), is_more: true }
    }

    fn next(&mut self, buffer: &mut NameBuffer) -> Option<Result<Step, StoreError>> {
        let Level { children, read, is_more, .. } = self;
        while read.is_empty() && *is_more {
            let more = children.read(buffer, |child| match child {
                Ok(Child::Object(key, stat)) => read.push_back(Ok(Step::Object(Object { key: key.to_owned(), stat }))),
                Ok(Child::Directory(key)) => read.push_back(Ok(Step::Directory(key.to_owned()))),
                Ok(Child::Link(..)) => {}
                Err(error) => read.push_back(Err(error)),
            });
            match more {
                Ok(more) => *is_more = more,
                Err(error) => {
                    *is_more = false;
                    read.push_back(Err(error));
                }
            }
        }
        read.pop_front()
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Object, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let level = self.levels.last_mut()?;
            match level.next(&mut self.buffer) {
                None => drop(self.levels.pop()),
                Some(Ok(Step::Object(object))) => return Some(Ok(object)),
                Some(Ok(Step::Directory(key))) => {
                    let Some(trail) = self.store.enter(&level.trail, &key) else { continue };
                    match self.store.directory(&key) {
                        Ok(children) => self.levels.push(Level::new(trail, children)),
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
        let (mut links, mut buffer) = (Vec::new(), NameBuffer::default());
        let children = store.children("").expect("lists");
        let visit = |child: Result<Child, StoreError>| match child {
            Ok(Child::Link(key, _)) => links.push(key.to_owned()),
            child => drop(child),
        };
        assert!(children.read(&mut buffer, visit).expect("reads"));
        assert!(!children.clone().read(&mut buffer, |_| panic!("read already")).expect("reads"));
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
