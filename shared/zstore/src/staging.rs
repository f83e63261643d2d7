//! A directory that is written under a temporary name and appears under its own name only when it is whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{StoreError, write_failed};

const EINVAL: i32 = rustix::io::Errno::INVAL.raw_os_error();
const ENOSYS: i32 = rustix::io::Errno::NOSYS.raw_os_error();

/// An output store in the making. Dropped before [`Staging::publish`], it removes what it wrote.
pub struct Staging {
    target: PathBuf,
    temporary: PathBuf,
    overwrite: bool,
    published: bool,
}

impl Staging {
    /// Starts the output `target` beside its final place, on the same file system.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where something has that name and `overwrite` is not set, [`StoreError::Write`] where the
    /// directory above is missing or cannot be written.
    pub fn create(target: &Path, overwrite: bool) -> Result<Staging, StoreError> {
        if target.symlink_metadata().is_ok() && !(overwrite && is_replaceable(target)) {
            return Err(StoreError::Exists { place: target.display().to_string() });
        }
        let temporary = temporary_name(target)?;
        fs::create_dir(&temporary).map_err(|error| write_failed(target, error))?;
        Ok(Staging { target: target.to_owned(), temporary, overwrite, published: false })
    }

    /// Where the finished output will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Where it is being written.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Writes one object. The name appears at once: the whole directory is still private.
    ///
    /// # Errors
    /// [`StoreError::Write`], naming the object's final place.
    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.create_file(key)?;
        io::Write::write_all(&mut file, bytes).map_err(|error| self.failed(key, error))
    }

    /// Opens a new file for one object, making the directories above it when they are missing.
    ///
    /// # Errors
    /// [`StoreError::Write`], naming the object's final place.
    pub fn create_file(&self, key: &str) -> Result<File, StoreError> {
        // No key leads out of the directory, wherever it comes from.
        if key.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(self.failed(key, io::ErrorKind::InvalidInput.into()));
        }
        let path = self.temporary.join(key);
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().unwrap_or(&self.temporary);
                fs::create_dir_all(parent).and_then(|()| File::create_new(&path))
            }
            other => other,
        }
        .map_err(|error| self.failed(key, error))
    }

    /// Brings all that was written to the disk, once, whatever the number of files.
    ///
    /// # Errors
    /// [`StoreError::Write`] where the file system reports that bytes were lost.
    pub fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.temporary)
            .and_then(|directory| rustix::fs::syncfs(&directory).map_err(io::Error::from))
            .map_err(|error| self.failed("", error))
    }

    /// Gives the output its name, atomically.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where something took the name meanwhile, [`StoreError::Write`] otherwise.
    pub fn publish(mut self) -> Result<(), StoreError> {
        self.sync()?;
        // From here on the output is whole: whatever fails, it is kept.
        self.published = true;
        let kept = |error: io::Error| StoreError::Unpublished {
            place: self.target.display().to_string(),
            kept: self.temporary.display().to_string(),
            source: error,
        };
        if self.overwrite && is_replaceable(&self.target) {
            replace(&self.temporary, &self.target).map_err(kept)?;
        } else {
            rename(&self.temporary, &self.target, RenameFlags::NOREPLACE).map_err(kept)?;
        }
        let parent = self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The name itself must survive a crash, too.
        File::open(parent).and_then(|directory| directory.sync_all()).map_err(|error| self.failed("", error))
    }

    fn failed(&self, key: &str, error: io::Error) -> StoreError {
        let place = if key.is_empty() { self.target.clone() } else { self.target.join(key) };
        write_failed(&place, error)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // Nobody else knows the name. A failure leaves a directory whose name says what it is.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

/// What `--overwrite` may replace: a Zarr store, or an empty directory. Anything else was hardly meant.
fn is_replaceable(target: &Path) -> bool {
    let metadata = ["zarr.json", ".zgroup", ".zarray", ".zmetadata"];
    let is_store = metadata.iter().any(|name| target.join(name).is_file());
    is_store || fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none())
}

/// Puts the new store in the place of the old one, and removes the old one.
fn replace(new: &Path, old: &Path) -> io::Result<()> {
    match rename(new, old, RenameFlags::EXCHANGE) {
        // The two have changed places in one step: the temporary name is the old one's now.
        Ok(()) => fs::remove_dir_all(new),
        // Without that step, the name is nobody's for a moment; the old store is there until the new one is.
        Err(error) if matches!(error.raw_os_error(), Some(EINVAL | ENOSYS)) => {
            let aside = temporary_name(old).map_err(io::Error::other)?;
            fs::rename(old, &aside)?;
            fs::rename(new, old)?;
            fs::remove_dir_all(aside)
        }
        Err(error) => Err(error),
    }
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, flags) {
        // Some network file systems know only the plain rename, which replaces no directory that has anything in it.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if flags == RenameFlags::NOREPLACE => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        other => other.map_err(io::Error::from),
    }
}

/// `.NAME.tmp-HOST-PROCESS-NUMBER` beside the target: a name that no other writer chooses, and that says whose it is.
pub(crate) fn temporary_name(target: &Path) -> Result<PathBuf, StoreError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Some(name) = target.file_name() else {
        return Err(write_failed(target, io::Error::from(io::ErrorKind::InvalidInput)));
    };
    let host = rustix::system::uname().nodename().to_string_lossy().replace('/', "_");
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".tmp-{host}-{}-{number}", std::process::id()));
    Ok(target.with_file_name(temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_only_when_published() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let target = dir.path().join("out.zarr");
        let staging = Staging::create(&target, false).expect("creates");
        staging.put("t2m/c/0/0", b"chunk").expect("writes");
        assert!(!target.exists());
        staging.publish().expect("publishes");
        assert_eq!(fs::read(target.join("t2m/c/0/0")).expect("reads"), b"chunk");
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1, "no temporary is left");
        assert!(matches!(Staging::create(&target, false), Err(StoreError::Exists { .. })));
    }

    #[test]
    fn dropped_it_leaves_nothing() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let staging = Staging::create(&dir.path().join("out.zarr"), false).expect("creates");
        staging.put("a", b"1").expect("writes");
        drop(staging);
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0);
    }

    #[test]
    fn overwrite_replaces_the_whole() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let target = dir.path().join("out.zarr");
        for content in [b"1", b"2"] {
            let staging = Staging::create(&target, true).expect("creates");
            staging.put(".zgroup", b"{}").expect("writes");
            staging.put(std::str::from_utf8(content).expect("ascii"), content).expect("writes");
            staging.publish().expect("publishes");
        }
        assert!(!target.join("1").exists());
        assert!(target.join("2").exists());
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1, "the old one is gone");
    }

    #[test]
    fn only_stores_and_empty_directories_are_overwritten() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (thesis, empty) = (dir.path().join("thesis"), dir.path().join("empty"));
        fs::create_dir_all(thesis.join("deep")).expect("creates");
        fs::write(thesis.join("deep/chapter"), b"x").expect("writes");
        fs::create_dir(&empty).expect("creates");
        for target in [&thesis, &thesis.join("deep/chapter")] {
            assert!(matches!(Staging::create(target, true), Err(StoreError::Exists { .. })));
        }
        Staging::create(&empty, true).expect("creates").publish().expect("publishes");
    }

    #[test]
    fn a_name_taken_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let target = dir.path().join("out.zarr");
        let staging = Staging::create(&target, false).expect("creates");
        fs::create_dir(&target).expect("creates");
        fs::write(target.join("theirs"), b"x").expect("writes");
        staging.put("ours", b"y").expect("writes");
        let Err(StoreError::Unpublished { kept, .. }) = staging.publish() else { panic!("the name is taken") };
        assert!(target.join("theirs").exists() && !target.join("ours").exists());
        assert!(Path::new(&kept).join("ours").exists(), "what is whole is kept");
    }
}
