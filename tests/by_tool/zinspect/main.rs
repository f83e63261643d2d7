//! `zinspect`: records compared with golden files, verdicts on generated stores, and all kinds of broken stores.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod broken;
mod reports;
mod verdicts;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use harness::{MakeArray, Tool, copy_tree, fixture, fixtures, repository};
use serde_json::{Value, json};
use zcodec::{Blosc, Cname, Shuffle};

fn inspect(store: &Path, arguments: &[&str]) -> harness::Outcome {
    Tool::new("zinspect").arg(store).args(arguments).run()
}

/// The verdict on a one-array store, for 8 threads.
fn verdict(make: &MakeArray) -> Value {
    let directory = tempfile::tempdir().unwrap();
    make.write(directory.path());
    inspect(directory.path(), &[]).expect(0).record("array", "/")
}

fn blosc(cname: Cname, clevel: u8, blocksize: u64) -> Option<Blosc> {
    Some(Blosc { blocksize, ..Blosc::new(cname, clevel, Shuffle::Shuffle) })
}

/// Writes documents and chunks below a new directory.
fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (key, text) in files {
        let path = directory.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

const GROUP: &str = r#"{"zarr_format": 2}"#;
const ARRAY: &str = r#"{"zarr_format": 2, "shape": [2], "chunks": [1], "dtype": "|u1", "fill_value": "nan", "order": "C",
    "filters": null, "compressor": null}"#;
