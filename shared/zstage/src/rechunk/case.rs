//! Generated arrays to rechunk, and a naive element-by-element oracle for the expected output.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use zarray::{Array, ChunkReader, DecodeScratch, Grid, IndexLayout, ShardIndex, Subset};
use zcodec::Workspace;

use super::testing::{FileSink, blosc, encode, make_array, open_store};
use super::{Layout, ObjectSink};

/// An array: its source encoding and its target encoding.
#[derive(Debug, Clone)]
pub struct Case {
    pub version: u64,
    /// Data type: `u1`, `i2`, `f4`, `f8`, three raw bytes, or text.
    pub kind: usize,
    pub reversed: bool,
    pub compressed: bool,
    pub dimensions: Vec<Dimension>,
    pub source_sharded: bool,
    pub target_sharded: bool,
    pub index_at_end: bool,
    /// Source chunks whose number is a multiple of this are absent.
    pub absent: u64,
    pub units: u64,
}

#[derive(Debug, Clone)]
pub struct Dimension {
    pub length: u64,
    pub source: u64,
    pub target: u64,
    pub source_shard: u64,
    pub target_shard: u64,
}

impl Case {
    fn variable(&self) -> bool {
        self.kind == 5
    }

    fn pick(&self, of: impl Fn(&Dimension) -> u64) -> Vec<u64> {
        self.dimensions.iter().map(of).collect()
    }

    fn shape(&self) -> Vec<u64> {
        self.pick(|d| d.length)
    }

    /// The fill value, as metadata and as element bytes.
    fn fill(&self) -> (Value, Vec<u8>) {
        let seven = || (json!(7), vec![7]);
        match self.kind {
            0 => seven(),
            1 => (json!(-2), vec![0xfe, 0xff]),
            2 => (json!("NaN"), f32::NAN.to_le_bytes().to_vec()),
            3 => (json!(1.5), 1.5f64.to_le_bytes().to_vec()),
            4 => (if self.version == 2 { json!("AQID") } else { json!([1, 2, 3]) }, vec![1, 2, 3]),
            _ => (json!("fill"), b"fill".to_vec()),
        }
    }

    /// The element with this number in C order.
    fn element(&self, number: u64) -> Vec<u8> {
        let bytes = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17).to_le_bytes();
        match self.kind {
            5 => format!("{number}").repeat((number % 3) as usize).into_bytes(),
            kind => bytes[..[1, 2, 4, 8, 3][kind]].to_vec(),
        }
    }

    /// The compressor, as Zarr v3 codec metadata.
    fn tail(&self) -> Vec<Value> {
        self.compressed.then(|| blosc().to_v3(4)).into_iter().collect()
    }

    pub fn metadata(&self, layout: &Layout) -> Value {
        let (fill, _) = self.fill();
        let compressor = self.compressed.then(|| blosc().to_v2());
        if self.version == 2 {
            let filters = self.variable().then(|| json!([{"id": "vlen-utf8"}]));
            return json!({"zarr_format": 2, "shape": self.shape(), "chunks": layout.chunks, "fill_value": fill,
                "dtype": (["|u1", "<i2", "<f4", "<f8", "|V3", "|O"][self.kind]), "filters": filters,
                "compressor": compressor, "order": if self.reversed { "F" } else { "C" }});
        }
        let mut order: Vec<usize> = (0..self.dimensions.len()).collect();
        if self.reversed {
            order.reverse();
        }
        let to_bytes = if self.variable() { "vlen-utf8" } else { "bytes" };
        let mut codecs = vec![json!({"name": "transpose", "configuration": {"order": order}}), json!(to_bytes)];
        codecs.extend(self.tail());
        let text = json!({"zarr_format": 3, "node_type": "array", "shape": self.shape(), "fill_value": fill,
            "data_type": (["uint8", "int16", "float32", "float64", "r24", "string"][self.kind]),
            "codecs": codecs, "chunk_key_encoding": {"name": "default"},
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": layout.chunks}}});
        let Some((shards, _)) = &layout.shards else { return text };
        let directory = tempfile::tempdir().expect("a directory");
        let codecs = layout.codecs_v3(&make_array(directory.path(), &text), self.tail());
        let mut text = text;
        text["codecs"] = codecs.into();
        text["chunk_grid"]["configuration"]["chunk_shape"] = json!(shards);
        text
    }

    fn layout(&self, chunks: Vec<u64>, shards: Vec<u64>, sharded: bool) -> Layout {
        let per_shard = shards.iter().product();
        let index = IndexLayout {
            at_end: self.index_at_end,
            checksum: self.units.is_multiple_of(2),
            big_endian: false,
            chunks: per_shard,
        };
        let shape = shards.iter().zip(&chunks).map(|(n, length)| n * length).collect();
        Layout { chunks, shards: (sharded && self.version == 3).then_some((shape, index)) }
    }

    fn source(&self) -> Layout {
        self.layout(self.pick(|d| d.source), self.pick(|d| d.source_shard), self.source_sharded)
    }

    pub fn target(&self) -> Layout {
        self.layout(self.pick(|d| d.target), self.pick(|d| d.target_shard), self.target_sharded)
    }

    /// The decoded bytes of a chunk of shape `chunks`; `element` returns the element at an index of the array.
    fn decoded(&self, index: &[u64], chunks: &[u64], element: impl Fn(&[u64]) -> Vec<u8>) -> Vec<u8> {
        let order: Vec<usize> = (0..index.len()).collect();
        let order: Vec<usize> = if self.reversed { order.into_iter().rev().collect() } else { order };
        let stored = Subset::chunk(index, chunks).permuted(&order);
        let mut bytes = if self.variable() { (stored.elements() as u32).to_le_bytes().to_vec() } else { Vec::new() };
        for place in (0..stored.elements()).map(|number| stored.member(number)) {
            let mut in_array = vec![0; place.len()];
            order.iter().zip(&place).for_each(|(dimension, at)| in_array[*dimension] = *at);
            let element = element(&in_array);
            if self.variable() {
                bytes.extend((element.len() as u32).to_le_bytes());
            }
            bytes.extend(element);
        }
        bytes
    }

    fn is_inside(&self, place: &[u64]) -> bool {
        place.iter().zip(&self.dimensions).all(|(at, dimension)| *at < dimension.length)
    }

    /// Whether the source chunk is present.
    fn is_present(&self, index: &[u64]) -> bool {
        let grid = Grid::new(self.shape(), self.source().chunks).expect("a grid");
        self.absent == u64::MAX || !Subset::whole(&grid.counts()).number(index).is_multiple_of(self.absent)
    }

    /// The source chunk that contains an element.
    fn source_of(&self, place: &[u64]) -> Vec<u64> {
        place.iter().zip(&self.dimensions).map(|(at, dimension)| at / dimension.source).collect()
    }

    /// The expected element at an index.
    fn value(&self, place: &[u64]) -> Vec<u8> {
        match self.is_inside(place) && self.is_present(&self.source_of(place)) {
            true => self.element(Subset::whole(&self.shape()).number(place)),
            false => self.fill().1,
        }
    }

    fn encoded(&self, decoded: &[u8]) -> Vec<u8> {
        let mut stored = decoded.to_vec();
        if self.compressed {
            encode(decoded, &mut stored, 1, &mut Workspace::default()).expect("encodes");
        }
        stored
    }

    /// Writes the source, one chunk or shard at a time.
    pub fn write_source(&self, directory: &Path) -> Array {
        let layout = self.source();
        let array = make_array(directory, &self.metadata(&layout));
        let grid = Grid::new(self.shape(), layout.chunks.clone()).expect("a grid");
        let stored = |index: &[u64]| {
            let there = grid.contains(index) && self.is_present(index);
            there.then(|| self.encoded(&self.decoded(index, &layout.chunks, |place| self.value(place))))
        };
        let sink = FileSink { directory, array: &array };
        let objects = layout.objects(&self.shape()).expect("a grid");
        for index in (0..objects.len()).map(|number| objects.index(number)) {
            match &layout.shards {
                None => drop(stored(&index).map(|bytes| sink.put(&index, &bytes))),
                Some((_, index_layout)) => {
                    let inner = Subset::chunk(&index, &self.pick(|d| d.source_shard));
                    let chunks: Vec<_> = (0..inner.elements()).map(|number| stored(&inner.member(number))).collect();
                    if chunks.iter().any(Option::is_some) {
                        sink.put(&index, &shard(&chunks, index_layout)).expect("is written");
                    }
                }
            }
        }
        array
    }

    /// Compares every chunk of the output with the oracle.
    pub fn check(&self, directory: &Path) {
        let layout = self.target();
        let array = make_array(directory, &self.metadata(&layout));
        let store = open_store(directory);
        let reader = ChunkReader::new(&store, &array).expect("readable");
        let (mut stored, mut scratch) = (Vec::new(), DecodeScratch::default());
        for index in (0..reader.grid().len()).map(|number| reader.grid().index(number)) {
            let chunk = Subset::chunk(&index, &layout.chunks);
            let places = (0..chunk.elements()).map(|number| chunk.member(number));
            let expected =
                places.filter(|place| self.is_inside(place)).any(|place| self.is_present(&self.source_of(&place)));
            let found = reader.fetch(&index, &mut stored).expect("reads").present;
            assert_eq!(found, expected, "whether {index:?} is there");
            if found {
                reader.decode(&index, &stored, 1, &mut scratch).expect("decodes");
                let wanted = self.decoded(&index, &layout.chunks, |place| self.value(place));
                assert!(scratch.decoded == wanted, "elements of {index:?}");
            }
        }
    }
}

/// Encodes a shard from its inner chunks.
fn shard(chunks: &[Option<Vec<u8>>], layout: &IndexLayout) -> Vec<u8> {
    let reserved = if layout.at_end { 0 } else { layout.len().expect("small") as usize };
    let mut bytes = vec![0; reserved];
    let mut entries = Vec::new();
    for chunk in chunks {
        entries.push(chunk.as_ref().map(|chunk| (bytes.len() as u64, chunk.len() as u64)));
        bytes.extend(chunk.iter().flatten());
    }
    let index = ShardIndex(entries).encode(layout);
    match layout.at_end {
        true => bytes.extend(index),
        false => bytes[..reserved].copy_from_slice(&index),
    }
    bytes
}

/// A strategy that generates arbitrary cases.
pub fn any_case() -> impl Strategy<Value = Case> {
    let dimension = (prop_oneof![20 => 1u64..9, 1 => Just(0u64)], 1u64..6, 1u64..6, 1u64..4, 1u64..4).prop_map(
        |(length, source, target, source_shard, target_shard)| Dimension {
            length,
            source,
            target,
            source_shard,
            target_shard,
        },
    );
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (2u64..4, 0usize..6, flags, prop::collection::vec(dimension, 0..5), 1u64..9, 1u64..4).prop_map(
        |(
            version,
            kind,
            (reversed, compressed, source_sharded, target_sharded, index_at_end),
            dimensions,
            absent,
            units,
        )| Case {
            version,
            kind,
            reversed,
            compressed,
            dimensions,
            source_sharded,
            target_sharded,
            index_at_end,
            // Occasionally no chunk is absent.
            absent: if absent > 5 { u64::MAX } else { absent },
            units,
        },
    )
}

/// Maps of 6 × 10 rechunked to series of 4 × 5 × 5, four bytes per element.
pub fn maps() -> Case {
    let dimension = |length, source, target| Dimension { length, source, target, source_shard: 1, target_shard: 2 };
    Case {
        version: 3,
        kind: 2,
        reversed: false,
        compressed: true,
        dimensions: vec![dimension(8, 1, 4), dimension(6, 6, 5), dimension(10, 10, 5)],
        source_sharded: false,
        target_sharded: false,
        index_at_end: true,
        absent: u64::MAX,
        units: 1,
    }
}
