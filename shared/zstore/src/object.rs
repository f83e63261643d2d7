//! Keys, and what a store says of the objects that have them.

use std::cmp::Ordering;

use crate::{Checksum, StoreError};

/// What a store says of an object. Two of them are equal if size and tag are: not every answer has a checksum.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// Its size.
    pub size: u64,
    /// Changes when the object is rewritten: made of its ETag, or of the time it was last modified.
    pub tag: u64,
    /// Its checksum, if the store has one.
    pub checksum: Option<Checksum>,
}

impl Stat {
    /// Without a checksum.
    pub fn new(size: u64, tag: u64) -> Stat {
        Stat { size, tag, checksum: None }
    }
}

impl PartialEq for Stat {
    fn eq(&self, other: &Stat) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Stat {}

impl PartialOrd for Stat {
    fn partial_cmp(&self, other: &Stat) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stat {
    fn cmp(&self, other: &Stat) -> Ordering {
        (self.size, self.tag).cmp(&(other.size, other.tag))
    }
}

/// One stored object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Its key, relative to the store.
    pub key: String,
    /// Its size and tag.
    pub stat: Stat,
}

/// Which bytes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// `len` bytes from `start`; fewer where the object ends before.
    At {
        /// Offset of the first byte.
        start: u64,
        /// Bytes wanted.
        len: u64,
    },
    /// The last `len` bytes; all where the object is shorter.
    Last {
        /// Bytes wanted.
        len: u64,
    },
}

/// The names right below a directory, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// Directories.
    pub directories: Vec<String>,
    /// Objects.
    pub files: Vec<String>,
}

/// A stream of objects.
pub type Listing<'a> = Box<dyn Iterator<Item = Result<Object, StoreError>> + Send + 'a>;

/// Whether a key names an object of a store: one with empty parts or dots could be an object of another, or none.
pub fn is_key(key: &str) -> bool {
    key.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
