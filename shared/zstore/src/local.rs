//! A directory as a store.

mod object;
mod upload;
mod write;

use std::ffi::OsStr;
use std::fs::{self, File, ReadDir};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{ByteRange, Durability, Entries, Listing, Object, Stat, StoreError, read_failed};

pub use object::LocalObject;
pub use upload::LocalUpload;

pub struct LocalStore {
    root: PathBuf,
    /// What survives a crash once an object has taken the place of an older one.
    pub durability: Durability,
}

impl LocalStore {
    pub fn open(root: &Path) -> Result<LocalStore, StoreError> {
        let metadata = fs::metadata(root).map_err(|error| read_failed(root, error))?;
        if !metadata.is_dir() {
            return Err(StoreError::NotADirectory { place: root.display().to_string() });
        }
        Ok(LocalStore { root: root.to_owned(), durability: Durability::Deferred })
    }

    fn path(&self, key: &str) -> PathBuf {
        if key.is_empty() { self.root.clone() } else { self.root.join(key) }
    }

    /// Opens an object; `None` if it does not exist. A directory is not an object.
    pub fn open_object(&self, key: &str) -> Result<Option<LocalObject>, StoreError> {
        let path = self.path(key);
        // Opening a named pipe in the place of a chunk must not block; the flag does nothing on files.
        let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = match File::options().read(true).custom_flags(flags).open(&path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(read_failed(&path, error)),
        };
        let metadata = file.metadata().map_err(|error| read_failed(&path, error))?;
        Ok(metadata.is_file().then(|| LocalObject::new(file, file_stat(&metadata), path)))
    }

    pub fn get(&self, key: &str, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        self.open_object(key)?.map(|object| object.get(buffer)).transpose()
    }

    pub fn get_range(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        self.open_object(key)?.map(|object| object.get_range(range, buffer)).transpose()
    }

    pub fn get_ranges(
        &self,
        key: &str,
        ranges: &[Range<u64>],
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Stat>, StoreError> {
        self.open_object(key)?.map(|object| object.get_ranges(ranges, buffer)).transpose()
    }

    pub fn list(&self, prefix: &str) -> Result<Listing<'_>, StoreError> {
        let path = self.path(prefix);
        let mut walk = Walk { levels: Vec::new() };
        match fs::read_dir(&path) {
            Ok(entries) => walk.levels.push(Level::new(prefix.to_owned(), path, entries)),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(read_failed(&path, error)),
        }
        Ok(Box::new(walk))
    }

    pub fn entries(&self, prefix: &str) -> Result<Entries, StoreError> {
        let path = self.path(prefix);
        let failed = |error| read_failed(&path, error);
        let mut entries = Entries::default();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let directory = kind.is_dir() || (kind.is_symlink() && leads_down(&path, &entry.path()));
            match entry.file_name().into_string() {
                Ok(name) if directory => entries.directories.push(name),
                Ok(name) => entries.files.push(name),
                // A name that is not UTF-8 cannot be a node of a hierarchy, whose metadata is JSON.
                Err(name) => entries.files.push(name.to_string_lossy().into_owned()),
            }
        }
        Ok(entries)
    }
}

/// Whether a link in `directory` is to a directory that does not contain it: one that does would never end.
fn leads_down(directory: &Path, link: &Path) -> bool {
    let (Ok(directory), Ok(target)) = (directory.canonicalize(), link.canonicalize()) else { return false };
    target.is_dir() && !directory.starts_with(target)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        // A chunk key longer than a file name can be is not there, either.
        || error.kind() == io::ErrorKind::InvalidFilename
}

/// A depth-first walk that holds one open directory a level.
struct Walk {
    levels: Vec<Level>,
}

struct Level {
    /// Key of the directory, without a trailing slash.
    key: String,
    path: PathBuf,
    entries: ReadDir,
    /// Device and inode, against links that lead back up.
    identity: Option<(u64, u64)>,
}

impl Level {
    fn new(key: String, path: PathBuf, entries: ReadDir) -> Level {
        let identity = fs::metadata(&path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        Level { key, path, entries, identity }
    }
}

impl Walk {
    fn enter(&mut self, key: String, path: PathBuf, linked: bool) -> Result<(), StoreError> {
        let entries = fs::read_dir(&path).map_err(|error| read_failed(&path, error))?;
        let level = Level::new(key, path, entries);
        if !(linked && self.levels.iter().any(|above| above.identity == level.identity)) {
            self.levels.push(level);
        }
        Ok(())
    }

    fn visit(&mut self, entry: &fs::DirEntry) -> Result<Option<Object>, StoreError> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let name = entry.file_name();
        let key = join(&level.key, &name);
        let path = level.path.join(&name);
        let failed = |error| read_failed(&path, error);
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            self.enter(key, path, false)?;
            return Ok(None);
        }
        let metadata = if kind.is_symlink() { fs::metadata(&path) } else { entry.metadata() };
        match metadata {
            Ok(metadata) if metadata.is_dir() => self.enter(key, path, true).map(|()| None),
            Ok(metadata) => Ok(Some(Object { key, stat: file_stat(&metadata) })),
            // Gone since the directory was read, or a link to nothing.
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Object, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let level = self.levels.last_mut()?;
            match level.entries.next() {
                None => {
                    self.levels.pop();
                }
                Some(Err(error)) => return Some(Err(read_failed(&level.path, error))),
                Some(Ok(entry)) => match self.visit(&entry) {
                    Ok(None) => {}
                    Ok(Some(object)) => return Some(Ok(object)),
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}

/// Size, and the time of the last change to the nanosecond.
pub fn file_stat(metadata: &fs::Metadata) -> Stat {
    let tag = metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec());
    Stat { size: metadata.len(), tag: tag as u64 }
}

/// A key from a directory and a name; what is not UTF-8 shows as replacement characters, which no chunk key contains.
fn join(key: &str, name: &OsStr) -> String {
    let name = name.to_string_lossy();
    if key.is_empty() { name.into_owned() } else { format!("{key}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, LocalStore) {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir_all(dir.path().join("a/b")).expect("creates");
        fs::write(dir.path().join("a/b/0.0"), b"0123456789").expect("writes");
        fs::write(dir.path().join("top"), b"x").expect("writes");
        let store = LocalStore::open(dir.path()).expect("opens");
        (dir, store)
    }

    #[test]
    fn ranges_stop_at_the_end() {
        let (_dir, store) = store();
        let mut buffer = Vec::new();
        for (range, expected) in [
            (ByteRange::At { start: 2, len: 3 }, "234"),
            (ByteRange::At { start: 8, len: 16 }, "89"),
            (ByteRange::At { start: 20, len: 1 }, ""),
            (ByteRange::Last { len: 3 }, "789"),
            (ByteRange::Last { len: 99 }, "0123456789"),
        ] {
            let stat = store.get_range("a/b/0.0", range, &mut buffer).expect("reads");
            assert_eq!(stat.map(|stat| stat.size), Some(10));
            assert_eq!(buffer, expected.as_bytes(), "{range:?}");
        }
        assert_eq!(store.get_range("a/b/1.0", ByteRange::Last { len: 1 }, &mut buffer).expect("reads"), None);
    }

    #[test]
    fn a_directory_is_no_object() {
        let (_dir, store) = store();
        let mut buffer = Vec::new();
        assert_eq!(store.get("a/b", &mut buffer).expect("no error"), None);
        assert_eq!(store.get("a/b/0.0/below-a-file", &mut buffer).expect("no error"), None);
        assert!(store.get("top", &mut buffer).expect("reads").is_some());
        assert_eq!(buffer, b"x");
    }

    #[test]
    fn lists_with_sizes_and_survives_loops() {
        let (dir, store) = store();
        std::os::unix::fs::symlink("..", dir.path().join("a/up")).expect("links");
        std::os::unix::fs::symlink("nowhere", dir.path().join("a/broken")).expect("links");
        let mut objects: Vec<Object> = store.list("").expect("lists").collect::<Result<_, _>>().expect("no error");
        objects.sort();
        let found: Vec<(&str, u64)> = objects.iter().map(|object| (object.key.as_str(), object.stat.size)).collect();
        assert_eq!(found, [("a/b/0.0", 10), ("top", 1)]);
        let entries = store.entries("a").expect("lists");
        assert_eq!(
            (entries.directories, entries.files),
            (vec!["b".to_owned()], vec!["broken".to_owned(), "up".into()])
        );
        assert_eq!(store.list("nothing").expect("lists").count(), 0);
    }

    #[test]
    fn a_named_pipe_does_not_block() {
        let (dir, store) = store();
        let path = dir.path().join("a/0.0");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("makes a pipe");
        assert_eq!(store.get("a/0.0", &mut Vec::new()).expect("no error"), None);
    }

    #[test]
    fn a_file_is_no_store() {
        let (dir, _store) = store();
        let error = LocalStore::open(&dir.path().join("top")).err().expect("fails");
        assert!(matches!(error, StoreError::NotADirectory { .. }));
        let error = LocalStore::open(&dir.path().join("gone")).err().expect("fails");
        assert!(matches!(error, StoreError::Absent { .. }));
    }
}
