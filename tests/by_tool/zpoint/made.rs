//! Stores made for one test: every element is a formula of its index, so that a test knows what it must read.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zarray::{IndexLayout, ShardIndex};
use zcodec::{Blosc, Cname, Compressor, Shuffle, Stream, Workspace};

/// How chunks are stored.
#[derive(Debug, Clone, Copy)]
pub enum Codec {
    With(Compressor),
    /// A zlib stream, without compression.
    Zlib,
}

pub const NONE: Codec = Codec::With(Compressor::None);
pub const LZ4: Codec = Codec::With(Compressor::Blosc(Blosc::new(Cname::Lz4, 5, Shuffle::Shuffle)));
pub const BLOSC_ZSTD: Codec = Codec::With(Compressor::Blosc(Blosc::new(Cname::Zstd, 3, Shuffle::Shuffle)));
pub const ZSTD: Codec = Codec::With(Compressor::Stream(Stream::Zstd { level: 1, checksum: false }));

type Formula = Box<dyn Fn(&[usize]) -> f64>;

/// One array.
pub struct Field {
    name: String,
    dimensions: Vec<(String, usize)>,
    chunks: Vec<usize>,
    /// Chunks of a shard along each dimension; nothing: no shards.
    shard: Option<Vec<usize>>,
    dtype: &'static str,
    fill: Value,
    codec: Codec,
    attributes: Value,
    value: Formula,
}

impl Field {
    /// A float32 array in one chunk.
    pub fn new(name: &str, dimensions: &[(&str, usize)], value: impl Fn(&[usize]) -> f64 + 'static) -> Field {
        Field {
            name: name.to_owned(),
            dimensions: dimensions.iter().map(|(name, length)| ((*name).to_owned(), *length)).collect(),
            chunks: dimensions.iter().map(|(_, length)| *length).collect(),
            shard: None,
            dtype: "<f4",
            fill: json!("NaN"),
            codec: NONE,
            attributes: json!({}),
            value: Box::new(value),
        }
    }

    pub fn chunks(self, chunks: &[usize]) -> Field {
        Field { chunks: chunks.to_vec(), ..self }
    }

    /// Shards of so many chunks along each dimension, in Zarr v3.
    pub fn shards(self, shard: &[usize]) -> Field {
        Field { shard: Some(shard.to_vec()), ..self }
    }

    pub fn codec(self, codec: Codec) -> Field {
        Field { codec, ..self }
    }

    pub fn dtype(self, dtype: &'static str, fill: Value) -> Field {
        Field { dtype, fill, ..self }
    }

    pub fn attributes(self, attributes: Value) -> Field {
        Field { attributes, ..self }
    }

    /// Writes the array into the group at `store`.
    pub fn write(&self, store: &Path, v3: bool) {
        let array = store.join(&self.name);
        fs::create_dir_all(&array).unwrap();
        let names: Vec<&str> = self.dimensions.iter().map(|(name, _)| name.as_str()).collect();
        let shape: Vec<usize> = self.dimensions.iter().map(|(_, length)| *length).collect();
        if v3 {
            fs::write(array.join("zarr.json"), self.metadata_v3(&names, &shape).to_string()).unwrap();
        } else {
            let mut attributes = self.attributes.clone();
            attributes["_ARRAY_DIMENSIONS"] = json!(names);
            fs::write(array.join(".zattrs"), attributes.to_string()).unwrap();
            fs::write(array.join(".zarray"), self.metadata_v2(&shape).to_string()).unwrap();
        }
        let shard = self.shard.clone().unwrap_or_else(|| vec![1; shape.len()]);
        let object: Vec<usize> = self.chunks.iter().zip(&shard).map(|(chunk, count)| chunk * count).collect();
        let counts: Vec<usize> = shape.iter().zip(&object).map(|(length, object)| length.div_ceil(*object)).collect();
        for index in indices(&counts) {
            let of_inner = |inner: Vec<usize>| -> Vec<u8> {
                let own = index.iter().zip(&shard).zip(&inner).map(|((at, count), inner)| at * count + inner);
                self.stored(&own.collect::<Vec<_>>(), &shape)
            };
            let inner: Vec<Vec<u8>> = indices(&shard).into_iter().map(of_inner).collect();
            let bytes = if self.shard.is_some() { shard_of(&inner) } else { inner.concat() };
            let text = index.iter().map(usize::to_string).collect::<Vec<_>>();
            let key = if v3 { format!("c/{}", text.join("/")) } else { text.join(".") };
            let path = array.join(if index.is_empty() && !v3 { "0".to_owned() } else { key });
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn metadata_v2(&self, shape: &[usize]) -> Value {
        let compressor = match self.codec {
            Codec::With(compressor) => compressor.to_v2(),
            Codec::Zlib => json!({"id": "zlib", "level": 1}),
        };
        json!({"zarr_format": 2, "shape": shape, "chunks": self.chunks, "dtype": self.dtype, "fill_value": self.fill,
            "order": "C", "filters": null, "compressor": compressor})
    }

    fn metadata_v3(&self, names: &[&str], shape: &[usize]) -> Value {
        let Codec::With(compressor) = self.codec else { panic!("Zarr v3 knows no zlib") };
        let dtype = match self.dtype {
            "<f4" => "float32",
            "<f8" => "float64",
            "<i2" => "int16",
            other => panic!("{other} has no name here"),
        };
        let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
        let mut codecs = vec![bytes.clone()];
        codecs.extend(compressor.to_v3(self.itemsize() as u64));
        let mut object = self.chunks.clone();
        if let Some(shard) = &self.shard {
            object.iter_mut().zip(shard).for_each(|(length, count)| *length *= count);
            codecs = vec![json!({"name": "sharding_indexed", "configuration": {"chunk_shape": self.chunks,
                "codecs": codecs, "index_codecs": [bytes, {"name": "crc32c"}], "index_location": "end"}})];
        }
        json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": dtype, "fill_value": self.fill,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": object}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "attributes": self.attributes, "codecs": codecs, "dimension_names": names})
    }

    fn itemsize(&self) -> usize {
        self.dtype[2..].parse().unwrap()
    }

    fn stored(&self, chunk: &[usize], shape: &[usize]) -> Vec<u8> {
        let mut plain = Vec::new();
        for within in indices(&self.chunks) {
            let at: Vec<usize> = chunk
                .iter()
                .zip(&self.chunks)
                .zip(&within)
                .map(|((number, length), at)| number * length + at)
                .collect();
            let inside = at.iter().zip(shape).all(|(at, length)| at < length);
            plain.extend(self.element(if inside { (self.value)(&at) } else { 0.0 }));
        }
        let mut stored = Vec::new();
        match self.codec {
            Codec::Zlib => stored = zlib(&plain),
            Codec::With(codec) => {
                codec.compress(self.itemsize(), &plain, &mut stored, 1, &mut Workspace::default()).unwrap();
            }
        }
        stored
    }

    fn element(&self, value: f64) -> Vec<u8> {
        match self.dtype {
            "<f4" => (value as f32).to_le_bytes().to_vec(),
            "<f8" => value.to_le_bytes().to_vec(),
            "<i2" => (value as i16).to_le_bytes().to_vec(),
            "<i8" => (value as i64).to_le_bytes().to_vec(),
            other => panic!("{other} is not written here"),
        }
    }
}

/// All indices below `counts`, in C order.
fn indices(counts: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for count in counts {
        all = all.iter().flat_map(|index| (0..*count).map(move |at| [&index[..], &[at]].concat())).collect();
    }
    all
}

/// A zlib stream (RFC 1950) of stored blocks (RFC 1951).
fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks: Vec<&[u8]> = plain.chunks(0xffff).collect();
    for (number, block) in blocks.iter().enumerate() {
        let length = block.len() as u16;
        stream.push(u8::from(number + 1 == blocks.len()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(*block);
    }
    let (a, b) = plain.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

fn shard_of(inner: &[Vec<u8>]) -> Vec<u8> {
    let layout = IndexLayout { at_end: true, checksum: true, big_endian: false, chunks: inner.len() as u64 };
    let mut next = 0;
    let mut entry = |stored: &Vec<u8>| {
        let start = next;
        next += stored.len() as u64;
        Some((start, stored.len() as u64))
    };
    let index = ShardIndex(inner.iter().map(&mut entry).collect()).encode(&layout);
    inner.iter().flatten().copied().chain(index).collect()
}

/// Writes the metadata of a group, and its arrays.
pub fn store(path: &Path, v3: bool, fields: &[Field]) -> PathBuf {
    fs::create_dir_all(path).unwrap();
    let (name, group) = match v3 {
        true => ("zarr.json", json!({"zarr_format": 3, "node_type": "group", "attributes": {}})),
        false => (".zgroup", json!({"zarr_format": 2})),
    };
    fs::write(path.join(name), group.to_string()).unwrap();
    fields.iter().for_each(|field| field.write(path, v3));
    path.to_owned()
}
