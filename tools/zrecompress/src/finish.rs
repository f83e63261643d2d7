//! The end: arrays that were written beside the old ones take their place, and the metadata makes the objects a store.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use zarray::Pool;
use zstore::{Draft, Location, Store, StoreError, StoreOptions, exchange, write_failed};
use zwire::Exit;
use zwire::Failure;

use crate::saved::Saved;

/// In the folder once all the work is done: from then on only the end is left to do, even if it is interrupted.
const FINISHING: &str = "finishing";

/// Folder of the documents that wait for the end.
const METADATA: &str = "metadata";

/// Ends their keys, so that nobody takes the folder for a node of a store that it lies in.
const WAITING: &str = ".waiting";

fn waiting_key(key: &str) -> String {
    format!("{METADATA}/{key}{WAITING}")
}

/// Makes `draft` the output that `saved` plans. May be interrupted, and done again.
///
/// # Errors
/// What the store says; the draft is then kept, and can be finished later.
pub fn finish(draft: Draft, saved: &Saved, pool: &Pool) -> Result<(), Failure> {
    // From here on, what is half done can only be understood with the plan.
    draft.keep();
    let backup = saved.backup.as_deref().map(Path::new);
    draft.objects().sync()?;
    draft.replacements().sync()?;
    // Documents that an earlier run may have put there need not be written again; a new output has none.
    let look = draft.in_place() || is_finishing(&draft)?;
    draft.folder().put(FINISHING, b"")?;
    for array in &saved.beside {
        complete(&draft, array)?;
    }
    draft.replacements().sync()?;
    for array in &saved.beside {
        take_place(&draft, array, backup)?;
    }
    let (root, below): (Vec<String>, Vec<String>) =
        waiting(draft.folder())?.into_iter().partition(|key| !key.contains('/'));
    // What opens the store comes last.
    pool.map(below, |key| publish_document(&draft, &key, backup, look)).into_iter().collect::<Result<(), Failure>>()?;
    for key in &root {
        publish_document(&draft, key, backup, look)?;
    }
    // Of the other format, the root's documents go first: what is left is then whole.
    let (root, below): (Vec<&String>, Vec<&String>) = saved.removed.iter().partition(|key| !key.contains('/'));
    for keys in [root, below] {
        let remove = |key: &String| {
            keep_old(draft.objects(), key, backup)?;
            Ok(draft.objects().delete(key)?)
        };
        pool.map(keys, remove).into_iter().collect::<Result<(), Failure>>()?;
    }
    Ok(draft.publish()?)
}

/// Whether all the work is done, and an earlier run was interrupted at the end.
///
/// # Errors
/// The store's.
pub fn is_finishing(draft: &Draft) -> Result<bool, StoreError> {
    Ok(draft.folder().stat(FINISHING)?.is_some())
}

/// Removes the temporary files of processes that are gone. Nobody else is at work: the caller has the output for itself.
///
/// # Errors
/// The store's.
pub fn sweep(draft: &Draft) -> Result<(), Failure> {
    for store in [draft.objects(), draft.replacements()] {
        // Nothing on an object store is half there.
        if store.location().local().is_none() {
            continue;
        }
        for object in store.list("")? {
            let key = object?.key;
            let name = key.rsplit('/').next().unwrap_or(&key);
            if name.starts_with('.') && name.contains(".tmp-") {
                store.delete(&key)?;
            }
        }
    }
    Ok(())
}

/// Where a document goes until the end: to its place, where nobody looks, or to the folder.
pub fn put_document(draft: &Draft, key: &str, text: &[u8]) -> Result<(), Failure> {
    match draft.is_private() {
        true => draft.objects().put(key, text)?,
        false => draft.folder().put(&waiting_key(key), text)?,
    };
    Ok(())
}

/// Keys of the documents that wait, those of the root last: they are what opens the store.
fn waiting(folder: &Store) -> Result<Vec<String>, StoreError> {
    let mut keys = Vec::new();
    for object in folder.list(METADATA)? {
        let key = object?.key;
        let own = key.strip_prefix(METADATA).and_then(|key| key.strip_suffix(WAITING));
        keys.extend(own.map(|key| key.trim_start_matches('/').to_owned()));
    }
    keys.sort_unstable_by_key(|key| (!key.contains('/'), key.clone()));
    Ok(keys)
}

fn document(draft: &Draft, key: &str) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let waiting = waiting_key(key);
    match draft.folder().get(&waiting, &mut text)? {
        Some(_) => Ok(text),
        None => Err(Failure::new(Exit::Unreadable, "has gone").at(draft.folder().place(&waiting))),
    }
}

fn publish_document(draft: &Draft, key: &str, backup: Option<&Path>, look: bool) -> Result<(), Failure> {
    let text = document(draft, key)?;
    let mut old = Vec::new();
    if look && draft.objects().get(key, &mut old)?.is_some() && old == text {
        return Ok(());
    }
    keep_old(draft.objects(), key, backup)?;
    draft.objects().put(key, &text)?;
    Ok(())
}

/// Links an object into the backup, where there is one, before another takes its name. A second time it is there already.
pub fn keep_old(store: &Store, key: &str, backup: Option<&Path>) -> Result<(), Failure> {
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

/// Puts the documents of a new array beside its chunks, unless it is in its place already.
fn complete(draft: &Draft, array: &str) -> Result<(), Failure> {
    if is_in_place(draft, array)? {
        return Ok(());
    }
    for key in documents_of(draft, array)? {
        draft.replacements().put(&key, &document(draft, &key)?)?;
    }
    Ok(())
}

/// Puts a new array in the place of the old one, in one step.
fn take_place(draft: &Draft, array: &str, backup: Option<&Path>) -> Result<(), Failure> {
    let (Location::Local(store), Location::Local(beside)) =
        (draft.objects().location(), draft.replacements().location())
    else {
        return Err(Failure::usage("on an object store, arrays cannot take each other's place").at(draft.output()));
    };
    let at = |root: &Path| if array.is_empty() { root.to_owned() } else { root.join(array) };
    let (old, new) = (at(store), at(beside));
    if !new.exists() {
        // An earlier run has done all this, and was interrupted when it tidied up.
        return Ok(());
    }
    if !is_in_place(draft, array)? {
        if backup.is_none() {
            check_all_carried_over(draft.objects(), array)?;
        }
        keep_permissions(&old, &new);
        exchange(&new, &old).map_err(|error| write_failed(&old, error))?;
    }
    // What stands beside now is the old one.
    let is_free = |kept: &PathBuf| fs::read_dir(kept).map_or(!kept.exists(), |mut entries| entries.next().is_none());
    match backup.map(at).filter(is_free) {
        Some(kept) if new.exists() => {
            let failed = |error| Failure::from(write_failed(&kept, error));
            fs::create_dir_all(kept.parent().unwrap_or(&kept)).map_err(failed)?;
            fs::rename(&new, &kept).map_err(failed)
        }
        _ => Ok(()),
    }
}

/// The new directory may be entered and written by whom the old one could, as far as that is ours to give.
fn keep_permissions(old: &Path, new: &Path) {
    if let Ok(metadata) = fs::metadata(old) {
        let _ = std::os::unix::fs::chown(new, None, Some(metadata.gid()));
        let _ = fs::set_permissions(new, metadata.permissions());
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
            let text = "is no chunk, and would be lost with the array that is replaced";
            return Err(Failure::new(Exit::Output, text).at(store.place(&key)).hint("--backup DIR keeps it"));
        }
    }
    Ok(())
}

/// Keys of the documents that wait for one array.
fn documents_of(draft: &Draft, array: &str) -> Result<Vec<String>, StoreError> {
    let mut keys = Vec::new();
    for name in [".zarray", ".zattrs", "zarr.json"] {
        let key = if array.is_empty() { name.to_owned() } else { format!("{array}/{name}") };
        if draft.folder().stat(&waiting_key(&key))?.is_some() {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Whether an earlier run has exchanged the two: the metadata that waited for the new one is then in place.
fn is_in_place(draft: &Draft, array: &str) -> Result<bool, Failure> {
    let documents = documents_of(draft, array)?;
    let Some(key) = documents.iter().find(|key| key.ends_with(".zarray") || key.ends_with("zarr.json")) else {
        // Every array had its document when the end began: an earlier run has done all this, and was tidying up. What stands
        // beside now is the old array, or what is left of it.
        return Ok(true);
    };
    let mut text = Vec::new();
    Ok(draft.objects().get(key, &mut text)?.is_some() && text == document(draft, key)?)
}
