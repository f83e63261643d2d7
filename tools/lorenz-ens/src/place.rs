//! Where results go, and in which format.

use std::path::PathBuf;

use zstore::Target;

/// Where rows or a store go.
pub enum Place {
    /// Final states, or with `--every` states on the way, as records.
    Records,
    /// A Zarr store.
    Store(Target),
    /// A file of rows.
    File(PathBuf, RowFormat),
    /// Rows on standard output.
    Stdout(RowFormat),
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    Csv,
    Jsonl,
}

/// `--to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Zarr,
    Rows(RowFormat),
}
