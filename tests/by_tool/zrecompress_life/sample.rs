//! Stores of many small chunks, and what their chunks hold whichever codec the metadata names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use harness::{MakeArray, tree};
use serde_json::{Value, json};
use zarray::{Chain, IndexLayout, ShardIndex};
use zcodec::{Blosc, Cname, Compressor, Shuffle, Stream, Workspace, crc32c};

/// How a store is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    V2,
    V3,
    /// Zarr v3 with a CRC-32C behind each chunk.
    Checked,
    /// Shards with their index at the end.
    Shards,
    /// Shards with their index at the start.
    ShardsIndexFirst,
}

/// Inner chunks of a shard.
pub const INNER: usize = 4;

/// A group of float32 arrays of one dimension: `a0`, `a1`, …
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub form: Form,
    pub codec: Compressor,
    pub arrays: usize,
    /// Chunks of an array (with sharding, inner chunks); every seventh is absent.
    pub chunks: usize,
    /// Elements of a chunk.
    pub elements: usize,
}

pub const LZ4: Compressor = Compressor::Blosc(Blosc::new(Cname::Lz4, 5, Shuffle::Shuffle));
pub const GZIP: Compressor = Compressor::Stream(Stream::Gzip { level: 1 });

impl Sample {
    pub fn new(form: Form, codec: Compressor) -> Sample {
        Sample { form, codec, arrays: 2, chunks: 24, elements: 2000 }
    }

    pub fn write(&self, store: &Path) {
        fs::create_dir_all(store).unwrap();
        let attributes = json!({"made": "for a test"});
        match self.form {
            Form::V2 => {
                put(store, ".zgroup", &json!({"zarr_format": 2}));
                put(store, ".zattrs", &attributes);
            }
            _ => put(store, "zarr.json", &json!({"zarr_format": 3, "node_type": "group", "attributes": attributes})),
        }
        (0..self.arrays).for_each(|number| self.write_array(&store.join(format!("a{number}")), number));
    }

    pub fn write_array(&self, array: &Path, number: usize) {
        fs::create_dir_all(array).unwrap();
        match self.form {
            Form::V2 => {
                put(array, ".zarray", &self.metadata());
                put(array, ".zattrs", &json!({"units": "K"}));
            }
            _ => put(array, "zarr.json", &self.metadata()),
        }
        let chunk = |chunk: usize| (chunk % 7 != 3).then(|| self.stored(number * 1000 + chunk));
        match self.form {
            Form::Shards | Form::ShardsIndexFirst => {
                for shard in 0..self.chunks / INNER {
                    let inner = (shard * INNER..(shard + 1) * INNER).map(chunk).collect::<Vec<_>>();
                    place(array, &format!("c/{shard}"), &shard_of(&inner, self.form == Form::Shards));
                }
            }
            form => {
                let folder = if form == Form::V2 { "" } else { "c/" };
                for number in 0..self.chunks {
                    if let Some(stored) = chunk(number) {
                        place(array, &format!("{folder}{number}"), &stored);
                    }
                }
            }
        }
    }

    /// The bytes of a chunk that no other chunk has, as they are stored.
    pub fn stored(&self, seed: usize) -> Vec<u8> {
        let bytes = MakeArray { chunk: self.elements, ..MakeArray::default() }.bytes(seed);
        let mut stored = Vec::new();
        self.codec.compress(4, &bytes, &mut stored, 1, &mut Workspace::default()).unwrap();
        if self.form == Form::Checked {
            stored.extend(crc32c(&stored.clone()).to_le_bytes());
        }
        stored
    }

    fn metadata(&self) -> Value {
        let (length, chunk) = (self.elements * self.chunks, self.elements);
        if self.form == Form::V2 {
            return json!({"zarr_format": 2, "shape": [length], "chunks": [chunk], "dtype": "<f4", "fill_value": "NaN",
                "order": "C", "filters": null, "compressor": self.codec.to_v2()});
        }
        let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
        let mut codecs = vec![bytes.clone()];
        codecs.extend(self.codec.to_v3(4));
        if self.form == Form::Checked {
            codecs.push(json!({"name": "crc32c"}));
        }
        let mut object = chunk;
        if let Form::Shards | Form::ShardsIndexFirst = self.form {
            object = chunk * INNER;
            let location = if self.form == Form::Shards { "end" } else { "start" };
            codecs = vec![json!({"name": "sharding_indexed", "configuration": {"chunk_shape": [chunk],
                "codecs": codecs, "index_codecs": [bytes, {"name": "crc32c"}], "index_location": location}})];
        }
        json!({"zarr_format": 3, "node_type": "array", "shape": [length], "data_type": "float32", "fill_value": "NaN",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [object]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "attributes": {"units": "K"}, "codecs": codecs})
    }
}

fn put(directory: &Path, name: &str, document: &Value) {
    fs::write(directory.join(name), serde_json::to_vec_pretty(document).unwrap()).unwrap();
}

fn place(array: &Path, key: &str, bytes: &[u8]) {
    let path = array.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn shard_of(inner: &[Option<Vec<u8>>], at_end: bool) -> Vec<u8> {
    let layout = IndexLayout { at_end, checksum: true, big_endian: false, chunks: inner.len() as u64 };
    let mut next = if at_end { 0 } else { layout.len().unwrap() };
    let mut entry = |stored: &Vec<u8>| {
        let start = next;
        next += stored.len() as u64;
        (start, stored.len() as u64)
    };
    let index = ShardIndex(inner.iter().map(|stored| stored.as_ref().map(&mut entry)).collect()).encode(&layout);
    let chunks = inner.iter().flatten().flatten().copied();
    if at_end { chunks.chain(index).collect() } else { index.iter().copied().chain(chunks).collect() }
}

/// What every chunk of a store decodes to, by key (`a0/c/1#2` is inner chunk 2); nothing for one that cannot be decoded.
pub type Decoded = BTreeMap<String, Option<Vec<u8>>>;

/// Decodes a store as its metadata says at this moment.
pub fn decoded(store: &Path) -> Decoded {
    let objects = tree(store);
    let mut all = Decoded::new();
    for (document, text) in &objects {
        let (prefix, name) = document.rsplit_once('/').map_or(("", document.as_str()), |(above, name)| (above, name));
        let Some(chain) = chain(name, text) else { continue };
        let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        for (key, stored) in objects.iter().filter(|(key, _)| key.starts_with(&folder) && is_chunk(key)) {
            decode(&chain, key, stored, &mut all);
        }
    }
    all
}

fn is_chunk(key: &str) -> bool {
    key.rsplit('/').next().is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
}

fn chain(name: &str, text: &[u8]) -> Option<Chain> {
    let metadata: Value = match name {
        ".zarray" | "zarr.json" => zarray::json::parse(text).unwrap(),
        _ => return None,
    };
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect::<Vec<_>>();
    if name == ".zarray" {
        let compressor = Some(&metadata["compressor"]).filter(|compressor| !compressor.is_null());
        let filters = metadata["filters"].as_array().cloned().unwrap_or_default();
        let elements = numbers(&metadata["chunks"]).iter().product();
        return Some(Chain::v2(&metadata["dtype"], &filters, compressor, elements).unwrap());
    }
    let codecs = metadata["codecs"].as_array()?;
    let shape = numbers(&metadata["chunk_grid"]["configuration"]["chunk_shape"]);
    Some(Chain::v3(&metadata["data_type"], codecs, &shape).unwrap())
}

fn decode(chain: &Chain, key: &str, stored: &[u8], all: &mut Decoded) {
    let Some(sharding) = &chain.sharding else {
        all.insert(key.to_owned(), decode_one(chain, stored));
        return;
    };
    for (number, (start, len)) in index(stored, &sharding.index).into_iter().enumerate().filter_map(present) {
        let inner = &stored[start as usize..(start + len) as usize];
        all.insert(format!("{key}#{number}"), decode_one(&sharding.inner, inner));
    }
}

fn present(entry: (usize, Option<(u64, u64)>)) -> Option<(usize, (u64, u64))> {
    Some((entry.0, entry.1?))
}

/// Where the inner chunks of a shard lie.
pub fn index(shard: &[u8], layout: &IndexLayout) -> Vec<Option<(u64, u64)>> {
    let len = layout.len().unwrap() as usize;
    let bytes = if layout.at_end { &shard[shard.len() - len..] } else { &shard[..len] };
    ShardIndex::parse(layout, bytes, shard.len() as u64).unwrap().0
}

fn decode_one(chain: &Chain, stored: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut spare) = (Vec::new(), Vec::new());
    chain.decode_tail(stored, &mut bytes, &mut spare, 1, &mut Workspace::default()).ok().map(|()| bytes)
}
