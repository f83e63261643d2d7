//! The cache: a directory with an entry for each store and selection.
//!
//! An entry is complete only when its marker is there, which is written last; it names the store that was fetched and the
//! metadata documents of the source with their tags. The same request finds it as long as these are unchanged. When they change,
//! the next version is fetched beside the old one, which readers may still have open.

mod directory;
mod entry;
mod evict;
mod file;
mod marker;

pub use directory::{Cache, default_directory};
pub use entry::Entry;
pub use evict::evict;
pub use marker::{Document, Marker, documents};
