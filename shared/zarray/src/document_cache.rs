//! Metadata documents of a remote store that were read: a run reads them for its selection, its plan and its output, and asks for
//! each only once.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;
use zstore::{Stat, Store, StoreError};

/// Bytes of documents that are kept; what is beyond is asked for again.
const MOST_BYTES: usize = 16 << 20;

/// Bytes that an entry takes besides its key and its text.
const OVERHEAD: usize = 100;

/// A document as it was read: its size and tag, and its text.
pub type Document = (Stat, Vec<u8>);

/// What was read, by its key; a document that is absent is known to be.
#[derive(Default)]
pub struct DocumentCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    documents: HashMap<String, Option<Vec<u8>>>,
    /// Sizes and tags of documents that were read.
    stats: HashMap<String, Option<Stat>>,
    /// Names of the directories below a prefix.
    directories: HashMap<String, Vec<String>>,
    bytes: usize,
}

impl Kept {
    /// Whether there is room for so many bytes more, which are taken.
    fn takes(&mut self, bytes: usize) -> bool {
        let has_room = self.bytes + bytes + OVERHEAD <= MOST_BYTES;
        self.bytes += if has_room { bytes + OVERHEAD } else { 0 };
        has_room
    }
}

impl DocumentCache {
    /// The document at `key`.
    ///
    /// # Errors
    /// The store's.
    pub fn document(&self, store: &Store, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(known) = self.0.lock().documents.get(key) {
            return Ok(known.clone());
        }
        let found = read(store, key)?;
        self.keep(key, found.as_ref());
        Ok(found.map(|(_, text)| text))
    }

    /// Keeps what was read at `key`.
    pub fn keep(&self, key: &str, found: Option<&Document>) {
        let mut kept = self.0.lock();
        if kept.takes(key.len() + found.map_or(0, |(_, text)| text.len())) {
            kept.documents.insert(key.to_owned(), found.map(|(_, text)| text.clone()));
            kept.stats.insert(key.to_owned(), found.map(|(stat, _)| *stat));
        }
    }

    /// Drops the text at `key`, which is held elsewhere; its size and its tag stay known.
    pub fn drop_text(&self, key: &str) {
        let mut kept = self.0.lock();
        let text = kept.documents.remove(key).flatten();
        kept.bytes -= text.map_or(0, |text| text.len());
    }

    /// Size and tag of the document at `key` as it was read; `None` if it was not, or not kept.
    pub fn stat(&self, key: &str) -> Option<Option<Stat>> {
        self.0.lock().stats.get(key).copied()
    }

    /// Takes these nodes, by their paths without the slash in front, for all that there are.
    pub fn assume(&self, paths: &BTreeSet<String>) {
        let mut below: HashMap<String, BTreeSet<String>> = HashMap::from([(String::new(), BTreeSet::new())]);
        for path in paths {
            let mut prefix = String::new();
            for name in path.split('/') {
                below.entry(prefix.clone()).or_default().insert(name.to_owned());
                prefix = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            }
        }
        let names = below.into_iter().map(|(prefix, names)| (prefix, names.into_iter().collect()));
        self.0.lock().directories.extend(names);
    }

    /// Names of the directories below `prefix`.
    ///
    /// # Errors
    /// The store's.
    pub fn directories(&self, store: &Store, prefix: &str) -> Result<Vec<String>, StoreError> {
        if let Some(known) = self.0.lock().directories.get(prefix) {
            return Ok(known.clone());
        }
        let names = store.entries(prefix)?.directories;
        let mut kept = self.0.lock();
        if kept.takes(prefix.len() + names.iter().map(|name| name.len() + OVERHEAD).sum::<usize>()) {
            kept.directories.insert(prefix.to_owned(), names.clone());
        }
        Ok(names)
    }
}

/// Asks for a document.
///
/// # Errors
/// The store's.
pub fn read(store: &Store, key: &str) -> Result<Option<Document>, StoreError> {
    let mut buffer = Vec::new();
    Ok(store.get(key, &mut buffer)?.map(|stat| (stat, buffer)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use zstore::StoreOptions;

    use super::*;

    #[test]
    fn what_was_read_is_not_read_again_as_long_as_there_is_room() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path(), &StoreOptions::default()).expect("opens");
        let cache = DocumentCache::default();
        let document = |key: &str| cache.document(&store, key).expect("reads");
        assert_eq!(document(".zattrs"), None);
        fs::write(directory.path().join(".zattrs"), "{}").expect("writes");
        fs::write(directory.path().join("large"), vec![b' '; MOST_BYTES]).expect("writes");
        assert_eq!(document(".zattrs"), None, "known to be absent");
        assert_eq!(document("large").map(|text| text.len()), Some(MOST_BYTES));
        fs::write(directory.path().join("large"), "{}").expect("writes");
        assert_eq!(document("large").as_deref(), Some(&b"{}"[..]), "asked for again");
        assert_eq!((cache.stat(".zattrs"), cache.stat("other")), (Some(None), None));
        fs::write(directory.path().join(".zgroup"), "{}").expect("writes");
        assert_eq!(document(".zgroup").as_deref(), Some(&b"{}"[..]));
        cache.drop_text(".zgroup");
        assert_eq!(cache.stat(".zgroup").flatten().map(|stat| stat.size), Some(2), "only its text is dropped");
        assert_eq!(cache.directories(&store, "").expect("lists"), Vec::<String>::new());
        fs::create_dir(directory.path().join("t2m")).expect("makes");
        assert_eq!(cache.directories(&store, "").expect("lists"), Vec::<String>::new());
    }
}
