//! A store in a cache of `zfetch` is marked as in use while it is open, so that it is not evicted while it is read.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

/// The file of a cache entry that its readers lock. Its time is that of the last use.
pub const READERS: &str = "readers";

/// What is in it.
pub const READERS_TEXT: &str = "Readers of this entry of a cache of zfetch lock this file.\n";

/// Levels above an opened group or array that are searched.
const MOST_ABOVE: usize = 16;

/// Marks the cache entry of the store at `root`, which is `ENTRY/VERSION/NAME` or below it, as in use until the file is dropped;
/// `None` for a store that is in no cache, and where files cannot be locked.
pub fn mark_in_use(root: &Path) -> Option<File> {
    let root = root.canonicalize().ok()?;
    let file = root.ancestors().skip(2).take(MOST_ABOVE).find_map(|above| open_readers(&above.join(READERS)))?;
    flock(&file, FlockOperation::NonBlockingLockShared).ok()?;
    // In a cache of another user the time stays as it is.
    let _ = file.set_modified(SystemTime::now());
    Some(file)
}

/// Opens a file of this name if it is one of a cache: others may use the name for a file or a named pipe of their own.
fn open_readers(path: &Path) -> Option<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    let mut text = String::new();
    (&file).take(READERS_TEXT.len() as u64 + 1).read_to_string(&mut text).ok()?;
    (text == READERS_TEXT).then_some(file)
}
