//! The lock of an output: held from before the first write until the folder beside the output has been removed.
//!
//! On a file system the lock is the kernel's, which releases it when the process ends; on an object store it is a lease.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use zstore::{Location, Store, StoreError, StoreOptions, create_directories, is_at, write_failed};

use crate::lease::{self, Lease};
use crate::owner::{LOCK, MARK, Owner};

/// Who may work on the output at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nobody.
    Alone,
    /// Others that claim the same: the parts of one plan.
    Shared,
    /// Anyone: it is only read.
    Nothing,
}

/// A lock that is held until it is dropped.
pub enum Lock {
    /// Nothing is locked: the output is only read, or its file system knows no locks.
    None,
    /// The kernel's lock, held as long as the file is open.
    File { _open: File },
    /// A lease on an object store.
    Lease(Lease),
}

impl Lock {
    /// The same store, which is only written while the lock is held.
    pub fn guard(&self, store: Store) -> Store {
        if let Lock::Lease(lease) = self { store.into_guarded(lease.guard()) } else { store }
    }
}

/// The result of claiming a folder.
pub enum Claimed {
    /// The folder is this run's.
    Held(Lock),
    /// The folder was removed by its owner in the meantime.
    Gone,
}

/// Takes the lock. `options` are those of the folder.
///
/// # Errors
/// [`StoreError::Busy`] or [`StoreError::Locked`] if another run holds it; [`StoreError::Write`]; errors of the store.
pub fn claim(folder: &Store, who: Claim, output: &Location, options: &StoreOptions) -> Result<Claimed, StoreError> {
    match (folder.location(), who) {
        (_, Claim::Nothing) => Ok(Claimed::Held(Lock::None)),
        (Location::Local(path), who) => claim_local(&path.join(LOCK), who, output),
        (Location::Remote(_) | Location::Zip(_) | Location::Generated(_), Claim::Alone) => {
            lease::take_alone(folder, output, options).map(|lease| Claimed::Held(Lock::Lease(lease)))
        }
        (Location::Remote(_) | Location::Zip(_) | Location::Generated(_), Claim::Shared) => {
            lease::take_shared(folder, output, options).map(|lease| Claimed::Held(Lock::Lease(lease)))
        }
    }
}

fn claim_local(path: &Path, who: Claim, output: &Location) -> Result<Claimed, StoreError> {
    let operation = match who {
        Claim::Nothing | Claim::Alone => FlockOperation::NonBlockingLockExclusive,
        Claim::Shared => FlockOperation::NonBlockingLockShared,
    };
    let mut file = match File::options().create(true).truncate(false).read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Claimed::Gone),
        Err(error) => return Err(write_failed(path, error)),
    };
    match flock(&file, operation) {
        Ok(()) if !is_at(&file, path) => Ok(Claimed::Gone),
        Ok(()) => {
            if who == Claim::Alone && file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                file.write_all(&Owner::this().text(0)).map_err(|error| write_failed(path, error))?;
            }
            Ok(Claimed::Held(Lock::File { _open: file }))
        }
        Err(Errno::WOULDBLOCK) => Err(StoreError::Busy { place: output.to_string() }),
        // A part may run twice at once; publishing may not.
        Err(Errno::NOSYS | Errno::NOTSUP | Errno::NOLCK) if who == Claim::Shared => Ok(Claimed::Held(Lock::None)),
        Err(error) => Err(write_failed(path, error.into())),
    }
}

/// A lock on a local file, held until it is dropped. Others wait for it.
#[derive(Debug)]
pub struct FileLock {
    _open: File,
}

/// How often a lock that another process holds is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// Attempts on a lock file that another process keeps removing.
const TRIES: usize = 10;

impl FileLock {
    /// Takes the lock of the file at `path`, which is created with its directory if missing; `waits` is called once if another process holds it,
    /// and `stopped` ends the wait.
    ///
    /// # Errors
    /// [`StoreError::Write`], also on file systems without locks; [`StoreError::Stopped`].
    pub fn wait(path: &Path, waits: impl FnOnce(), stopped: impl Fn() -> bool) -> Result<FileLock, StoreError> {
        let mut waits = Some(waits);
        loop {
            match FileLock::attempt(path)? {
                Some(lock) => return Ok(lock),
                None if stopped() => return Err(StoreError::Stopped { place: path.display().to_string() }),
                None => {
                    waits.take().into_iter().for_each(|waits| waits());
                    std::thread::sleep(AGAIN);
                }
            }
        }
    }

    /// Takes the lock of the file at `path`, which is created with its directory if missing; `None` if another process holds it.
    ///
    /// # Errors
    /// [`StoreError::Write`], also on file systems without locks.
    pub fn attempt(path: &Path) -> Result<Option<FileLock>, StoreError> {
        let failed = |error| write_failed(path, error);
        // The file, or its directory, may be removed after any step.
        for _ in 0..TRIES {
            path.parent().map_or(Ok(()), create_directories).map_err(failed)?;
            let file = match File::options().create(true).truncate(false).read(true).write(true).open(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(failed)?,
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, path) => return Ok(Some(FileLock { _open: file })),
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(failed(error.into())),
            }
        }
        Ok(None)
    }
}

/// Whether the file is a lock of ours; empty if its owner was killed before writing to it.
pub fn is_lock(path: &Path) -> bool {
    fs::read(path).is_ok_and(|text| text.is_empty() || text.starts_with(MARK))
}
