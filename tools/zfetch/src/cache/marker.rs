//! The marker of a complete entry: what was fetched, and the metadata of the source at that time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use zarray::Pool;
use zstore::{Location, Stat, Store, StoreError};
use zwire::{Failure, human_counted};

/// Version of entries: others are not found.
pub const V: u32 = 1;

/// A metadata document of the source: its key, size and tag; neither if it is absent.
pub type Document = (String, Option<(u64, u64)>);

/// The marker of a complete entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Version of the marker.
    pub v: u32,
    /// The source, without credentials.
    pub store: String,
    /// What was selected.
    pub request: String,
    /// The options that select it.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The metadata documents of the source as they were.
    documents: Vec<Document>,
    /// Number of the version.
    pub version: u64,
    /// Stored objects that were fetched.
    pub objects: u64,
    /// Objects that the source does not have.
    pub missing: u64,
    /// Stored bytes that were fetched.
    pub bytes: u64,
    /// Name of the store in the entry.
    #[serde(default)]
    pub name: String,
    /// Keys of objects that were found damaged and of which the source has another version: they were not replaced.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub refused: BTreeSet<String>,
}

impl Marker {
    /// A marker of what was fetched from `source` while its documents were these.
    pub fn new(
        source: &Location,
        (request, arguments): (&str, &[String]),
        documents: Vec<Document>,
        [objects, missing, bytes]: [u64; 3],
    ) -> Marker {
        Marker {
            v: V,
            store: source.to_string(),
            request: request.to_owned(),
            arguments: arguments.to_vec(),
            documents,
            version: 0,
            objects,
            missing,
            bytes,
            name: String::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Whether all of its objects are there, as far as is known.
    pub fn is_sound(&self) -> bool {
        self.refused.is_empty()
    }

    /// What is wrong with it, if anything is known to be.
    pub fn problem(&self) -> Option<String> {
        let count = human_counted(self.refused.len() as u64, "damaged object");
        (!self.is_sound()).then(|| format!("{count}: the source has other versions"))
    }

    /// Whether the documents of the source are as they were.
    ///
    /// # Errors
    /// The store's.
    pub fn is_current(&self, store: &Store, pool: &Pool) -> Result<bool, Failure> {
        Ok(self.now(store, pool)? == self.documents)
    }

    /// Whether the documents of the source are as long as they were, so that they may have been rewritten without a change.
    ///
    /// # Errors
    /// The store's.
    pub fn has_same_sizes(&self, store: &Store, pool: &Pool) -> Result<bool, Failure> {
        let sizes = |documents: &[Document]| -> Vec<_> {
            documents.iter().map(|(_, document)| document.map(|(size, _)| size)).collect()
        };
        Ok(sizes(&self.now(store, pool)?) == sizes(&self.documents))
    }

    fn now(&self, store: &Store, pool: &Pool) -> Result<Vec<Document>, Failure> {
        documents(self.documents.iter().map(|(key, _)| key.clone()).collect(), |key| store.stat(key), pool)
    }
}

/// Documents as `stat` finds them.
///
/// # Errors
/// Those of `stat`.
pub fn documents(
    keys: Vec<String>,
    stat: impl Fn(&str) -> Result<Option<Stat>, StoreError> + Sync,
    pool: &Pool,
) -> Result<Vec<Document>, Failure> {
    let look = |key: String| -> Result<Document, Failure> {
        let stat = stat(&key)?;
        Ok((key, stat.map(|stat| (stat.size, stat.tag))))
    };
    pool.map(keys, look).into_iter().collect()
}
