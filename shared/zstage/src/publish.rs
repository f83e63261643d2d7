//! The end: arrays that were written beside the old ones take their place, and the metadata makes the objects a store.

use std::path::{Path, PathBuf};

use zarray::Pool;
use zstore::{
    Location, Store, StoreError, complete_exchange, exchange, is_empty_directory, is_temporary, keep_permissions,
    move_directory, write_failed,
};
use zwire::{Exit, Failure};

use crate::backup::keep_replaced;
use crate::plan_file::Header;
use crate::staged_store::StagedStore;
use crate::waiting::{waiting, waiting_document, waiting_documents_of};

/// In the folder once all the work is done: from then on only the end is left to do, even if it is interrupted.
const FINISHING: &str = "finishing";

/// Makes `staged` the output that `header` describes. May be interrupted, and done again.
///
/// # Errors
/// What the store says; the output is then kept, and can be finished later.
pub fn publish(staged: StagedStore, header: &Header, pool: &Pool) -> Result<(), Failure> {
    // From here on, what is half done can only be understood with the plan.
    staged.keep();
    let backup = header.backup.as_deref().map(Path::new);
    staged.objects().sync()?;
    staged.replacements().sync()?;
    // Documents that an earlier run may have put there need not be written again; a new output has none.
    let look = staged.in_place() || is_finishing(&staged)?;
    staged.folder().put(FINISHING, b"")?;
    for array in &header.swapped {
        complete(&staged, array)?;
    }
    staged.replacements().sync()?;
    for array in &header.swapped {
        take_place(&staged, array, backup)?;
    }
    let (root, below): (Vec<String>, Vec<String>) =
        waiting(staged.folder())?.into_iter().partition(|key| !key.contains('/'));
    // What opens the store comes last.
    pool.map(below, |key| publish_document(&staged, &key, backup, look))
        .into_iter()
        .collect::<Result<(), Failure>>()?;
    for key in &root {
        publish_document(&staged, key, backup, look)?;
    }
    // Of the other format, the root's documents go first: what is left is then whole.
    let (root, below): (Vec<&String>, Vec<&String>) = header.removed.iter().partition(|key| !key.contains('/'));
    for keys in [root, below] {
        let remove = |key: &String| {
            keep_replaced(staged.objects(), key, backup)?;
            Ok(staged.objects().delete(key)?)
        };
        pool.map(keys, remove).into_iter().collect::<Result<(), Failure>>()?;
    }
    Ok(staged.publish()?)
}

/// Whether all the work is done, and an earlier run was interrupted at the end.
///
/// # Errors
/// The store's.
pub fn is_finishing(staged: &StagedStore) -> Result<bool, StoreError> {
    Ok(staged.folder().stat(FINISHING)?.is_some())
}

/// Removes the temporary files of processes that are gone. Nobody else is at work: the caller has the output for itself.
///
/// # Errors
/// The store's.
pub fn sweep(staged: &StagedStore) -> Result<(), Failure> {
    for store in [staged.objects(), staged.replacements()] {
        // Nothing on an object store is half there.
        if store.location().local().is_none() {
            continue;
        }
        for object in store.list("")? {
            let key = object?.key;
            let name = key.rsplit('/').next().unwrap_or(&key);
            if is_temporary(name) {
                store.delete(&key)?;
            }
        }
    }
    Ok(())
}

fn publish_document(staged: &StagedStore, key: &str, backup: Option<&Path>, look: bool) -> Result<(), Failure> {
    let text = waiting_document(staged, key)?;
    let mut old = Vec::new();
    if look && staged.objects().get(key, &mut old)?.is_some() && old == text {
        return Ok(());
    }
    keep_replaced(staged.objects(), key, backup)?;
    staged.objects().put(key, &text)?;
    Ok(())
}

/// Puts the documents of a new array beside its chunks, unless it is in its place already.
fn complete(staged: &StagedStore, array: &str) -> Result<(), Failure> {
    if is_in_place(staged, array)? {
        return Ok(());
    }
    for key in waiting_documents_of(staged, array)? {
        staged.replacements().put(&key, &waiting_document(staged, &key)?)?;
    }
    Ok(())
}

/// Puts a new array in the place of the old one, in one step.
fn take_place(staged: &StagedStore, array: &str, backup: Option<&Path>) -> Result<(), Failure> {
    let (Location::Local(store), Location::Local(beside)) =
        (staged.objects().location(), staged.replacements().location())
    else {
        return Err(Failure::usage("arrays cannot be swapped in place on an object store").at(staged.output()));
    };
    let at = |root: &Path| if array.is_empty() { root.to_owned() } else { root.join(array) };
    let (old, new) = (at(store), at(beside));
    // Where the file system exchanges in steps, a kill between them leaves the old array aside.
    complete_exchange(&new).map_err(|error| write_failed(&new, error))?;
    if !new.exists() {
        // An earlier run has done all this, and was interrupted when it tidied up.
        return Ok(());
    }
    if !is_in_place(staged, array)? {
        if backup.is_none() {
            check_all_carried_over(staged.objects(), array)?;
        }
        keep_permissions(&old, &new);
        exchange(&new, &old).map_err(|error| write_failed(&old, error))?;
    }
    // What stands beside now is the old one.
    let is_free = |kept: &PathBuf| !kept.exists() || is_empty_directory(kept);
    match backup.map(at).filter(is_free) {
        Some(kept) if new.exists() => Ok(move_directory(&new, &kept).map_err(|error| write_failed(&kept, error))?),
        _ => Ok(()),
    }
}

/// The old array must hold nothing but chunks and metadata, for it is about to be removed.
fn check_all_carried_over(store: &Store, array: &str) -> Result<(), Failure> {
    let is_index = |part: &str| part == "c" || part.split('.').all(|word| word == "c" || word.parse::<u64>().is_ok());
    for object in store.list(array)? {
        let key = object?.key;
        let relative = key.strip_prefix(array).unwrap_or(&key).trim_start_matches('/');
        let is_metadata = matches!(relative, ".zarray" | ".zattrs" | "zarr.json");
        if !is_metadata && !relative.split('/').all(is_index) {
            let text = "is neither a chunk nor metadata, and would be lost when the array is replaced";
            return Err(Failure::new(Exit::Output, text).at(store.place(&key)).hint("use --backup DIR to keep it"));
        }
    }
    Ok(())
}

/// Whether an earlier run has exchanged the two: the metadata that waited for the new one is then in place.
fn is_in_place(staged: &StagedStore, array: &str) -> Result<bool, Failure> {
    let documents = waiting_documents_of(staged, array)?;
    let Some(key) = documents.iter().find(|key| key.ends_with(".zarray") || key.ends_with("zarr.json")) else {
        // Every array had its document when the end began: an earlier run has done all this, and was tidying up. What stands
        // beside now is the old array, or what is left of it.
        return Ok(true);
    };
    let mut text = Vec::new();
    Ok(staged.objects().get(key, &mut text)?.is_some() && text == waiting_document(staged, key)?)
}
