//! `OUT.plan`, the folder beside an output: its entries, whether a folder of that name is ours, and its removal.

use std::fs::{self, File};
use std::panic::resume_unwind;
use std::path::Path;

use parking_lot::Mutex;
use zstore::{
    Location, METADATA, Store, StoreError, StoreOptions, is_at, is_empty_directory, is_temporary, remove_retired,
    remove_tree, retire_directory, write_failed,
};

use crate::lease::{CLAIMS, CLOCK};
use crate::lock::{Lock, is_lock};
use crate::owner::LOCK;
use crate::plan_file::Header;

/// The plan file. Without it, the run has not begun.
pub const PLAN: &str = "plan.json";
/// Inode of the directory that is about to be renamed to the output.
pub const NAMING: &str = "naming";
/// Objects of a new local output, and objects that will replace old ones.
pub const OBJECTS: &str = "store";
/// Large objects of which some parts have arrived.
pub const LARGE: &str = "large";
/// Present once all the work is done and only publishing is left to do.
pub const FINISHING: &str = "finishing";
/// Documents of the output until it is published.
pub const DOCUMENTS: &str = "metadata";
/// Checksums of the source's documents.
pub const READ: &str = "read";
/// The journal.
pub const JOURNAL: &str = "journal";
/// Done-files of parts.
pub const DONE: &str = "done";

/// All entries that a folder can have.
const NAMES: [&str; 10] = [PLAN, LOCK, NAMING, OBJECTS, LARGE, FINISHING, DOCUMENTS, READ, JOURNAL, DONE];

/// Location of an output's folder: beside the output, never inside it.
///
/// # Errors
/// The location has no name of its own.
pub fn folder_of(output: &Location) -> Result<Location, StoreError> {
    output.with_suffix(".plan")
}

/// Refuses a folder that is not ours: it is going to be emptied.
///
/// # Errors
/// [`StoreError::Exists`].
pub fn check_folder(location: &Location) -> Result<(), StoreError> {
    let Some(path) = location.local() else { return Ok(()) };
    loop {
        // Held open, so that its inode is not reused if its owner removes it now.
        let seen = File::open(path);
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        if !path.is_symlink() && (is_empty_directory(path) || was_never_begun(path) || has_plan(path)) {
            return Ok(());
        }
        if !seen.is_ok_and(|seen| !is_at(&seen, path)) {
            return Err(StoreError::Exists { place: location.to_string() });
        }
    }
}

fn has_plan(path: &Path) -> bool {
    fs::read(path.join(PLAN)).is_ok_and(|text| Header::parse(&text, PLAN).is_ok())
}

/// Whether the folder was left by a run that was killed before it wrote its plan or after it removed it: it has a lock or the
/// finishing mark, and only entries that a run creates.
fn was_never_begun(path: &Path) -> bool {
    let is_known = |name: &str| NAMES.contains(&name) || is_temporary(name);
    let Ok(mut entries) = fs::read_dir(path) else { return false };
    let (mut count, mut directories) = (0, 0);
    let only_known = entries.all(|entry| {
        count += 1;
        directories += usize::from(entry.as_ref().is_ok_and(|entry| entry.path().is_dir()));
        entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_known))
    });
    let is_marked = match path.join(LOCK).symlink_metadata() {
        // A run that was killed before it wrote its lock has made nothing else.
        Ok(lock) => is_lock(&path.join(LOCK)) && (lock.len() > 0 || count == 1),
        Err(_) => directories == 0 && path.join(FINISHING).metadata().is_ok_and(|mark| mark.len() == 0),
    };
    only_known && is_marked && !path.join(PLAN).exists()
}

/// Removes folders of this name whose removal was interrupted by a kill.
///
/// # Errors
/// [`StoreError::Write`].
pub fn remove_left_folders(location: &Location) -> Result<(), StoreError> {
    let Some(path) = location.local() else { return Ok(()) };
    remove_retired(path).map_err(|error| write_failed(path, error))
}

/// Removes what an earlier run left in a folder, except its lock.
///
/// # Errors
/// [`StoreError::Write`].
pub fn empty(folder: &Store) -> Result<(), StoreError> {
    if folder.is_remote() {
        return empty_remote(folder);
    }
    remove_entries(folder, &|name| name != LOCK)
}

/// Removes the entries of a local folder that `goes` selects by name.
fn remove_entries(folder: &Store, goes: &dyn Fn(&str) -> bool) -> Result<(), StoreError> {
    let Location::Local(path) = folder.location() else { return Ok(()) };
    let failed = |error| write_failed(path, error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_str().is_some_and(goes) {
            continue;
        }
        match entry.file_type().map_err(failed)?.is_dir() {
            true => remove_tree(&entry.path()).map_err(failed)?,
            false => fs::remove_file(entry.path()).map_err(failed)?,
        }
    }
    Ok(())
}

/// Discards an unfinished run: its folder and, on an object store, the objects that have no metadata yet.
///
/// # Errors
/// [`StoreError::Exists`] if the output is already a store; errors of the store.
pub fn give_up(output: &Location, folder: &Store, lock: &Lock, options: &StoreOptions) -> Result<(), StoreError> {
    let was_begun = folder.stat(PLAN)?.is_some();
    discard_objects(folder, JOURNAL)?;
    // From here on the folder must not look finished.
    folder.delete(FINISHING)?;
    if let Location::Remote(_) = output {
        let objects = lock.guard(Store::create_at(output, options)?);
        for name in METADATA {
            if objects.stat(name)?.is_some() {
                return Err(StoreError::Exists { place: output.to_string() });
            }
        }
        // Without a plan, no object there can be of an unfinished run.
        if was_begun {
            discard_objects(&objects, "")?;
        }
        return empty_remote(folder);
    }
    // The plan goes last, so that an interrupted removal can be repeated.
    remove_entries(folder, &|name| ![LOCK, PLAN].contains(&name))?;
    folder.delete(PLAN)
}

/// Removes a folder with its contents, except the lock on an object store. The caller holds it until this returns.
///
/// The journal goes first, because it must not name removed objects. The large entries go while the plan is there, so that
/// `--resume` continues an interrupted removal. Then the folder is renamed in one step, so that no other run finds a folder
/// with a plan but without a lock, or the reverse.
///
/// # Errors
/// The store's.
pub fn discard(folder: &Store) -> Result<(), StoreError> {
    discard_objects(folder, JOURNAL)?;
    // Without the output's documents, changed documents could not be told from published ones.
    folder.delete(READ)?;
    match folder.location() {
        Location::Local(path) => {
            // Objects before documents: without documents, no array is exchanged again.
            remove_entries(folder, &|name| name == OBJECTS)?;
            remove_entries(folder, &|name| path.join(name).is_dir())?;
            retire_directory(path).map_err(|error| write_failed(path, error))
        }
        // The lock goes when its lease is dropped.
        Location::Remote(_) | Location::Zip(_) | Location::Generated(_) => empty_remote(folder),
    }
}

/// Removes the entries of a folder on an object store except its lock, one kind after the other; the plan before the mark that
/// all work is done. Objects of other names belong to others.
fn empty_remote(folder: &Store) -> Result<(), StoreError> {
    for entry in [JOURNAL, DOCUMENTS, DONE, CLAIMS, CLOCK] {
        discard_objects(folder, entry)?;
    }
    [PLAN, READ, FINISHING, NAMING].into_iter().try_for_each(|entry| folder.delete(entry))
}

/// Requests in parallel, to remove what is on an object store.
const REMOVALS: usize = 32;

/// Removes every object below a prefix.
///
/// # Errors
/// The store's.
pub fn discard_objects(store: &Store, prefix: &str) -> Result<(), StoreError> {
    let hands = if store.is_remote() { REMOVALS } else { 1 };
    let listing = Mutex::new(store.list(prefix)?);
    let next = || listing.lock().next();
    in_parallel(hands, || std::iter::from_fn(next).try_for_each(|object| store.delete(&object?.key)))
}

/// Does the same `work` on several threads. The panic of one is that of all.
fn in_parallel<E: Send>(threads: usize, work: impl Fn() -> Result<(), E> + Sync) -> Result<(), E> {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(&work)).collect();
        let mine = work();
        others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .fold(mine, Result::and)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_failure_of_a_thread_is_lost() {
        for threads in [1, 4] {
            let begun = AtomicUsize::new(0);
            let last = || begun.fetch_add(1, Ordering::SeqCst) + 1 == threads;
            assert_eq!(in_parallel(threads, || if last() { Err("failed") } else { Ok(()) }), Err("failed"));
            begun.store(0, Ordering::SeqCst);
            let panics = || in_parallel::<()>(threads, || if last() { panic!("in a thread") } else { Ok(()) });
            assert!(std::panic::catch_unwind(panics).is_err(), "{threads}");
        }
    }
}
