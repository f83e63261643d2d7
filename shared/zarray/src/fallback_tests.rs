//! Tests of [`super`]: chunks of a few bytes, built by hand.

use zstore::{Store, StoreOptions};

use super::*;
use crate::cells::{CellDecoder, CellScratch, Cells, PartialDecode};
use crate::fill::fill_element;
use crate::metadata::{Node, array_v2};
use crate::node_v3::node_v3;
use crate::parallel::{Pool, ScratchPool};
use crate::reader::ChunkReader;
use crate::subset::Subset;
use crate::whole::{ArrayValues, read_whole};

fn v2(dtype: &str, length: u64, filters: Value, compressor: Value) -> Array {
    let text = json!({"zarr_format": 2, "shape": [length], "chunks": [length], "dtype": dtype, "fill_value": 7,
        "order": "C", "filters": filters, "compressor": compressor});
    array_v2("/x", text.to_string().as_bytes(), None).expect("an array")
}

fn v3(data_type: &str, shape: &[u64], codecs: Value) -> Array {
    let text = json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": data_type, "fill_value": 0,
        "codecs": codecs, "chunk_key_encoding": {"name": "default"},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}}});
    let Ok(Node::Array(array)) = node_v3("/x", text.to_string().as_bytes()) else { panic!("an array") };
    *array
}

fn decode(array: &Array, stored: &[u8]) -> Result<Vec<u8>, CodecError> {
    let (_, fallback) = Fallback::of(array).expect("can be undone").expect("has to be undone");
    let mut scratch = DecodeScratch::default();
    fallback.decode(stored, 1, &mut scratch).map(|()| scratch.decoded)
}

fn words(numbers: &[i16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[test]
fn differences_are_summed_up() {
    let delta = |dtype: &str, astype: &str| json!([{"id": "delta", "dtype": dtype, "astype": astype}]);
    let array = v2("<i2", 4, delta("<i2", "|i1"), Value::Null);
    assert_eq!(decode(&array, &[100, 100, 0xff, 1]), Ok(words(&[100, 200, 199, 200])));
    let array = v2(">u2", 2, delta(">u2", ">u2"), Value::Null);
    assert_eq!(decode(&array, &[0xff, 0xff, 0, 2]), Ok(vec![0xff, 0xff, 0, 1]), "it wraps around");
    let array = v2("<f4", 2, json!([{"id": "delta", "dtype": "<f4"}]), Value::Null);
    let stored: Vec<u8> = [1.5f32, -4.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    let sums: Vec<u8> = [1.5f32, -2.5].iter().flat_map(|number| number.to_le_bytes()).collect();
    assert_eq!(decode(&array, &stored), Ok(sums));
}

#[test]
fn bits_become_truth_values() {
    let truths = vec![1, 0, 1, 0, 0, 0, 0, 0, 0, 1];
    let array = v2("|b1", 10, json!([{"id": "packbits"}]), Value::Null);
    assert_eq!(decode(&array, &[6, 0b1010_0000, 0b0100_0000]), Ok(truths.clone()));
    assert!(decode(&array, &[7, 0b1010_0000, 0b0100_0000]).is_err(), "another number");
    assert!(decode(&array, &[]).is_err() && decode(&array, &[9, 1]).is_err());
    let array = v3("bool", &[10], json!([{"name": "numcodecs.packbits", "configuration": {}}, "bytes"]));
    assert_eq!(decode(&array, &[6, 0b1010_0000, 0b0100_0000]), Ok(truths.clone()));
    // Zarr's own of that name has the lowest bit first, and here no byte for what it pads.
    let array = v3("bool", &[10], json!([{"name": "packbits", "configuration": {}}, "crc32c"]));
    let mut stored = vec![0b0000_0101, 0b10];
    stored.extend(zcodec::crc32c(&stored).to_le_bytes());
    assert_eq!(decode(&array, &stored), Ok(truths));
}

#[test]
fn checksums_are_checked() {
    let fletcher = [1, 0, 2, 0, 0, 3, 0, 4];
    let adler = [0x0b, 0, 0x18, 0, 1, 2, 3, 4];
    for array in [
        v2("<i2", 2, json!([{"id": "fletcher32"}]), Value::Null),
        v2("<i2", 2, Value::Null, json!({"id": "fletcher32"})),
        v3("int16", &[2], json!(["bytes", {"name": "numcodecs.fletcher32", "configuration": {}}])),
    ] {
        assert_eq!(decode(&array, &fletcher), Ok(vec![1, 0, 2, 0]));
        assert!(decode(&array, &[1, 0, 3, 0, 0, 3, 0, 4]).is_err());
        assert!(decode(&array, &[1]).is_err());
    }
    for array in [
        v2("<i2", 2, json!([{"id": "adler32"}]), Value::Null),
        v3("int16", &[2], json!(["bytes", {"name": "numcodecs.adler32", "configuration": {"location": "start"}}])),
    ] {
        assert_eq!(decode(&array, &adler), Ok(vec![1, 2, 3, 4]));
        assert!(decode(&array, &[0x0b, 0, 0x18, 0, 1, 2, 3, 5]).is_err());
    }
}

#[test]
fn known_codecs_in_other_places_are_undone() {
    let array = v2("<i2", 2, json!([{"id": "shuffle", "elementsize": 2}, {"id": "zlib", "level": 1}]), Value::Null);
    // RFC 1950 and 1951: one stored block, and the Adler-32 of its bytes.
    let zlib = [0x78, 0x01, 1, 4, 0, 0xfb, 0xff, 1, 3, 2, 4, 0, 0x19, 0, 0x0b];
    assert_eq!(decode(&array, &zlib), Ok(vec![1, 2, 3, 4]));
    // Codecs that encode each element separately are kept: callers decode them.
    let scaled = json!({"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<i2", "scale": 10, "offset": 0});
    let array = v2("<f4", 2, json!([scaled, {"id": "delta", "dtype": "<i2"}]), Value::Null);
    assert_eq!(decode(&array, &words(&[5, 2])), Ok(words(&[5, 7])));
    let decoded = array.as_decoded();
    assert_eq!((decoded.chain.specs.len(), decoded.chain.itemsize), (1, Some(2)));
    assert_eq!(fill_element(&array), Ok(words(&[70])));
}

#[test]
fn sums_are_taken_for_elements_of_any_type() {
    let stored = [1, 0, 0, 0, 4, 0, 0, 0, 0xfe, 0, 0, 0];
    for dtype in ["<i4", "<u4", "<f4"] {
        let array = v2(dtype, 3, json!([{"id": "delta", "dtype": ">i4"}]), Value::Null);
        assert_eq!(decode(&array, &stored), Ok(vec![1, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0]));
    }
    let array = v2("<M8[s]", 2, json!([{"id": "delta", "dtype": "<i8"}]), Value::Null);
    let stored = [[7, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(decode(&array, &stored).map(|bytes| bytes[8]), Ok(8));
}

/// What numcodecs and zarr-python decode to something else, or not at all.
#[test]
fn what_is_not_certain_is_refused() {
    let transpose = json!({"name": "transpose", "configuration": {"order": [1, 0]}});
    let delta = json!({"name": "numcodecs.delta", "configuration": {"dtype": "<i2"}});
    let big = json!({"name": "bytes", "configuration": {"endian": "big"}});
    for array in [
        v2("<i4", 4, json!([{"id": "delta", "dtype": "<i2"}]), Value::Null),
        v2("<i2", 4, json!([{"id": "delta", "dtype": "<i2", "astype": "<u2"}]), Value::Null),
        v2("<f8", 4, json!([{"id": "delta", "dtype": "<f8", "astype": "<f4"}]), Value::Null),
        v2("<f2", 4, json!([{"id": "delta", "dtype": "<f2"}]), Value::Null),
        v2("<u1", 4, json!([{"id": "packbits"}]), Value::Null),
        v2(">i4", 4, Value::Null, json!({"id": "pcodec", "level": 8})),
        v2("|u1", 4, Value::Null, json!({"id": "pcodec", "level": 8})),
        v2("<i4", 4, json!([{"id": "jenkins_lookup3"}]), Value::Null),
        v2("<i4", 4, Value::Null, json!({"id": "mystery"})),
        v3("int16", &[2, 2], json!([transpose, delta, "bytes"])),
        v3("int16", &[4], json!([delta, big])),
        v3("int16", &[4], json!([delta])),
        v3("int16", &[4], json!(["bytes", "mystery"])),
    ] {
        assert!(Fallback::of(&array).is_err(), "{:?}", array.chain.specs);
        assert!(matches!(array.as_decoded(), Cow::Borrowed(_)));
    }
    let known = v2("<i4", 4, Value::Null, json!({"id": "zlib", "level": 1}));
    assert!(Fallback::of(&known).expect("known").is_none());
}

/// Inner chunks of a shard, in a transposed order, in every way that a reader reads.
#[test]
fn readers_do_not_notice() {
    let codecs = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 3], "codecs": [
        {"name": "transpose", "configuration": {"order": [1, 0]}}, {"name": "bytes", "configuration": {"endian": "big"}},
        {"name": "numcodecs.fletcher32", "configuration": {}}], "index_codecs": ["bytes"]}}]);
    let array = v3("int16", &[2, 3], codecs);
    // Columns of rows 1 2 3 and 4 5 6; HDF5's checksum is of words, here 1 4 2 5 3 6.
    let elements = [0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6];
    let sums = [1u32, 4, 2, 5, 3, 6].iter().fold((0, 0), |(one, two), word| (one + word, two + one + word));
    let mut shard = elements.to_vec();
    shard.extend((sums.1 << 16 | sums.0).to_le_bytes());
    shard.extend([0u64, 16].iter().flat_map(|word| word.to_le_bytes()));
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(directory.path().join("x/c/0")).expect("is made");
    std::fs::write(directory.path().join("x/c/0/0"), shard).expect("is written");
    let store = Store::open(directory.path().as_os_str(), &StoreOptions::default()).expect("opens");

    let values = read_whole(&store, &array, &Pool::new(1), 1 << 30).expect("reads");
    assert_eq!(values, ArrayValues::Fixed { itemsize: 2, bytes: vec![0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6] });
    let reader = ChunkReader::new(&store, &array).expect("readable");
    let part = Subset::new(vec![1, 0], vec![2, 1]);
    let (mut stored, mut spare, mut target) = (Vec::new(), Vec::new(), vec![0; 4]);
    assert!(reader.fetch_subset(&[0, 0], &part, &mut stored, &mut spare).expect("reads").present);
    reader.decode_subset(&[0, 0], &stored, &part, &mut target, 1, &mut DecodeScratch::default()).expect("decodes");
    assert_eq!(target, [0, 2, 0, 3]);
    for partial in [PartialDecode::Auto, PartialDecode::On, PartialDecode::Off] {
        let cells = Cells { steps: &[0, 2], points: &[1] };
        let (processor, mut out) = (ScratchPool::new(1, CellDecoder::default), Vec::new());
        let read = reader.read_cells(&[0, 0], &cells, partial, &processor, &mut out, &mut CellScratch::default());
        assert!(read.expect("reads").whole);
        assert_eq!(out, [0, 4, 0, 5]);
    }
}

/// Whatever a stream or a filter makes of a few bytes, it takes no more memory than there is, or than the chunk has.
#[test]
fn no_step_decodes_to_more_than_the_memory() {
    let delta = json!([{"id": "delta", "dtype": "<i8", "astype": "|i1"}]);
    let ones = pco::standalone::simple_compress(&vec![1.0f32; 1 << 22], &pco::ChunkConfig::default());
    let ones = ones.expect("compresses");
    for (array, stored, bytes) in [
        (v2("<i8", 4000, delta, Value::Null), vec![1; 4000], 32_000),
        (v2("|b1", 80_000, json!([{"id": "packbits"}]), Value::Null), vec![0; 10_001], 80_000),
        (v2("<f4", 1 << 22, Value::Null, json!({"id": "pcodec", "level": 8})), ones.clone(), 1 << 24),
    ] {
        let (_, fallback) = Fallback::of(&array).expect("can be undone").expect("has to be undone");
        for (limit, fits) in [(bytes, true), (bytes - 1, false), (100, false)] {
            let mut scratch = DecodeScratch::default();
            scratch.workspace.limit = Some(limit);
            let done = fallback.decode(&stored, 1, &mut scratch);
            assert_eq!(done, if fits { Ok(()) } else { Err(CodecError::Memory { limit }) }, "{}", array.dtype);
            assert!(fits || scratch.decoded.capacity() <= 4000, "{}", scratch.decoded.capacity());
        }
    }
    // Of a chunk of ten numbers, four million.
    let array = v2("<f4", 10, Value::Null, json!({"id": "pcodec", "level": 8}));
    let (_, fallback) = Fallback::of(&array).expect("can be undone").expect("has to be undone");
    let mut scratch = DecodeScratch::default();
    assert!(
        matches!(fallback.decode(&ones, 1, &mut scratch), Err(CodecError::WrongSize { found, .. }) if found > 1 << 19)
    );
    assert!(scratch.decoded.capacity() < 1 << 18, "{}", scratch.decoded.capacity());
}
