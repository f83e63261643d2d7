//! Zarr v3 metadata documents: <https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html>.

use serde_json::{Map, Value, json};

use super::super::element::Element;
use super::chunk::compressor;

/// The data of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Numbers, with the bits of their fill value.
    Numbers(Element, u64),
    /// Text.
    Text,
}

impl Data {
    fn data_type(self) -> Value {
        match self {
            Data::Numbers(element, _) => json!(element.zarr()),
            Data::Text => json!("string"),
        }
    }

    /// The fill value as JSON.
    pub fn fill_value(self) -> Value {
        match self {
            Data::Text => json!(""),
            Data::Numbers(Element::Float(_), _) => json!("NaN"),
            Data::Numbers(Element::Bool, bits) => json!(bits != 0),
            Data::Numbers(Element::UInt(_), bits) => json!(bits),
            Data::Numbers(element @ Element::Int(_), bits) => {
                // The sign is the highest bit of the type.
                let unused = 64 - 8 * element.size();
                json!((bits << unused) as i64 >> unused)
            }
        }
    }

    fn codecs(self) -> Value {
        let (first, itemsize) = match self {
            Data::Numbers(element, _) if element.size() == 1 => (json!({"name": "bytes"}), 1),
            Data::Numbers(element, _) => {
                (json!({"name": "bytes", "configuration": {"endian": "little"}}), element.size())
            }
            Data::Text => (json!({"name": "vlen-utf8"}), 1),
        };
        json!([first, compressor(itemsize).to_v3(itemsize as u64)])
    }
}

/// The metadata of an array.
pub fn array(data: Data, shape: &[u64], chunks: &[u64], names: &[String], attributes: Map<String, Value>) -> Value {
    json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": data.data_type(),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": data.fill_value(),
        "codecs": data.codecs(),
        "attributes": attributes,
        "dimension_names": names,
        "storage_transformers": [],
    })
}

/// The root metadata with consolidated metadata, so that readers need a single request.
pub fn root(attributes: Map<String, Value>, arrays: Vec<(String, Value)>) -> Value {
    json!({
        "zarr_format": 3,
        "node_type": "group",
        "attributes": attributes,
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": false,
            "metadata": arrays.into_iter().collect::<Map<String, Value>>(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_values_are_those_of_the_type() {
        for (element, expected) in [
            (Element::Float(4), json!("NaN")),
            (Element::Int(1), json!(-128)),
            (Element::Int(8), json!(i64::MIN)),
            (Element::UInt(2), json!(65535)),
            (Element::Bool, json!(false)),
        ] {
            assert_eq!(Data::Numbers(element, element.missing_bits()).fill_value(), expected);
        }
    }
}
