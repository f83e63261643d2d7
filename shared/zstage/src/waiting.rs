//! Metadata documents that wait in `OUT.plan` until the output is published: nothing that could open the output lies beside
//! its objects before.

use zstore::{Store, StoreError};
use zwire::{Exit, Failure};

use crate::staged_store::StagedStore;

/// Folder of the documents that wait for the end.
const METADATA: &str = "metadata";

/// Ends their keys, so that nobody takes the folder for a node of a store that it lies in.
const WAITING: &str = ".waiting";

fn waiting_key(key: &str) -> String {
    format!("{METADATA}/{key}{WAITING}")
}

/// Writes a document: beside the objects where nobody can open them yet, else to the folder, where it waits.
///
/// # Errors
/// [`StoreError::Write`], or what an object store answers.
pub fn put_document(staged: &StagedStore, key: &str, text: &[u8]) -> Result<(), Failure> {
    match staged.is_private() {
        true => staged.objects().put(key, text)?,
        false => staged.folder().put(&waiting_key(key), text)?,
    };
    Ok(())
}

/// Keys of the documents that wait, those of the root last: they are what opens the store.
pub fn waiting(folder: &Store) -> Result<Vec<String>, StoreError> {
    let mut keys = Vec::new();
    for object in folder.list(METADATA)? {
        let key = object?.key;
        let own = key.strip_prefix(METADATA).and_then(|key| key.strip_suffix(WAITING));
        keys.extend(own.map(|key| key.trim_start_matches('/').to_owned()));
    }
    keys.sort_unstable_by_key(|key| (!key.contains('/'), key.clone()));
    Ok(keys)
}

pub fn waiting_document(staged: &StagedStore, key: &str) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let waiting = waiting_key(key);
    match staged.folder().get(&waiting, &mut text)? {
        Some(_) => Ok(text),
        None => Err(Failure::new(Exit::Unreadable, "was deleted").at(staged.folder().place(&waiting))),
    }
}

/// Keys of the documents that wait for one array.
pub fn waiting_documents_of(staged: &StagedStore, array: &str) -> Result<Vec<String>, StoreError> {
    let mut keys = Vec::new();
    for name in [".zarray", ".zattrs", "zarr.json"] {
        let key = if array.is_empty() { name.to_owned() } else { format!("{array}/{name}") };
        if staged.folder().stat(&waiting_key(&key))?.is_some() {
            keys.push(key);
        }
    }
    Ok(keys)
}
