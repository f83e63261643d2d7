//! What `--manifest` and `--write-manifest` ask for.

use std::path::PathBuf;

use zstore::Target;
use zwire::Failure;

/// What is done with a manifest.
pub enum Manifest {
    /// It is written.
    Write(PathBuf),
    /// The store is checked against it.
    Check(PathBuf),
}

impl Manifest {
    /// The only store of `stores`.
    ///
    /// # Errors
    /// `Exit::Usage` if there are none or several.
    pub fn only<'t>(&self, stores: &'t [Target]) -> Result<&'t Target, Failure> {
        match stores {
            [only] => Ok(only),
            _ => Err(Failure::usage(format!("a manifest is of one store, not of {}", stores.len()))),
        }
    }
}
