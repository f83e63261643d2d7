//! Stores of maps: arrays of time, latitude and longitude whose chunks are one map each.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use zcodec::{Blosc, Cname, Compressor, Shuffle, Stream, Workspace};

pub const LZ4: Compressor = Compressor::Blosc(Blosc::new(Cname::Lz4, 5, Shuffle::Shuffle));
pub const GZIP: Compressor = Compressor::Stream(Stream::Gzip { level: 1 });

/// A group of float32 arrays, and the coordinate `time`, which is small.
#[derive(Debug, Clone)]
pub struct Maps {
    /// Zarr format.
    pub format: u8,
    pub names: Vec<&'static str>,
    /// Maps, rows of a map, elements of a row.
    pub shape: [u64; 3],
    pub chunks: [u64; 3],
    pub codec: Compressor,
    /// Every such chunk is absent; 0: none is.
    pub absent: u64,
}

impl Maps {
    pub fn new(format: u8) -> Maps {
        let names = vec!["t", "u"];
        Maps { format, names, shape: [24, 18, 20], chunks: [1, 18, 20], codec: LZ4, absent: 7 }
    }

    /// With arrays of 4 MiB, which a small budget cuts into several regions.
    pub fn large(format: u8) -> Maps {
        Maps { shape: [32, 128, 256], chunks: [1, 128, 256], ..Maps::new(format) }
    }

    pub fn write(&self, store: &Path) {
        fs::create_dir_all(store).unwrap();
        match self.format {
            2 => {
                put(store, ".zgroup", &json!({"zarr_format": 2}));
                put(store, ".zattrs", &json!({"made": "for a test"}));
            }
            _ => {
                let attributes = json!({"made": "for a test"});
                put(store, "zarr.json", &json!({"zarr_format": 3, "node_type": "group", "attributes": attributes}));
            }
        }
        self.names.iter().enumerate().for_each(|(number, name)| self.write_array(&store.join(name), number as u64));
        self.document(&store.join("time"), &["time"], &self.shape[..1], &self.shape[..1]);
        let zeros = vec![0; 4 * self.shape[0] as usize];
        place(&store.join("time"), &self.folder("0"), &self.stored(&zeros));
    }

    pub fn write_array(&self, array: &Path, seed: u64) {
        self.document(array, &["time", "lat", "lon"], &self.shape, &self.chunks);
        for index in self.indices() {
            if self.is_present(index) {
                place(array, &self.key(index), &self.chunk(seed, index));
            }
        }
    }

    /// The indices of all chunks, in C order.
    fn indices(&self) -> impl Iterator<Item = [u64; 3]> + use<> {
        let [times, rows, columns] = self.counts();
        (0..times * rows * columns)
            .map(move |number| [number / columns / rows, number / columns % rows, number % columns])
    }

    fn counts(&self) -> [u64; 3] {
        [0, 1, 2].map(|dimension| self.shape[dimension].div_ceil(self.chunks[dimension]))
    }

    fn is_present(&self, [time, row, column]: [u64; 3]) -> bool {
        self.absent == 0 || (time + row + column) % self.absent != 3
    }

    /// The key of a chunk below its array.
    pub fn key(&self, [time, row, column]: [u64; 3]) -> String {
        match self.format {
            2 => format!("{time}.{row}.{column}"),
            _ => self.folder(&format!("{time}/{row}/{column}")),
        }
    }

    fn folder(&self, name: &str) -> String {
        if self.format == 2 { name.to_owned() } else { format!("c/{name}") }
    }

    /// A chunk as it is stored; of another seed, another one.
    pub fn chunk(&self, seed: u64, index: [u64; 3]) -> Vec<u8> {
        let [times, rows, columns] = self.chunks;
        let mut bytes = Vec::with_capacity((times * rows * columns * 4) as usize);
        for number in 0..times * rows * columns {
            let within = [number / columns / rows, number / columns % rows, number % columns];
            let place = [0, 1, 2].map(|dimension| index[dimension] * self.chunks[dimension] + within[dimension]);
            let inside = place.iter().zip(&self.shape).all(|(at, length)| at < length);
            bytes.extend(if inside { self.element(seed, place) } else { f32::NAN }.to_le_bytes());
        }
        self.stored(&bytes)
    }

    /// Smooth, with a byte of noise.
    fn element(&self, seed: u64, [time, row, column]: [u64; 3]) -> f32 {
        let number = (time * self.shape[1] + row) * self.shape[2] + column;
        let noise = (number + seed * 1_000_003).wrapping_mul(6_364_136_223_846_793_005) >> 56;
        let smooth = 280.0 + (row as f32) / 8.0 + (column as f32) / 16.0 + time as f32;
        f32::from_bits(smooth.to_bits() & !0xff | noise as u32)
    }

    fn stored(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stored = Vec::new();
        self.codec.compress(4, bytes, &mut stored, 1, &mut Workspace::default()).unwrap();
        stored
    }

    /// Writes the metadata of an array.
    pub fn document(&self, array: &Path, names: &[&str], shape: &[u64], chunks: &[u64]) {
        fs::create_dir_all(array).unwrap();
        if self.format == 2 {
            put(array, ".zattrs", &json!({"_ARRAY_DIMENSIONS": names, "units": "K"}));
            let document = json!({"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": "<f4",
                "fill_value": "NaN", "order": "C", "filters": null, "compressor": self.codec.to_v2()});
            return put(array, ".zarray", &document);
        }
        let mut codecs = vec![json!({"name": "bytes", "configuration": {"endian": "little"}})];
        codecs.extend(self.codec.to_v3(4));
        let document = json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "float32",
            "fill_value": "NaN", "dimension_names": names, "attributes": {"units": "K"}, "codecs": codecs,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}});
        put(array, "zarr.json", &document);
    }
}

pub fn put(directory: &Path, name: &str, document: &Value) {
    fs::write(directory.join(name), serde_json::to_vec_pretty(document).unwrap()).unwrap();
}

pub fn place(array: &Path, key: &str, bytes: &[u8]) {
    let path = array.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
