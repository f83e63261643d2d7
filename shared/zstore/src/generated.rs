//! A store that is only read, and whose objects a program makes when they are read: its documents are held, its chunks computed.

use std::collections::{BTreeSet, HashMap};

use crate::{ByteRange, Entries, Listing, Object, Stat, StoreError};

/// What makes the objects of a generated store. The same key gives the same bytes each time.
pub trait Generator: Send + Sync {
    /// Metadata documents: keys and texts.
    fn documents(&self) -> &[(String, Vec<u8>)];

    /// Keys of the other objects below a directory, or all of them if that is empty; others may be among them.
    fn keys(&self, directory: &str) -> Box<dyn Iterator<Item = String> + Send + '_>;

    /// Size of such an object in bytes, known without making it; `None` if there is no object of this key.
    fn size(&self, key: &str) -> Option<u64>;

    /// Differs between generators whose objects differ.
    fn tag(&self) -> u64;

    /// Makes such an object in `buffer`, which is overwritten.
    ///
    /// # Errors
    /// [`NotGenerated::Stopped`] if the process was asked to stop; a message otherwise.
    fn generate(&self, key: &str, buffer: &mut Vec<u8>) -> Result<(), NotGenerated>;
}

/// Why an object was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotGenerated {
    /// The process was asked to stop.
    Stopped,
    /// What is wrong, in words.
    Failed(&'static str),
}

/// The store of a generator.
pub struct GeneratedStore {
    name: String,
    generator: Box<dyn Generator>,
    /// Where each document is.
    documents: HashMap<String, usize>,
}

impl GeneratedStore {
    pub fn new(name: String, generator: Box<dyn Generator>) -> GeneratedStore {
        let keys = generator.documents().iter().enumerate().map(|(at, (key, _))| (key.clone(), at));
        let documents = keys.collect();
        GeneratedStore { name, generator, documents }
    }

    fn document(&self, key: &str) -> Option<&[u8]> {
        self.documents.get(key).map(|at| self.generator.documents()[*at].1.as_slice())
    }

    pub fn stat(&self, key: &str) -> Option<Stat> {
        let size = self.document(key).map(|text| text.len() as u64).or_else(|| self.generator.size(key))?;
        Some(Stat::new(size, self.generator.tag()))
    }

    pub fn get(&self, key: &str, most: u64, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        let Some(stat) = self.stat(key) else { return Ok(None) };
        match self.document(key) {
            _ if stat.size > most => buffer.clear(),
            Some(text) => {
                buffer.clear();
                buffer.extend_from_slice(text);
            }
            None => self.generator.generate(key, buffer).map_err(|error| {
                let place = format!("{}{key}", self.name);
                match error {
                    NotGenerated::Stopped => StoreError::Stopped { place },
                    NotGenerated::Failed(detail) => StoreError::Read { place, source: std::io::Error::other(detail) },
                }
            })?,
        }
        Ok(Some(stat))
    }

    pub fn get_range(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        let Some(stat) = self.get(key, u64::MAX, buffer)? else { return Ok(None) };
        let (start, len) = match range {
            ByteRange::At { start, len } => (start.min(stat.size), len),
            ByteRange::Last { len } => (stat.size.saturating_sub(len), len),
        };
        buffer.truncate(start.saturating_add(len).min(stat.size) as usize);
        buffer.drain(..start as usize);
        Ok(Some(stat))
    }

    pub fn get_ranges(
        &self,
        key: &str,
        ranges: &[std::ops::Range<u64>],
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Stat>, StoreError> {
        let mut whole = Vec::new();
        let Some(stat) = self.get(key, u64::MAX, &mut whole)? else { return Ok(None) };
        buffer.clear();
        for range in ranges {
            let (start, end) = (range.start.min(stat.size), range.end.min(stat.size));
            buffer.extend_from_slice(&whole[start as usize..end.max(start) as usize]);
        }
        Ok(Some(stat))
    }

    pub fn list(&self, prefix: &str) -> Listing<'_> {
        let below = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let documents = self.generator.documents().iter().map(|(key, _)| key.clone());
        let keys = documents.chain(self.generator.keys(prefix)).filter(move |key| key.starts_with(&below));
        Box::new(keys.filter_map(|key| self.stat(&key).map(|stat| Ok(Object { key, stat }))))
    }

    /// What lies right below `prefix`, according to the documents.
    pub fn entries(&self, prefix: &str) -> Entries {
        let below = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let (mut directories, mut files) = (BTreeSet::new(), BTreeSet::new());
        for (key, _) in self.generator.documents() {
            match key.strip_prefix(&below).map(|rest| rest.split_once('/').map_or(Err(rest), |(name, _)| Ok(name))) {
                Some(Ok(name)) => drop(directories.insert(name.to_owned())),
                Some(Err(name)) => drop(files.insert(name.to_owned())),
                None => {}
            }
        }
        Entries { directories: directories.into_iter().collect(), files: files.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Location, Store};

    /// Objects that hold their own key, unless it is asked to stop.
    struct Keys(Vec<(String, Vec<u8>)>, bool);

    impl Generator for Keys {
        fn documents(&self) -> &[(String, Vec<u8>)] {
            &self.0
        }

        fn keys(&self, _: &str) -> Box<dyn Iterator<Item = String> + Send + '_> {
            Box::new((0..3).map(|number| format!("x/{number}")))
        }

        fn size(&self, key: &str) -> Option<u64> {
            self.keys("").any(|own| own == key).then_some(key.len() as u64)
        }

        fn tag(&self) -> u64 {
            7
        }

        fn generate(&self, key: &str, buffer: &mut Vec<u8>) -> Result<(), NotGenerated> {
            key.as_bytes().clone_into(buffer);
            match key {
                "x/1" if self.1 => Err(NotGenerated::Stopped),
                "x/2" => Err(NotGenerated::Failed("cannot be made")),
                _ => Ok(()),
            }
        }
    }

    fn store() -> Store {
        store_of(false)
    }

    fn store_of(stops: bool) -> Store {
        let documents = vec![(".zgroup".to_owned(), b"{}".to_vec()), ("x/.zarray".to_owned(), b"[]".to_vec())];
        Store::generated("keys:", Box::new(Keys(documents, stops)))
    }

    #[test]
    fn documents_are_held_and_objects_made() {
        let (store, mut buffer) = (store(), Vec::new());
        assert_eq!(store.get(".zgroup", &mut buffer).expect("reads"), Some(Stat::new(2, 7)));
        assert_eq!(buffer, b"{}");
        assert_eq!(store.get("x/1", &mut buffer).expect("reads"), store.stat("x/1").expect("stats"));
        assert_eq!(buffer, b"x/1");
        assert_eq!(store.get("x/3", &mut buffer).expect("reads"), None);
        let range = ByteRange::At { start: 1, len: 9 };
        assert!(store.get_range("x/0", range, &mut buffer).expect("reads").is_some());
        assert_eq!(buffer, b"/0");
        assert!(store.get_ranges("x/0", &[0..1, 2..3], &mut buffer).expect("reads").is_some());
        assert_eq!(buffer, b"x0");
        let error = store.get("x/2", &mut buffer).expect_err("cannot be made");
        assert!(error.to_string().contains("keys:x/2"), "{error}");
        assert!(matches!(store_of(true).get("x/1", &mut buffer), Err(StoreError::Stopped { .. })));
    }

    #[test]
    fn it_is_listed_and_never_written() {
        let store = store();
        let listed: Vec<String> = store.list("x").expect("lists").map(|object| object.expect("is there").key).collect();
        assert_eq!(listed, ["x/.zarray", "x/0", "x/1", "x/2"]);
        assert_eq!(store.entries("").expect("lists").directories, ["x"]);
        assert!(matches!(store.put("x/0", b""), Err(StoreError::NotWritable { .. })));
        assert!(!store.is_remote() && store.location().parent().is_none());
        assert_eq!(store.location(), &Location::Generated("keys:".into()));
        assert_eq!((store.place("x/0"), store.place("")), ("keys:x/0".into(), "keys:".into()));
    }
}
