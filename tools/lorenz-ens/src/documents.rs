//! Metadata documents of a generated store, in either format.

use serde_json::{Map, Value, json};
use zarray::{ZarrFormat, consolidated_v2, consolidated_v3};
use zwire::{Exit, Failure};

/// Elements of a chunk of a coordinate.
pub const COORDINATE_CHUNK: u64 = 1 << 17;

/// An array of a generated store, as it is before it is compressed.
#[derive(Debug, Clone)]
pub struct ArraySpec {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Shape of its chunks.
    pub chunks: Vec<u64>,
    /// How elements are stored.
    pub element: Element,
    /// Its fill value; `null`: none, where the format allows that.
    pub fill: Value,
    /// Its dimensions.
    pub dimensions: Vec<String>,
    /// Its attributes.
    pub attributes: Map<String, Value>,
}

/// How an element is stored: little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    Int16,
    Int64,
    Float32,
    Float64,
}

impl Element {
    /// Bytes of an element.
    pub fn bytes(self) -> u64 {
        match self {
            Element::Int16 => 2,
            Element::Float32 => 4,
            Element::Int64 | Element::Float64 => 8,
        }
    }

    /// The name in Zarr v2.
    fn v2(self) -> &'static str {
        match self {
            Element::Int16 => "<i2",
            Element::Int64 => "<i8",
            Element::Float32 => "<f4",
            Element::Float64 => "<f8",
        }
    }

    /// The name in Zarr v3.
    fn v3(self) -> &'static str {
        match self {
            Element::Int16 => "int16",
            Element::Int64 => "int64",
            Element::Float32 => "float32",
            Element::Float64 => "float64",
        }
    }
}

impl ArraySpec {
    /// A coordinate of its own dimension.
    pub fn coordinate(name: &str, length: u64, element: Element, attributes: Value) -> ArraySpec {
        let fill = if element == Element::Float64 { json!("NaN") } else { Value::Null };
        ArraySpec {
            name: name.into(),
            shape: vec![length],
            chunks: vec![COORDINATE_CHUNK.min(length.max(1))],
            element,
            fill,
            dimensions: vec![name.into()],
            attributes: members(attributes),
        }
    }

    /// Bytes of a chunk.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunks.iter().product::<u64>() * self.element.bytes()
    }

    /// Number of chunks along each dimension.
    pub fn counts(&self) -> Vec<u64> {
        self.shape.iter().zip(&self.chunks).map(|(length, chunk)| length.div_ceil(*chunk)).collect()
    }

    /// The key of a chunk.
    pub fn key(&self, format: ZarrFormat, index: &[u64]) -> String {
        key(&self.name, format, index)
    }

    /// Keys of all chunks.
    pub fn keys(&self, format: ZarrFormat) -> impl Iterator<Item = String> + Send + use<> {
        let (counts, name) = (self.counts(), self.name.clone());
        (0..counts.iter().product()).map(move |number: u64| {
            let mut rest = number;
            let mut index: Vec<u64> = counts.iter().rev().map(|count| take(&mut rest, *count)).collect();
            index.reverse();
            key(&name, format, &index)
        })
    }

    /// The index of the chunk with this key below the array's name.
    pub fn index(&self, format: ZarrFormat, below: &str) -> Option<Vec<u64>> {
        let (text, separator) = match format {
            ZarrFormat::V2 => (below, '.'),
            ZarrFormat::V3 => (below.strip_prefix("c/")?, '/'),
        };
        let index: Vec<u64> = text.split(separator).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let is_inside =
            index.len() == self.shape.len() && index.iter().zip(self.counts()).all(|(at, count)| *at < count);
        is_inside.then_some(index)
    }

    fn v2(&self) -> Value {
        json!({
            "zarr_format": 2, "shape": self.shape, "chunks": self.chunks, "dtype": self.element.v2(), "compressor": null,
            "fill_value": self.fill, "order": "C", "filters": null,
        })
    }

    fn v3(&self) -> Value {
        json!({
            "zarr_format": 3, "node_type": "array", "shape": self.shape, "data_type": self.element.v3(),
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": self.chunks}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": if self.fill.is_null() { json!(0) } else { self.fill.clone() }, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": self.attributes, "dimension_names": self.dimensions,
        })
    }
}

/// The key of a chunk of an array.
fn key(name: &str, format: ZarrFormat, index: &[u64]) -> String {
    let join = |separator| index.iter().map(u64::to_string).collect::<Vec<_>>().join(separator);
    match format {
        ZarrFormat::V2 => format!("{name}/{}", join(".")),
        ZarrFormat::V3 => format!("{name}/c/{}", join("/")),
    }
}

/// The last digit of a mixed-radix number, which is taken off.
fn take(rest: &mut u64, count: u64) -> u64 {
    let digit = *rest % count;
    *rest /= count;
    digit
}

/// The members of an object.
pub fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The documents of a group and its arrays, with consolidated metadata.
///
/// # Errors
/// Only a bug.
pub fn documents(
    format: ZarrFormat,
    attributes: &Map<String, Value>,
    arrays: &[ArraySpec],
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let bug = |what: String| Failure::new(Exit::Bug, what);
    let text = |value: &Value| serde_json::to_vec_pretty(value).unwrap_or_default();
    if format == ZarrFormat::V2 {
        let mut all = vec![(".zgroup".to_owned(), text(&json!({"zarr_format": 2})))];
        all.push((".zattrs".into(), text(&json!(attributes))));
        for array in arrays {
            all.push((format!("{}/.zarray", array.name), text(&array.v2())));
            let mut attributes = Map::from_iter([("_ARRAY_DIMENSIONS".into(), json!(array.dimensions))]);
            attributes.extend(array.attributes.clone());
            all.push((format!("{}/.zattrs", array.name), text(&json!(attributes))));
        }
        let consolidated = consolidated_v2(all.iter().cloned()).map_err(bug)?;
        all.push((".zmetadata".into(), consolidated));
        return Ok(all);
    }
    let root = text(&json!({"zarr_format": 3, "node_type": "group", "attributes": attributes}));
    let nodes: Vec<(String, Vec<u8>)> = arrays.iter().map(|array| (array.name.clone(), text(&array.v3()))).collect();
    let root = consolidated_v3(&root, nodes.iter().cloned()).map_err(bug)?;
    let below = nodes.into_iter().map(|(name, text)| (format!("{name}/zarr.json"), text));
    Ok(std::iter::once(("zarr.json".to_owned(), root)).chain(below).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_indices_belong_together() {
        let spec = ArraySpec {
            shape: vec![5, 7],
            chunks: vec![2, 7],
            ..ArraySpec::coordinate("x", 1, Element::Float64, json!({}))
        };
        for (format, key) in [(ZarrFormat::V2, "x/1.0"), (ZarrFormat::V3, "x/c/1/0")] {
            let keys: Vec<String> = spec.keys(format).collect();
            assert_eq!((keys.len(), keys[1].as_str()), (3, key));
            for key in &keys {
                let index = spec.index(format, &key[2..]).expect("a chunk");
                assert_eq!(index[1], 0);
            }
            assert_eq!(spec.index(format, "3.0").or(spec.index(format, "c/3/0")), None);
        }
    }

    #[test]
    fn documents_are_valid_and_consolidated() {
        let spec = ArraySpec::coordinate("time", 3, Element::Float64, json!({"units": "1"}));
        for (format, key) in [(ZarrFormat::V2, ".zmetadata"), (ZarrFormat::V3, "zarr.json")] {
            let all = documents(format, &Map::new(), std::slice::from_ref(&spec)).expect("documents");
            let text = &all.iter().find(|(own, _)| own == key).expect("is there").1;
            assert!(String::from_utf8_lossy(text).contains("\"units\""), "{key}");
        }
    }
}
