//! Test fixtures of this module: arrays in directories and file sinks.

use std::path::Path;
use std::sync::Mutex;

use serde_json::Value;
use zarray::{Array, Hierarchy, Node, Pool};
use zcodec::{Blosc, Cname, CodecError, Shuffle, Workspace, decompress};
use zstore::{Store, StoreOptions};
use zwire::Failure;

use super::{ObjectSink, ShardSink};

/// Opens a directory as a store.
pub fn open_store(directory: &Path) -> Store {
    Store::open(directory.as_os_str(), &StoreOptions::default()).expect("opens")
}

/// The array at `path` below a directory; creates the root group.
pub fn open_array(directory: &Path, path: &str) -> Array {
    let v2 = directory.join(path.trim_start_matches('/')).join(".zarray").exists();
    let (name, text) = match v2 {
        true => (".zgroup", r#"{"zarr_format": 2}"#),
        false => ("zarr.json", r#"{"zarr_format": 3, "node_type": "group"}"#),
    };
    std::fs::write(directory.join(name), text).expect("is written");
    let (store, pool) = (open_store(directory), Pool::new(1));
    let hierarchy = Hierarchy::open(&store, &pool, false).expect("opens");
    let mut found = None;
    hierarchy.walk(
        &pool,
        |visit| visit.expect("a node"),
        |node| {
            if let Node::Array(array) = node {
                found = Some(*array);
            }
            true
        },
    );
    found.expect("an array")
}

/// Creates the array `/x` with this metadata in a directory.
pub fn make_array(directory: &Path, metadata: &Value) -> Array {
    let name = if metadata["zarr_format"] == 2 { "x/.zarray" } else { "x/zarr.json" };
    std::fs::create_dir_all(directory.join("x")).expect("is made");
    std::fs::write(directory.join(name), metadata.to_string()).expect("is written");
    open_array(directory, "/x")
}

/// Writes the objects of an array as files.
pub struct FileSink<'a> {
    pub directory: &'a Path,
    pub array: &'a Array,
}

impl ObjectSink for FileSink<'_> {
    fn put(&self, index: &[u64], bytes: &[u8]) -> Result<(), Failure> {
        let path = self.directory.join(self.array.key(&self.array.keys.encode(index)));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("is made");
        assert!(!path.exists(), "{index:?} is written twice");
        std::fs::write(path, bytes).expect("is written");
        Ok(())
    }

    fn shard(&self, index: &[u64], reserved: usize) -> Result<Box<dyn ShardSink + '_>, Failure> {
        Ok(Box::new(FileShard { sink: self, index: index.to_vec(), bytes: vec![0; reserved], reserved }))
    }
}

struct FileShard<'a> {
    sink: &'a FileSink<'a>,
    index: Vec<u64>,
    bytes: Vec<u8>,
    reserved: usize,
}

impl ShardSink for FileShard<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(mut self: Box<Self>, start: &[u8]) -> Result<(), Failure> {
        assert_eq!(start.len(), self.reserved);
        self.bytes[..start.len()].copy_from_slice(start);
        self.sink.put(&self.index, &self.bytes)
    }
}

/// A sink that only counts.
#[derive(Default)]
pub struct NoSink(pub Mutex<u64>);

impl ObjectSink for NoSink {
    fn put(&self, _: &[u64], _: &[u8]) -> Result<(), Failure> {
        *self.0.lock().expect("not poisoned") += 1;
        Ok(())
    }

    fn shard(&self, _: &[u64], _: usize) -> Result<Box<dyn ShardSink + '_>, Failure> {
        Err(Failure::usage("no shards"))
    }
}

/// Blosc with small blocks, so that small chunks have several.
pub fn blosc() -> Blosc {
    Blosc { blocksize: 128, ..Blosc::new(Cname::Lz4, 5, Shuffle::Shuffle) }
}

pub fn encode(src: &[u8], dst: &mut Vec<u8>, threads: usize, workspace: &mut Workspace) -> Result<(), CodecError> {
    blosc().compress(4, src, dst, threads, workspace)
}

pub fn decode(src: &[u8], dst: &mut Vec<u8>, threads: usize, workspace: &mut Workspace) -> Result<(), CodecError> {
    decompress(src, dst, threads, workspace)
}
