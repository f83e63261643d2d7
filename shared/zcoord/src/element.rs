//! Types of stored elements: the supported data types of NumPy and Zarr.

use serde_json::Value;
use zarray::{Array, Elements, Itemsize, NumberType, ZarrFormat, codec_name};

use crate::decode_error::DecodeError;

/// The type of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// A number or truth value.
    Number(NumberType),
    /// NumPy's `datetime64`: the unit as a type string spells it (`ns`, `25s`), and whether big endian.
    Moment(String, bool),
    /// NumPy's `timedelta64`: counts of its unit. Whether big endian.
    Span(bool),
    /// Fixed-length text, in bytes, padded with zeros.
    Bytes(usize),
    /// Fixed-length text, in characters of 4 bytes, padded with zeros; whether big endian.
    Characters(usize, bool),
    /// Variable-length text (`vlen-utf8`).
    Text,
}

impl Element {
    /// The element type of `array`, in the byte order in which it is stored.
    ///
    /// # Errors
    /// [`DecodeError::DataType`].
    pub fn of(array: &Array) -> Result<Element, DecodeError> {
        let elements = Elements::of(array).map_err(|error| DecodeError::DataType(error.to_string()))?;
        if elements.itemsize == Itemsize::Variable {
            return variable(array);
        }
        let element = match array.format {
            ZarrFormat::V2 => array.dtype.as_str().and_then(from_v2),
            ZarrFormat::V3 => from_v3(&array.dtype, is_big_endian(array)),
        };
        let unknown = || format!("data type {} is not supported", array.dtype);
        element.ok_or_else(|| DecodeError::DataType(unknown()))
    }

    /// Bytes; `None` for variable-length text.
    pub fn size(&self) -> Option<usize> {
        match self {
            Element::Number(number) => Some(number.size),
            Element::Moment(..) | Element::Span(_) => Some(8),
            Element::Bytes(size) => Some(*size),
            Element::Characters(count, _) => count.checked_mul(4),
            Element::Text => None,
        }
    }

    /// The number type of numbers, times and spans.
    pub fn number(&self) -> Option<NumberType> {
        match self {
            Element::Number(number) => Some(*number),
            Element::Moment(_, big_endian) | Element::Span(big_endian) => {
                Some(NumberType { kind: 'i', size: 8, big_endian: *big_endian })
            }
            Element::Bytes(_) | Element::Characters(..) | Element::Text => None,
        }
    }
}

/// Whether the codec that turns a Zarr v3 array into bytes puts the most significant byte first.
pub(crate) fn is_big_endian(array: &Array) -> bool {
    let chain = array.chain.innermost();
    let to_bytes = chain.kept.checked_sub(1).and_then(|last| chain.specs.get(last));
    to_bytes.and_then(|spec| spec.pointer("/configuration/endian")).and_then(Value::as_str) == Some("big")
}

/// Elements of variable length: text, if the codec is one for text.
fn variable(array: &Array) -> Result<Element, DecodeError> {
    let specs = &array.chain.innermost().specs;
    let text = specs.iter().any(|spec| codec_name(spec) == "vlen-utf8");
    let unknown = || format!("data type {} (variable-length bytes) is not supported", array.dtype);
    text.then_some(Element::Text).ok_or_else(|| DecodeError::DataType(unknown()))
}

/// A NumPy type string.
fn from_v2(text: &str) -> Option<Element> {
    let big_endian = text.starts_with('>');
    let plain = text.trim_start_matches(['<', '>', '|', '=']);
    let rest = plain.get(1..)?;
    match plain.chars().next()? {
        'M' => Some(Element::Moment(unit(rest)?, big_endian)),
        'm' => rest.starts_with('8').then_some(Element::Span(big_endian)),
        'S' | 'a' => Some(Element::Bytes(rest.parse().ok().filter(|size| *size > 0)?)),
        'U' => Some(Element::Characters(rest.parse().ok().filter(|count| *count > 0)?, big_endian)),
        _ => NumberType::from_v2(&text.into()).map(Element::Number),
    }
}

/// The unit in `8[25s]`; generic times have none.
fn unit(rest: &str) -> Option<String> {
    let unit = rest.strip_prefix("8[")?.strip_suffix(']')?;
    (unit != "generic").then(|| unit.to_owned())
}

/// A Zarr v3 data type: those of the core, and those of zarr-extensions and zarr-python that NumPy supports.
fn from_v3(data_type: &Value, big_endian: bool) -> Option<Element> {
    let length = || {
        let length = data_type.pointer("/configuration/length_bytes")?.as_u64()?;
        usize::try_from(length).ok().filter(|length| *length > 0)
    };
    match codec_name(data_type) {
        "numpy.datetime64" => Some(Element::Moment(unit_v3(data_type)?, big_endian)),
        "numpy.timedelta64" => Some(Element::Span(big_endian)),
        "null_terminated_bytes" => Some(Element::Bytes(length()?)),
        "fixed_length_utf32" => {
            length().filter(|length| length % 4 == 0).map(|length| Element::Characters(length / 4, big_endian))
        }
        name => NumberType::from_v3(name, big_endian).map(Element::Number),
    }
}

/// The unit of a v3 time as a NumPy type string spells it.
fn unit_v3(data_type: &Value) -> Option<String> {
    let unit = data_type.pointer("/configuration/unit")?.as_str().filter(|unit| *unit != "generic")?;
    match data_type.pointer("/configuration/scale_factor") {
        None => Some(unit.to_owned()),
        Some(factor) => match factor.as_u64()? {
            1 => Some(unit.to_owned()),
            factor => Some(format!("{factor}{unit}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn type_strings() {
        let number = |kind, size, big_endian| Some(Element::Number(NumberType { kind, size, big_endian }));
        for (text, element) in [
            ("<f4", number('f', 4, false)),
            (">i2", number('i', 2, true)),
            ("|b1", number('b', 1, false)),
            ("<f2", number('f', 2, false)),
            ("<M8[ns]", Some(Element::Moment("ns".into(), false))),
            (">M8[25s]", Some(Element::Moment("25s".into(), true))),
            ("<M8", None),
            ("<m8[D]", Some(Element::Span(false))),
            ("|S10", Some(Element::Bytes(10))),
            (">U5", Some(Element::Characters(5, true))),
            ("|S0", None),
            ("<c8", None),
            ("|V3", None),
            ("|O", None),
            ("é", None),
        ] {
            assert_eq!(from_v2(text), element, "{text}");
        }
    }

    #[test]
    fn v3_types() {
        let configured = |name: &str, configuration: Value| json!({"name": name, "configuration": configuration});
        let seconds = configured("numpy.datetime64", json!({"unit": "s", "scale_factor": 10}));
        for (data_type, element) in [
            (json!("bfloat16"), Some(Element::Number(NumberType { kind: 'B', size: 2, big_endian: true }))),
            (seconds, Some(Element::Moment("10s".into(), true))),
            (
                configured("numpy.datetime64", json!({"unit": "ns", "scale_factor": 1})),
                Some(Element::Moment("ns".into(), true)),
            ),
            (configured("numpy.datetime64", json!({"unit": "generic"})), None),
            (configured("fixed_length_utf32", json!({"length_bytes": 20})), Some(Element::Characters(5, true))),
            (configured("fixed_length_utf32", json!({"length_bytes": 21})), None),
            (configured("null_terminated_bytes", json!({"length_bytes": 3})), Some(Element::Bytes(3))),
            (json!("complex64"), None),
            (json!("r16"), None),
        ] {
            assert_eq!(from_v3(&data_type, true), element, "{data_type}");
        }
    }
}
