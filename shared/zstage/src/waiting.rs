//! Metadata documents of the output, kept in `OUT.plan` until it is published. Until then no document lies beside the objects,
//! so that an unfinished output cannot be opened, not even inside `OUT.plan`.

use zstore::{Store, StoreError};
use zwire::{Exit, Failure};

use crate::folder::DOCUMENTS;
use crate::staged_store::StagedStore;

/// Ends their keys, so that nobody takes the folder for a node of a store that it lies in.
const WAITING: &str = ".waiting";

fn waiting_key(key: &str) -> String {
    format!("{DOCUMENTS}/{key}{WAITING}")
}

/// Writes a document to the folder.
///
/// # Errors
/// [`StoreError::Write`], or what an object store answers.
pub fn put_document(staged: &StagedStore, key: &str, text: &[u8]) -> Result<(), Failure> {
    Ok(staged.folder().put(&waiting_key(key), text).map(drop)?)
}

/// Removes a document that will not be published.
///
/// # Errors
/// As [`put_document`].
pub fn remove_document(staged: &StagedStore, key: &str) -> Result<(), StoreError> {
    staged.folder().delete(&waiting_key(key))
}

/// The document with this key, if there is one.
pub fn waiting_if_any(staged: &StagedStore, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let mut text = Vec::new();
    Ok(staged.folder().get(&waiting_key(key), &mut text)?.map(|_| text))
}

/// Keys of the documents that wait, those of the root last: they are what opens the store.
pub fn waiting(folder: &Store) -> Result<Vec<String>, StoreError> {
    let mut keys = Vec::new();
    for object in folder.list(DOCUMENTS)? {
        let key = object?.key;
        let own = key.strip_prefix(DOCUMENTS).and_then(|key| key.strip_suffix(WAITING));
        keys.extend(own.map(|key| key.trim_start_matches('/').to_owned()));
    }
    keys.sort_unstable_by_key(|key| (!key.contains('/'), key.clone()));
    Ok(keys)
}

pub fn waiting_document(staged: &StagedStore, key: &str) -> Result<Vec<u8>, Failure> {
    waiting_if_any(staged, key)?
        .ok_or_else(|| Failure::new(Exit::Unreadable, "was deleted").at(staged.folder().place(&waiting_key(key))))
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
