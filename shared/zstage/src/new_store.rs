//! A new store that one process writes in one go: objects as they come, documents when it is published.

use parking_lot::Mutex;
use zstore::{Location, Stat, StoreError, StoreOptions};

use crate::options::Begin;
use crate::staged_store::StagedStore;

/// A new store. Nobody can open it before [`NewStore::publish`]; dropped before, it leaves nothing in a directory.
pub struct NewStore {
    staged: StagedStore,
    /// Keys and texts of the documents, in the order they came.
    documents: Mutex<Vec<(String, Vec<u8>)>>,
}

impl NewStore {
    /// Begins the store at `output`, which must not exist unless `overwrite`.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::Busy`], [`StoreError::Unfinished`] and [`StoreError::Write`].
    pub fn begin(output: &Location, overwrite: bool, options: &StoreOptions) -> Result<NewStore, StoreError> {
        let begin = if overwrite { Begin::Overwrite } else { Begin::New };
        let staged = StagedStore::begin(output, begin, options)?;
        Ok(NewStore { staged, documents: Mutex::default() })
    }

    /// Where the finished store will be.
    pub fn output(&self) -> &Location {
        self.staged.output()
    }

    /// Writes an object that is not a metadata document.
    ///
    /// # Errors
    /// As [`zstore::Store::put`].
    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<Stat, StoreError> {
        self.staged.objects().put(key, bytes)
    }

    /// Keeps a metadata document until the store is published.
    pub fn put_document(&self, key: String, text: Vec<u8>) {
        self.documents.lock().push((key, text));
    }

    /// Writes the documents, those of the root last, and gives the store its name.
    ///
    /// # Errors
    /// As [`zstore::Store::put`]; [`StoreError::Unpublished`] where the name cannot be given.
    pub fn publish(self) -> Result<Location, StoreError> {
        self.staged.objects().sync()?;
        let mut documents = self.documents.into_inner();
        documents.sort_by_key(|(key, _)| !key.contains('/'));
        for (key, text) in &documents {
            self.staged.objects().put(key, text)?;
        }
        let output = self.staged.output().clone();
        self.staged.publish().map(|()| output)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_store_appears_complete_or_not_at_all() {
        let directory = tempfile::tempdir().expect("directory");
        let output = Location::Local(directory.path().join("out.zarr"));
        let begin = |overwrite| NewStore::begin(&output, overwrite, &StoreOptions::default());
        const ARRAY: &[u8] =
            br#"{"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|i1", "fill_value": 0, "order": "C",
            "filters": null, "compressor": null}"#;
        let fill = |store: &NewStore| {
            store.put_document(".zgroup".into(), b"{}".to_vec());
            store.put("x/0", b"c").expect("writes");
            store.put_document("x/.zarray".into(), ARRAY.to_vec());
        };
        let dropped = begin(false).expect("begins");
        fill(&dropped);
        drop(dropped);
        assert_eq!(fs::read_dir(directory.path()).expect("lists").count(), 0);
        let store = begin(false).expect("begins");
        fill(&store);
        assert!(!directory.path().join("out.zarr").exists());
        assert_eq!(store.publish().expect("publishes"), output);
        for key in [".zgroup", "x/.zarray", "x/0"] {
            assert!(directory.path().join("out.zarr").join(key).is_file(), "{key}");
        }
        assert!(matches!(begin(false), Err(StoreError::Exists { .. })));
        let other = begin(true).expect("replaces");
        other.put_document(".zgroup".into(), b"{\"new\": 1}".to_vec());
        other.publish().expect("publishes");
        assert!(!directory.path().join("out.zarr/x").exists());
        assert_eq!(fs::read_dir(directory.path()).expect("lists").count(), 1);
    }
}
