//! Filters that encode each element by itself (numcodecs' `fixedscaleoffset`, `quantize`, `bitround`, `astype`), for one
//! element: the fill value.
//!
//! A missing chunk reads as the fill value; an element of a chunk reads as what the filters decode it to. The encoded
//! fill value may replace a missing chunk only if decoding returns exactly the same number. Any uncertainty is an
//! error.

#![allow(clippy::cast_possible_truncation, reason = "arithmetic in the type of the elements")]

use serde_json::Value;
use zcodec::codec_name;

use crate::number::{Number, NumberType};

/// `element` of type `number` after `filters`. Zarr v3 keeps byte order apart from types: `reorder` is its stored order.
///
/// # Errors
/// Which filter does not give the fill value back, or is not known.
pub fn encode_fill(
    number: NumberType,
    element: Vec<u8>,
    filters: &[&Value],
    reorder: Option<bool>,
) -> Result<Vec<u8>, String> {
    let mut state = (number, element);
    for spec in filters {
        let name = codec_name(spec);
        let members = spec.get("configuration").unwrap_or(spec);
        let filter = name.strip_prefix("numcodecs.").unwrap_or(name);
        let encoded = encode(filter, members, state.0, &state.1, reorder);
        state = encoded.ok_or_else(|| format!("filter {name:?} does not preserve the fill value"))?;
    }
    Ok(state.1)
}

fn encode(
    filter: &str,
    members: &Value,
    from: NumberType,
    element: &[u8],
    reorder: Option<bool>,
) -> Option<(NumberType, Vec<u8>)> {
    let typed = |key: &str| match members.get(key).filter(|dtype| !dtype.is_null()) {
        None => Some(from),
        Some(dtype) => {
            let stated = NumberType::from_v2(dtype).or_else(|| NumberType::from_v3(dtype.as_str()?, false))?;
            Some(NumberType { big_endian: reorder.unwrap_or(stated.big_endian), ..stated })
        }
    };
    let value = from.decode(element)?;
    match filter {
        "astype" => converted(from, element, typed("encode_dtype")?, value),
        // Both decode to what they encoded to, so the fill value must be one of the values that they leave alone.
        "quantize" if quantized(value, members)? => converted(from, element, typed("astype")?, value),
        "bitround" if rounded_bits(from, value, members)? => Some((from, element.to_vec())),
        "fixedscaleoffset" => scaled(from, element, typed("astype")?, value, members),
        _ => None,
    }
}

/// The same number in another type, if it converts back to the same bytes.
fn converted(from: NumberType, element: &[u8], to: NumberType, value: Number) -> Option<(NumberType, Vec<u8>)> {
    let encoded = to.encode(value)?;
    let back = from.encode(to.decode(&encoded)?)?;
    (back == element).then_some((to, encoded))
}

/// Whether `quantize` leaves the number alone: it rounds to a multiple of a power of two.
fn quantized(value: Number, members: &Value) -> Option<bool> {
    let Number::Float(value) = value else { return None };
    let digits = members.get("digits")?.as_i64()?;
    let bits = (10f64.powi(i32::try_from(digits).ok()?)).log2().ceil();
    let scaled = value * 2f64.powf(bits);
    Some(!value.is_finite() || scaled.round_ties_even() == scaled)
}

/// Whether `bitround` leaves the number alone: it clears the last bits of the mantissa, rounding to nearest.
fn rounded_bits(kind: NumberType, value: Number, members: &Value) -> Option<bool> {
    let keep = u32::try_from(members.get("keepbits")?.as_u64()?).ok()?;
    let (bits, mantissa) = match (value, kind.size) {
        (Number::Float(value), 4) => (u64::from((value as f32).to_bits()), 23u32),
        (Number::Float(value), 8) => (value.to_bits(), 52),
        _ => return None,
    };
    Some(bits.trailing_zeros() >= mantissa.checked_sub(keep)?)
}

/// `round((x - offset) * scale)`, in the arithmetic of the element's own type.
fn scaled(
    from: NumberType,
    element: &[u8],
    to: NumberType,
    value: Number,
    members: &Value,
) -> Option<(NumberType, Vec<u8>)> {
    let Number::Float(value) = value else { return None };
    let (scale, offset) = (members.get("scale")?.as_f64()?, members.get("offset")?.as_f64()?);
    let encoded = match from.size {
        4 => f64::from(((value as f32 - offset as f32) * scale as f32).round_ties_even()),
        _ => ((value - offset) * scale).round_ties_even(),
    };
    let encoded = encoded.is_finite().then(|| to.encode(Number::Float(encoded)))??;
    let stored = match to.decode(&encoded)? {
        Number::Int(integer) => integer as f64,
        Number::Float(value) => value,
    };
    // NumPy decodes in single or double precision, by its version; the fill value must come back from both.
    let double = from.encode(Number::Float(stored / scale + offset))?;
    let single = from.encode(Number::Float(f64::from(stored as f32 / scale as f32 + offset as f32)))?;
    (double == element && (single == element || from.size == 8)).then_some((to, encoded))
}
