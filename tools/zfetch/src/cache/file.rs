//! Small files of a cache.

use std::io::{self, Write};
use std::path::Path;

use zstore::{AtomicFile, Durability, Replace, write_failed};
use zwire::Failure;

/// Writes a file of the cache, in one step.
///
/// # Errors
/// The system's.
pub fn write(path: &Path, text: &[u8]) -> Result<(), Failure> {
    let written = AtomicFile::create(path).and_then(|mut file| {
        file.write_all(text)?;
        file.publish(Replace::File, Durability::Full)
    });
    Ok(written.map_err(|error| write_failed(path, error))?)
}

/// Writes or replaces a small file that may be lost: nothing waits for the disk.
///
/// # Errors
/// The system's.
pub fn hint(path: &Path, text: &str) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(text.as_bytes())?;
    file.publish(Replace::File, Durability::Deferred)
}
