//! Consolidated metadata is removed before the first array is exchanged, so that no reader combines old metadata and new chunks.

use std::path::Path;

use zarray::json;
use zwire::Failure;

use crate::backup::keep_replaced;
use crate::staged_store::StagedStore;
use crate::waiting::waiting_document;

/// Removes consolidated metadata from a store that is changed in place. `keys` are the keys of all documents to publish; the
/// new consolidated metadata is published with them, after the exchanges.
///
/// # Errors
/// The store's.
pub fn retire_copies(staged: &StagedStore, keys: &[String], backup: Option<&Path>) -> Result<(), Failure> {
    let store = staged.objects();
    for key in keys {
        let mut now = Vec::new();
        if store.get(key, &mut now)?.is_none() || now == waiting_document(staged, key)? {
            continue;
        }
        if key.ends_with(".zmetadata") {
            keep_replaced(store, key, backup)?;
            store.delete(key)?;
        } else if let Some(retired) = without_copies(&now).filter(|_| key.ends_with("zarr.json")) {
            keep_replaced(store, key, backup)?;
            store.put(key, &retired)?;
        }
    }
    Ok(store.sync()?)
}

/// A `zarr.json` without its consolidated metadata; `None` if it has none.
pub fn without_copies(text: &[u8]) -> Option<Vec<u8>> {
    let copies = json::member(text, 0, "consolidated_metadata").filter(|range| &text[range.clone()] != b"null")?;
    Some(json::splice(text, &[(copies, b"null".to_vec())]))
}
