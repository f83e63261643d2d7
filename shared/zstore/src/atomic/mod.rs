//! Temporary name → own name: files and directories that appear complete or not at all. Every local write of every tool goes
//! through here; nothing here knows what the bytes mean.

mod directory;
mod file;
mod name;
mod system;
mod tree;

use std::path::Path;

pub use directory::{AtomicDirectory, METADATA, complete_exchange, exchange, give_name, is_replaceable};
pub use file::AtomicFile;
pub use name::{is_own_temporary, is_temporary};
pub use tree::{
    create_directories, create_file, is_empty_directory, keep_permissions, link_or_copy, make_empty_directory,
    move_directory, remove_empty_directory, remove_tree,
};

pub(crate) use tree::sync_file_system;

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
            Replace::Partitions(key) => directory::is_partitioned(path, key),
        }
    }
}

/// What survives a crash of the machine once a file has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing yet: one of many files that are synced all at once later.
    Deferred,
    /// Its bytes: the name never stands for a file that is not complete. The permissions of a file that is replaced are kept.
    Data,
    /// Its bytes and its name.
    Full,
}
