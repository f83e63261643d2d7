//! Fill values: read in every spelling of either format, written as zarr-python 3 writes them in both.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::dtype::DType;
use super::error::{FormatError, invalid};
use super::float::{float_from_hex, rounded};

/// How NumPy stores "not a time".
const NOT_A_TIME: i64 = i64::MIN;

/// The value of an element.
#[derive(Debug, Clone, PartialEq)]
pub enum Fill {
    /// `true` or `false`.
    Bool(bool),
    /// An integer, or the ticks of a time.
    Int(i128),
    /// A number as the document spells it, not yet rounded to the type.
    Float(f64),
    /// Real and imaginary part.
    Complex(f64, f64),
    /// A text of any or of fixed length.
    Text(String),
    /// Bytes, and structured elements.
    Bytes(Vec<u8>),
}

impl Fill {
    /// What `null` means in v2, and what zarr-python 3 takes where no value is given: zero, `false`, empty, not a time.
    pub fn default_of(dtype: &DType) -> Fill {
        match dtype {
            DType::Bool => Fill::Bool(false),
            DType::Int(_) | DType::UInt(_) => Fill::Int(0),
            DType::Float(_) => Fill::Float(0.0),
            DType::Complex(_) => Fill::Complex(0.0, 0.0),
            DType::Datetime(_) | DType::Timedelta(_) => Fill::Int(NOT_A_TIME.into()),
            DType::Unicode(_) | DType::String => Fill::Text(String::new()),
            DType::Bytes(_) | DType::VariableBytes => Fill::Bytes(Vec::new()),
            DType::Raw(_) | DType::Struct(_) => Fill::Bytes(vec![0; dtype.itemsize() as usize]),
        }
    }

    /// Reads a fill value that is not `null`.
    ///
    /// # Errors
    /// It is not of this type, or only one of the formats can spell it.
    pub fn read(dtype: &DType, value: &Value) -> Result<Fill, FormatError> {
        let fill = match dtype {
            DType::Bool => bool_of(value).map(Fill::Bool),
            DType::Int(size) => int_of(value, -(1 << (8 * size - 1)), (1 << (8 * size - 1)) - 1),
            DType::UInt(size) => int_of(value, 0, (1 << (8 * size)) - 1),
            DType::Float(size) => Some(Fill::Float(float_of(value, *size)?)),
            DType::Complex(size) => Some(complex_of(value, size / 2)?),
            DType::Datetime(_) | DType::Timedelta(_) => time_of(value),
            DType::Unicode(_) | DType::String => text_of(dtype, value).map(Fill::Text),
            _ => bytes_of(dtype, value).map(Fill::Bytes),
        };
        fill.ok_or_else(|| invalid(format!("fill value {value} is not valid for data type {}", dtype.to_v3())))
    }

    /// The fill value as JSON, the same in both formats.
    pub fn to_json(&self) -> Value {
        match self {
            Fill::Bool(value) => json!(value),
            Fill::Int(value) => i64::try_from(*value).map_or_else(|_| json!(*value as u64), |value| json!(value)),
            Fill::Float(value) => float_json(*value),
            Fill::Complex(real, imaginary) => json!([float_json(*real), float_json(*imaginary)]),
            Fill::Text(value) => json!(value),
            Fill::Bytes(value) => json!(BASE64_STANDARD.encode(value)),
        }
    }

    /// Whether both are the same element of an array of this type. All NaN are.
    pub fn is_same(&self, other: &Fill, dtype: &DType) -> bool {
        let equal = |a: f64, b: f64, size: u64| {
            let (a, b) = (rounded(a, size), rounded(b, size));
            a == b && a.is_sign_negative() == b.is_sign_negative() || a.is_nan() && b.is_nan()
        };
        match (self, other, dtype) {
            (Fill::Float(a), Fill::Float(b), DType::Float(size)) => equal(*a, *b, *size),
            (Fill::Complex(a, b), Fill::Complex(c, d), DType::Complex(size)) => {
                equal(*a, *c, size / 2) && equal(*b, *d, size / 2)
            }
            _ => self == other,
        }
    }
}

fn float_json(value: f64) -> Value {
    match value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    }
}

fn bool_of(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| match value.as_f64()? {
        0.0 => Some(false),
        1.0 => Some(true),
        _ => None,
    })
}

/// An integer within bounds. Archives hold `0.0` and `"7"` for integers, which zarr-python reads.
fn int_of(value: &Value, least: i128, most: i128) -> Option<Fill> {
    let exact = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    let whole = || value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e30).map(|float| float as i128);
    let number = exact.or_else(whole).or_else(|| value.as_str()?.parse().ok())?;
    (least..=most).contains(&number).then_some(Fill::Int(number))
}

fn time_of(value: &Value) -> Option<Fill> {
    match value.as_str() {
        Some("NaT") => Some(Fill::Int(NOT_A_TIME.into())),
        _ => value.as_i64().map(|ticks| Fill::Int(ticks.into())),
    }
}

/// A floating-point number of `size` bytes: a number, a word, or the bits in hexadecimal as v3 has them.
fn float_of(value: &Value, size: u64) -> Result<f64, FormatError> {
    let wrong = || invalid(format!("fill value {value} is not a {}-bit floating-point number", 8 * size));
    match (value, value.as_str().unwrap_or_default()) {
        (Value::Number(number), _) => number.as_f64().ok_or_else(wrong),
        (_, "NaN") => Ok(f64::NAN),
        (_, "Infinity") => Ok(f64::INFINITY),
        (_, "-Infinity") => Ok(f64::NEG_INFINITY),
        (_, text) => match text.strip_prefix("0x") {
            Some(digits) => float_from_hex(digits, size)?.ok_or_else(wrong),
            None => text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(wrong),
        },
    }
}

/// Two parts of `size` bytes each. zarr-python 2 also wrote plain numbers.
fn complex_of(value: &Value, size: u64) -> Result<Fill, FormatError> {
    match value.as_array().map(Vec::as_slice) {
        Some([real, imaginary]) => Ok(Fill::Complex(float_of(real, size)?, float_of(imaginary, size)?)),
        Some(_) => Err(invalid(format!("fill value {value} is not a pair of numbers"))),
        None => Ok(Fill::Complex(float_of(value, size)?, 0.0)),
    }
}

fn text_of(dtype: &DType, value: &Value) -> Option<String> {
    match (dtype, value) {
        (DType::Unicode(length), Value::String(text)) => (text.chars().count() as u64 <= *length).then(|| text.clone()),
        // What zarr-python 2 wrote as the default.
        (DType::Unicode(_), Value::Number(number)) => (number.as_f64() == Some(0.0)).then(String::new),
        (_, Value::String(text)) => Some(text.clone()),
        // zarr-python 3 reads a number as its digits.
        (DType::String, Value::Number(number)) => Some(number.to_string()),
        _ => None,
    }
}

/// Base64, a list of bytes (which v3 has for raw bits), or the 0 that zarr-python 2 wrote as the default.
fn bytes_of(dtype: &DType, value: &Value) -> Option<Vec<u8>> {
    let mut bytes = match value {
        Value::String(text) => BASE64_STANDARD.decode(text).ok()?,
        Value::Array(list) => {
            list.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect::<Option<_>>()?
        }
        Value::Number(number) if number.as_f64() == Some(0.0) => Vec::new(),
        _ => return None,
    };
    match dtype {
        DType::VariableBytes => {}
        _ if bytes.len() as u64 > dtype.itemsize() => return None,
        DType::Bytes(_) => {}
        _ => bytes.resize(dtype.itemsize() as usize, 0),
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dtype(text: &str) -> DType {
        DType::from_numpy(text).expect(text).0
    }

    /// The fill value as both formats spell it.
    fn spelled(text: &str, value: Value) -> Result<Value, FormatError> {
        Fill::read(&dtype(text), &value).map(|fill| fill.to_json())
    }

    #[test]
    fn every_spelling_is_read() {
        for (text, read, written) in [
            ("|b1", json!(true), json!(true)),
            ("|b1", json!(0), json!(false)),
            ("<i4", json!(-7), json!(-7)),
            ("<i4", json!(0.0), json!(0)),
            ("<i4", json!("7"), json!(7)),
            ("|u1", json!(255), json!(255)),
            ("<u8", json!(u64::MAX), json!(u64::MAX)),
            ("<i8", json!(i64::MIN), json!(i64::MIN)),
            ("<f4", json!(0), json!(0.0)),
            ("<f4", json!(1e20), json!(1e20)),
            ("<f8", json!(-0.0), json!(-0.0)),
            ("<f4", json!("NaN"), json!("NaN")),
            ("<f4", json!("-Infinity"), json!("-Infinity")),
            ("<f4", json!("1e5"), json!(1e5)),
            ("<f4", json!("0x7fc00000"), json!("NaN")),
            ("<f2", json!("0x3c00"), json!(1.0)),
            ("<f8", json!("0xfff0000000000000"), json!("-Infinity")),
            ("<c8", json!([1, "NaN"]), json!([1.0, "NaN"])),
            ("<c8", json!(0), json!([0.0, 0.0])),
            ("<c16", json!(["0x3ff0000000000000", 2.5]), json!([1.0, 2.5])),
            ("<M8[s]", json!(5), json!(5)),
            ("<M8[s]", json!("NaT"), json!(i64::MIN)),
            ("<U3", json!("abc"), json!("abc")),
            ("<U3", json!(0), json!("")),
            ("|S4", json!("eA=="), json!("eA==")),
            ("|S4", json!(0), json!("")),
            ("|V4", json!("AAAA"), json!("AAAAAA==")),
            ("|V3", json!([1, 2, 3]), json!("AQID")),
        ] {
            assert_eq!(spelled(text, read.clone()), Ok(written), "{text} {read}");
        }
        let strings = Fill::read(&DType::String, &json!(0)).map(|fill| fill.to_json());
        assert_eq!(strings, Ok(json!("0")));
        let bytes = Fill::read(&DType::VariableBytes, &json!("eA==")).map(|fill| fill.to_json());
        assert_eq!(bytes, Ok(json!("eA==")));
    }

    #[test]
    fn what_a_type_does_not_hold_is_refused() {
        for (text, value) in [
            ("|b1", json!(2)),
            ("|u1", json!(256)),
            ("<i4", json!(1.5)),
            ("<i4", json!("NaN")),
            ("<u2", json!(-1)),
            ("<f4", json!("nan")),
            ("<f4", json!("0x7fc0")),
            ("<f4", json!("0xé00000")),
            ("<f4", json!([])),
            ("<c8", json!([1])),
            ("<M8[s]", json!(1.5)),
            ("<U2", json!("abc")),
            ("|S2", json!("AQID")),
            ("|S2", json!("?")),
            ("|V3", json!([256])),
        ] {
            let error = spelled(text, value.clone()).expect_err("not of this type");
            assert!(error.to_string().contains("fill value"), "{text} {value}: {error}");
        }
    }

    #[test]
    fn a_nan_of_other_bits_has_only_one_spelling() {
        for bits in ["0x7fc00001", "0xffc00000", "0x7fa00000"] {
            let error = spelled("<f4", json!(bits)).expect_err("not canonical");
            assert!(error.to_string().contains("NaN"), "{error}");
        }
    }

    #[test]
    fn defaults_are_those_of_zarr_python() {
        for (text, default) in [
            ("|b1", json!(false)),
            ("<u2", json!(0)),
            ("<f8", json!(0.0)),
            ("<c8", json!([0.0, 0.0])),
            ("<m8[us]", json!(i64::MIN)),
            ("<U4", json!("")),
            ("|S4", json!("")),
            ("|V4", json!("AAAAAA==")),
        ] {
            assert_eq!(Fill::default_of(&dtype(text)).to_json(), default, "{text}");
        }
    }

    #[test]
    fn same_is_what_the_array_holds() {
        let single = DType::Float(4);
        assert!(Fill::Float(1e20).is_same(&Fill::Float(f64::from(1e20_f32)), &single));
        assert!(!Fill::Float(1e20).is_same(&Fill::Float(f64::from(1e20_f32)), &DType::Float(8)));
        assert!(Fill::Float(f64::NAN).is_same(&Fill::Float(f64::NAN), &single));
        assert!(!Fill::Float(0.0).is_same(&Fill::Float(-0.0), &single));
        assert!(Fill::Complex(f64::NAN, 1.0).is_same(&Fill::Complex(f64::NAN, 1.0), &DType::Complex(8)));
    }
}
