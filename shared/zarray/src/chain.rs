//! The codec chain of an array, split for recompression: the head stays unchanged; the tail of bytes-to-bytes codecs can be
//! decoded and replaced without interpreting the bytes.

use serde_json::Value;
use zcodec::{Codec, CodecError, Workspace, codec_name, describe};

use crate::dtype::{itemsize_v2, itemsize_v3};
use crate::shard::IndexLayout;

/// Codecs that turn an array into bytes: whatever follows them works on bytes.
const ARRAY_TO_BYTES: [&str; 10] = [
    "bytes",
    "endian",
    "sharding_indexed",
    "vlen-utf8",
    "vlen-bytes",
    "vlen-array",
    "vlen_v2",
    "packbits",
    "pcodec",
    "zfp",
];

/// Checksums of numcodecs: those before the compressors are left alone.
const CHECKSUMS: [&str; 4] = ["fletcher32", "adler32", "crc32", "crc32c"];

/// Inner chunks of a shard whose index (16 bytes each) still fits a memory: 2^32.
pub const MOST_INNER_CHUNKS: u64 = 1 << 32;

/// A codec chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// The chain in the words of the metadata, in encoding order (v2: the filters, then the compressor).
    pub specs: Vec<Value>,
    /// How many of `specs`, from the front, a recompression leaves alone.
    pub kept: usize,
    /// The tail: the codecs that can be decoded here, in encoding order.
    pub tail: Vec<Codec>,
    /// Bytes of an element at the start of the tail; `None` if elements have no fixed size.
    pub itemsize: Option<u64>,
    /// Bytes of a chunk (of a rectilinear grid, of the largest) at the start of the tail; `None` if that depends on the data.
    pub chunk_bytes: Option<u64>,
    /// The error if the tail is not supported.
    pub unknown: Option<CodecError>,
    /// The inner chunks, if the array is sharded.
    pub sharding: Option<Box<Sharding>>,
}

/// The inside of a sharded array.
#[derive(Debug, Clone, PartialEq)]
pub struct Sharding {
    /// Whether shards are decoded as a whole, whatever could be read of them.
    pub whole: bool,
    /// Shape of a shard, in the order in which it is stored.
    pub shape: Vec<u64>,
    /// Shape of an inner chunk.
    pub chunk_shape: Vec<u64>,
    /// Codecs of an inner chunk.
    pub inner: Chain,
    /// How a shard stores its index.
    pub index: IndexLayout,
}

/// What decoding keeps from chunk to chunk.
#[derive(Default)]
pub struct DecodeScratch {
    /// Decoded bytes.
    pub decoded: Vec<u8>,
    /// Between two codecs of a chain.
    pub spare: Vec<u8>,
    /// Of the codecs.
    pub workspace: Workspace,
}

impl Chain {
    /// The chain of a Zarr v2 array. `elements` is the number of elements of a chunk.
    ///
    /// # Errors
    /// A chunk of more bytes than 64 bits can count.
    pub fn v2(dtype: &Value, filters: &[Value], compressor: Option<&Value>, elements: u64) -> Result<Chain, String> {
        let size = Size::new(itemsize_v2(dtype), Some(elements))?.after_all(filters, itemsize_v2)?;
        let mut chain = Chain {
            specs: filters.iter().chain(compressor).cloned().collect(),
            kept: filters.len(),
            tail: Vec::new(),
            itemsize: size.itemsize,
            chunk_bytes: size.bytes(),
            unknown: None,
            sharding: None,
        };
        if let Some(compressor) = compressor {
            match Codec::from_v2(compressor, size.itemsize.unwrap_or(1)) {
                Ok(codec) => chain.tail.push(codec),
                Err(error) => (chain.kept, chain.unknown) = (chain.specs.len(), Some(error)),
            }
        }
        Ok(chain)
    }

    /// The chain of a Zarr v3 array, or of the inside of a shard, whose chunks have `chunk_shape`.
    ///
    /// # Errors
    /// The error in a sharding codec, without whose metadata the chunks cannot be interpreted, and a chunk of more bytes than
    /// 64 bits can count.
    pub fn v3(data_type: &Value, codecs: &[Value], chunk_shape: &[u64]) -> Result<Chain, String> {
        let elements = chunk_shape.iter().fold(1u64, |product, length| product.saturating_mul(*length));
        let mut tail: Vec<Codec> = Vec::new();
        let mut kept = codecs.len();
        let mut unknown = None;
        for spec in codecs.iter().rev() {
            match Codec::from_v3(spec) {
                Ok(codec) => tail.insert(0, codec),
                Err(error) => {
                    let name = codec_name(spec);
                    let plain = name.strip_prefix("numcodecs.").unwrap_or(name);
                    // A chain ends in bytes; a codec that is not known to make them may be one more compressor.
                    let kept_before =
                        ARRAY_TO_BYTES.contains(&plain) || (CHECKSUMS.contains(&plain) && !tail.is_empty());
                    unknown = (!kept_before).then_some(error);
                    break;
                }
            }
            kept -= 1;
        }
        let size = Size::new(itemsize_v3(data_type), Some(elements))?.after_all(&codecs[..kept], itemsize_v3)?;
        let sharding = match codecs[..kept].iter().position(|spec| codec_name(spec) == "sharding_indexed") {
            Some(at) => {
                let shape = transposed_shape(&codecs[..at], chunk_shape)?;
                Some(Box::new(Sharding::parse(&codecs[at], data_type, &shape)?))
            }
            None => None,
        };
        let chunk_bytes = if sharding.is_some() { None } else { size.bytes() };
        let specs = codecs.to_vec();
        Ok(Chain { specs, kept, tail, itemsize: size.itemsize, chunk_bytes, unknown, sharding })
    }

    /// The chain that the stored chunks (with sharding: the inner chunks) go through.
    pub fn innermost(&self) -> &Chain {
        self.sharding.as_ref().map_or(self, |sharding| sharding.inner.innermost())
    }

    /// The shards, if each of their inner chunks can be read by itself: no other codec works on the whole shard.
    pub fn split_shards(&self) -> Option<&Sharding> {
        self.sharding.as_deref().filter(|sharding| !sharding.whole && self.specs.len() == 1)
    }

    /// How many of `specs`, from the front, are filters of Zarr v2.
    pub fn filters(&self) -> usize {
        self.specs.len() - self.tail.len() - usize::from(self.unknown.is_some() && self.tail.is_empty())
    }

    /// The compressor among the tail: its last codec that is one.
    pub fn compressor(&self) -> Option<&Codec> {
        self.tail.iter().rev().find(|codec| matches!(codec, Codec::Blosc(..)) || codec.is_single_stream())
    }

    /// The chain in short form: `delta > blosc(lz4,5,shuffle)`; with sharding, the inner chain.
    pub fn describe(&self) -> String {
        let words: Vec<String> = self
            .specs
            .iter()
            .filter(|spec| !matches!(codec_name(spec), "bytes" | "endian"))
            .map(|spec| match (&self.sharding, codec_name(spec)) {
                (Some(sharding), "sharding_indexed") => format!("shard[{}]", sharding.inner.describe()),
                _ => describe(spec),
            })
            .collect();
        if words.is_empty() { "none".to_owned() } else { words.join(" > ") }
    }

    /// Element size for the filters of Blosc: the size of the elements, else that used by the source, else 1.
    pub fn typesize(&self) -> u64 {
        let stated = self.tail.iter().find_map(|codec| match codec {
            Codec::Blosc(_, typesize) => *typesize,
            _ => None,
        });
        self.itemsize.or(stated).filter(|size| (1..=255).contains(size)).unwrap_or(1)
    }

    /// Decodes the tail: `stored` becomes `decoded`. `spare` is scratch space.
    ///
    /// # Errors
    /// What is wrong with the bytes; [`CodecError::WrongSize`] if they decode to another size than the chunk has.
    pub fn decode_tail(
        &self,
        stored: &[u8],
        decoded: &mut Vec<u8>,
        spare: &mut Vec<u8>,
        threads: usize,
        workspace: &mut Workspace,
    ) -> Result<(), CodecError> {
        let expected = self.chunk_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        if stored.is_empty() && expected != Some(0) {
            return Err(CodecError::Short { format: "chunk", needed: 1, found: 0 });
        }
        let Some((last, before)) = self.tail.split_last() else {
            decoded.clear();
            decoded.extend_from_slice(stored);
            return match expected {
                Some(expected) if expected != stored.len() => {
                    Err(CodecError::WrongSize { expected: expected as u64, found: stored.len() as u64 })
                }
                _ => Ok(()),
            };
        };
        let expected_of = |position: usize| if position == 0 { expected } else { None };
        let mut run = |workspace: &mut Workspace| {
            last.decode(stored, expected_of(before.len()), decoded, threads, workspace)?;
            for (position, codec) in before.iter().enumerate().rev() {
                std::mem::swap(decoded, spare);
                codec.decode(spare, expected_of(position), decoded, threads, workspace)?;
            }
            Ok(())
        };
        match expected {
            Some(expected) if !before.is_empty() => workspace.limited(most_encoded(expected), run),
            _ => run(workspace),
        }
    }
}

/// The most bytes that a compressor makes of so many: what is between two of them is no larger.
pub(crate) fn most_encoded(bytes: usize) -> u64 {
    let bytes = bytes as u64;
    bytes.saturating_add(bytes / 8).saturating_add(64 << 10)
}

impl Sharding {
    fn parse(spec: &Value, data_type: &Value, shard_shape: &[u64]) -> Result<Sharding, String> {
        let configuration = spec.get("configuration").unwrap_or(&Value::Null);
        let chunk_shape: Vec<u64> = configuration
            .get("chunk_shape")
            .and_then(Value::as_array)
            .and_then(|lengths| lengths.iter().map(Value::as_u64).collect())
            .ok_or("sharding_indexed: missing or invalid \"chunk_shape\"")?;
        let divides = chunk_shape.len() == shard_shape.len()
            && shard_shape.iter().zip(&chunk_shape).all(|(shard, chunk)| *chunk > 0 && shard % chunk == 0);
        if !divides {
            return Err(format!("inner chunk shape {chunk_shape:?} does not divide shard shape {shard_shape:?}"));
        }
        let list = |key: &str| configuration.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let index_codecs = list("index_codecs");
        let names: Vec<&str> = index_codecs.iter().map(codec_name).collect();
        let checksum = match names.as_slice() {
            ["bytes" | "endian", "crc32c"] => true,
            ["bytes" | "endian"] => false,
            _ => return Err(format!("shard index codecs {names:?} are not supported")),
        };
        let endian = index_codecs[0].pointer("/configuration/endian").and_then(Value::as_str);
        let chunks = shard_shape
            .iter()
            .zip(&chunk_shape)
            .try_fold(1u64, |product, (shard, chunk)| product.checked_mul(shard / chunk))
            .filter(|chunks| *chunks <= MOST_INNER_CHUNKS)
            .ok_or("too many inner chunks per shard")?;
        let location = configuration.get("index_location").and_then(Value::as_str).unwrap_or("end");
        Ok(Sharding {
            inner: Chain::v3(data_type, &list("codecs"), &chunk_shape)?,
            index: IndexLayout { at_end: location != "start", checksum, big_endian: endian == Some("big"), chunks },
            whole: false,
            shape: shard_shape.to_vec(),
            chunk_shape,
        })
    }
}

/// The order after a transpose: `order[i]` is the input dimension that becomes dimension `i` (Zarr v3, `transpose`).
pub fn transposed(before: &[usize], spec: &Value) -> Result<Vec<usize>, String> {
    let stated = spec.pointer("/configuration/order").unwrap_or(&Value::Null);
    match stated {
        Value::String(text) if text == "C" => return Ok(before.to_vec()),
        Value::String(text) if text == "F" => return Ok(before.iter().rev().copied().collect()),
        _ => {}
    }
    let picked = stated.as_array().and_then(|order| {
        order.iter().map(|dimension| before.get(usize::try_from(dimension.as_u64()?).ok()?).copied()).collect()
    });
    let picked: Vec<usize> = picked.unwrap_or_default();
    match (0..before.len()).all(|dimension| picked.contains(&dimension)) && picked.len() == before.len() {
        true => Ok(picked),
        false => Err(format!("codec \"transpose\" has the order {stated}")),
    }
}

/// A shape after the `transpose` codecs among `specs`.
fn transposed_shape(specs: &[Value], shape: &[u64]) -> Result<Vec<u64>, String> {
    let mut orders = specs.iter().filter(|spec| codec_name(spec) == "transpose");
    let all: Vec<usize> = (0..shape.len()).collect();
    let order = orders.try_fold(all, |order, spec| transposed(&order, spec))?;
    Ok(order.iter().map(|dimension| shape[*dimension]).collect())
}

/// What is known of the size of a chunk on its way through the chain.
#[derive(Clone, Copy)]
struct Size {
    itemsize: Option<u64>,
    elements: Option<u64>,
}

impl Size {
    /// # Errors
    /// A size of which the number of elements or bytes does not fit 64 bits: no check of it could fail.
    fn new(itemsize: Option<u64>, elements: Option<u64>) -> Result<Size, String> {
        let fits = elements != Some(u64::MAX) && itemsize.unwrap_or(0).checked_mul(elements.unwrap_or(0)).is_some();
        fits.then_some(Size { itemsize, elements }).ok_or_else(|| "a chunk has 2^64 bytes or more".into())
    }

    fn bytes(self) -> Option<u64> {
        self.itemsize?.checked_mul(self.elements?)
    }

    /// After these codecs.
    fn after_all(self, specs: &[Value], itemsize_of: fn(&Value) -> Option<u64>) -> Result<Size, String> {
        specs.iter().try_fold(self, |size, spec| {
            let Size { itemsize, elements } = size.after(spec, itemsize_of);
            Size::new(itemsize, elements)
        })
    }

    /// After one more codec. `itemsize_of` reads the data types of the metadata's format.
    fn after(self, spec: &Value, itemsize_of: fn(&Value) -> Option<u64>) -> Size {
        let name = codec_name(spec);
        let members = spec.get("configuration").unwrap_or(spec);
        let typed = |key: &str| match members.get(key) {
            None | Some(Value::Null) => self.itemsize,
            Some(dtype) => itemsize_of(dtype).or_else(|| itemsize_v2(dtype)),
        };
        match name.strip_prefix("numcodecs.").unwrap_or(name) {
            "bytes" | "endian" | "transpose" | "bitround" | "reshape" | "scale_offset" => self,
            "delta" | "fixedscaleoffset" | "quantize" => Size { itemsize: typed("astype"), ..self },
            "astype" => Size { itemsize: typed("encode_dtype"), ..self },
            "cast_value" => Size { itemsize: typed("data_type"), ..self },
            "categorize" => Size { itemsize: typed("astype").or(Some(1)), ..self },
            // Bytes of the same number, but bytes.
            "shuffle" => Size { itemsize: Some(1), elements: self.bytes() },
            // One bit each, and a byte with the number of padding bits (numcodecs; packbits of Zarr v3 may differ).
            "packbits" if name != "packbits" || spec.get("id").is_some() => {
                Size { itemsize: Some(1), elements: self.elements.map(|count| count.div_ceil(8) + 1) }
            }
            _ => Size { itemsize: None, elements: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn v2_filters_are_kept_and_counted() {
        let compressor = json!({"id": "zlib", "level": 1});
        for (filters, itemsize, bytes) in [
            (json!([]), Some(4), Some(400)),
            (json!([{"id": "delta", "dtype": "<f4"}]), Some(4), Some(400)),
            (
                json!([{"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<i2", "scale": 1, "offset": 0}]),
                Some(2),
                Some(200),
            ),
            (json!([{"id": "shuffle", "elementsize": 4}]), Some(1), Some(400)),
            (json!([{"id": "packbits"}]), Some(1), Some(14)),
            (json!([{"id": "nobody_knows"}]), None, None),
        ] {
            let filters = filters.as_array().expect("a list").clone();
            let chain = Chain::v2(&json!("<f4"), &filters, Some(&compressor), 100).expect("a chain");
            assert_eq!((chain.itemsize, chain.chunk_bytes), (itemsize, bytes), "{filters:?}");
            assert_eq!((chain.kept, chain.tail.as_slice()), (filters.len(), &[Codec::Zlib][..]));
        }
    }

    #[test]
    fn v3_tail_starts_behind_the_array_to_bytes_codec() {
        let codecs = json!([
            {"name": "transpose", "configuration": {"order": [1, 0]}},
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}},
            {"name": "gzip", "configuration": {"level": 1}},
            "crc32c"
        ]);
        let chain = Chain::v3(&json!("float32"), codecs.as_array().expect("a list"), &[4, 5]).expect("a chain");
        assert_eq!(chain.kept, 2);
        assert_eq!(chain.tail, [Codec::Shuffle(4), Codec::Gzip, Codec::Crc32c]);
        assert_eq!((chain.itemsize, chain.chunk_bytes), (Some(4), Some(80)));
        assert_eq!(chain.compressor(), Some(&Codec::Gzip));
        assert_eq!(chain.describe(), "transpose > numcodecs.shuffle(4) > gzip(1) > crc32c");
        assert!(chain.unknown.is_none());
    }

    #[test]
    fn an_unknown_compressor_is_noticed_and_what_follows_it_replaceable() {
        let codecs = json!(["bytes", "mystery", {"name": "gzip"}]);
        let chain = Chain::v3(&json!("int8"), codecs.as_array().expect("a list"), &[4]).expect("a chain");
        assert_eq!((chain.kept, chain.tail.as_slice()), (2, &[Codec::Gzip][..]));
        assert!(chain.unknown.is_some());
        let chain = Chain::v2(&json!("<f4"), &[], Some(&json!({"id": "mystery"})), 4).expect("a chain");
        assert!(chain.unknown.is_some() && chain.tail.is_empty() && chain.kept == 1);
    }

    #[test]
    fn a_chunk_of_more_bytes_than_can_be_counted_is_refused() {
        let bytes = json!(["bytes"]);
        let v3 = |shape: &[u64]| Chain::v3(&json!("float32"), bytes.as_array().expect("a list"), shape);
        let v2 = |filters: &[Value], elements| Chain::v2(&json!("|u1"), filters, None, elements);
        let wider = json!({"id": "astype", "encode_dtype": "<f8", "decode_dtype": "|u1"});
        for chain in [v3(&[1 << 32, 1 << 32]), v3(&[1 << 62]), v2(&[], u64::MAX), v2(&[wider], 1 << 61)] {
            assert!(chain.as_ref().is_err_and(|why| why.contains("2^64")), "{chain:?}");
        }
        assert_eq!(v3(&[1 << 61]).expect("a chain").chunk_bytes, Some(1 << 63));
    }

    #[test]
    fn shards_must_be_whole_chunks() {
        let spec = |inner: Value| {
            json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": inner, "codecs": ["bytes"],
                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, "crc32c"]}}])
        };
        let parse = |inner| Chain::v3(&json!("int8"), spec(inner).as_array().expect("a list"), &[8, 8]);
        let chain = parse(json!([4, 8])).expect("a chain");
        let sharding = chain.sharding.as_ref().expect("sharded");
        assert_eq!((sharding.index.chunks, sharding.index.at_end, sharding.inner.chunk_bytes), (2, true, Some(32)));
        assert_eq!(chain.innermost().chunk_bytes, Some(32));
        for inner in [json!([3, 8]), json!([0, 8]), json!([8]), json!("x")] {
            assert!(parse(inner.clone()).is_err(), "{inner}");
        }
    }

    #[test]
    fn decoding_undoes_the_whole_tail_and_checks_the_size() {
        let mut chain = Chain::v2(&json!("<i2"), &[], None, 4).expect("a chain");
        let (mut decoded, mut spare, mut workspace) = (Vec::new(), Vec::new(), Workspace::default());
        chain.decode_tail(&[1; 8], &mut decoded, &mut spare, 1, &mut workspace).expect("as it is");
        assert_eq!(decoded, [1; 8]);
        let error = chain.decode_tail(&[1; 7], &mut decoded, &mut spare, 1, &mut workspace);
        assert_eq!(error, Err(CodecError::WrongSize { expected: 8, found: 7 }));
        chain.tail = vec![Codec::Shuffle(2), Codec::Crc32c];
        let mut stored = vec![1, 3, 5, 7, 2, 4, 6, 8];
        stored.extend(zcodec::crc32c(&stored).to_le_bytes());
        chain.decode_tail(&stored, &mut decoded, &mut spare, 1, &mut workspace).expect("decodes");
        assert_eq!(decoded, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
