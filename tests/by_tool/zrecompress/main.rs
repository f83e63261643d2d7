//! `zrecompress`: what comes out equals what went in, and what goes wrong loses nothing. (Whether others can read the output
//! is judged by `tests/interop`.)
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod content;
mod interrupted;
mod refused;
mod shown;

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use harness::{MakeArray, Outcome, Running, Tool, copy_tree, fixture, repository, spawn, tree};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use zarray::{Chain, json as zarr_json};
use zcodec::{Blosc, Cname, Shuffle, Workspace};

fn recompress(source: &Path, target: &Path, arguments: &[&str]) -> Outcome {
    Tool::new("zrecompress").arg(source).arg(target).args(arguments).run()
}

/// A directory, and the path of an output in it that does not exist yet.
fn output() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.zarr");
    (directory, path)
}

/// The decoded chunks of a v2 array, by key.
fn decoded(array: &Path) -> Vec<(String, Vec<u8>)> {
    let metadata = zarr_json::parse(&fs::read(array.join(".zarray")).unwrap()).unwrap();
    let filters = metadata["filters"].as_array().cloned().unwrap_or_default();
    let compressor = Some(&metadata["compressor"]).filter(|compressor| !compressor.is_null());
    let elements = metadata["chunks"].as_array().unwrap().iter().map(|length| length.as_u64().unwrap()).product();
    let chain = Chain::v2(&metadata["dtype"], &filters, compressor, elements).unwrap();
    let mut chunks = Vec::new();
    for (key, stored) in tree(array) {
        if !key.contains(".z") && !key.ends_with('/') {
            let (mut bytes, mut spare) = (Vec::new(), Vec::new());
            chain.decode_tail(&stored, &mut bytes, &mut spare, 1, &mut Workspace::default()).unwrap();
            chunks.push((key, bytes));
        }
    }
    chunks
}

/// Whether a chunk is there, beside `.zarray`.
fn written_something(directory: &TempDir) -> bool {
    fs::read_dir(directory.path().join("out.zarr.plan/store")).is_ok_and(|entries| entries.count() > 2)
}
