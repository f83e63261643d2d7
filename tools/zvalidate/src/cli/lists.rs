//! The flags of lists.

use std::path::PathBuf;

use zcli::clap::{self, Args as ClapArgs};

/// Flags that write lists of keys.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Lists")]
pub struct ListFlags {
    /// Write the paths (STORE/KEY) of missing objects to FILE, one per line, as zfetch --repair reads them; with "-" to stdout, instead of records
    #[arg(long, value_name = "FILE")]
    pub missing: Option<PathBuf>,
    /// Write the paths of objects that are damaged or differ to FILE, one per line; with "-" to stdout, instead of records
    #[arg(long, value_name = "FILE")]
    pub corrupt: Option<PathBuf>,
    /// Write the paths of all objects to FILE, after a sign: "=" sound, "-" missing, "+" extra, "*" damaged or different, "!"
    /// not readable or not compared; with "-" to stdout, instead of records
    #[arg(long, value_name = "FILE")]
    pub combined: Option<PathBuf>,
}
