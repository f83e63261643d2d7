//! An object that is written in any order and kept between runs: its bytes in one file, notes on them in another beside it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::write::give_key;
use super::{LocalStore, is_absent, is_at};
use crate::{Stat, StoreError, read_failed, write_failed};

/// What follows the name of the file with the bytes in that of the file with the notes.
const NOTES: &str = ".parts";

/// An object in the making that outlives the process. Only one process has it at a time.
#[derive(Debug)]
pub struct PartialObject {
    file: File,
    notes: File,
    path: PathBuf,
    notes_path: PathBuf,
}

impl LocalStore {
    /// Opens the partial object of a key; with `create` it is made where there is none. `None` without `create`, if another process
    /// has it, and on file systems without locks.
    pub fn partial(&self, key: &str, create: bool) -> Result<Option<PartialObject>, StoreError> {
        let path = self.inside(key)?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| write_failed(&path, error)
        };
        let open = || File::options().read(true).write(true).create(create).truncate(false).open(&path);
        let file = match open() {
            Err(error) if !create && is_absent(&error) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => self.make_directories(key).and_then(|()| open()),
            other => other,
        };
        let file = file.map_err(failed(&path))?;
        // The process that had the lock may have given the file its key meanwhile.
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() || !is_at(&file, &path) {
            return Ok(None);
        }
        let mut notes_path = path.clone().into_os_string();
        notes_path.push(NOTES);
        let notes_path = PathBuf::from(notes_path);
        let notes =
            File::options().read(true).append(true).create(true).open(&notes_path).map_err(failed(&notes_path))?;
        let partial = PartialObject { file, notes, path, notes_path };
        if partial.len()? == 0 {
            partial.clear()?;
        }
        Ok(Some(partial))
    }
}

impl PartialObject {
    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn write_at(&self, bytes: &[u8], start: u64) -> Result<(), StoreError> {
        self.file.write_all_at(bytes, start).map_err(|error| self.failed(error))
    }

    /// Fills `target` from an offset on. Bytes that were never written are zero.
    ///
    /// # Errors
    /// [`StoreError`] of the file system, and where the file ends before.
    pub fn read_at(&self, target: &mut [u8], start: u64) -> Result<(), StoreError> {
        self.file.read_exact_at(target, start).map_err(|error| read_failed(&self.path, error))
    }

    /// Adds a line to the notes. It may outlive, in a crash of the machine, the bytes that it is about.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn note(&self, line: &[u8]) -> Result<(), StoreError> {
        (&self.notes).write_all(line).map_err(|error| write_failed(&self.notes_path, error))
    }

    /// All notes. The last line may be cut off.
    ///
    /// # Errors
    /// [`StoreError`] of the file system.
    pub fn notes(&self) -> Result<Vec<u8>, StoreError> {
        fs::read(&self.notes_path).map_err(|error| read_failed(&self.notes_path, error))
    }

    /// Removes all bytes and notes: it starts over.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn clear(&self) -> Result<(), StoreError> {
        // Without notes, bytes mean nothing.
        self.notes.set_len(0).map_err(|error| write_failed(&self.notes_path, error))?;
        self.file.set_len(0).map_err(|error| self.failed(error))
    }

    /// Makes it the object `key` of a store on the same file system, once all `len` bytes are in it.
    pub(crate) fn finish(&self, store: &LocalStore, key: &str, len: u64) -> Result<Stat, StoreError> {
        if self.len()? != len {
            return Err(self.failed(io::Error::other(format!("the file has {} of {len} bytes", self.len()?))));
        }
        let stat = give_key(store, &self.file, &self.path, key)?;
        // Nobody looks at notes without bytes.
        let _ = fs::remove_file(&self.notes_path);
        Ok(stat)
    }

    fn len(&self) -> Result<u64, StoreError> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> StoreError {
        write_failed(&self.path, error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::tests::{get, keys, store};
    use super::*;

    #[test]
    fn parts_outlive_a_run_and_become_an_object() {
        let (_dir, store) = store();
        assert!(store.partial("large/a/0", false).expect("no error").is_none(), "nothing was begun");
        let partial = store.partial("large/a/0", true).expect("opens").expect("is free");
        partial.write_at(b"world", 6).expect("writes");
        partial.note(b"second\n").expect("notes");
        assert!(store.partial("large/a/0", true).expect("no error").is_none(), "it is in use");
        drop(partial);
        let partial = store.partial("large/a/0", false).expect("opens").expect("is there");
        assert_eq!(partial.notes().expect("reads"), b"second\n");
        assert!(partial.finish(&store, "a/0", 12).is_err(), "it is too short");
        partial.write_at(b"hello ", 0).expect("writes");
        let mut text = [0; 5];
        partial.read_at(&mut text, 6).expect("reads");
        assert_eq!(&text, b"world");
        let stat = partial.finish(&store, "a/0", 11).expect("finishes");
        assert_eq!(
            (get(&store, "a/0").as_slice(), store.stat("a/0").expect("no error")),
            (&b"hello world"[..], Some(stat))
        );
        assert_eq!(keys(&store), ["a/0"]);
    }

    #[test]
    fn notes_without_bytes_are_not_believed() {
        let (dir, store) = store();
        let partial = store.partial("0", true).expect("opens").expect("is free");
        partial.write_at(b"old", 0).expect("writes");
        partial.note(b"old\n").expect("notes");
        partial.clear().expect("clears");
        assert_eq!(partial.notes().expect("reads"), b"");
        partial.note(b"left\n").expect("notes");
        drop(partial);
        fs::remove_file(dir.path().join("out.zarr/0")).expect("removes");
        let partial = store.partial("0", true).expect("opens").expect("is free");
        assert_eq!(partial.notes().expect("reads"), b"");
    }

    #[test]
    fn no_key_leads_out_of_the_store() {
        let (_dir, store) = store();
        assert!(store.partial("../out", true).is_err());
        let partial = store.partial("0", true).expect("opens").expect("is free");
        assert!(partial.finish(&store, "../out", 0).is_err());
    }
}
