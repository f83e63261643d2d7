//! The fill value as an element: the bytes that represent it in a decoded chunk.
//!
//! Spellings: the `fill_value` sections of the Zarr v2 and v3 specifications and of zarr-extensions' data types (numbers,
//! `"NaN"`, bits as `"0x…"`, pairs for complex, Base64 for bytes and structures, integers for times).

use serde_json::Value;
use zcodec::codec_name;

use crate::elements::{Elements, Itemsize};
use crate::metadata::{Array, ZarrFormat};
use crate::number::NumberType;
use crate::scalar_filter::encode_fill;

/// One element of the fill value, as a decoded chunk of `array` holds it: after the filters that work on single elements, in
/// the stored byte order. With elements of variable length, the bytes of the element without its length.
///
/// # Errors
/// A message if it is not certain: an unknown notation, or a filter that does not preserve the fill value.
pub fn fill_element(array: &Array) -> Result<Vec<u8>, String> {
    let array = &*array.as_decoded();
    let fill = &array.fill_value;
    let unknown = || format!("fill value {fill} is not valid for data type {}", array.dtype);
    let size = match Elements::of(array)?.itemsize {
        Itemsize::Variable => {
            let specs = &array.chain.innermost().specs;
            let text = specs.iter().any(|spec| codec_name(spec) == "vlen-utf8");
            return variable(fill, text).ok_or_else(unknown);
        }
        Itemsize::Fixed(size) => size,
    };
    let chain = array.chain.innermost();
    let kept = &chain.specs[..chain.kept];
    let filters: Vec<&Value> = kept.iter().filter(|spec| !is_layout(codec_name(spec))).collect();
    let big_endian = kept.last().and_then(|spec| spec.pointer("/configuration/endian")) == Some(&"big".into());
    let kind = match array.format {
        ZarrFormat::V2 => Kind::from_v2(&array.dtype),
        ZarrFormat::V3 => Kind::from_v3(&array.dtype, big_endian),
    }
    .ok_or_else(unknown)?;
    let element = kind.element(fill).ok_or_else(unknown)?;
    let element = match (filters.is_empty(), kind) {
        (true, _) => element,
        (false, Kind::Number(number)) => {
            let reorder = (array.format == ZarrFormat::V3).then_some(big_endian);
            encode_fill(number, element, &filters, reorder)?
        }
        (false, _) => return Err(format!("fill value {fill} cannot be encoded by the filters")),
    };
    if element.len() == size { Ok(element) } else { Err(unknown()) }
}

/// Codecs that reorder elements without changing them.
fn is_layout(name: &str) -> bool {
    matches!(name, "transpose" | "bytes" | "endian")
}

/// The kind of an element, as required for a fill value.
enum Kind {
    Number(NumberType),
    /// Two floating-point numbers.
    Complex(NumberType),
    /// Time or time difference: a 64-bit integer.
    Time(NumberType),
    /// Bytes, padded with zeros to this length.
    Bytes(usize),
    /// UCS-4 text of so many bytes.
    Text(usize, bool),
    /// One after the other, by name.
    Fields(Vec<(String, Kind)>),
}

impl Kind {
    fn from_v2(dtype: &Value) -> Option<Kind> {
        let size = crate::dtype::itemsize_v2(dtype).and_then(|size| usize::try_from(size).ok())?;
        let Some(text) = dtype.as_str() else { return Some(Kind::Bytes(size)) };
        let big_endian = text.starts_with('>');
        let float = |size| NumberType { kind: 'f', size, big_endian };
        match text.trim_start_matches(['<', '>', '|', '=']).chars().next()? {
            'c' if size == 8 || size == 16 => Some(Kind::Complex(float(size / 2))),
            'm' | 'M' => Some(Kind::Time(NumberType { kind: 'i', size: 8, big_endian })),
            'S' | 'a' | 'V' => Some(Kind::Bytes(size)),
            'U' => Some(Kind::Text(size, big_endian)),
            _ => NumberType::from_v2(dtype).map(Kind::Number),
        }
    }

    fn from_v3(data_type: &Value, big_endian: bool) -> Option<Kind> {
        let name = codec_name(data_type);
        let size = crate::dtype::itemsize_v3(data_type).and_then(|size| usize::try_from(size).ok())?;
        match name {
            "complex64" | "complex_float32" | "complex128" | "complex_float64" => {
                Some(Kind::Complex(NumberType { kind: 'f', size: size / 2, big_endian }))
            }
            "numpy.datetime64" | "numpy.timedelta64" => Some(Kind::Time(NumberType { kind: 'i', size: 8, big_endian })),
            "fixed_length_utf32" => Some(Kind::Text(size, big_endian)),
            "struct" | "structured" => fields_v3(data_type, big_endian),
            "null_terminated_bytes" | "raw_bytes" | "fixed_length_bytes" => Some(Kind::Bytes(size)),
            _ => match NumberType::from_v3(name, big_endian) {
                Some(number) => Some(Kind::Number(number)),
                None => name.starts_with('r').then_some(Kind::Bytes(size)),
            },
        }
    }

    fn element(&self, fill: &Value) -> Option<Vec<u8>> {
        // The default fill value of times in zarr-python.
        if let (Kind::Time(number), true) = (self, fill.is_null()) {
            return number.element(&i64::MIN.into());
        }
        // Nothing, and NumPy's zero of any type, are zeros.
        if fill.is_null() || fill.as_i64() == Some(0) {
            return Some(vec![0; self.size()]);
        }
        match self {
            Kind::Number(number) => number.element(fill),
            Kind::Time(number) if fill == "NaT" => number.element(&i64::MIN.into()),
            Kind::Time(number) => number.element(fill),
            Kind::Complex(part) => match fill.as_array()?.as_slice() {
                [real, imaginary] => Some([part.element(real)?, part.element(imaginary)?].concat()),
                _ => None,
            },
            Kind::Bytes(size) => padded(bytes_of(fill)?, *size),
            Kind::Text(size, big_endian) => {
                let word = |c: char| if *big_endian { (c as u32).to_be_bytes() } else { (c as u32).to_le_bytes() };
                padded(fill.as_str()?.chars().flat_map(word).collect(), *size)
            }
            Kind::Fields(fields) => self.fields(fields, fill),
        }
    }

    /// A structure: its members by name, or Base64 of it as little-endian bytes.
    fn fields(&self, fields: &[(String, Kind)], fill: &Value) -> Option<Vec<u8>> {
        if let Some(members) = fill.as_object() {
            let elements: Option<Vec<Vec<u8>>> =
                fields.iter().map(|(name, kind)| kind.element(members.get(name)?)).collect();
            return Some(elements?.concat());
        }
        let swapped = fields.iter().any(|(_, kind)| kind.is_big_endian());
        if swapped { None } else { padded(bytes_of(fill)?, self.size()) }
    }

    fn is_big_endian(&self) -> bool {
        match self {
            Kind::Number(number) | Kind::Complex(number) | Kind::Time(number) => number.big_endian,
            Kind::Text(_, big_endian) => *big_endian,
            Kind::Bytes(_) => false,
            Kind::Fields(fields) => fields.iter().any(|(_, kind)| kind.is_big_endian()),
        }
    }

    fn size(&self) -> usize {
        match self {
            Kind::Number(number) | Kind::Time(number) => number.size,
            Kind::Complex(part) => 2 * part.size,
            Kind::Bytes(size) | Kind::Text(size, _) => *size,
            Kind::Fields(fields) => fields.iter().map(|(_, kind)| kind.size()).sum(),
        }
    }
}

/// The fields of a v3 structure: `{"name", "data_type"}`, or a pair.
fn fields_v3(data_type: &Value, big_endian: bool) -> Option<Kind> {
    let field = |field: &Value| {
        let pair = field.as_array();
        let name = field.get("name").or_else(|| pair?.first())?.as_str()?;
        let data_type = field.get("data_type").or_else(|| pair?.get(1))?;
        Some((name.to_owned(), Kind::from_v3(data_type, big_endian)?))
    };
    let fields = data_type.pointer("/configuration/fields")?.as_array()?;
    fields.iter().map(field).collect::<Option<_>>().map(Kind::Fields)
}

/// Bytes as metadata spells them: Base64, or a list of numbers.
fn bytes_of(fill: &Value) -> Option<Vec<u8>> {
    match fill {
        Value::String(text) => base64(text),
        Value::Array(bytes) => bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect(),
        _ => None,
    }
}

fn padded(mut bytes: Vec<u8>, size: usize) -> Option<Vec<u8>> {
    (bytes.len() <= size).then(|| {
        bytes.resize(size, 0);
        bytes
    })
}

/// The bytes of an element of variable length. zarr-python 2 wrote Base64 of a list of one, encoded by the codec; later
/// versions write text as it is, and Base64 of bytes.
fn variable(fill: &Value, text: bool) -> Option<Vec<u8>> {
    match fill {
        Value::Null => Some(Vec::new()),
        Value::Number(number) if number.as_i64() == Some(0) => Some(Vec::new()),
        Value::String(string) => match base64(string) {
            Some(bytes) if list_of_one(&bytes).is_some() => list_of_one(&bytes).map(<[u8]>::to_vec),
            decoded => {
                if text {
                    Some(string.clone().into_bytes())
                } else {
                    decoded
                }
            }
        },
        Value::Array(_) => bytes_of(fill),
        _ => None,
    }
}

/// The one element of a list in the form of numcodecs' `vlen` codecs.
fn list_of_one(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [1, 0, 0, 0, a, b, c, d, element @ ..] => {
            (u32::from_le_bytes([*a, *b, *c, *d]) as usize == element.len()).then_some(element)
        }
        _ => None,
    }
}

/// Base64 with the standard alphabet (RFC 4648, section 4).
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.as_bytes().chunks(4) {
        let word = group.iter().try_fold(0u32, |word, byte| Some(word << 6 | u32::from(value(*byte)?)))?;
        let word = word << (6 * (4 - group.len()));
        bytes.extend_from_slice(&word.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "fill_tests.rs"]
mod tests;
