//! The backup: what is replaced in place is kept under its key in another directory.

use std::path::Path;
use std::{fs, io};

use zstore::{Store, StoreOptions, write_failed};
use zwire::Failure;

/// Links an object into the backup, where there is one, before another takes its name. A second time it is there already.
pub fn keep_replaced(store: &Store, key: &str, backup: Option<&Path>) -> Result<(), Failure> {
    let (Some(backup), Some(root)) = (backup, store.location().local()) else { return Ok(()) };
    let (from, to) = (root.join(key), backup.join(key));
    let failed = |error| Failure::from(write_failed(&to, error));
    fs::create_dir_all(to.parent().unwrap_or(backup)).map_err(failed)?;
    match fs::hard_link(&from, &to) {
        Ok(()) => Ok(()),
        // It is kept already: by an earlier run, or by another one of the same part.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !from.exists() => Ok(()),
        // Another file system takes no link; a copy does as well.
        Err(_) => copy_into(store, key, backup),
    }
}

/// Copies an object into the backup, whole or not at all, unless it is there.
fn copy_into(store: &Store, key: &str, backup: &Path) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let backup = Store::open(backup.as_os_str(), &StoreOptions::default())?.into_durable();
    if backup.stat(key)?.is_none() && store.get(key, &mut bytes)?.is_some() {
        backup.put_new(key, &bytes)?;
    }
    Ok(())
}
