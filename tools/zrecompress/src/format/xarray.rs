//! What xarray reads beside the array itself: the names of dimensions, and the value that it takes for missing.
//!
//! In v2 the latter is the fill value of Zarr, in v3 an attribute `_FillValue` of its own (xarray's `backends/zarr.py`:
//! `FillValueCoder` and the default of `use_zarr_fill_value_as_mask`).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use zarray::Members;

use super::dtype::DType;
use super::error::{FormatError, invalid, unsupported};
use super::fill::Fill;
use super::float::rounded;

/// The attribute in which xarray keeps the names of dimensions in v2.
const DIMENSIONS: &str = "_ARRAY_DIMENSIONS";

/// Takes the names of dimensions from the attribute that xarray writes in v2, or from the member that NetCDF-C writes.
///
/// # Errors
/// They are not names, or not one for each dimension.
pub fn dimension_names(zarray: &Members, attributes: &mut Members, rank: usize) -> Result<Option<Value>, FormatError> {
    let (names, place) = match attributes.take(DIMENSIONS) {
        Some(names) => (names, "attribute _ARRAY_DIMENSIONS"),
        None => match zarray.value("_NCZARR_ARRAY").and_then(|array| array.get("dimrefs").cloned()) {
            Some(paths) => (last_parts(&paths), "_NCZARR_ARRAY"),
            None => return Ok(None),
        },
    };
    let list = names.as_array().filter(|names| names.iter().all(Value::is_string));
    match list.map(Vec::len) {
        None => Err(invalid(format!("{place} is {names}, not a list of names"))),
        Some(count) if count != rank => {
            Err(invalid(format!("{place} has {count} names, but the array has {rank} dimensions")))
        }
        Some(_) => Ok(Some(names)),
    }
}

/// NetCDF-C names dimensions by their path.
fn last_parts(paths: &Value) -> Value {
    let last = |path: &Value| json!(path.as_str().map(|path| path.rsplit('/').next().unwrap_or(path)));
    paths.as_array().map_or(Value::Null, |paths| paths.iter().map(last).collect())
}

/// Sets the attribute of v3 to what xarray takes for missing in v2: the fill value if there is one, else an attribute.
///
/// # Errors
/// The attribute is not of this type, or xarray would not read it.
pub fn set_mask_v3(dtype: &DType, fill: Option<&Fill>, attributes: &mut Members) -> Result<(), FormatError> {
    let stated = attributes.take("_FillValue").filter(|value| !value.is_null());
    // xarray refuses the whole store for a `_FillValue` of another type.
    let is_maskable =
        matches!(dtype, DType::Bool | DType::Int(_) | DType::UInt(_) | DType::Float(_) | DType::Complex(_));
    let mask = match (fill, stated) {
        (None, None) => return Ok(()),
        (Some(fill), _) => fill.clone(),
        (None, Some(_)) if !is_maskable => {
            let dtype = dtype.to_v3();
            return Err(unsupported(format!(
                "attribute _FillValue: xarray does not support it for data type {dtype} in Zarr v3"
            )));
        }
        (None, Some(stated)) => read_attribute(dtype, &stated)?,
    };
    if is_maskable {
        attributes.push("_FillValue", &attribute_v3(dtype, &mask));
    }
    Ok(())
}

fn read_attribute(dtype: &DType, attribute: &Value) -> Result<Fill, FormatError> {
    Fill::read(dtype, attribute).map_err(|error| invalid(format!("attribute _FillValue: {error}")))
}

/// The attribute of v3 for a value: floating-point numbers as the base64 of a little-endian double.
fn attribute_v3(dtype: &DType, mask: &Fill) -> Value {
    let double = |value: f64, size: u64| json!(BASE64_STANDARD.encode(rounded(value, size).to_le_bytes()));
    match (dtype, mask) {
        (DType::Float(size), Fill::Float(value)) => double(*value, *size),
        (DType::Complex(size), Fill::Complex(real, imaginary)) => {
            json!([double(*real, size / 2), double(*imaginary, size / 2)])
        }
        _ => mask.to_json(),
    }
}

/// Reads the attribute of v3.
fn read_v3(dtype: &DType, attribute: &Value) -> Result<Fill, FormatError> {
    let double = |value: &Value| {
        let bytes = BASE64_STANDARD.decode(value.as_str()?).ok()?;
        Some(f64::from_le_bytes(bytes.try_into().ok()?))
    };
    let decoded = match (dtype, attribute, attribute.as_array().map(Vec::as_slice)) {
        (DType::Float(_), number, _) => double(number).map(Fill::Float),
        (DType::Complex(_), _, Some([real, imaginary])) => {
            double(real).zip(double(imaginary)).map(|(real, imaginary)| Fill::Complex(real, imaginary))
        }
        _ => None,
    };
    decoded.map_or_else(|| read_attribute(dtype, attribute), Ok)
}

/// Sets the attributes of v2 by which xarray sees the same `names` of dimensions and the same values missing as in v3; returns
/// the fill value that goes with them.
///
/// # Errors
/// v2 cannot have both, or the attributes contradict the metadata.
pub fn set_v2(
    dtype: &DType,
    fill: &Fill,
    names: Option<Value>,
    rank: usize,
    attributes: &mut Members,
) -> Result<Value, FormatError> {
    let is_xarrays = names.is_some() || attributes.get(DIMENSIONS).is_some();
    let stated = attributes.present("_FillValue");
    let mask = stated.map(|stated| read_v3(dtype, &stated)).transpose();
    let (fill_value, attribute) = match mask.and_then(|mask| split_v2(dtype, fill, mask.as_ref())) {
        // xarray names no dimensions where there are none, so any such array may be its own.
        Ok(split) if is_xarrays || rank == 0 => split,
        Err(error) if is_xarrays => return Err(error),
        _ => return Ok(fill.to_json()),
    };
    attributes.take("_FillValue");
    if let Some(attribute) = attribute {
        attributes.push("_FillValue", &attribute);
    }
    if let Some(names) = names.or_else(|| (!is_xarrays).then(|| json!([]))) {
        if let Some(stated) = attributes.take(DIMENSIONS).filter(|stated| *stated != names) {
            let text = format!("attribute _ARRAY_DIMENSIONS is {stated}, but \"dimension_names\" is {names}");
            return Err(invalid(text));
        }
        attributes.push(DIMENSIONS, &names);
    }
    Ok(fill_value)
}

/// The `fill_value` of v2, and the attribute `_FillValue` to keep beside it, by which xarray sees the same values missing as in
/// v3, where absent chunks are `fill` and `mask` is missing.
///
/// With `null` for a fill value an absent chunk is zero, and xarray takes the attribute. NaN is always missing.
fn split_v2(dtype: &DType, fill: &Fill, mask: Option<&Fill>) -> Result<(Value, Option<Value>), FormatError> {
    let is_zero = fill.is_same(&Fill::default_of(dtype), dtype);
    let is_time = matches!(dtype, DType::Datetime(_) | DType::Timedelta(_));
    match mask.filter(|mask| !is_nan(mask) || is_nan(fill)) {
        Some(mask) if mask.is_same(fill, dtype) => Ok((fill.to_json(), None)),
        None if is_zero => Ok((Value::Null, None)),
        // xarray does not look for fill values among times.
        None if is_nan(fill) || is_time => Ok((fill.to_json(), None)),
        None => Err(unsupported(format!(
            "fill value {} is valid data in Zarr v3, but xarray would read it as missing in Zarr v2",
            fill.to_json()
        ))),
        Some(mask) if is_zero && has_attribute(mask) => Ok((Value::Null, Some(mask.to_json()))),
        // An absent chunk is missing before and after.
        Some(mask) if is_nan(fill) => Ok((mask.to_json(), None)),
        Some(mask) => Err(unsupported(format!(
            "fill value {} and _FillValue {} differ, but Zarr v2 has only one fill value",
            fill.to_json(),
            mask.to_json()
        ))),
    }
}

/// Infinity, pairs and bytes have no spelling in the attributes of v2.
fn has_attribute(mask: &Fill) -> bool {
    match mask {
        Fill::Float(value) => value.is_finite(),
        _ => !matches!(mask, Fill::Complex(..) | Fill::Bytes(_)),
    }
}

fn is_nan(fill: &Fill) -> bool {
    matches!(fill, Fill::Float(value) if value.is_nan())
        || matches!(fill, Fill::Complex(real, imaginary) if real.is_nan() && imaginary.is_nan())
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
            assert!(
                read_v3(&dtype(text), &attribute).expect_err("no value").to_string().contains("_FillValue"),
                "{text}"
            );
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
            ("<i2", Fill::Int(7), None, "is valid data in Zarr v3"),
            ("<i2", Fill::Int(7), Some(Fill::Int(8)), "differ"),
            ("<f4", Fill::Float(0.0), Some(infinite), "differ"),
            ("<f4", Fill::Float(7.0), Some(Fill::Float(f64::NAN)), "is valid data in Zarr v3"),
        ] {
            let error = split_v2(&dtype(text), &fill, mask.as_ref()).expect_err(word);
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
