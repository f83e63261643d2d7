//! Objects of a directory are written under a temporary name of their own beside their place, and renamed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{LocalStore, is_absent, stat};
use crate::staging::temporary_name;
use crate::{Stat, StoreError, read_failed, write_failed};

/// Small pieces of an upload are gathered up to this size; larger ones go straight to the file.
const GATHERED: usize = 256 * 1024;

impl LocalStore {
    pub fn create(root: &Path) -> Result<LocalStore, StoreError> {
        match fs::create_dir(root) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(StoreError::Write { place: root.display().to_string(), source }),
        }
        LocalStore::open(root)
    }

    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<Stat, StoreError> {
        self.write_whole(key, bytes)?.replace(bytes.len() as u64)
    }

    pub fn put_new(&self, key: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        self.write_whole(key, bytes)?.take_free_name()
    }

    pub fn upload(&self, key: &str, reserved: usize) -> Result<LocalUpload, StoreError> {
        let mut temporary = self.temporary(key)?;
        temporary.attempt(|file| file.seek(SeekFrom::Start(reserved as u64)))?;
        Ok(LocalUpload { temporary: BufWriter::with_capacity(GATHERED, temporary), reserved, len: reserved as u64 })
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
            Ok(metadata) => Ok(metadata.is_file().then(|| stat(&metadata))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(read_failed(&path, error)),
        }
    }

    pub fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.root)
            .and_then(|root| rustix::fs::syncfs(&root).map_err(io::Error::from))
            .map_err(|error| write_failed(&self.root, error))
    }

    fn write_whole(&self, key: &str, bytes: &[u8]) -> Result<Temporary, StoreError> {
        let mut temporary = self.temporary(key)?;
        temporary.attempt(|file| file.write_all(bytes))?;
        Ok(temporary)
    }

    /// The path of a key that does not lead out of the store, wherever it comes from.
    fn inside(&self, key: &str) -> Result<PathBuf, StoreError> {
        let path = self.path(key);
        match key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            true => Err(write_failed(&path, io::Error::new(io::ErrorKind::InvalidInput, "not a key of this store"))),
            false => Ok(path),
        }
    }

    /// A new file beside the place of `key`. Directories are only looked at where one is missing.
    fn temporary(&self, key: &str) -> Result<Temporary, StoreError> {
        let target = self.inside(key)?;
        loop {
            let path = temporary_name(&target)?;
            let file = match File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.make_directories(key).and_then(|()| File::create_new(&path))
                }
                other => other,
            };
            match file {
                Ok(file) => return Ok(Temporary { file, path, target, durable: self.durable, renamed: false }),
                // Left by a process that was killed and had this number: in containers, they all have. The next name.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(write_failed(&target, error)),
            }
        }
    }

    /// Makes the directories between the store and an object. The store itself is not made: one that was removed
    /// meanwhile stays removed.
    fn make_directories(&self, key: &str) -> io::Result<()> {
        key.match_indices('/').try_for_each(|(end, _)| match fs::create_dir(self.root.join(&key[..end])) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        })
    }
}

/// A file that nobody knows yet. Dropped before it has its name, it is removed.
struct Temporary {
    file: File,
    path: PathBuf,
    target: PathBuf,
    durable: bool,
    renamed: bool,
}

impl Temporary {
    fn attempt<T>(&mut self, action: impl FnOnce(&mut File) -> io::Result<T>) -> Result<T, StoreError> {
        action(&mut self.file).map_err(|error| write_failed(&self.target, error))
    }

    /// Takes the place of the object that is there, if there is one, once all `len` bytes are in the file.
    fn replace(&mut self, len: u64) -> Result<Stat, StoreError> {
        let metadata = self.attempt(|file| file.metadata())?;
        if metadata.len() != len {
            let text = format!("the file has {} of {len} bytes", metadata.len());
            return Err(write_failed(&self.target, io::Error::other(text)));
        }
        if self.durable {
            self.attempt(|file| file.sync_data())?;
        }
        fs::rename(&self.path, &self.target).map_err(|error| write_failed(&self.target, error))?;
        self.renamed = true;
        Ok(stat(&metadata))
    }

    /// Takes its place unless something is there. Nothing is removed or replaced.
    fn take_free_name(mut self) -> Result<bool, StoreError> {
        let taken = match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.renamed = true;
                return Ok(true);
            }
            // Network file systems that know only the plain rename refuse a second link to a name that is taken, too. The
            // first link goes when this is dropped.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::hard_link(&self.path, &self.target),
            Err(error) => Err(error.into()),
        };
        match taken {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !self.target.is_dir() => Ok(false),
            Err(error) => Err(write_failed(&self.target, error)),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // A failure leaves a file whose name says what it is.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is written piece by piece.
pub struct LocalUpload {
    temporary: BufWriter<Temporary>,
    reserved: usize,
    len: u64,
}

impl LocalUpload {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.temporary.write_all(bytes).map_err(|error| self.failed(error))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn finish(mut self, start: &[u8]) -> Result<Stat, StoreError> {
        if start.len() != self.reserved {
            return Err(self.failed(io::Error::new(io::ErrorKind::InvalidInput, "the start has not the size reserved")));
        }
        self.temporary.flush().map_err(|error| self.failed(error))?;
        self.temporary.get_ref().file.write_all_at(start, 0).map_err(|error| self.failed(error))?;
        self.temporary.get_mut().replace(self.len)
    }

    fn failed(&self, error: io::Error) -> StoreError {
        write_failed(&self.temporary.get_ref().target, error)
    }
}
