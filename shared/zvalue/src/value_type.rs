//! What the elements of an array mean, apart from how they are stored: so that values are compared and hashed alike whatever
//! the format, the byte order and the elementwise filters are.

use std::borrow::Cow;

use serde_json::Value;
use zarray::{Array, Elements, Itemsize, NumberType, ZarrFormat, codec_name};
use zcoord::{Element, Filters};

/// Kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Integers and floating-point numbers.
    Number(NumberType),
    /// Two floating-point numbers of so many bytes each.
    Complex(usize),
    /// 64-bit counts of a unit of time, of which the smallest is no time (`NaT`).
    Time,
    /// Truth values, fixed-length text, structures and raw bytes, which are equal if their bytes are.
    Bytes,
    /// Elements of variable length.
    Variable,
}

/// The type of the values of an array.
#[derive(Debug, Clone)]
pub struct ValueType {
    /// Its name, the same in both Zarr formats and byte orders: `float32`, `datetime64[ns]`, `U12`.
    pub name: String,
    /// What kind of values.
    pub class: Class,
    /// Bytes of a value, little endian, without filters; 0 for variable length.
    pub size: usize,
    /// Bytes whose order is reversed in a big-endian array; 0 if it is not.
    swap: usize,
    filters: Option<Filters>,
}

impl ValueType {
    /// The name of an array's data type, the same in both Zarr formats; one that is not supported as the metadata spells it.
    pub fn name_of(array: &Array) -> String {
        ValueType::of(array).map_or_else(|_| array.dtype.to_string(), |value| value.name)
    }

    /// The type of the values of `array`.
    ///
    /// # Errors
    /// A message that names the codec or the data type that is not supported.
    pub fn of(array: &Array) -> Result<ValueType, String> {
        let shown = &*array.as_decoded();
        let elements = Elements::of(shown)?;
        let element = Element::of(shown).ok();
        let Itemsize::Fixed(stored) = elements.itemsize else {
            let name = if element.is_some() { "string" } else { "bytes" };
            return Ok(ValueType { name: name.into(), class: Class::Variable, size: 0, swap: 0, filters: None });
        };
        let number = element.as_ref().and_then(Element::number);
        let filters = Filters::of(shown, number).map_err(|error| error.to_string())?;
        let (name, class, unit) = match &element {
            Some(element) => known(element, shown),
            None => unknown(shown),
        };
        let size = element.as_ref().and_then(Element::size).unwrap_or(stored);
        let is_structure = shown.dtype.is_array() || shown.dtype.pointer("/configuration/fields").is_some();
        if is_structure && is_big_endian(shown, None) {
            return Err(format!("big-endian structures such as {} are not supported", shown.dtype));
        }
        let swap = if is_big_endian(shown, element.as_ref()) && filters.is_none() { unit } else { 0 };
        Ok(ValueType { name, class, size, swap, filters })
    }

    /// Whether equal bytes of decoded chunks of both are equal values.
    pub fn is_stored_like(&self, other: &ValueType) -> bool {
        self.class == other.class && self.swap == other.swap && self.filters == other.filters && self.name == other.name
    }

    /// The size of a number in bytes, if both differ in nothing but their byte order.
    pub fn swapped(&self, other: &ValueType) -> Option<usize> {
        let is_same = self.class == other.class && self.filters == other.filters && self.name == other.name;
        let size = self.swap.max(other.swap);
        (is_same && size > 1 && self.swap.min(other.swap) == 0 && self.size == other.size).then_some(size)
    }

    /// The little-endian values without filters of the elements of a decoded chunk.
    pub fn values<'b>(&self, elements: &'b [u8]) -> Cow<'b, [u8]> {
        match &self.filters {
            Some(filters) => Cow::Owned(filters.undo(elements)),
            None if self.swap > 1 => {
                let mut swapped = elements.to_vec();
                swapped.chunks_exact_mut(self.swap).for_each(<[u8]>::reverse);
                Cow::Owned(swapped)
            }
            None => Cow::Borrowed(elements),
        }
    }
}

/// Name, class, and the bytes that a byte order reverses.
fn known(element: &Element, array: &Array) -> (String, Class, usize) {
    match element {
        Element::Number(number) => {
            let little = NumberType { big_endian: false, ..*number };
            let class = if number.kind == 'b' { Class::Bytes } else { Class::Number(little) };
            (number_name(*number), class, number.size)
        }
        Element::Moment(unit, _) => (format!("datetime64[{unit}]"), Class::Time, 8),
        Element::Span(_) => (format!("timedelta64[{}]", span_unit(array)), Class::Time, 8),
        Element::Bytes(size) => (format!("S{size}"), Class::Bytes, 1),
        Element::Characters(count, _) => (format!("U{count}"), Class::Bytes, 4),
        Element::Text => ("string".into(), Class::Variable, 1),
    }
}

fn number_name(number: NumberType) -> String {
    let bits = number.size * 8;
    match number.kind {
        'b' => "bool".into(),
        'B' => "bfloat16".into(),
        'i' => format!("int{bits}"),
        'u' => format!("uint{bits}"),
        _ => format!("float{bits}"),
    }
}

/// The unit of a `timedelta64`.
fn span_unit(array: &Array) -> String {
    if let Some(text) = array.dtype.as_str() {
        return text.split_once('[').map_or("", |(_, unit)| unit.trim_end_matches(']')).to_owned();
    }
    let of = |key: &str| array.dtype.pointer(&format!("/configuration/{key}"));
    let scale = of("scale_factor").and_then(Value::as_u64).filter(|scale| *scale != 1);
    let unit = of("unit").and_then(Value::as_str).unwrap_or_default();
    scale.map_or_else(|| unit.to_owned(), |scale| format!("{scale}{unit}"))
}

/// Complex numbers, structures and raw bytes.
fn unknown(array: &Array) -> (String, Class, usize) {
    let text = array.dtype.as_str().map(|text| text.trim_start_matches(['<', '>', '|', '=']));
    let complex = match (array.format, text) {
        (ZarrFormat::V2, Some("c8")) | (ZarrFormat::V3, Some("complex64" | "complex_float32")) => Some(4),
        (ZarrFormat::V2, Some("c16")) | (ZarrFormat::V3, Some("complex128" | "complex_float64")) => Some(8),
        _ => None,
    };
    match complex {
        Some(part) => (format!("complex{}", 16 * part), Class::Complex(part), part),
        None => {
            let plain = || text.map_or_else(|| array.dtype.to_string(), ToOwned::to_owned);
            (structure(array).unwrap_or_else(plain), Class::Bytes, 1)
        }
    }
}

/// The name of a structure of little-endian numbers: `struct(a: int32, b: float64)`. Others are named as the metadata spells them.
fn structure(array: &Array) -> Option<String> {
    let fields = match array.format {
        ZarrFormat::V2 => array.dtype.as_array()?,
        ZarrFormat::V3 => array.dtype.pointer("/configuration/fields")?.as_array()?,
    };
    let field = |field: &Value| {
        let pair = field.as_array().filter(|pair| pair.len() == 2);
        let name = field.get("name").or_else(|| pair?.first())?.as_str()?;
        let data_type = field.get("data_type").or_else(|| pair?.get(1))?;
        let number = match array.format {
            ZarrFormat::V2 => NumberType::from_v2(data_type)?,
            ZarrFormat::V3 => NumberType::from_v3(data_type.as_str()?, false)?,
        };
        (!number.big_endian).then(|| format!("{name}: {}", number_name(number)))
    };
    let fields: Vec<String> = fields.iter().map(field).collect::<Option<_>>()?;
    Some(format!("struct({})", fields.join(", ")))
}

fn is_big_endian(array: &Array, element: Option<&Element>) -> bool {
    match (element, array.format) {
        (Some(Element::Number(number)), _) => number.big_endian,
        (Some(Element::Moment(_, big) | Element::Span(big) | Element::Characters(_, big)), _) => *big,
        (_, ZarrFormat::V2) => array.dtype.as_str().is_some_and(|text| text.starts_with('>')),
        (_, ZarrFormat::V3) => {
            let chain = array.chain.innermost();
            let to_bytes = chain.specs.iter().find(|spec| matches!(codec_name(spec), "bytes" | "endian"));
            to_bytes.and_then(|spec| spec.pointer("/configuration/endian")) == Some(&"big".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zarray::{Node, array_v2, node_v3};

    use super::*;

    fn v2(dtype: Value, filters: Value) -> ValueType {
        let text = json!({"zarr_format": 2, "shape": [4], "chunks": [2], "dtype": dtype, "fill_value": null,
            "order": "C", "filters": filters, "compressor": null});
        ValueType::of(&array_v2("/x", text.to_string().as_bytes(), None).expect("an array")).expect("a type")
    }

    fn v3(data_type: Value, codecs: Value) -> ValueType {
        let text = json!({"zarr_format": 3, "node_type": "array", "shape": [4], "data_type": data_type,
            "fill_value": 0, "codecs": codecs, "chunk_key_encoding": {"name": "default"},
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}}});
        let Ok(Node::Array(array)) = node_v3("/x", text.to_string().as_bytes()) else { panic!("an array") };
        ValueType::of(&array).expect("a type")
    }

    #[test]
    fn names_are_those_of_both_formats() {
        let big = json!([{"name": "bytes", "configuration": {"endian": "big"}}]);
        let little = json!([{"name": "bytes", "configuration": {"endian": "little"}}]);
        let time = |unit: &str| json!({"name": "numpy.datetime64", "configuration": {"unit": unit, "scale_factor": 1}});
        for (name, two, three) in [
            ("float32", v2(json!(">f4"), Value::Null), v3(json!("float32"), little.clone())),
            ("int16", v2(json!("<i2"), Value::Null), v3(json!("int16"), big.clone())),
            ("bool", v2(json!("|b1"), Value::Null), v3(json!("bool"), little.clone())),
            ("complex128", v2(json!("<c16"), Value::Null), v3(json!("complex128"), big.clone())),
            ("datetime64[ns]", v2(json!("<M8[ns]"), Value::Null), v3(time("ns"), little)),
            (
                "struct(a: int32, b: float64)",
                v2(json!([["a", "<i4"], ["b", "<f8"]]), Value::Null),
                v3(
                    json!({"name": "structured", "configuration": {"fields": [["a", "int32"], ["b", "float64"]]}}),
                    json!([{"name": "bytes", "configuration": {"endian": "little"}}]),
                ),
            ),
            ("string", v2(json!("|O"), json!([{"id": "vlen-utf8"}])), v3(json!("string"), json!(["vlen-utf8"]))),
        ] {
            assert_eq!((two.name.as_str(), three.name.as_str()), (name, name));
            assert_eq!(two.class, three.class, "{name}");
        }
        let value = v3(json!("int16"), big).values(&[0, 1, 0, 2]).into_owned();
        assert_eq!(value, [1, 0, 2, 0]);
        let packed = json!([{"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<i2", "scale": 10, "offset": 0}]);
        let packed = v2(json!("<f4"), packed);
        assert_eq!((packed.name.as_str(), packed.size), ("float32", 4));
        assert_eq!(*packed.values(&[5, 0]), 0.5f32.to_le_bytes());
    }
}
