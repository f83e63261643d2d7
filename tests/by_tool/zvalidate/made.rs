//! A small sound store in each format, made chunk by chunk: hourly fields over a grid, with a chunk at every edge that is partly
//! padding.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zarray::{IndexLayout, ShardBuilder};
use zcodec::{Blosc, Cname, Compressor, Shuffle, Stream, Workspace};

/// Formats of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    V2,
    V3,
    Sharded,
}

pub const FORMATS: [Format; 3] = [Format::V2, Format::V3, Format::Sharded];

pub const TIMES: u64 = 50;
pub const SHAPE: [u64; 3] = [TIMES, 11, 8];
/// Chunks, inside of shards of four along the first dimension.
pub const CHUNK: [u64; 3] = [6, 6, 8];
pub const SHARD: [u64; 3] = [24, 12, 8];

/// Elements of an array.
#[derive(Clone)]
pub enum Data {
    F32(Vec<f32>),
    I16(Vec<i16>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

impl Data {
    fn dtype(&self) -> (&'static str, &'static str, usize) {
        match self {
            Data::F32(_) => ("<f4", "float32", 4),
            Data::I16(_) => ("<i2", "int16", 2),
            Data::I64(_) => ("<i8", "int64", 8),
            Data::F64(_) => ("<f8", "float64", 8),
        }
    }

    fn element(&self, at: usize) -> Vec<u8> {
        match self {
            Data::F32(values) => values[at].to_le_bytes().to_vec(),
            Data::I16(values) => values[at].to_le_bytes().to_vec(),
            Data::I64(values) => values[at].to_le_bytes().to_vec(),
            Data::F64(values) => values[at].to_le_bytes().to_vec(),
        }
    }
}

/// An array in the making.
#[derive(Clone)]
pub struct Made {
    pub name: &'static str,
    pub dims: Vec<&'static str>,
    pub shape: Vec<u64>,
    pub chunk: Vec<u64>,
    pub shard: Option<Vec<u64>>,
    pub compressor: Compressor,
    /// Whether CRC-32C follows (v3 only).
    pub checksum: bool,
    pub fill: Value,
    pub attributes: Value,
    pub data: Data,
}

pub const BLOSC: Compressor = Compressor::Blosc(Blosc::new(Cname::Zstd, 3, Shuffle::Shuffle));

/// Smooth fields with some noise, so that no chunk is small.
pub fn field(offset: f32) -> Vec<f32> {
    let mut state = 7u64;
    let element = |number: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        offset + (number as f32 / 9.0).sin() * 8.0 + (state >> 50) as f32 / 4096.0
    };
    (0..SHAPE.iter().product::<u64>()).map(element).collect()
}

/// The arrays of the sound store.
pub fn arrays() -> Vec<Made> {
    let dims = vec!["time", "latitude", "longitude"];
    let axis = |name: &'static str, values: Vec<f64>, units: &str| Made {
        name,
        dims: vec![name],
        shape: vec![values.len() as u64],
        chunk: vec![values.len() as u64],
        shard: None,
        compressor: BLOSC,
        checksum: false,
        fill: json!("NaN"),
        attributes: json!({"units": units}),
        data: Data::F64(values),
    };
    let variable = |name, compressor, fill: Value, data| Made {
        name,
        dims: dims.clone(),
        shape: SHAPE.to_vec(),
        chunk: CHUNK.to_vec(),
        shard: Some(SHARD.to_vec()),
        compressor,
        checksum: false,
        fill,
        attributes: json!({"units": "K"}),
        data,
    };
    let time = Made {
        data: Data::I64((0..TIMES as i64).collect()),
        fill: json!(-1),
        ..axis("time", vec![0.0; TIMES as usize], "hours since 2019-03-01")
    };
    let packed = field(0.0).iter().map(|value| (value * 100.0) as i16).collect();
    vec![
        time,
        axis("latitude", (0..11).map(|row| 60.0 - f64::from(row) * 0.5).collect(), "degrees_north"),
        axis("longitude", (0..8).map(|column| f64::from(column) * 0.5).collect(), "degrees_east"),
        variable("t2m", BLOSC, json!("NaN"), Data::F32(field(280.0))),
        variable(
            "u10",
            Compressor::Stream(Stream::Zstd { level: 3, checksum: true }),
            json!(0.0),
            Data::F32(field(3.0)),
        ),
        variable("tp", Compressor::Stream(Stream::Gzip { level: 3 }), json!("NaN"), Data::F32(field(9.0))),
        Made { checksum: true, ..variable("raw", Compressor::None, json!(-32768), Data::I16(packed)) },
    ]
}

/// A store in a directory.
pub struct Scene {
    pub directory: tempfile::TempDir,
    pub format: Format,
    pub arrays: Vec<Made>,
}

impl Scene {
    /// The sound store.
    pub fn sound(format: Format) -> Scene {
        Scene::of(format, arrays())
    }

    /// A store of these arrays.
    pub fn of(format: Format, arrays: Vec<Made>) -> Scene {
        let scene = Scene { directory: tempfile::tempdir().unwrap(), format, arrays };
        scene.write();
        scene
    }

    pub fn store(&self) -> PathBuf {
        self.directory.path().join("in.zarr")
    }

    pub fn path(&self, key: &str) -> PathBuf {
        self.store().join(key)
    }

    /// Writes all arrays, and no consolidated metadata.
    pub fn write(&self) {
        let (name, text) = match self.format {
            Format::V2 => (".zgroup", json!({"zarr_format": 2})),
            _ => ("zarr.json", json!({"zarr_format": 3, "node_type": "group", "attributes": {}})),
        };
        fs::create_dir_all(self.store()).unwrap();
        fs::write(self.path(name), text.to_string()).unwrap();
        self.arrays.iter().for_each(|array| array.write(&self.store(), self.format));
    }

    /// Writes `array` again with other elements or metadata.
    pub fn rewrite(&self, name: &str, change: impl FnOnce(&mut Made)) {
        let mut array = self.arrays.iter().find(|array| array.name == name).unwrap().clone();
        change(&mut array);
        fs::remove_dir_all(self.path(name)).unwrap();
        array.write(&self.store(), self.format);
    }

    /// Changes elements of a float array: `change` is given the index of each.
    pub fn set(&self, name: &str, change: impl Fn([u64; 3], &mut f32)) {
        self.rewrite(name, |array| {
            let Data::F32(values) = &mut array.data else { panic!("{name} is no float array") };
            for (number, value) in values.iter_mut().enumerate() {
                let number = number as u64;
                change([number / 88, number / 8 % 11, number % 8], value);
            }
        });
    }

    /// The key of the object that holds a chunk of a variable.
    pub fn key(&self, name: &str, index: [u64; 3]) -> String {
        let index: Vec<String> = match self.format {
            Format::Sharded => {
                index.iter().zip(SHARD.iter().zip(CHUNK)).map(|(i, (s, c))| (i * c / s).to_string()).collect()
            }
            _ => index.iter().map(u64::to_string).collect(),
        };
        match self.format {
            Format::V2 => format!("{name}/{}", index.join(".")),
            _ => format!("{name}/c/{}", index.join("/")),
        }
    }

    /// The key of the only object of a coordinate.
    pub fn axis_key(&self, name: &str) -> String {
        if self.format == Format::V2 { format!("{name}/0") } else { format!("{name}/c/0") }
    }

    pub fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(key)).unwrap();
        change(&mut bytes);
        fs::write(self.path(key), bytes).unwrap();
    }

    pub fn remove(&self, key: &str) {
        fs::remove_file(self.path(key)).unwrap();
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(key).parent().unwrap()).unwrap();
        fs::write(self.path(key), bytes).unwrap();
    }

    /// Name of an array's metadata document.
    pub fn document(&self, name: &str) -> String {
        let document = if self.format == Format::V2 { ".zarray" } else { "zarr.json" };
        format!("{name}/{document}")
    }

    /// Changes a JSON document.
    pub fn edit(&self, key: &str, change: impl FnOnce(&mut Value)) {
        let mut document: Value = serde_json::from_slice(&fs::read(self.path(key)).unwrap()).unwrap();
        change(&mut document);
        fs::write(self.path(key), document.to_string()).unwrap();
    }

    /// Changes attributes of an array.
    pub fn edit_attributes(&self, name: &str, change: impl FnOnce(&mut Value)) {
        match self.format {
            Format::V2 => self.edit(&format!("{name}/.zattrs"), change),
            _ => self.edit(&format!("{name}/zarr.json"), |document| change(&mut document["attributes"])),
        }
    }

    /// Writes consolidated metadata.
    pub fn consolidate(&self) {
        if self.format != Format::V2 {
            let metadata: serde_json::Map<String, Value> = self
                .arrays
                .iter()
                .map(|array| {
                    let text = fs::read(self.path(&self.document(array.name))).unwrap();
                    (array.name.to_owned(), serde_json::from_slice(&text).unwrap())
                })
                .collect();
            return self.edit("zarr.json", |root| {
                root["consolidated_metadata"] =
                    json!({"kind": "inline", "must_understand": false, "metadata": metadata});
            });
        }
        let mut metadata = serde_json::Map::new();
        metadata.insert(".zgroup".into(), json!({"zarr_format": 2}));
        for array in &self.arrays {
            for name in [".zarray", ".zattrs"] {
                let key = format!("{}/{name}", array.name);
                let text = fs::read(self.path(&key)).unwrap();
                metadata.insert(key, serde_json::from_slice(&text).unwrap());
            }
        }
        let document = json!({"zarr_consolidated_format": 1, "metadata": metadata});
        fs::write(self.path(".zmetadata"), document.to_string()).unwrap();
    }
}

impl Made {
    /// Writes metadata and chunks.
    pub fn write(&self, store: &Path, format: Format) {
        let directory = store.join(self.name);
        fs::create_dir_all(&directory).unwrap();
        match format {
            Format::V2 => self.write_v2(&directory),
            _ => self.write_v3(&directory, format == Format::Sharded),
        }
    }

    fn write_v2(&self, directory: &Path) {
        let mut attributes = self.attributes.clone();
        attributes["_ARRAY_DIMENSIONS"] = json!(self.dims);
        let document = json!({"zarr_format": 2, "shape": self.shape, "chunks": self.chunk, "dtype": self.data.dtype().0,
            "fill_value": self.fill, "order": "C", "filters": null, "compressor": self.compressor.to_v2()});
        fs::write(directory.join(".zarray"), document.to_string()).unwrap();
        fs::write(directory.join(".zattrs"), attributes.to_string()).unwrap();
        for index in grid(&self.shape, &self.chunk) {
            let start: Vec<u64> = index.iter().zip(&self.chunk).map(|(index, length)| index * length).collect();
            let name: Vec<String> = index.iter().map(u64::to_string).collect();
            fs::write(directory.join(name.join(".")), self.encoded(&start, false)).unwrap();
        }
    }

    fn write_v3(&self, directory: &Path, sharded: bool) {
        let size = self.data.dtype().2 as u64;
        let mut codecs = vec![json!({"name": "bytes", "configuration": {"endian": "little"}})];
        codecs.extend(self.compressor.to_v3(size));
        codecs.extend(self.checksum.then(|| json!({"name": "crc32c"})));
        let shard = self.shard.clone().filter(|_| sharded);
        if shard.is_some() {
            let index = json!([{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]);
            codecs =
                vec![json!({"name": "sharding_indexed", "configuration": {"chunk_shape": self.chunk, "codecs": codecs,
                "index_codecs": index, "index_location": "end"}})];
        }
        let object = shard.clone().unwrap_or_else(|| self.chunk.clone());
        let document = json!({"zarr_format": 3, "node_type": "array", "shape": self.shape, "data_type": self.data.dtype().1,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": object}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "fill_value": self.fill,
            "codecs": codecs, "attributes": self.attributes, "dimension_names": self.dims});
        fs::write(directory.join("zarr.json"), document.to_string()).unwrap();
        for index in grid(&self.shape, &object) {
            let start: Vec<u64> = index.iter().zip(&object).map(|(index, length)| index * length).collect();
            let bytes = match &shard {
                Some(shard) => self.shard_at(&start, shard),
                None => self.encoded(&start, true),
            };
            let name: Vec<String> = index.iter().map(u64::to_string).collect();
            let path = directory.join("c").join(name.join("/"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn shard_at(&self, start: &[u64], shard: &[u64]) -> Vec<u8> {
        let counts: Vec<u64> = shard.iter().zip(&self.chunk).map(|(shard, chunk)| shard / chunk).collect();
        let layout = IndexLayout { at_end: true, checksum: true, big_endian: false, chunks: counts.iter().product() };
        let (mut builder, mut bytes) = (ShardBuilder::new(layout), Vec::new());
        for (number, inner) in grid(&counts, &vec![1; counts.len()]).into_iter().enumerate() {
            let element: Vec<u64> = (0..start.len()).map(|d| start[d] + inner[d] * self.chunk[d]).collect();
            if element.iter().zip(&self.shape).all(|(element, length)| element < length) {
                let chunk = self.encoded(&element, true);
                builder.append(number, chunk.len());
                bytes.extend(chunk);
            }
        }
        bytes.extend(builder.finish().append);
        bytes
    }

    /// The chunk that starts at an element.
    fn encoded(&self, start: &[u64], v3: bool) -> Vec<u8> {
        let mut raw = Vec::new();
        let size = self.data.dtype().2;
        for within in grid(&self.chunk, &vec![1; self.chunk.len()]) {
            let element: Vec<u64> = start.iter().zip(&within).map(|(start, within)| start + within).collect();
            match element.iter().zip(&self.shape).all(|(element, length)| element < length) {
                true => {
                    let number =
                        element.iter().zip(&self.shape).fold(0, |number, (element, length)| number * length + element);
                    raw.extend(self.data.element(number as usize));
                }
                // What writers leave in the padding has no meaning.
                false => raw.extend(vec![0xff; size]),
            }
        }
        let mut stored = Vec::new();
        self.compressor.compress(size, &raw, &mut stored, 1, &mut Workspace::default()).unwrap();
        if self.checksum && v3 {
            let checksum = zcodec::crc32c(&stored);
            stored.extend(checksum.to_le_bytes());
        }
        stored
    }
}

/// Indices of a grid, in C order.
fn grid(shape: &[u64], chunk: &[u64]) -> Vec<Vec<u64>> {
    let counts: Vec<u64> = shape.iter().zip(chunk).map(|(shape, chunk)| shape.div_ceil(*chunk)).collect();
    let mut all = vec![Vec::new()];
    for count in counts {
        all = all
            .into_iter()
            .flat_map(|index: Vec<u64>| (0..count).map(move |at| [index.clone(), vec![at]].concat()))
            .collect();
    }
    all
}
