//! Tests of [`super`]: chunks of every kind, read back in part from a directory.

use proptest::prelude::*;
use serde_json::{Value, json};
use zcodec::{Blosc, Cname, Shuffle, Workspace, crc32c};
use zstore::StoreOptions;

use super::*;
use crate::metadata::Node;
use crate::node_v3::node_v3;
use crate::shard::{IndexLayout, ShardIndex};

fn array(shape: &[u64], chunk: &[u64], codecs: Value) -> Array {
    let text = json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "int16", "fill_value": 0,
        "codecs": codecs, "chunk_key_encoding": {"name": "default"},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}}});
    let Ok(Node::Array(array)) = node_v3("/x", text.to_string().as_bytes()) else { panic!("an array") };
    *array
}

fn blosc() -> Blosc {
    Blosc { blocksize: 128, ..Blosc::new(Cname::Lz4, 5, Shuffle::Shuffle) }
}

fn compress(data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    blosc().compress(2, data, &mut frame, 1, &mut Workspace::default()).expect("compresses");
    frame
}

fn store_with(key: &str, bytes: &[u8]) -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(key);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("is made");
    std::fs::write(path, bytes).expect("is written");
    let store = Store::open(directory.path().as_os_str(), &StoreOptions::default()).expect("opens");
    (directory, store)
}

fn numbers(elements: u64) -> Vec<u8> {
    (0..elements).flat_map(|number| (number as u16).to_le_bytes()).collect()
}

#[test]
fn a_part_costs_only_its_blocks() {
    let chunk = [8, 16, 64];
    let array = array(&chunk, &chunk, json!(["bytes", {"name": "blosc", "configuration": {"cname": "lz4"}}, "crc32c"]));
    let mut stored = compress(&numbers(8 * 16 * 64));
    stored.extend(crc32c(&stored).to_le_bytes());
    let (_directory, store) = store_with("x/c/0/0/0", &stored);
    let reader = ChunkReader::new(&store, &array).expect("readable");
    let (mut bytes, mut scratch) = (Vec::new(), DecodeScratch::default());
    assert!(reader.fetch(&[0, 0, 0], &mut bytes).expect("reads").present);
    // Two rows of each of three planes: a plane is 2048 bytes, a row and a block 128.
    let part = Subset::new(vec![2, 4, 0], vec![3, 2, 64]);
    let mut target = vec![0; part.elements() as usize * 2];
    let decoded = reader.decode_subset(&[0, 0, 0], &bytes, &part, &mut target, 1, &mut scratch).expect("decodes");
    assert_eq!(decoded, 3 * 2 * 128);
    assert_eq!(target[..2], ((2 * 16 + 4) * 64u16).to_le_bytes());
    bytes[40] ^= 1;
    assert!(matches!(
        reader.decode_subset(&[0, 0, 0], &bytes, &part, &mut target, 1, &mut scratch),
        Err(CodecError::Checksum { .. })
    ));
}

/// One row of 512 KiB of three, of which a third of the frame is read, and damage elsewhere is not looked at.
#[test]
fn a_part_is_read_without_the_rest() {
    let chunk = [3, 1 << 18];
    let array = array(&chunk, &chunk, json!(["bytes", {"name": "blosc", "configuration": {"cname": "lz4"}}]));
    let data: Vec<u8> =
        (0..3u64 << 18).flat_map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) as u16).to_le_bytes()).collect();
    let mut frame = Vec::new();
    let codec = Blosc { blocksize: 1 << 16, ..blosc() };
    codec.compress(2, &data, &mut frame, 1, &mut Workspace::default()).expect("compresses");
    let last = frame.len() - 9;
    frame[last] ^= 1;
    let (directory, store) = store_with("x/c/0/0", &frame);
    let reader = ChunkReader::new(&store, &array).expect("readable");
    let (mut stored, mut spare, mut scratch) = (vec![1; 10], Vec::new(), DecodeScratch::default());
    let part = Subset::new(vec![1, 100], vec![1, (1 << 18) - 200]);
    let mut target = vec![0; part.elements() as usize * 2];
    let fetched = reader.fetch_subset(&[0, 0], &part, &mut stored, &mut spare).expect("reads");
    assert!(fetched.present && fetched.bytes < frame.len() as u64 / 2, "{fetched:?} of {}", frame.len());
    reader.decode_subset(&[0, 0], &stored, &part, &mut target, 1, &mut scratch).expect("decodes");
    assert!(target == data[(1 << 19) + 200..(1 << 20) - 200]);
    assert_eq!(reader.fetch_subset(&[1, 0], &part, &mut stored, &mut spare).expect("reads"), Fetched::ABSENT);
    // A frame truncated after its table is read up to its end, and cannot be decoded.
    std::fs::write(directory.path().join("x/c/0/0"), &frame[..5000]).expect("is written");
    let fetched = reader.fetch_subset(&[0, 0], &part, &mut stored, &mut spare).expect("reads");
    assert!(fetched.present && reader.decode_subset(&[0, 0], &stored, &part, &mut target, 1, &mut scratch).is_err());
}

#[test]
fn shards_are_read_by_their_index() {
    let codecs = |at_end: bool| {
        json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 2],
            "codecs": ["bytes", {"name": "blosc", "configuration": {}}],
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, "crc32c"],
            "index_location": if at_end { "end" } else { "start" }}}])
    };
    for at_end in [true, false] {
        let array = array(&[4, 8], &[4, 4], codecs(at_end));
        let layout = IndexLayout { at_end, checksum: true, big_endian: false, chunks: 4 };
        let base = if at_end { 0 } else { layout.len().expect("small") };
        let (one, other) = (compress(&numbers(4)), compress(&[7; 8]));
        let (len, other_len) = (one.len() as u64, other.len() as u64);
        let index =
            ShardIndex(vec![None, Some((base + other_len, len)), None, Some((base, other_len))]).encode(&layout);
        let parts = if at_end { [other, one, index] } else { [index, other, one] };
        let (directory, store) = store_with("x/c/0/1", &parts.concat());
        let reader = ChunkReader::new(&store, &array).expect("readable");
        let (mut bytes, mut scratch) = (Vec::new(), DecodeScratch::default());
        let found = |index: &[u64], bytes: &mut Vec<u8>| reader.fetch(index, bytes).expect("reads");
        assert_eq!(found(&[0, 0], &mut bytes), Fetched::ABSENT, "no shard");
        assert!(found(&[0, 2], &mut bytes).stat.is_some_and(|stat| stat.size == parts.concat().len() as u64));
        assert!(!found(&[0, 2], &mut bytes).present, "no inner chunk");
        assert!(found(&[0, 3], &mut bytes).present);
        reader.decode(&[0, 3], &bytes, 1, &mut scratch).expect("decodes");
        assert_eq!(scratch.decoded, numbers(4));
        assert!(reader.place(&[1, 3]).ends_with("x/c/0/1 inner chunk 3"));
        // The index is kept; a reader that has not seen it finds the damage.
        std::fs::write(directory.path().join("x/c/0/1"), [0; 100]).expect("is written");
        let error = ChunkReader::new(&store, &array).expect("readable").fetch(&[0, 3], &mut bytes);
        assert!(matches!(error, Err(ZarrError::Chunk { .. })), "{error:?}");
    }
}

#[test]
fn a_frame_of_another_size_is_noticed() {
    let array = array(&[4], &[4], json!(["bytes", {"name": "blosc", "configuration": {}}]));
    let (_directory, store) = store_with("x/c/0", &[]);
    let reader = ChunkReader::new(&store, &array).expect("readable");
    let part = Subset::new(vec![1], vec![2]);
    for stored in [compress(&numbers(5)), Vec::new(), vec![1; 40]] {
        let mut target = vec![0; 4];
        assert!(reader.decode_subset(&[0], &stored, &part, &mut target, 1, &mut DecodeScratch::default()).is_err());
    }
}

proptest! {
    /// Any part of a chunk, in any stored order, is what a loop over its elements picks from the decoded chunk.
    #[test]
    fn any_part_of_any_chunk(
        extents in prop::collection::vec((1u64..9, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
        reversed: bool,
        codec in 0usize..3,
    ) {
        let shape: Vec<u64> = extents.iter().map(|(length, ..)| *length).collect();
        let tail = [json!(null), json!({"name": "blosc", "configuration": {}}), json!({"name": "numcodecs.shuffle", "configuration": {"elementsize": 2}})];
        let order: Vec<usize> = if reversed { (0..shape.len()).rev().collect() } else { (0..shape.len()).collect() };
        let mut codecs = vec![json!({"name": "transpose", "configuration": {"order": order}}), json!("bytes")];
        codecs.extend(tail.get(codec).filter(|spec| !spec.is_null()).cloned());
        let array = array(&shape, &shape, Value::from(codecs));
        let data = numbers(shape.iter().product());
        let stored = match codec {
            0 => data.clone(),
            1 => compress(&data),
            _ => data.chunks(2).map(|e| e[0]).chain(data.chunks(2).map(|e| e[1])).collect(),
        };
        let (_directory, store) = store_with("y", &[]);
        let reader = ChunkReader::new(&store, &array).expect("readable");
        let chunk = reader.chunk(&vec![0; shape.len()]);
        let (start, lengths) = order.iter().map(|dimension| {
            let (length, start, end) = &extents[*dimension];
            let start = start.index(*length as usize) as u64;
            (start, 1 + end.index((length - start) as usize) as u64)
        }).unzip();
        let part = Subset::new(start, lengths);
        let mut target = vec![0; part.elements() as usize * 2];
        let first = vec![0; shape.len()];
        reader.decode_subset(&first, &stored, &part, &mut target, 1, &mut DecodeScratch::default()).expect("decodes");
        let expected: Vec<u8> = (0..part.elements())
            .flat_map(|number| (chunk.number(&part.member(number)) as u16).to_le_bytes())
            .collect();
        prop_assert_eq!(target, expected);
    }
}

/// Objects of a terabyte, of which nothing is stored, in the place of chunks: no memory is taken for them.
#[test]
fn objects_larger_than_the_memory_are_not_read() {
    let (directory, store) = store_with("x/c/0", &[]);
    let file = std::fs::File::options().write(true).open(directory.path().join("x/c/0")).expect("opens");
    file.set_len(1 << 40).expect("grows");
    let zstd = json!(["bytes", {"name": "zstd", "configuration": {"level": 1}}]);
    let shards = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [2], "codecs": ["bytes"],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "index_location": "start"}}]);
    let damage = |array: &Array, limit: Option<u64>, bytes: &mut Vec<u8>| {
        let reader = ChunkReader::new(&store, array).expect("readable");
        let reader = match limit {
            Some(limit) => reader.with_limit(limit),
            None => reader,
        };
        let damage = match reader.fetch(&[0], bytes) {
            Err(ZarrError::Chunk { source, .. }) => source,
            other => panic!("{other:?}"),
        };
        assert!(bytes.capacity() < 1 << 20, "{}", bytes.capacity());
        damage
    };
    let mut bytes = Vec::new();
    let plain = array(&[4], &[4], zstd);
    // Whatever the memory, it is damaged: four numbers do not become so many bytes.
    for limit in [Some(1 << 20), None] {
        assert!(damage(&plain, limit, &mut bytes).to_string().contains("1099511627776 bytes"));
    }
    let large = array(&[1 << 40], &[1 << 40], json!(["bytes", {"name": "zstd", "configuration": {"level": 1}}]));
    assert_eq!(damage(&large, Some(1 << 20), &mut bytes), CodecError::Memory { limit: 1 << 20 });
    // The index of a shard may claim as much.
    let index: Vec<u8> = [32u64, 1 << 39, u64::MAX, u64::MAX].iter().flat_map(|number| number.to_le_bytes()).collect();
    std::os::unix::fs::FileExt::write_all_at(&file, &index, 0).expect("writes");
    let found = damage(&array(&[4], &[4], shards), Some(1 << 20), &mut bytes);
    assert!(matches!(found, CodecError::Invalid { .. }), "{found}");
}

/// What lies between two compressors decodes to more than could become a chunk: damage, with any memory that a chunk fits.
#[test]
fn more_than_the_metadata_says_is_damage_and_not_a_lack_of_memory() {
    let (_directory, store) = store_with("x/c/0", &[]);
    let zstd = json!({"name": "zstd", "configuration": {"level": 1}});
    let array = array(&[4], &[4], json!(["bytes", {"name": "gzip", "configuration": {"level": 1}}, zstd]));
    let mut stored = Vec::new();
    let compressor = zcodec::Compressor::Stream(zcodec::Stream::Zstd { level: 1, checksum: false });
    compressor.compress(1, &vec![0; 1 << 22], &mut stored, 1, &mut zcodec::Workspace::default()).expect("compresses");
    let decode = |limit| {
        let reader = ChunkReader::new(&store, &array).expect("readable").with_limit(limit);
        reader.decode(&[0], &stored, 1, &mut DecodeScratch::default())
    };
    for limit in [1 << 17, 1 << 30] {
        assert!(matches!(decode(limit), Err(CodecError::Oversized { expected: 8, .. })), "{limit}");
    }
    assert_eq!(decode(4), Err(CodecError::Memory { limit: 4 }));
}
