//! The flags of manifests.

use std::path::PathBuf;

use zcli::clap::{self, Args as ClapArgs};
use zstore::Target;
use zwire::Failure;

/// Flags that write and check manifests.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Manifest")]
pub struct ManifestFlags {
    /// Write key, size and SHA-256 of every object to FILE, and hashes of the values of each object and array, which do not
    /// depend on chunks and codecs; nothing else is checked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["level", "sample", "part", "var", "against", "manifest"])]
    pub write_manifest: Option<PathBuf>,
    /// Check the objects of STORE against the manifest in FILE: changed, missing and new ones; with --level list by name and
    /// size only
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sample", "part", "var", "against"])]
    pub manifest: Option<PathBuf>,
}

/// What is done with a manifest.
pub enum Manifest {
    /// It is written.
    Write(PathBuf),
    /// The store is checked against it.
    Check(PathBuf),
}

impl Manifest {
    /// What the flags ask for.
    pub fn new(flags: &ManifestFlags) -> Option<Manifest> {
        let check = || flags.manifest.clone().map(Manifest::Check);
        flags.write_manifest.clone().map(Manifest::Write).or_else(check)
    }

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
