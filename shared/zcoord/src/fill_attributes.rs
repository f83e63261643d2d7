//! The numbers that `_FillValue` and `missing_value` state, whichever of their notations is used.

use zarray::{Array, Number, NumberType};

use crate::attribute::scalars;
use crate::element::Element;
use crate::masks::{Fill, coded, fill};

/// The numbers that mark missing values by the attributes of `array`, whose elements are of type `number`: those of `_FillValue`, which
/// xarray writes in Base64 for floats of Zarr v3, then those of `missing_value`. NaN, which is always missing, is not among them.
pub fn missing_numbers(array: &Array, number: NumberType) -> Vec<Number> {
    let values = |key: &str| array.attributes.get(key).map(scalars).unwrap_or_default();
    let own = values("_FillValue").into_iter().filter_map(|value| coded(value, number));
    let missing = values("missing_value").into_iter().filter_map(fill);
    let numbers = own.chain(missing).filter(|fill| !fill.is_nan()).filter_map(|fill| match fill {
        Fill::Number(number) => Some(number),
        Fill::Text => None,
    });
    numbers.collect()
}

/// Whether one of these attributes states the fill value of the metadata: then it stands for missing data, and is no ordinary value.
pub fn is_fill_stated(array: &Array) -> bool {
    let Some(number) = Element::of(array).ok().and_then(|element| element.number()) else { return false };
    // In the precision of the elements: 1e20 is another number as float32.
    let Some(fill) = number.element(&array.fill_value) else { return false };
    missing_numbers(array, number).into_iter().any(|missing| number.encode(missing).is_some_and(|bits| bits == fill))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn array(data_type: &str, fill: Value, attributes: Value) -> Array {
        let document = json!({"zarr_format": 3, "node_type": "array", "shape": [4], "data_type": data_type,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}},
            "chunk_key_encoding": {"name": "default"}, "fill_value": fill, "attributes": attributes,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]});
        match zarray::node_v3("/x", document.to_string().as_bytes()).expect("metadata") {
            zarray::Node::Array(array) => *array,
            zarray::Node::Group(_) => panic!("no array"),
        }
    }

    #[test]
    fn xarray_writes_fill_values_of_floats_in_base64() {
        let float = NumberType { kind: 'f', size: 4, big_endian: false };
        let numbers = |attributes: Value| missing_numbers(&array("float32", json!("NaN"), attributes), float);
        assert_eq!(numbers(json!({"_FillValue": "AAAAAICHw8A="})), [Number::Float(-9999.0)]);
        assert_eq!(numbers(json!({"_FillValue": "AAAAAAAA+H8="})), []);
        let both = json!({"_FillValue": "AAAAAICHw8A=", "missing_value": [-32767, 1e20]});
        assert_eq!(numbers(both), [Number::Float(-9999.0), Number::Int(-32767), Number::Float(1e20)]);
    }

    #[test]
    fn the_fill_value_is_stated_in_the_precision_of_the_elements() {
        for (data_type, fill, attributes, is_stated) in [
            ("float32", json!(-9999.0), json!({"_FillValue": "AAAAAICHw8A="}), true),
            ("float32", json!(0.0), json!({"_FillValue": "AAAAAICHw8A="}), false),
            ("float32", json!(1.0000000200408773e20), json!({"missing_value": 1e20}), true),
            ("int16", json!(-32767), json!({"_FillValue": -32767}), true),
            ("int16", json!(0), json!({"_FillValue": "none"}), false),
            ("string", json!(""), json!({"_FillValue": ""}), false),
            ("float32", json!("NaN"), json!({"_FillValue": "AAAAAAAA+H8="}), false),
        ] {
            assert_eq!(is_fill_stated(&array(data_type, fill.clone(), attributes)), is_stated, "{data_type} {fill}");
        }
    }
}
