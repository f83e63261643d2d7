//! Publishing: new arrays replace the old ones, then the metadata is written.

use std::path::{Path, PathBuf};

use zarray::{Pool, ZarrFormat};
use zstore::{
    Location, METADATA, Store, complete_exchange, exchange, is_empty_directory, keep_permissions, move_directory,
    remove_left_behind, write_failed,
};
use zwire::{Exit, Failure};

use crate::backup::keep_replaced;
use crate::folder::{FINISHING, PLAN};
use crate::plan_file::Header;
use crate::read_documents::check_documents;
use crate::retire::retire_copies;
use crate::staged_store::StagedStore;
use crate::swap::carry_over;
use crate::waiting::{waiting, waiting_document, waiting_documents_of};

/// Publishes `staged` as `header` describes; `sources` are the source stores, and the journal is moved to `keep_journal`. Can be
/// repeated after an interruption.
///
/// # Errors
/// The source has changed since it was read; errors of the store. The output is kept and can be finished later.
pub fn publish(
    staged: StagedStore,
    header: &Header,
    sources: &[Store],
    pool: &Pool,
    keep_journal: Option<&Path>,
) -> Result<(), Failure> {
    // From here on, what is half done can only be understood with the plan.
    staged.keep();
    staged.prove_lock()?;
    staged.objects().sync()?;
    staged.replacements().sync()?;
    // Documents that an earlier run may have put there need not be written again; a new output has none.
    let is_finishing = staged.is_finishing()?;
    let look = staged.in_place() || is_finishing;
    if is_finishing {
        header.swapped.iter().try_for_each(|array| end_exchange(&staged, array))?;
    }
    if look_at_source(&staged, is_finishing) {
        check_documents(&staged, sources, header, pool)?;
    }
    if !is_finishing && !staged.in_place() {
        check_not_discarded(&staged)?;
    }
    staged.folder().put(FINISHING, b"")?;
    let backup = header.backup.as_deref().map(Path::new);
    let waiting = waiting(staged.folder())?;
    exchange_arrays(&staged, header, &waiting, backup)?;
    let (root, below): (Vec<String>, Vec<String>) = waiting.into_iter().partition(|key| !key.contains('/'));
    // What opens the store comes last.
    pool.map(below, |key| publish_document(&staged, &key, backup, look))
        .into_iter()
        .collect::<Result<(), Failure>>()?;
    staged.prove_lock()?;
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
    keep_journal.map_or(Ok(()), |kept| staged.keep_journal(kept))?;
    Ok(staged.publish()?)
}

/// Checks that no other run discarded this one: on an object store a lock does not show whether its owner lives.
fn check_not_discarded(staged: &StagedStore) -> Result<(), Failure> {
    if staged.folder().stat(PLAN)?.is_some() && !waiting(staged.folder())?.is_empty() {
        return Ok(());
    }
    for name in METADATA {
        // Another run that continued the same plan has published it.
        if staged.objects().stat(name)?.is_some() {
            return Ok(());
        }
    }
    let failure = Failure::new(Exit::Output, "another run discarded this unfinished output; nothing is published");
    Err(failure.at(staged.output()))
}

/// Whether the source is checked: not for a new output whose publishing was interrupted, which was checked before.
fn look_at_source(staged: &StagedStore, is_finishing: bool) -> bool {
    staged.in_place() || !is_finishing
}

/// Exchanges all new arrays with the old ones.
fn exchange_arrays(
    staged: &StagedStore,
    header: &Header,
    waiting: &[String],
    backup: Option<&Path>,
) -> Result<(), Failure> {
    for array in &header.swapped {
        complete(staged, array, backup)?;
    }
    if !header.swapped.is_empty() {
        staged.replacements().sync()?;
        retire_copies(staged, waiting, backup)?;
    }
    header.swapped.iter().try_for_each(|array| take_place(staged, array, backup))
}

/// Removes temporary files of killed runs. The caller holds the lock alone.
///
/// # Errors
/// [`StoreError::Write`].
pub fn sweep(staged: &StagedStore) -> Result<(), Failure> {
    remove_temporary(staged.replacements(), &|_| true)?;
    // A store that is changed in place may contain files of other programs.
    remove_temporary(staged.objects(), &could_be_written)
}

/// Object stores have no temporary files.
fn remove_temporary(store: &Store, is_ours: &dyn Fn(&str) -> bool) -> Result<(), Failure> {
    let Some(path) = store.location().local() else { return Ok(()) };
    Ok(remove_left_behind(path, is_ours).map_err(|error| write_failed(path, error))?)
}

/// Whether a file name is that of a metadata document or could be that of a chunk.
fn could_be_written(name: &str) -> bool {
    let index = name.strip_prefix("c.").unwrap_or(name);
    let is_chunk = name == "c" || index.split('.').all(|number| number.parse::<u64>().is_ok());
    is_chunk || name == ".zattrs" || METADATA.contains(&name)
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

/// Adds the documents, and the foreign files of the old array, to a new array that has not been exchanged yet.
fn complete(staged: &StagedStore, array: &str, backup: Option<&Path>) -> Result<(), Failure> {
    if is_in_place(staged, array)? {
        return Ok(());
    }
    let (_, new) = places(staged, array)?;
    let documents = waiting_documents_of(staged, array)?;
    let is_v3 = documents.iter().any(|key| key.ends_with("zarr.json"));
    let format = if is_v3 { ZarrFormat::V3 } else { ZarrFormat::V2 };
    carry_over(staged.objects(), array, format, &new, backup.is_some())?;
    for key in documents {
        staged.replacements().put(&key, &waiting_document(staged, &key)?)?;
    }
    Ok(())
}

/// Directories of the old array and of the new one.
fn places(staged: &StagedStore, array: &str) -> Result<(PathBuf, PathBuf), Failure> {
    match (staged.objects().location(), staged.replacements().location()) {
        (Location::Local(store), Location::Local(beside)) => Ok((at(store, array), at(beside, array))),
        _ => Err(Failure::usage("arrays cannot be swapped in place on an object store").at(staged.output())),
    }
}

/// Completes an exchange that was killed between its steps, on file systems without an atomic exchange.
fn end_exchange(staged: &StagedStore, array: &str) -> Result<(), Failure> {
    let (old, new) = places(staged, array)?;
    Ok(complete_exchange(&new, &old).map_err(|error| write_failed(&new, error))?)
}

/// Puts a new array in the place of the old one, in one step.
fn take_place(staged: &StagedStore, array: &str, backup: Option<&Path>) -> Result<(), Failure> {
    let (old, new) = places(staged, array)?;
    if !new.exists() {
        // An earlier run has done all this, and was interrupted when it tidied up.
        return Ok(());
    }
    if !is_in_place(staged, array)? {
        keep_permissions(&old, &new);
        exchange(&new, &old).map_err(|error| write_failed(&old, error))?;
    }
    // What stands beside now is the old one.
    let is_free = |kept: &PathBuf| !kept.exists() || is_empty_directory(kept);
    match backup.map(|backup| at(backup, array)).filter(is_free) {
        Some(kept) if new.exists() => Ok(move_directory(&new, &kept).map_err(|error| write_failed(&kept, error))?),
        _ => Ok(()),
    }
}

/// Directory of an array below a root.
fn at(root: &Path, array: &str) -> PathBuf {
    if array.is_empty() { root.to_owned() } else { root.join(array) }
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
