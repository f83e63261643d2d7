//! Directories get their names: in one step, or so that whatever happens between the steps, nothing is lost.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{StoreError, write_failed};

const EINVAL: i32 = rustix::io::Errno::INVAL.raw_os_error();
const ENOSYS: i32 = rustix::io::Errno::NOSYS.raw_os_error();
const EOPNOTSUPP: i32 = rustix::io::Errno::OPNOTSUPP.raw_os_error();

/// One of these makes a store.
pub const METADATA: [&str; 4] = ["zarr.json", ".zgroup", ".zarray", ".zmetadata"];

/// Gives the finished directory its name, atomically.
pub fn give_name(finished: &Path, output: &Path, overwrite: bool) -> Result<(), StoreError> {
    let kept = |error: io::Error| StoreError::Unpublished {
        place: output.display().to_string(),
        kept: finished.display().to_string(),
        source: error,
    };
    if overwrite && is_replaceable(output) {
        replace(finished, output).map_err(kept)?;
    } else {
        rename(finished, output, RenameFlags::NOREPLACE).map_err(kept)?;
    }
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The name itself must survive a crash, too.
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(|error| write_failed(output, error))
}

/// What may be overwritten: a Zarr store, or an empty directory. Anything else was hardly meant.
pub fn is_replaceable(output: &Path) -> bool {
    let is_store = METADATA.iter().any(|name| output.join(name).is_file());
    is_store || fs::read_dir(output).is_ok_and(|mut entries| entries.next().is_none())
}

/// Puts a new directory in the place of an old one in one step; the old one is then where the new one was.
///
/// # Errors
/// What the file system says, which may know no such step; nothing has changed then.
pub fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    rename(new, old, RenameFlags::EXCHANGE)
}

/// The same, where the old directory may be without its name for a moment.
fn replace(new: &Path, old: &Path) -> io::Result<()> {
    match exchange(new, old) {
        Err(error) if matches!(error.raw_os_error(), Some(EINVAL | ENOSYS | EOPNOTSUPP)) => exchange_by_steps(new, old),
        // A run that was killed between the steps left the old one aside.
        Err(error) if error.kind() == io::ErrorKind::NotFound && aside(new).exists() => exchange_by_steps(new, old),
        other => other,
    }
}

/// Without a step for both, the name is nobody's for a moment; whatever happens then, the old one is kept aside.
fn exchange_by_steps(new: &Path, old: &Path) -> io::Result<()> {
    let aside = aside(new);
    if old.exists() {
        fs::rename(old, &aside)?;
    }
    if let Err(error) = fs::rename(new, old) {
        fs::rename(&aside, old)?;
        return Err(error);
    }
    fs::rename(aside, new)
}

/// A name beside `path` that nothing has.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".old");
    path.with_file_name(name)
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, flags) {
        // Some network file systems know only the plain rename, which replaces no directory that has anything in it.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP)
            if flags == RenameFlags::NOREPLACE =>
        {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        other => other.map_err(io::Error::from),
    }
}
