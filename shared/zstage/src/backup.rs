//! The backup: what is replaced in place is kept under its key in another directory.

use std::path::Path;

use zstore::{Store, create_directories, link_or_copy, write_failed};
use zwire::Failure;

/// Keeps an object in the backup, where there is one, before another takes its name. What is there already stays: an earlier
/// run, or another one of the same part, has kept it.
///
/// # Errors
/// [`zstore::StoreError::Write`].
pub fn keep_replaced(store: &Store, key: &str, backup: Option<&Path>) -> Result<(), Failure> {
    let (Some(backup), Some(root)) = (backup, store.location().local()) else { return Ok(()) };
    let to = backup.join(key);
    let made = create_directories(to.parent().unwrap_or(backup));
    Ok(made.and_then(|()| link_or_copy(&root.join(key), &to).map(drop)).map_err(|error| write_failed(&to, error))?)
}
