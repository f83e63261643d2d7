//! Stores for tests: the committed fixtures, and generated arrays.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zcodec::{Blosc, Cname, Shuffle, Workspace};

use crate::repository;

/// A committed store.
pub fn fixture(name: &str) -> PathBuf {
    let path = fixtures().join(name);
    assert!(path.exists(), "{} is missing", path.display());
    path
}

/// The directory of the committed stores.
pub fn fixtures() -> PathBuf {
    repository().join("tests/fixtures")
}

/// Everything below a directory: relative path and content; directories have a trailing slash and no content.
pub fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                found.insert(format!("{name}/"), Vec::new());
                waiting.push(path);
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The files of a store without consolidated metadata, in which copies are indented otherwise; documents are parsed.
pub fn content(store: &Path) -> Vec<(String, Result<Value, Vec<u8>>)> {
    let files = tree(store).into_iter().filter(|(key, _)| !key.ends_with(".zmetadata"));
    let parsed = |(key, bytes): (String, Vec<u8>)| {
        let name = key.rsplit('/').next().unwrap();
        if !(name.starts_with(".z") || name == "zarr.json") {
            return (key, Err(bytes));
        }
        let mut document: Value = serde_json::from_slice(&bytes).unwrap();
        document.as_object_mut().and_then(|fields| fields.remove("consolidated_metadata"));
        (key, Ok(document))
    };
    files.map(parsed).collect()
}

/// Copies a directory recursively.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (name, content) in tree(from) {
        let path = to.join(&name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}

/// A one-dimensional Zarr v2 float32 array, generated for a test.
pub struct MakeArray {
    /// Elements per chunk.
    pub chunk: usize,
    /// Number of chunks.
    pub chunks: usize,
    /// Compressor; `None` for uncompressed.
    pub codec: Option<Blosc>,
    /// Random bits per element: 0 is fully compressible, 32 not at all.
    pub noise_bits: u32,
}

impl Default for MakeArray {
    fn default() -> MakeArray {
        let codec = Blosc::new(Cname::Lz4, 5, Shuffle::Shuffle);
        MakeArray { chunk: 1 << 20, chunks: 2, codec: Some(codec), noise_bits: 8 }
    }
}

impl MakeArray {
    /// Writes the array to `path`, as its own store or (if the parent has group metadata) as part of one.
    pub fn write(&self, path: &Path) {
        fs::create_dir_all(path).unwrap();
        let compressor = self.codec.as_ref().map_or(Value::Null, Blosc::to_v2);
        let metadata = json!({
            "zarr_format": 2, "shape": [self.chunk * self.chunks], "chunks": [self.chunk], "dtype": "<f4",
            "fill_value": "NaN", "order": "C", "filters": null, "compressor": compressor,
        });
        fs::write(path.join(".zarray"), metadata.to_string()).unwrap();
        let (mut workspace, mut frame) = (Workspace::default(), Vec::new());
        for number in 0..self.chunks {
            let bytes = self.bytes(number);
            match &self.codec {
                None => frame.clone_from(&bytes),
                Some(codec) => codec.compress(4, &bytes, &mut frame, 1, &mut workspace).unwrap(),
            }
            fs::write(path.join(number.to_string()), &frame).unwrap();
        }
    }

    /// The decoded bytes of a chunk.
    pub fn bytes(&self, number: usize) -> Vec<u8> {
        let mut state = number as u64 + 1;
        let mask = if self.noise_bits == 0 { 0 } else { u32::MAX >> (32 - self.noise_bits) };
        let element = |index: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let smooth = (280.0 + (index as f32 / 500.0).sin() * 10.0).to_bits();
            ((smooth & !mask) | ((state >> 32) as u32 & mask)).to_le_bytes()
        };
        (0..self.chunk).flat_map(element).collect()
    }
}
