//! Names of files that are being written.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{StoreError, write_failed};

/// `.NAME.tmp-HOST-PROCESS-NUMBER` beside the target: a name that no other writer chooses, and that says whose it is.
///
/// # Errors
/// [`StoreError::Write`] for a target that has no name of its own (`..`, `/`).
pub fn temporary_name(target: &Path) -> Result<PathBuf, StoreError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Some(name) = target.file_name() else {
        return Err(write_failed(target, std::io::ErrorKind::InvalidInput.into()));
    };
    let host = rustix::system::uname().nodename().to_string_lossy().replace('/', "_");
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".tmp-{host}-{}-{number}", std::process::id()));
    Ok(target.with_file_name(temporary))
}
