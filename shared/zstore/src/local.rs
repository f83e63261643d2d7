//! A directory as a store.

mod in_use;
mod object;
mod partial;
mod upload;
pub mod walk;
mod write;

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::{ByteRange, Durability, FileKind, Stat, StoreError, read_failed};

pub use in_use::{READERS, READERS_TEXT, mark_in_use};
pub use object::LocalObject;
pub use partial::PartialObject;
pub use upload::LocalUpload;

pub struct LocalStore {
    root: PathBuf,
    /// Becomes other than 0 when the process is asked to stop: no more directories are opened then.
    stop: Arc<AtomicUsize>,
    /// What survives a crash once an object has taken the place of an older one.
    pub durability: Durability,
    /// Held open for a store in a cache.
    _in_use: Option<File>,
}

impl LocalStore {
    pub fn open(root: &Path, stop: Arc<AtomicUsize>) -> Result<LocalStore, StoreError> {
        let metadata = fs::metadata(root).map_err(|error| read_failed(root, error))?;
        if !metadata.is_dir() {
            return Err(StoreError::NotADirectory { place: root.display().to_string(), kind: FileKind::of(root) });
        }
        let in_use = mark_in_use(root);
        Ok(LocalStore { root: root.to_owned(), stop, durability: Durability::Deferred, _in_use: in_use })
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

    pub fn get(&self, key: &str, most: u64, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        self.open_object(key)?.map(|object| object.get(most, buffer)).transpose()
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
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        // A chunk key longer than a file name can be is not there, either.
        || error.kind() == io::ErrorKind::InvalidFilename
}

/// Size, and the time of the last change to the nanosecond.
pub fn file_stat(metadata: &fs::Metadata) -> Stat {
    let tag = metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec());
    Stat::new(metadata.len(), tag as u64)
}

/// Whether an open file is still the one at `path`: it may have been removed or replaced in the meantime.
pub fn is_at(file: &File, path: &Path) -> bool {
    let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().ok().map(number).is_some_and(|ours| fs::metadata(path).ok().map(number) == Some(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, LocalStore) {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir_all(dir.path().join("a/b")).expect("creates");
        fs::write(dir.path().join("a/b/0.0"), b"0123456789").expect("writes");
        fs::write(dir.path().join("top"), b"x").expect("writes");
        let store = LocalStore::open(dir.path(), Arc::default()).expect("opens");
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
        assert_eq!(store.get("a/b", 10, &mut buffer).expect("no error"), None);
        assert_eq!(store.get("a/b/0.0/below-a-file", 10, &mut buffer).expect("no error"), None);
        assert!(store.get("top", 1, &mut buffer).expect("reads").is_some());
        assert_eq!(buffer, b"x");
        assert_eq!(store.get("a/b/0.0", 9, &mut buffer).expect("no error").map(|stat| stat.size), Some(10));
        assert!(buffer.is_empty(), "not read");
    }

    #[test]
    fn a_named_pipe_does_not_block() {
        let (dir, store) = store();
        let path = dir.path().join("a/0.0");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("makes a pipe");
        assert_eq!(store.get("a/0.0", 10, &mut Vec::new()).expect("no error"), None);
    }

    #[test]
    fn a_file_is_no_store() {
        let (dir, _store) = store();
        let error = LocalStore::open(&dir.path().join("top"), Arc::default()).err().expect("fails");
        assert!(matches!(error, StoreError::NotADirectory { .. }));
        let error = LocalStore::open(&dir.path().join("gone"), Arc::default()).err().expect("fails");
        assert!(matches!(error, StoreError::Absent { .. }));
    }
}
