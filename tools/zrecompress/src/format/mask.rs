//! The value that xarray takes for missing: in v2 it is the fill value of Zarr, in v3 an attribute `_FillValue` of its own
//! (xarray's `backends/zarr.py`: `FillValueCoder` and the default of `use_zarr_fill_value_as_mask`).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::dtype::DType;
use super::fill::Fill;
use super::float::rounded;

/// Whether xarray can read a `_FillValue` of this type in v3. Of other types it refuses the whole store.
pub fn is_maskable(dtype: &DType) -> bool {
    matches!(dtype, DType::Bool | DType::Int(_) | DType::UInt(_) | DType::Float(_) | DType::Complex(_))
}

/// The attribute of v3 for a value: floating-point numbers as the base64 of a little-endian double.
pub fn attribute_v3(dtype: &DType, mask: &Fill) -> Value {
    let double = |value: f64| json!(BASE64_STANDARD.encode(value.to_le_bytes()));
    match (dtype, mask) {
        (DType::Float(size), Fill::Float(value)) => double(rounded(*value, *size)),
        (DType::Complex(size), Fill::Complex(real, imaginary)) => {
            json!([double(rounded(*real, size / 2)), double(rounded(*imaginary, size / 2))])
        }
        _ => mask.to_json(),
    }
}

/// Reads the attribute of v3.
///
/// # Errors
/// It is no value of this type.
pub fn read_v3(dtype: &DType, attribute: &Value) -> Result<Fill, String> {
    let decoded = match (dtype, attribute) {
        (DType::Float(_), Value::String(text)) => double_of(text).map(Fill::Float),
        (DType::Complex(_), Value::Array(parts)) => match parts.as_slice() {
            [Value::String(real), Value::String(imaginary)] => {
                double_of(real).zip(double_of(imaginary)).map(|(real, imaginary)| Fill::Complex(real, imaginary))
            }
            _ => None,
        },
        _ => None,
    };
    match decoded {
        Some(fill) => Ok(fill),
        None => Fill::read(dtype, attribute).map_err(|error| format!("attribute _FillValue: {error}")),
    }
}

fn double_of(text: &str) -> Option<f64> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    Some(f64::from_le_bytes(bytes.try_into().ok()?))
}

/// The `fill_value` of v2, and the attribute `_FillValue` to keep beside it, by which xarray sees missing what it sees
/// missing in v3, where absent chunks are `fill` and `mask` is missing.
///
/// With `null` for a fill value an absent chunk is zero, and xarray takes the attribute. NaN is missing whatever is said.
///
/// # Errors
/// v2 has one value for both, and here they are two.
pub fn split_v2(dtype: &DType, fill: &Fill, mask: Option<&Fill>) -> Result<(Value, Option<Value>), String> {
    let is_zero = fill.is_same(&Fill::default_of(dtype), dtype);
    let is_time = matches!(dtype, DType::Datetime(_) | DType::Timedelta(_));
    let mask = mask.filter(|mask| !is_nan(mask) || is_nan(fill));
    match mask {
        Some(mask) if mask.is_same(fill, dtype) => Ok((fill.to_json(), None)),
        None if is_zero => Ok((Value::Null, None)),
        // xarray does not look for fill values among times.
        None if is_nan(fill) || is_time => Ok((fill.to_json(), None)),
        None => Err(format!(
            "fill value {} is data in Zarr v3, and xarray would take it for missing in Zarr v2",
            fill.to_json()
        )),
        Some(mask) if is_zero && !matches!(mask, Fill::Complex(..) | Fill::Bytes(_)) && is_finite(mask) => {
            Ok((Value::Null, Some(mask.to_json())))
        }
        // An absent chunk is missing before and after.
        Some(mask) if is_nan(fill) => Ok((mask.to_json(), None)),
        Some(mask) => Err(format!(
            "fill value {} and _FillValue {} differ, and Zarr v2 has one fill value for both",
            fill.to_json(),
            mask.to_json()
        )),
    }
}

fn is_nan(fill: &Fill) -> bool {
    matches!(fill, Fill::Float(value) if value.is_nan())
        || matches!(fill, Fill::Complex(real, imaginary) if real.is_nan() && imaginary.is_nan())
}

/// Infinity has no spelling in attributes.
fn is_finite(fill: &Fill) -> bool {
    !matches!(fill, Fill::Float(value) if !value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dtype(text: &str) -> DType {
        DType::from_numpy(text).expect(text).0
    }

    #[test]
    fn attributes_are_those_of_xarray() {
        for (text, mask, attribute) in [
            ("<f8", Fill::Float(100.0), json!("AAAAAAAAWUA=")),
            ("<f8", Fill::Float(1e20), json!("QIy1eB2vFUQ=")),
            ("<f4", Fill::Float(1e20), json!("AAAAgB2vFUQ=")),
            ("<f4", Fill::Float(f64::NAN), json!("AAAAAAAA+H8=")),
            ("<c8", Fill::Complex(100.0, 0.0), json!(["AAAAAAAAWUA=", "AAAAAAAAAAA="])),
            ("<i2", Fill::Int(-99), json!(-99)),
            ("|b1", Fill::Bool(false), json!(false)),
        ] {
            let dtype = dtype(text);
            assert_eq!(attribute_v3(&dtype, &mask), attribute, "{text}");
            assert!(read_v3(&dtype, &attribute).expect("reads").is_same(&mask, &dtype), "{text}");
        }
    }

    #[test]
    fn other_attributes_are_no_values() {
        for (text, attribute) in [("<f8", json!("AAAA")), ("<i2", json!("x")), ("<c8", json!(["AAAA", "AAAA"]))] {
            assert!(read_v3(&dtype(text), &attribute).expect_err("no value").contains("_FillValue"), "{text}");
        }
    }

    #[test]
    fn one_value_for_both_purposes() {
        let (nan, zero, big) = (Fill::Float(f64::NAN), Fill::Float(0.0), Fill::Float(1e20));
        let (float, int) = (dtype("<f4"), dtype("<i2"));
        for (dtype, fill, mask, expected) in [
            (&float, &nan, Some(&nan), (json!("NaN"), None)),
            (&float, &nan, None, (json!("NaN"), None)),
            (&float, &nan, Some(&big), (json!(1e20), None)),
            (&float, &zero, None, (Value::Null, None)),
            (&float, &zero, Some(&zero), (json!(0.0), None)),
            (&float, &zero, Some(&nan), (Value::Null, None)),
            (&float, &zero, Some(&big), (Value::Null, Some(json!(1e20)))),
            (&float, &big, Some(&big), (json!(1e20), None)),
            (&int, &Fill::Int(0), Some(&Fill::Int(-99)), (Value::Null, Some(json!(-99)))),
            (&int, &Fill::Int(-99), Some(&Fill::Int(-99)), (json!(-99), None)),
            (&dtype("<M8[s]"), &Fill::Int(7), None, (json!(7), None)),
            (&dtype("<M8[s]"), &Fill::Int(i64::MIN.into()), None, (Value::Null, None)),
        ] {
            assert_eq!(split_v2(dtype, fill, mask), Ok(expected), "{fill:?} {mask:?}");
        }
    }

    #[test]
    fn two_values_are_too_many() {
        let infinite = Fill::Float(f64::INFINITY);
        for (text, fill, mask, word) in [
            ("<i2", Fill::Int(7), None, "is data in Zarr v3"),
            ("<i2", Fill::Int(7), Some(Fill::Int(8)), "differ"),
            ("<f4", Fill::Float(0.0), Some(infinite), "differ"),
            ("<f4", Fill::Float(7.0), Some(Fill::Float(f64::NAN)), "is data in Zarr v3"),
        ] {
            let error = split_v2(&dtype(text), &fill, mask.as_ref()).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }
}
