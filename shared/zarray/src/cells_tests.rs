//! Tests of [`super`]: elements of all kinds of chunks in a directory, compared with the full chunk.

use proptest::prelude::*;
use serde_json::{Value, json};
use zcodec::{Blosc, Cname, Shuffle, Workspace, crc32c};
use zstore::{Store, StoreOptions};

use super::*;
use crate::metadata::{Array, Node};
use crate::node_v3::node_v3;
use crate::shard::{IndexLayout, ShardIndex};
use crate::subset::Subset;

fn array(shape: &[u64], chunk: &[u64], codecs: Value) -> Array {
    let text = json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "float32", "fill_value": 0,
        "codecs": codecs, "chunk_key_encoding": {"name": "default"},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}}});
    let Ok(Node::Array(array)) = node_v3("/x", text.to_string().as_bytes()) else { panic!("an array") };
    *array
}

fn store_with(bytes: &[u8]) -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(directory.path().join("x/c/0")).expect("is made");
    std::fs::write(directory.path().join("x/c/0/0"), bytes).expect("is written");
    let store = Store::open(directory.path().as_os_str(), &StoreOptions::default()).expect("opens");
    (directory, store)
}

fn numbers(elements: u64) -> Vec<u8> {
    (0..elements).flat_map(|number| (number as f32).to_le_bytes()).collect()
}

/// As many numbers that hardly compress.
fn noise(elements: u64) -> Vec<u8> {
    (0..elements).flat_map(|number| ((number * 2_654_435_761 % 1_000_003) as f32).to_le_bytes()).collect()
}

fn frame(data: &[u8], cname: Cname, blocksize: u64) -> Vec<u8> {
    let mut frame = Vec::new();
    let codec = Blosc { blocksize, ..Blosc::new(cname, 5, Shuffle::Shuffle) };
    codec.compress(4, data, &mut frame, 1, &mut Workspace::default()).expect("compresses");
    frame
}

const BLOSC: &str = r#"["bytes", {"name": "blosc", "configuration": {"cname": "lz4"}}]"#;

fn read(
    store: &Store,
    array: &Array,
    cells: &Cells,
    partial: PartialDecode,
) -> Result<(CellsRead, Vec<f32>), ZarrError> {
    let reader = ChunkReader::new(store, array).expect("readable");
    let (mut out, mut scratch) = (Vec::new(), CellScratch::default());
    let read = reader.read_cells(
        &[0, 0],
        cells,
        partial,
        &ScratchPool::new(1, CellDecoder::default),
        &mut out,
        &mut scratch,
    )?;
    Ok((read, out.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()))
}

#[test]
fn one_cell_costs_header_table_and_one_block() {
    let array = array(&[600, 512], &[600, 512], serde_json::from_str(BLOSC).expect("json"));
    let stored = frame(&noise(600 * 512), Cname::Lz4, 32 << 10);
    let (_directory, store) = store_with(&stored);
    let cells = Cells { steps: &[0], points: &[300 * 512 + 7] };
    let expected = [(153_607u64 * 2_654_435_761 % 1_000_003) as f32];
    let (found, values) = read(&store, &array, &cells, PartialDecode::Auto).expect("reads");
    assert_eq!((values.as_slice(), found.blocks, found.whole), (&expected[..], 1, false));
    assert!(found.bytes < stored.len() as u64 / 8, "{} of {}", found.bytes, stored.len());
    let (found, values) = read(&store, &array, &cells, PartialDecode::Off).expect("reads");
    assert_eq!((values.as_slice(), found.bytes, found.whole), (&expected[..], stored.len() as u64, true));
}

#[test]
fn cells_of_a_block_share_it_and_each_block_is_read_once() {
    let array = array(&[600, 512], &[600, 512], serde_json::from_str(BLOSC).expect("json"));
    let stored = frame(&numbers(600 * 512), Cname::Zstd, 32 << 10);
    let (_directory, store) = store_with(&stored);
    let same = Cells { steps: &[0, 512], points: &[9, 3, 9] };
    let (found, values) = read(&store, &array, &same, PartialDecode::Auto).expect("reads");
    assert_eq!((values, found.blocks), (vec![9.0, 3.0, 9.0, 521.0, 515.0, 521.0], 1));
    let points: Vec<u64> = (0..600 * 512).step_by(1000).collect();
    let (found, values) =
        read(&store, &array, &Cells { steps: &[0], points: &points }, PartialDecode::Auto).expect("reads");
    assert!(values.iter().zip(&points).all(|(value, point)| *value == *point as f32));
    // Header and table are read with the blocks that follow them; the last of those may be cut, and is read again.
    let stored = stored.len() as u64;
    assert!(found.blocks == 38 && (stored..stored + 1024).contains(&found.bytes), "{found:?} of {stored}");
}

/// Of a block of split LZ4 streams only the beginning of each is read, and of a stream that is not compressed one byte.
#[test]
fn of_a_single_block_only_what_leads_to_the_cell_is_read() {
    let array = array(&[256, 256], &[256, 256], serde_json::from_str(BLOSC).expect("json"));
    let stored = frame(&noise(256 * 256), Cname::Lz4, 256 << 10);
    let (_directory, store) = store_with(&stored);
    let mut bytes = Vec::new();
    for point in [0u64, 5_000, 40_000, 65_535] {
        let cells = Cells { steps: &[0], points: &[point] };
        let (found, values) = read(&store, &array, &cells, PartialDecode::On).expect("reads");
        assert_eq!((values[0], found.blocks), ((point * 2_654_435_761 % 1_000_003) as f32, 1), "{point}");
        bytes.push(found.bytes);
    }
    let stored = stored.len() as u64;
    assert!(bytes.is_sorted() && bytes[1] < stored / 3 && bytes[3] < stored + 1024, "{bytes:?} of {stored}");
}

#[test]
fn of_uncompressed_chunks_only_the_cells_are_read() {
    let array = array(&[300, 512], &[300, 512], json!(["bytes"]));
    let data = numbers(300 * 512);
    let (directory, store) = store_with(&data);
    let cells = Cells { steps: &[0, 100 * 512], points: &[511, 5] };
    let (found, values) = read(&store, &array, &cells, PartialDecode::Auto).expect("reads");
    assert_eq!(values, [511.0, 5.0, 51_711.0, 51_205.0]);
    assert!(found.bytes < 4096 * 2, "{found:?}");
    std::fs::write(directory.path().join("x/c/0/0"), &data[..data.len() - 4]).expect("cuts");
    let error = read(&store, &array, &cells, PartialDecode::Auto).expect_err("cut");
    assert!(matches!(error, ZarrError::Chunk { source: CodecError::WrongSize { .. }, .. }), "{error}");
}

#[test]
fn inner_chunks_are_read_through_the_index() {
    let shard = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [200, 512],
        "codecs": serde_json::from_str::<Value>(BLOSC).expect("json"), "index_codecs": ["bytes", "crc32c"]}}]);
    let array = array(&[400, 512], &[400, 512], shard);
    let stored = frame(&numbers(200 * 512), Cname::Zstd, 16 << 10);
    let layout = IndexLayout { at_end: true, checksum: true, big_endian: false, chunks: 2 };
    let mut bytes = vec![7; 33];
    bytes.extend(&stored);
    bytes.extend(ShardIndex(vec![Some((33, stored.len() as u64)), None]).encode(&layout));
    let (_directory, store) = store_with(&bytes);
    let cells = Cells { steps: &[100 * 512], points: &[17] };
    let (found, values) = read(&store, &array, &cells, PartialDecode::Auto).expect("reads");
    assert_eq!((values, found.blocks), (vec![51_217.0], 1));
    let reader = ChunkReader::new(&store, &array).expect("readable");
    let (mut out, mut scratch) = (Vec::new(), CellScratch::default());
    let (auto, gate) = (PartialDecode::Auto, ScratchPool::new(1, CellDecoder::default));
    let absent = reader.read_cells(&[1, 0], &cells, auto, &gate, &mut out, &mut scratch).expect("reads");
    assert!(!absent.present);
}

/// Two shards of two chunks each, with other sizes and offsets.
fn shard_of(codecs: &Value, chunks: [Vec<u8>; 2]) -> (Array, Vec<u8>) {
    let spec = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [200, 512], "codecs": codecs,
        "index_codecs": ["bytes", "crc32c"]}}]);
    let layout = IndexLayout { at_end: true, checksum: true, big_endian: false, chunks: 2 };
    let [one, other] = [&chunks[0], &chunks[1]].map(|chunk| chunk.len() as u64);
    let index = ShardIndex(vec![Some((0, one)), Some((one, other))]).encode(&layout);
    (array(&[400, 512], &[400, 512], spec), [chunks.concat(), index].concat())
}

/// The index that a reader keeps is that of the first shard; what it reads is of the second.
#[test]
fn a_shard_that_is_replaced_is_read_by_its_new_index() {
    let blosc: Value = serde_json::from_str(BLOSC).expect("json");
    let (data, others) = (numbers(200 * 512), noise(200 * 512));
    let packed = |data: &[u8], cname| frame(data, cname, 16 << 10);
    for (codecs, before, after) in [
        (
            &blosc,
            [packed(&others, Cname::Lz4), packed(&data, Cname::Lz4)],
            [packed(&data, Cname::Zstd), packed(&others, Cname::Zstd)],
        ),
        (&json!(["bytes"]), [others.clone(), data.clone()], [data.clone(), others.clone()]),
    ] {
        let ((array, first), (_, mut second)) = (shard_of(codecs, before), shard_of(codecs, after));
        // Whatever the codec, a shard of another size.
        let index = second.split_off(second.len() - 36);
        second.extend([7; 11]);
        second.extend(index);
        let (directory, store) = store_with(&first);
        let reader = ChunkReader::new(&store, &array).expect("readable");
        let cells = Cells { steps: &[100 * 512], points: &[17] };
        let (mut out, mut scratch, gate) =
            (Vec::new(), CellScratch::default(), ScratchPool::new(1, CellDecoder::default));
        let part = Subset::new(vec![100, 17], vec![1, 1]);
        let mut cell = |way: usize| {
            let mut stored = Vec::new();
            match way {
                0 => {
                    let read = reader.read_cells(&[1, 0], &cells, PartialDecode::On, &gate, &mut out, &mut scratch);
                    assert!(read.expect("reads").present);
                    return f32::from_le_bytes(out[..4].try_into().expect("four bytes"));
                }
                1 => assert!(reader.fetch(&[1, 0], &mut stored).expect("reads").present),
                _ => {
                    let read = reader.fetch_subset(&[1, 0], &part, &mut stored, &mut Vec::new());
                    assert!(read.expect("reads").present);
                }
            }
            let mut value = [0; 4];
            let mut decode = DecodeScratch::default();
            reader.decode_subset(&[1, 0], &stored, &part, &mut value, 1, &mut decode).expect("decodes");
            f32::from_le_bytes(value)
        };
        let noise_there = f32::from_le_bytes(others[51_217 * 4..51_218 * 4].try_into().expect("four bytes"));
        for way in 0..3 {
            std::fs::write(directory.path().join("x/c/0/0"), &first).expect("is written");
            assert_eq!(cell(way), 51_217.0, "{way}");
            std::fs::write(directory.path().join("x/c/0/0"), &second).expect("is replaced");
            assert_eq!(cell(way), noise_there, "{way}");
        }
    }
}

/// Five GB of zeros on no disk: an element beyond 2^32, and the one that its number is cut to.
#[test]
fn elements_beyond_32_bits_are_their_own() {
    let text = json!({"zarr_format": 3, "node_type": "array", "shape": [5u64 << 30], "data_type": "uint8", "fill_value": 0,
        "codecs": ["bytes"], "chunk_key_encoding": {"name": "default"},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [5u64 << 30]}}});
    let Ok(Node::Array(array)) = node_v3("/x", text.to_string().as_bytes()) else { panic!("an array") };
    let (directory, store) = store_with(&[]);
    let file = std::fs::File::create(directory.path().join("x/c/0")).or_else(|_| {
        std::fs::remove_dir_all(directory.path().join("x/c/0"))?;
        std::fs::File::create(directory.path().join("x/c/0"))
    });
    let file = file.expect("is made");
    file.set_len(5 << 30).expect("is sparse");
    let put = |at: u64, byte: u8| std::os::unix::fs::FileExt::write_all_at(&file, &[byte], at).expect("is written");
    put(7, 99);
    put((1 << 32) + 7, 7);
    let reader = ChunkReader::new(&store, &array).expect("readable");
    let (mut out, mut scratch) = (Vec::new(), CellScratch::default());
    let cells = Cells { steps: &[0, 1 << 32], points: &[7] };
    let read = reader.read_cells(
        &[0],
        &cells,
        PartialDecode::Auto,
        &ScratchPool::new(1, CellDecoder::default),
        &mut out,
        &mut scratch,
    );
    assert!(!read.expect("reads").whole);
    assert_eq!(out, [99, 7]);
}

#[test]
fn damage_is_told_where_it_is_seen() {
    let array = array(&[600, 512], &[600, 512], serde_json::from_str(BLOSC).expect("json"));
    let stored = frame(&numbers(600 * 512), Cname::Zstd, 32 << 10);
    let cells = Cells { steps: &[0], points: &[300 * 512 + 7] };
    for (name, damaged) in [
        ("empty", Vec::new()),
        ("shorter than its header", stored[..7].to_vec()),
        ("cut behind the block", stored[..stored.len() - 1].to_vec()),
        ("of another size", frame(&numbers(600 * 511), Cname::Zstd, 32 << 10)),
    ] {
        let (_directory, store) = store_with(&damaged);
        let error = read(&store, &array, &cells, PartialDecode::Auto).expect_err(name);
        assert!(matches!(error, ZarrError::Chunk { .. }), "{name}: {error}");
    }
}

/// A chunk encoded with a chain.
type Encode = fn(&[u8]) -> Vec<u8>;

/// A chain, and the chunk encoded with it.
fn any_chain() -> impl Strategy<Value = (Value, Encode)> {
    let blosc: Value = serde_json::from_str(BLOSC).expect("json");
    let sealed = json!([blosc[0], blosc[1], "crc32c"]);
    let chains: Vec<(Value, Encode)> = vec![
        (json!(["bytes"]), |data| data.to_vec()),
        (blosc.clone(), |data| frame(data, Cname::Lz4, 1024)),
        (blosc.clone(), |data| frame(data, Cname::Zstd, 0)),
        (blosc.clone(), |data| frame(data, Cname::Blosclz, 4096)),
        // Blocks that elements do not divide.
        (blosc, |data| {
            let mut frame = Vec::new();
            let codec = Blosc { blocksize: 1030, ..Blosc::new(Cname::Lz4, 3, Shuffle::Noshuffle) };
            codec.compress(1, data, &mut frame, 1, &mut Workspace::default()).expect("compresses");
            frame
        }),
        (sealed, |data| {
            let mut stored = frame(data, Cname::Lz4, 1024);
            stored.extend(crc32c(&stored).to_le_bytes());
            stored
        }),
    ];
    prop::sample::select(chains)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the chain and however it is read, the cells are those of the chunk.
    #[test]
    fn cells_are_those_of_the_chunk(
        (codecs, encode) in any_chain(), rows in 1u64..200, columns in 1u64..200,
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..40),
        partial in prop::sample::select(vec![PartialDecode::Auto, PartialDecode::On, PartialDecode::Off]),
    ) {
        let array = array(&[rows, columns], &[rows, columns], codecs);
        let (_directory, store) = store_with(&encode(&numbers(rows * columns)));
        let steps: Vec<u64> = picks.iter().map(|(row, _)| row.index(rows as usize) as u64 * columns).collect();
        let points: Vec<u64> = picks.iter().map(|(_, column)| column.index(columns as usize) as u64).collect();
        let cells = Cells { steps: &steps, points: &points };
        let (found, values) = read(&store, &array, &cells, partial).expect("reads");
        prop_assert!(found.present);
        let expected: Vec<f32> = cells.numbers().map(|number| number as f32).collect();
        prop_assert_eq!(values, expected);
    }
}
