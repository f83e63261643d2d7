//! Objects of a directory are written under a temporary name of their own beside their place, and renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{LocalStore, file_stat, is_absent};
use crate::atomic::sync_file_system;
use crate::object::is_key;
use crate::{AtomicFile, Durability, Replace, Stat, StoreError, read_failed, write_failed};

impl LocalStore {
    pub fn create(root: &Path) -> Result<LocalStore, StoreError> {
        match fs::create_dir(root) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(StoreError::Write { place: root.display().to_string(), source }),
        }
        LocalStore::open(root, Arc::default())
    }

    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<Stat, StoreError> {
        replace(self.write_whole(key, bytes)?, bytes.len() as u64, self.durability)
    }

    pub fn put_over(&self, key: &str, bytes: &[u8], read: Stat) -> Result<Option<Stat>, StoreError> {
        replace_over(self.write_whole(key, bytes)?, bytes.len() as u64, self.durability, read)
    }

    pub fn put_new(&self, key: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let file = self.write_whole(key, bytes)?;
        let target = file.target().to_owned();
        match file.publish(Replace::Never, Durability::Deferred) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match target.is_dir() {
                true => Err(write_failed(&target, io::ErrorKind::IsADirectory.into())),
                false => Ok(false),
            },
            Err(error) => Err(write_failed(&target, error)),
        }
    }

    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        let path = self.inside(key)?;
        match fs::remove_file(&path) {
            Err(error) if !is_absent(&error) => Err(write_failed(&path, error)),
            _ => Ok(()),
        }
    }

    pub fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError> {
        let path = self.path(key);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.is_file().then(|| file_stat(&metadata))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(read_failed(&path, error)),
        }
    }

    pub fn sync(&self) -> Result<(), StoreError> {
        sync_file_system(&self.root).map_err(|error| write_failed(&self.root, error))
    }

    fn write_whole(&self, key: &str, bytes: &[u8]) -> Result<AtomicFile, StoreError> {
        let mut file = self.temporary(key)?;
        file.write_all(bytes).map_err(|error| write_failed(file.target(), error))?;
        Ok(file)
    }

    /// The path of a key that does not lead out of the store, wherever it comes from.
    pub(super) fn inside(&self, key: &str) -> Result<PathBuf, StoreError> {
        let path = self.path(key);
        match is_key(key) {
            true => Ok(path),
            false => Err(write_failed(&path, io::Error::new(io::ErrorKind::InvalidInput, "not a key of this store"))),
        }
    }

    /// A new file beside the place of `key`. Directories are only looked at where one is missing.
    pub(super) fn temporary(&self, key: &str) -> Result<AtomicFile, StoreError> {
        let target = self.inside(key)?;
        let file = match AtomicFile::create(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_directories(key).and_then(|()| AtomicFile::create(&target))
            }
            other => other,
        };
        file.map_err(|error| write_failed(&target, error))
    }

    /// Makes the directories between the store and an object. The store itself is not made: one that was removed
    /// meanwhile stays removed.
    pub(super) fn make_directories(&self, key: &str) -> io::Result<()> {
        key.match_indices('/').try_for_each(|(end, _)| match fs::create_dir(self.root.join(&key[..end])) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        })
    }
}

/// Moves a finished file to the place of an object.
pub(super) fn give_key(store: &LocalStore, file: &File, path: &Path, key: &str) -> Result<Stat, StoreError> {
    let target = store.inside(key)?;
    let failed = |error| write_failed(&target, error);
    let stat = file_stat(&file.metadata().map_err(failed)?);
    let moved = match fs::rename(path, &target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            store.make_directories(key).and_then(|()| fs::rename(path, &target))
        }
        other => other,
    };
    moved.map(|()| stat).map_err(failed)
}

/// Has a file take the place of the object that is there, if there is one, once all `len` bytes are in it.
pub(super) fn replace(file: AtomicFile, len: u64, durability: Durability) -> Result<Stat, StoreError> {
    let target = file.target().to_owned();
    let failed = |error| write_failed(&target, error);
    let metadata = file.file().metadata().map_err(failed)?;
    if metadata.len() != len {
        return Err(failed(io::Error::other(format!("the file has {} of {len} bytes", metadata.len()))));
    }
    file.publish(Replace::File, durability).map_err(failed)?;
    Ok(file_stat(&metadata))
}

/// Like [`replace`], but only if the object is still as it was `read`. The sync comes before the check, to keep the gap short.
pub(super) fn replace_over(
    file: AtomicFile,
    len: u64,
    durability: Durability,
    read: Stat,
) -> Result<Option<Stat>, StoreError> {
    let target = file.target().to_owned();
    if durability != Durability::Deferred {
        file.file().sync_data().map_err(|error| write_failed(&target, error))?;
    }
    match fs::metadata(&target) {
        Ok(now) if file_stat(&now) == read => replace(file, len, durability).map(Some),
        Err(error) if !is_absent(&error) => Err(read_failed(&target, error)),
        _ => Ok(None),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;

    pub fn store() -> (tempfile::TempDir, LocalStore) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let store = LocalStore::create(&dir.path().join("out.zarr")).expect("creates");
        (dir, store)
    }

    /// Everything in the store, by its keys: files of temporary names among them.
    pub fn keys(store: &LocalStore) -> Vec<String> {
        let mut keys: Vec<String> = store.list("").expect("lists").map(|object| object.expect("lists").key).collect();
        keys.sort();
        keys
    }

    pub fn get(store: &LocalStore, key: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        store.get(key, u64::MAX, &mut bytes).expect("reads").expect("is there");
        bytes
    }

    #[test]
    fn a_store_is_made_once_and_below_a_directory_that_is_there() {
        let (dir, store) = store();
        store.put("a", b"1").expect("writes");
        let again = LocalStore::create(&dir.path().join("out.zarr")).expect("opens what is there");
        assert_eq!(get(&again, "a"), b"1");
        let error = LocalStore::create(&dir.path().join("no/out.zarr")).err().expect("fails");
        assert!(matches!(error, StoreError::Write { .. }), "{error:?}");
        let error = LocalStore::create(&dir.path().join("out.zarr/a")).err().expect("fails");
        assert!(matches!(error, StoreError::NotADirectory { .. }), "{error:?}");
    }

    #[test]
    fn what_put_says_is_what_reads_say() {
        let (_dir, store) = store();
        let stat = store.put("t2m/c/0/0", b"chunk").expect("writes");
        assert_eq!(store.stat("t2m/c/0/0").expect("no error"), Some(stat));
        assert_eq!(store.get("t2m/c/0/0", u64::MAX, &mut Vec::new()).expect("reads"), Some(stat));
        assert_eq!(stat.size, 5);
        for nothing in ["t2m", "t2m/c/0/1", "t2m/c/0/0/below"] {
            assert_eq!(store.stat(nothing).expect("no error"), None, "{nothing}");
        }
    }

    #[test]
    fn a_reader_sees_the_old_or_the_new() {
        let (_dir, store) = store();
        let contents = [vec![1_u8; 1 << 20], vec![2_u8; 100]];
        store.put("a", &contents[0]).expect("writes");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0..200 {
                    store.put("a", &contents[turn % 2]).expect("writes");
                }
                done.store(true, SeqCst);
            });
            while !done.load(SeqCst) {
                assert!(contents.contains(&get(&store, "a")));
            }
        });
        assert_eq!(keys(&store), ["a"]);
    }

    #[test]
    fn what_another_has_written_meanwhile_is_not_replaced() {
        let (_dir, mut store) = store();
        for durability in [Durability::Deferred, Durability::Data] {
            store.durability = durability;
            let read = store.put("a", b"read").expect("writes");
            let theirs = store.put("a", b"theirs").expect("writes");
            assert_eq!(store.put_over("a", b"ours", read).expect("no error"), None);
            assert_eq!(store.upload("a", 0).expect("starts").finish_over(b"", read).expect("no error"), None);
            assert_eq!(get(&store, "a"), b"theirs");
            let ours = store.put_over("a", b"ours", theirs).expect("no error").expect("is written");
            assert_eq!(get(&store, "a"), b"ours");
            let mut upload = store.upload("a", 0).expect("starts");
            upload.write(b"piece").expect("writes");
            assert!(upload.finish_over(b"", ours).expect("no error").is_some());
            assert_eq!(get(&store, "a"), b"piece");
            store.delete("a").expect("deletes");
            assert_eq!(store.put_over("a", b"ours", ours).expect("no error"), None, "a deleted one does not come back");
            assert!(keys(&store).is_empty());
        }
    }

    #[test]
    fn failures_leave_nothing() {
        let (_dir, store) = store();
        store.put("a/b", b"1").expect("writes");
        assert!(matches!(store.put("a", b"2"), Err(StoreError::Write { .. })), "a directory has the name");
        assert!(matches!(store.put_new("a", b"2"), Err(StoreError::Write { .. })), "nor is it an object");
        assert!(matches!(store.put("a/b/c", b"2"), Err(StoreError::Write { .. })), "a file is in the way");
        assert_eq!(keys(&store), ["a/b"]);
        assert_eq!(get(&store, "a/b"), b"1");
    }

    #[test]
    fn no_key_leads_out_of_the_store() {
        let (dir, store) = store();
        for key in ["../out", "a/../../out", "", "/tmp/out", "a//b", "./a", "a/", "."] {
            assert!(matches!(store.put(key, b"x"), Err(StoreError::Write { .. })), "{key}");
            assert!(store.put_new(key, b"x").is_err() && store.upload(key, 0).is_err(), "{key}");
            assert!(store.delete(key).is_err(), "{key}");
        }
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_store_that_was_removed_is_not_made_again() {
        let (dir, store) = store();
        fs::remove_dir(dir.path().join("out.zarr")).expect("removes");
        assert!(store.put("done/1", b"x").is_err());
        assert!(!dir.path().join("out.zarr").exists());
    }

    #[test]
    fn of_many_new_objects_one_is_written() {
        let (_dir, store) = store();
        for round in 0..50 {
            let (key, written) = (format!("locks/{round}"), AtomicUsize::new(0));
            thread::scope(|scope| {
                for number in 0..8_u8 {
                    let (store, key, written) = (&store, &key, &written);
                    scope.spawn(move || {
                        let new = store.put_new(key, &[number]).expect("no error");
                        written.fetch_add(usize::from(new), SeqCst);
                        if new {
                            assert_eq!(get(store, key), [number]);
                        }
                    });
                }
            });
            assert_eq!(written.into_inner(), 1);
        }
        assert_eq!(keys(&store).len(), 50, "no temporary is left");
    }

    #[test]
    fn a_deleted_object_is_gone_and_its_directory_stays() {
        let (_dir, store) = store();
        store.put("a/b", b"1").expect("writes");
        for _ in 0..2 {
            store.delete("a/b").expect("that there is none is no error");
            assert_eq!(store.stat("a/b").expect("no error"), None);
        }
        assert_eq!(store.entries("").expect("lists").directories, ["a"]);
        assert!(matches!(store.delete("a"), Err(StoreError::Write { .. })), "a directory is no object");
        store.sync().expect("syncs");
    }
}
