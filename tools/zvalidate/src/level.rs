//! How thoroughly a store is checked.

/// Levels of checking; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Metadata, coordinates, and the names and sizes of all objects.
    List,
    /// Also the first bytes of each chunk, and the index of each shard.
    Header,
    /// Also every value: all chunks are decoded.
    Full,
}

impl Level {
    /// Its name in flags and records.
    pub fn name(self) -> &'static str {
        match self {
            Level::List => "list",
            Level::Header => "header",
            Level::Full => "full",
        }
    }
}
