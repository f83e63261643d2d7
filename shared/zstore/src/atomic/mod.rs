//! Temporary name → own name: files and directories that appear complete or not at all. Every local write of every tool goes
//! through here; nothing here knows what the bytes mean.

mod directory;
mod file;
mod link;
mod name;
mod replace;
mod system;
mod tree;

pub use directory::{AtomicDirectory, complete_exchange, exchange, give_name};
pub use file::{AtomicFile, Durability};
pub use link::link_or_copy;
pub use name::{is_own_temporary, is_temporary};
pub use replace::{METADATA, Replace, is_replaceable};
pub use tree::{
    create_directories, create_file, disk_usage, is_empty_directory, keep_permissions, make_empty_directory,
    move_directory, remove_empty_directory, remove_file, remove_left_behind, remove_retired, remove_tree,
    retire_directory,
};

pub(crate) use tree::sync_file_system;
