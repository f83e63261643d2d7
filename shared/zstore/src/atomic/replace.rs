//! What may be replaced by something new of its name.

use std::fs;
use std::path::Path;

use super::tree::is_empty_directory;

/// One of these makes a store.
pub const METADATA: [&str; 4] = ["zarr.json", ".zgroup", ".zarray", ".zmetadata"];

/// What may lose its name to a new file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace<'a> {
    /// Nothing: what is there stays, and the new one gets no name.
    Never,
    /// A file.
    File,
    /// A Zarr store, or an empty directory.
    Store,
    /// A directory in which every name starts with `KEY=`, or an empty one.
    Partitions(&'a str),
}

impl Replace<'_> {
    /// Whether what is at `path` may be replaced. Anything else was hardly meant.
    pub fn allows(self, path: &Path) -> bool {
        match self {
            Replace::Never => false,
            Replace::File => path.symlink_metadata().is_ok_and(|found| found.is_file()),
            Replace::Store => is_replaceable(path),
            Replace::Partitions(key) => is_partitioned(path, key),
        }
    }
}

/// What may be overwritten: a Zarr store, or an empty directory. Anything else was hardly meant.
pub fn is_replaceable(output: &Path) -> bool {
    METADATA.iter().any(|name| output.join(name).is_file()) || is_empty_directory(output)
}

/// Whether all names in a directory are partitions by `key`.
fn is_partitioned(directory: &Path, key: &str) -> bool {
    let start = format!("{key}=");
    let is_partition = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&start);
    fs::read_dir(directory).is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(is_partition)))
}
