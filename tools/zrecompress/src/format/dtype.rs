//! Data types: NumPy type strings in v2 (`<f4`, `|S10`, `>M8[10s]`), names and configurations in v3.
//!
//! v3 names that the specification lacks are those of zarr-python 3 (`zarr.core.dtype.npy`).

use serde_json::{Value, json};

use super::error::{FormatError, invalid, unsupported};
use super::time_unit::TimeUnit;

/// Bytes of the largest element that is accepted: its fill value is written out in full.
const MAX_BYTES: u64 = 1 << 24;

/// Order of the bytes of a number. In v2 it is part of the data type, in v3 of the `bytes` codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first: `<`.
    Little,
    /// Most significant byte first: `>`.
    Big,
}

/// A data type that both formats have. Sizes are bytes of an element unless noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DType {
    /// One byte.
    Bool,
    /// Signed.
    Int(u64),
    /// Unsigned.
    UInt(u64),
    /// IEEE 754.
    Float(u64),
    /// Two floating-point numbers, of this size together.
    Complex(u64),
    /// Ticks since 1970 as 8 bytes.
    Datetime(TimeUnit),
    /// A number of ticks as 8 bytes.
    Timedelta(TimeUnit),
    /// Bytes, padded with zeros.
    Bytes(u64),
    /// UTF-32; the size is in characters.
    Unicode(u64),
    /// Bytes without meaning.
    Raw(u64),
    /// Fields one after the other, little-endian.
    Struct(Vec<Field>),
    /// Strings of any length, stored by the codec `vlen-utf8`.
    String,
    /// Bytes of any length, stored by the codec `vlen-bytes`.
    VariableBytes,
}

/// A field of a structured type.
type Field = (String, DType);

/// An element of an array: its type and byte order.
pub type Element = (DType, ByteOrder);

/// Constructor of a type of numbers, its name in v3 without the bits, its letter in NumPy, and its sizes.
type Numbers = (fn(u64) -> DType, &'static str, &'static str, &'static [u64]);

const NUMBERS: [Numbers; 4] = [
    (DType::Int, "int", "i", &[1, 2, 4, 8]),
    (DType::UInt, "uint", "u", &[1, 2, 4, 8]),
    (DType::Float, "float", "f", &[2, 4, 8]),
    (DType::Complex, "complex", "c", &[8, 16]),
];

impl DType {
    /// Whether the byte order matters.
    pub fn has_byte_order(&self) -> bool {
        match self {
            DType::Int(size) | DType::UInt(size) => *size > 1,
            DType::Float(_) | DType::Complex(_) | DType::Datetime(_) | DType::Timedelta(_) | DType::Unicode(_) => true,
            _ => false,
        }
    }

    /// Bytes of an element; 1 for elements of variable size.
    pub fn itemsize(&self) -> u64 {
        match self {
            DType::Bool | DType::String | DType::VariableBytes => 1,
            DType::Int(size) | DType::UInt(size) | DType::Float(size) | DType::Complex(size) => *size,
            DType::Datetime(_) | DType::Timedelta(_) => 8,
            DType::Bytes(size) | DType::Raw(size) => *size,
            DType::Unicode(characters) => 4 * characters,
            DType::Struct(fields) => fields.iter().fold(0, |sum, (_, dtype)| sum.saturating_add(dtype.itemsize())),
        }
    }

    /// Reads the `dtype` of a `.zarray`. `object_codec` is the filter that tells what an `|O` is.
    ///
    /// # Errors
    /// v3 has no such type.
    pub fn from_v2(dtype: &Value, object_codec: Option<&str>) -> Result<Element, FormatError> {
        match (dtype, object_codec) {
            (Value::String(text), Some("vlen-utf8")) if text == "|O" => Ok((DType::String, ByteOrder::Little)),
            (Value::String(text), Some("vlen-bytes")) if text == "|O" => Ok((DType::VariableBytes, ByteOrder::Little)),
            (Value::String(text), _) if text == "|O" => Err(unsupported(
                "dtype |O holds arbitrary objects, but Zarr v3 supports only strings and bytes (the filters vlen-utf8 and \
                 vlen-bytes)",
            )),
            (Value::String(text), _) => DType::from_numpy(text),
            (Value::Array(fields), _) => Ok((structure(fields, field_from_v2)?, ByteOrder::Little)),
            _ => Err(invalid(format!("dtype {dtype} is neither a type string nor a list of fields"))),
        }
    }

    /// Reads a NumPy type string, or the name of a type of numbers (`float32`).
    ///
    /// # Errors
    /// v3 has no such type.
    pub fn from_numpy(text: &str) -> Result<Element, FormatError> {
        let order = if text.starts_with('>') { ByteOrder::Big } else { ByteOrder::Little };
        let dtype = from_name(text).or_else(|| from_type_string(text.trim_start_matches(['<', '>', '|', '='])));
        dtype
            .map(|dtype| (dtype, order))
            .ok_or_else(|| unsupported(format!("dtype {text:?} has no equivalent in Zarr v3")))
    }

    /// The `dtype` of a `.zarray`.
    pub fn to_v2(&self, order: ByteOrder) -> Value {
        match self {
            DType::Struct(fields) => fields.iter().map(|(name, dtype)| json!([name, dtype.to_v2(order)])).collect(),
            _ => Value::from(self.to_numpy(order)),
        }
    }

    /// The NumPy type string; of a structured type, its size as raw bytes.
    pub fn to_numpy(&self, order: ByteOrder) -> String {
        let mark = match order {
            _ if !self.has_byte_order() => '|',
            ByteOrder::Little => '<',
            ByteOrder::Big => '>',
        };
        match self {
            DType::Bool => "|b1".into(),
            DType::Int(size) => format!("{mark}i{size}"),
            DType::UInt(size) => format!("{mark}u{size}"),
            DType::Float(size) => format!("{mark}f{size}"),
            DType::Complex(size) => format!("{mark}c{size}"),
            DType::Datetime(unit) => format!("{mark}M8{}", unit.numpy()),
            DType::Timedelta(unit) => format!("{mark}m8{}", unit.numpy()),
            DType::Bytes(size) => format!("|S{size}"),
            DType::Unicode(characters) => format!("{mark}U{characters}"),
            DType::Raw(_) | DType::Struct(_) => format!("|V{}", self.itemsize()),
            DType::String | DType::VariableBytes => "|O".into(),
        }
    }

    /// Reads the `data_type` of a `zarr.json`.
    ///
    /// # Errors
    /// v2 has no such type.
    pub fn from_v3(data_type: &Value) -> Result<DType, FormatError> {
        let name = data_type.as_str().or_else(|| data_type.get("name")?.as_str());
        let name = name.ok_or_else(|| invalid(format!("data_type {data_type} has no name")))?;
        let configuration = &data_type["configuration"];
        let length = configuration["length_bytes"].as_u64().filter(|length| (1..=MAX_BYTES).contains(length));
        let dtype = match name {
            "numpy.datetime64" => TimeUnit::from_v3(configuration).map(DType::Datetime),
            "numpy.timedelta64" => TimeUnit::from_v3(configuration).map(DType::Timedelta),
            "null_terminated_bytes" => length.map(DType::Bytes),
            "raw_bytes" => length.map(DType::Raw),
            "fixed_length_utf32" => {
                length.filter(|length| length.is_multiple_of(4)).map(|length| DType::Unicode(length / 4))
            }
            "string" => Some(DType::String),
            "variable_length_bytes" | "bytes" => Some(DType::VariableBytes),
            "structured" | "struct" => {
                let fields = configuration["fields"].as_array();
                let fields = fields.ok_or_else(|| invalid("a structured data type has no list of fields"))?;
                return structure(fields, field_from_v3);
            }
            _ => from_name(name).or_else(|| raw_bits(name)),
        };
        dtype.ok_or_else(|| {
            unsupported(format!("data type {data_type} has no NumPy type string, which Zarr v2 requires"))
        })
    }

    /// The `data_type` of a `zarr.json`.
    pub fn to_v3(&self) -> Value {
        let configured = |name: &str, configuration: Value| json!({"name": name, "configuration": configuration});
        let with_length = |name: &str| configured(name, json!({"length_bytes": self.itemsize()}));
        match self {
            DType::Bool => json!("bool"),
            DType::Int(size) => json!(format!("int{}", 8 * size)),
            DType::UInt(size) => json!(format!("uint{}", 8 * size)),
            DType::Float(size) => json!(format!("float{}", 8 * size)),
            DType::Complex(size) => json!(format!("complex{}", 8 * size)),
            DType::Datetime(unit) => configured("numpy.datetime64", unit.to_v3()),
            DType::Timedelta(unit) => configured("numpy.timedelta64", unit.to_v3()),
            DType::Bytes(_) => with_length("null_terminated_bytes"),
            DType::Unicode(_) => with_length("fixed_length_utf32"),
            DType::Raw(_) => with_length("raw_bytes"),
            DType::Struct(fields) => {
                let fields: Value = fields.iter().map(|(name, dtype)| json!([name, dtype.to_v3()])).collect();
                configured("structured", json!({"fields": fields}))
            }
            DType::String => json!("string"),
            DType::VariableBytes => json!("variable_length_bytes"),
        }
    }
}

/// The types with the same name in NumPy and in v3.
fn from_name(name: &str) -> Option<DType> {
    let number = |(make, kind, _, sizes): &Numbers| {
        let bits: u64 = name.strip_prefix(kind)?.parse().ok()?;
        (bits.is_multiple_of(8) && sizes.contains(&(bits / 8))).then(|| make(bits / 8))
    };
    if name == "bool" { Some(DType::Bool) } else { NUMBERS.iter().find_map(number) }
}

/// A NumPy type string without its byte order.
fn from_type_string(text: &str) -> Option<DType> {
    match text.get(..2) {
        Some("M8") => return TimeUnit::from_numpy(&text[2..]).map(DType::Datetime),
        Some("m8") => return TimeUnit::from_numpy(&text[2..]).map(DType::Timedelta),
        _ => {}
    }
    let (kind, size) = text.split_at_checked(1)?;
    // zarr-python has no elements of size 0.
    let size: u64 = size.parse().ok().filter(|size| *size > 0)?;
    match kind {
        "b" if size == 1 => Some(DType::Bool),
        "S" if size <= MAX_BYTES => Some(DType::Bytes(size)),
        "U" if size <= MAX_BYTES / 4 => Some(DType::Unicode(size)),
        "V" if size <= MAX_BYTES => Some(DType::Raw(size)),
        _ => {
            let is_it = |(_, _, letter, sizes): &&Numbers| *letter == kind && sizes.contains(&size);
            NUMBERS.iter().find(is_it).map(|(make, ..)| make(size))
        }
    }
}

/// `r24`: three raw bytes, as the specification calls them.
fn raw_bits(name: &str) -> Option<DType> {
    let bits: u64 = name.strip_prefix('r')?.parse().ok()?;
    (bits.is_multiple_of(8) && (1..=MAX_BYTES).contains(&(bits / 8))).then_some(DType::Raw(bits / 8))
}

fn structure(fields: &[Value], read: fn(&Value) -> Result<Field, FormatError>) -> Result<DType, FormatError> {
    match fields.is_empty() {
        true => Err(invalid("a structured type has no fields")),
        false => fields.iter().map(read).collect::<Result<_, _>>().map(DType::Struct),
    }
}

fn field_from_v2(field: &Value) -> Result<Field, FormatError> {
    match field.as_array().map(Vec::as_slice) {
        Some([Value::String(name), dtype]) => match DType::from_v2(dtype, None)? {
            (dtype, ByteOrder::Big) if dtype.has_byte_order() => Err(unsupported(format!(
                "field {name:?} is big-endian, but fields of structured types have no byte order in Zarr v3"
            ))),
            (dtype, _) => Ok((name.clone(), dtype)),
        },
        Some([Value::String(name), _, _]) => Err(unsupported(format!(
            "field {name:?} is a subarray, which Zarr v3 does not support in structured types"
        ))),
        _ => Err(invalid(format!("{field} is not a field of a structured type"))),
    }
}

/// zarr-python 3 writes `[name, type]`, other writers an object.
fn field_from_v3(field: &Value) -> Result<Field, FormatError> {
    let name = field.get(0).or_else(|| field.get("name")).and_then(Value::as_str);
    let Some((name, dtype)) = name.zip(field.get(1).or_else(|| field.get("data_type"))) else {
        return Err(invalid(format!("{field} is not a field of a structured type")));
    };
    match DType::from_v3(dtype)? {
        DType::String | DType::VariableBytes => {
            Err(unsupported(format!("field {name:?} has no fixed size, which Zarr v2 requires in structured types")))
        }
        dtype => Ok((name.to_owned(), dtype)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v3_of(dtype: Value) -> Result<Value, FormatError> {
        DType::from_v2(&dtype, None).map(|(dtype, _)| dtype.to_v3())
    }

    fn with_length(name: &str, length: u64) -> Value {
        json!({"name": name, "configuration": {"length_bytes": length}})
    }

    #[test]
    fn both_formats_and_back() {
        let nested = json!([["a", "<i4"], ["b", [["x", "|u1"], ["y", "<U2"]]]]);
        let inner = json!({"name": "structured", "configuration":
            {"fields": [["x", "uint8"], ["y", with_length("fixed_length_utf32", 8)]]}});
        let second = json!({"unit": "s", "scale_factor": 10});
        for (v2, v3) in [
            (json!("|b1"), json!("bool")),
            (json!("|i1"), json!("int8")),
            (json!(">u2"), json!("uint16")),
            (json!("<i8"), json!("int64")),
            (json!("<f2"), json!("float16")),
            (json!(">f8"), json!("float64")),
            (json!("<c8"), json!("complex64")),
            (json!("<c16"), json!("complex128")),
            (json!("|S5"), with_length("null_terminated_bytes", 5)),
            (json!("<U5"), with_length("fixed_length_utf32", 20)),
            (json!("|V3"), with_length("raw_bytes", 3)),
            (json!("<M8[10s]"), json!({"name": "numpy.datetime64", "configuration": second})),
            (
                json!(">m8"),
                json!({"name": "numpy.timedelta64",
                "configuration": {"unit": "generic", "scale_factor": 1}}),
            ),
            (nested, json!({"name": "structured", "configuration": {"fields": [["a", "int32"], ["b", inner]]}})),
        ] {
            let (dtype, order) = DType::from_v2(&v2, None).expect("both have it");
            assert_eq!(dtype.to_v3(), v3);
            assert_eq!(DType::from_v3(&v3).as_ref(), Ok(&dtype));
            assert_eq!(dtype.to_v2(order), v2);
        }
    }

    #[test]
    fn objects_need_a_codec_of_their_own() {
        let objects = json!("|O");
        assert_eq!(DType::from_v2(&objects, Some("vlen-utf8")), Ok((DType::String, ByteOrder::Little)));
        assert_eq!(DType::from_v2(&objects, Some("vlen-bytes")), Ok((DType::VariableBytes, ByteOrder::Little)));
        assert!(v3_of(objects).expect_err("pickles").to_string().contains("arbitrary objects"));
    }

    #[test]
    fn names_of_other_writers_are_understood() {
        assert_eq!(DType::from_numpy("float32"), Ok((DType::Float(4), ByteOrder::Little)));
        assert_eq!(DType::from_v3(&json!("r24")), Ok(DType::Raw(3)));
        assert_eq!(DType::from_v3(&json!("bytes")), Ok(DType::VariableBytes));
        let fields = json!({"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "int8"}]}});
        assert_eq!(DType::from_v3(&fields), Ok(DType::Struct(vec![("a".into(), DType::Int(1))])));
    }

    #[test]
    fn what_v3_cannot_say() {
        for (dtype, word) in [
            (json!("<f16"), "<f16"),
            (json!("|S0"), "|S0"),
            (json!("|V99999999999"), "|V99999999999"),
            (json!("é"), "é"),
            (json!(""), "no equivalent in Zarr v3"),
            (json!(7), "neither"),
            (json!([["a", ">i4"]]), "big-endian"),
            (json!([["a", "<i4", [2]]]), "subarray"),
            (json!([["a", "|O"]]), "objects"),
            (json!([["a"]]), "not a field"),
            (json!([]), "no fields"),
        ] {
            let error = v3_of(dtype.clone()).expect_err("v3 lacks it");
            assert!(error.to_string().contains(word), "{dtype}: {error}");
        }
    }

    #[test]
    fn what_v2_cannot_say() {
        for (data_type, word) in [
            (json!("bfloat16"), "bfloat16"),
            (json!("int4"), "int4"),
            (json!("complex_float32"), "complex_float32"),
            (json!({"name": "fixed_length_utf32", "configuration": {"length_bytes": 6}}), "fixed_length_utf32"),
            (json!({"name": "structured", "configuration": {"fields": [["a", "string"]]}}), "no fixed size"),
            (json!({"name": "structured"}), "no list of fields"),
            (json!(3), "has no name"),
        ] {
            let error = DType::from_v3(&data_type).expect_err("v2 lacks it");
            assert!(error.to_string().contains(word), "{data_type}: {error}");
        }
    }
}
