//! The lock of an output: held from before the first write until the folder beside the output has been renamed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use zstore::{Location, Store, StoreError, write_failed};

/// The file that is locked while a run works on the output; on an object store, an object created with put-if-absent.
pub const LOCK: &str = "lock";

/// First bytes of a lock file, which tell it from another program's file of that name.
const MARK: &[u8] = b"ztools ";

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

/// The result of claiming a folder.
pub enum Claimed {
    /// Held as long as the file is open; `None` on object stores and on file systems without locks.
    Held(Option<File>),
    /// Another run created the lock object; whether that run is alive is unknown.
    Taken,
    /// The folder was removed by its owner in the meantime.
    Gone,
}

/// Takes the lock. A local lock ends with its process.
///
/// # Errors
/// [`StoreError::Busy`] if another run holds it; [`StoreError::Write`].
pub fn claim(folder: &Store, who: Claim, output: &Location) -> Result<Claimed, StoreError> {
    match folder.location() {
        Location::Local(path) => claim_local(&path.join(LOCK), who, output),
        Location::Remote(_) | Location::Zip(_) => match folder.put_new(LOCK, &text())? {
            true => Ok(Claimed::Held(None)),
            false => Ok(Claimed::Taken),
        },
    }
}

fn claim_local(path: &Path, who: Claim, output: &Location) -> Result<Claimed, StoreError> {
    let operation = match who {
        Claim::Nothing => return Ok(Claimed::Held(None)),
        Claim::Alone => FlockOperation::NonBlockingLockExclusive,
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
                file.write_all(&text()).map_err(|error| write_failed(path, error))?;
            }
            Ok(Claimed::Held(Some(file)))
        }
        Err(Errno::WOULDBLOCK) => Err(StoreError::Busy { place: output.to_string() }),
        // A part may run twice at once; publishing may not.
        Err(Errno::NOSYS | Errno::NOTSUP | Errno::NOLCK) if who == Claim::Shared => Ok(Claimed::Held(None)),
        Err(error) => Err(write_failed(path, error.into())),
    }
}

/// Whether an open file is still the one at `path`: the folder may have been removed and created again in the meantime.
pub fn is_at(file: &File, path: &Path) -> bool {
    let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().ok().map(number).is_some_and(|ours| fs::metadata(path).ok().map(number) == Some(ours))
}

/// Whether the file is a lock of ours; empty if its owner was killed before writing to it.
pub fn is_lock(path: &Path) -> bool {
    fs::read(path).is_ok_and(|text| text.is_empty() || text.starts_with(MARK))
}

/// Text of the lock: host and process.
fn text() -> Vec<u8> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    [MARK, format!("{host} {}\n", std::process::id()).as_bytes()].concat()
}
