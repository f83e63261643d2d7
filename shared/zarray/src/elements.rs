//! The elements of a chunk as opaque bytes: how long each is, and in which order a decoded chunk holds them. This is what
//! moving elements to other chunks needs, and all it needs.

use serde_json::Value;
use zcodec::codec_name;

use crate::chain::{Chain, Sharding, transposed};
use crate::dtype::VARIABLE;
use crate::metadata::{Array, ZarrFormat};

/// Filters that encode each element by itself: the encoded element can be moved without decoding it.
const ELEMENTWISE: [&str; 6] = ["fixedscaleoffset", "quantize", "bitround", "astype", "scale_offset", "cast_value"];

/// Codecs that write elements of variable length, each after its length.
const VLEN: [&str; 2] = ["vlen-utf8", "vlen-bytes"];

/// Bytes of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Itemsize {
    /// The same for all.
    Fixed(usize),
    /// Each has its own length (numcodecs' `vlen-utf8` and `vlen-bytes`).
    Variable,
}

/// How a decoded chunk holds its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    /// Bytes of an element.
    pub itemsize: Itemsize,
    /// The array's dimensions in the order of a decoded chunk, slowest first: `0, 1, 2` is C order, `2, 1, 0` is F order.
    pub order: Vec<usize>,
}

impl Elements {
    /// The elements of `array` (with sharding: of an inner chunk), where decoding the compressors is enough to move them.
    ///
    /// # Errors
    /// A message that names the unsupported codec. [`Array::as_decoded`] may still succeed.
    pub fn of(array: &Array) -> Result<Elements, String> {
        if let Some(why) = &array.not_understood {
            return Err(why.clone());
        }
        match (&array.chain.sharding, array.format) {
            (Some(sharding), _) => of_shard(array, sharding),
            (None, ZarrFormat::V2) => of_v2(array),
            (None, ZarrFormat::V3) => of_v3(array, &array.chain),
        }
    }
}

fn of_shard(array: &Array, sharding: &Sharding) -> Result<Elements, String> {
    if array.chain.split_shards().is_none() {
        return Err("codecs applied to whole shards are not supported".into());
    }
    if sharding.inner.sharding.is_some() {
        return Err("nested shards are not supported".into());
    }
    of_v3(array, &sharding.inner)
}

fn of_v2(array: &Array) -> Result<Elements, String> {
    known_tail(&array.chain)?;
    let rank = array.shape.len();
    let order = if array.order.as_deref() == Some("F") { (0..rank).rev().collect() } else { (0..rank).collect() };
    let filters = &array.chain.specs[..array.chain.kept];
    let itemsize = match filters {
        [only] if VLEN.contains(&codec_name(only)) => Itemsize::Variable,
        _ => {
            filters.iter().try_for_each(elementwise)?;
            fixed(&array.chain)?
        }
    };
    Ok(Elements { itemsize, order })
}

fn of_v3(array: &Array, chain: &Chain) -> Result<Elements, String> {
    known_tail(chain)?;
    let mut order: Vec<usize> = (0..array.shape.len()).collect();
    let Some((to_bytes, before)) = chain.specs[..chain.kept].split_last() else {
        return Err("the codec chain has no array-to-bytes codec".into());
    };
    for spec in before {
        match codec_name(spec) {
            "transpose" => order = transposed(&order, spec)?,
            _ => elementwise(spec)?,
        }
    }
    let itemsize = match codec_name(to_bytes) {
        "bytes" | "endian" if array.itemsize.is_some() => fixed(chain)?,
        name if VLEN.contains(&name) && VARIABLE.contains(&codec_name(&array.dtype)) => Itemsize::Variable,
        name => return Err(format!("elements cannot be moved without decoding codec {name:?}")),
    };
    Ok(Elements { itemsize, order })
}

fn known_tail(chain: &Chain) -> Result<(), String> {
    chain.unknown.as_ref().map_or(Ok(()), |error| Err(error.to_string()))
}

fn fixed(chain: &Chain) -> Result<Itemsize, String> {
    let itemsize = chain.itemsize.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
    itemsize.map(Itemsize::Fixed).ok_or_else(|| "unknown element size".into())
}

fn elementwise(spec: &Value) -> Result<(), String> {
    match is_elementwise(spec) {
        true => Ok(()),
        false => Err(format!("elements cannot be moved without decoding codec {:?}", codec_name(spec))),
    }
}

/// Whether a filter encodes each element by itself.
pub(crate) fn is_elementwise(spec: &Value) -> bool {
    let name = codec_name(spec);
    ELEMENTWISE.contains(&name.strip_prefix("numcodecs.").unwrap_or(name))
}

/// Whether a codec writes elements of variable length.
pub(crate) fn is_variable(name: &str) -> bool {
    VLEN.contains(&name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metadata::{Node, array_v2};
    use crate::node_v3::node_v3;

    fn v2(dtype: Value, filters: Value, order: &str) -> Result<Elements, String> {
        let text = json!({"zarr_format": 2, "shape": [4, 4, 4], "chunks": [2, 2, 2], "dtype": dtype, "fill_value": 0,
            "order": order, "filters": filters, "compressor": {"id": "zlib", "level": 1}});
        Elements::of(&array_v2("/x", text.to_string().as_bytes(), None).expect("an array"))
    }

    fn v3(data_type: Value, codecs: Value) -> Result<Elements, String> {
        let text = json!({"zarr_format": 3, "node_type": "array", "shape": [4, 4, 4], "data_type": data_type,
            "fill_value": 0, "codecs": codecs, "chunk_key_encoding": {"name": "default"},
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4, 4]}}});
        let Ok(Node::Array(array)) = node_v3("/x", text.to_string().as_bytes()) else { panic!("an array") };
        Elements::of(&array)
    }

    #[test]
    fn orders_and_sizes() {
        let elements = |size, order: &[usize]| Ok(Elements { itemsize: Itemsize::Fixed(size), order: order.to_vec() });
        assert_eq!(v2(json!("<f4"), Value::Null, "C"), elements(4, &[0, 1, 2]));
        assert_eq!(v2(json!("<f4"), Value::Null, "F"), elements(4, &[2, 1, 0]));
        let packed = json!([{"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<i2", "scale": 10, "offset": 0}]);
        assert_eq!(v2(json!("<f4"), packed, "C"), elements(2, &[0, 1, 2]));
        let transpose = |order: Value| json!({"name": "transpose", "configuration": {"order": order}});
        assert_eq!(v3(json!("int8"), json!([transpose(json!([1, 2, 0])), "bytes"])), elements(1, &[1, 2, 0]));
        let twice = json!([transpose(json!([1, 2, 0])), transpose(json!([2, 1, 0])), "bytes"]);
        assert_eq!(v3(json!("int8"), twice), elements(1, &[0, 2, 1]));
        assert_eq!(v2(json!("|O"), json!([{"id": "vlen-utf8"}]), "C").map(|e| e.itemsize), Ok(Itemsize::Variable));
        assert_eq!(v3(json!("string"), json!(["vlen-utf8", "crc32c"])).map(|e| e.itemsize), Ok(Itemsize::Variable));
        let inner = json!([transpose(json!([2, 1, 0])), "bytes"]);
        let shard = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 2, 2], "codecs": inner,
            "index_codecs": ["bytes"]}}]);
        assert_eq!(v3(json!("float64"), shard), elements(8, &[2, 1, 0]));
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        for (result, word) in [
            (v2(json!("<i4"), json!([{"id": "delta", "dtype": "<i4"}]), "C"), "delta"),
            (v2(json!("|b1"), json!([{"id": "packbits"}]), "C"), "packbits"),
            (v2(json!("|O"), json!([{"id": "pickle"}]), "C"), "pickle"),
            (v2(json!("|O"), json!([{"id": "json2"}]), "C"), "json2"),
            (v2(json!("<f4"), json!([{"id": "shuffle", "elementsize": 4}]), "C"), "shuffle"),
            (v3(json!("float32"), json!(["zfp"])), "zfp"),
            (v3(json!("int8"), json!(["bytes", "mystery"])), "mystery"),
            (
                v3(json!("int8"), json!([{"name": "transpose", "configuration": {"order": [0, 0, 1]}}, "bytes"])),
                "transpose",
            ),
        ] {
            let error = result.expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }
}
