//! The flags of manifests.

use std::path::PathBuf;

use zcli::clap::{self, Args as ClapArgs};

/// Flags that write and check manifests.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Manifest")]
pub struct ManifestFlags {
    /// Write key, size and SHA-256 of every object to FILE, and hashes of the values of each object and array, which do not
    /// depend on chunks and codecs; nothing else is checked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["level", "sample", "part", "part_index", "var", "against", "manifest"])]
    pub write_manifest: Option<PathBuf>,
    /// Check the objects of STORE against the manifest in FILE: changed, missing and new ones; with --level list by name and
    /// size only
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sample", "part", "part_index", "var", "against"])]
    pub manifest: Option<PathBuf>,
}
