//! Missing values: `_FillValue`, `missing_value` and Zarr's fill value, as interpreted by xarray 2026.9
//! (`backends/zarr.py`, `coding/variables.py`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use half::{bf16, f16};
use serde_json::Value;
use zarray::{Array, Number, NumberType};

use crate::attribute::{double, number, scalars};
use crate::decode_error::DecodeError;
use crate::stored::Stored;

/// The masks of a variable of numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Masks {
    /// Numbers that mark missing values; never NaN, which is always missing.
    pub fills: Vec<Number>,
    /// Whether anything is to be masked, so that the type must hold NaN. Text as a fill value asks for that too.
    pub promotes: bool,
    /// Whether a fill value is stated at all: packing then keeps the type that masking came to.
    pub stated: bool,
}

/// The fill value of the array, in which fills go by xarray's `_FillValue`.
pub(crate) enum Origin {
    /// The metadata's `fill_value`, where there is one, stands for the attribute.
    Zarr,
    /// The attribute, in the coding that xarray gives it if `fill_value` is not a mask.
    Attribute,
}

impl Masks {
    /// The masks of `array`, whose elements are `stored`, and are taken for `read` (another signedness by `_Unsigned`).
    ///
    /// # Errors
    /// [`DecodeError::FillValue`].
    pub fn of(array: &Array, stored: NumberType, read: NumberType, origin: Origin) -> Result<Masks, DecodeError> {
        let attribute = |key: &str| array.attributes.get(key).filter(|value| !value.is_null());
        let fills = |value: &Value| scalars(value).into_iter().filter_map(fill).collect();
        let mut missing: Option<Vec<Fill>> = attribute("missing_value").map(fills);
        let mut own: Option<Vec<Fill>> = match origin {
            Origin::Zarr if !array.fill_value.is_null() => Some(vec![Fill::Number(zarr_fill(array, stored)?)]),
            Origin::Zarr => attribute("_FillValue").map(fills),
            Origin::Attribute => attribute("_FillValue")
                .map(|value| scalars(value).into_iter().filter_map(|value| coded(value, stored)).collect()),
        };
        if let (true, Some(own)) = (stored.kind != read.kind, &mut own) {
            // xarray: the bits of `_FillValue` are taken for the other signedness too; `missing_value` stays a number.
            missing.iter_mut().for_each(|missing| missing.retain(|fill| !own.contains(fill)));
            own.iter_mut().for_each(|fill| *fill = fill.wrapped(read));
        }
        let mut masks = Masks::default();
        [missing, own].into_iter().flatten().for_each(|fills| masks.add(stored, fills));
        Ok(masks)
    }

    /// The fills that are 64-bit integers.
    pub fn integers(&self) -> Vec<i64> {
        let whole = |fill: &Number| match fill {
            Number::Int(integer) => i64::try_from(*integer).ok(),
            Number::Float(float) if float.fract() == 0.0 && float.abs() < 9.2e18 => Some(*float as i64),
            Number::Float(_) => None,
        };
        self.fills.iter().filter_map(whole).collect()
    }

    /// Adds the values of one attribute. An attribute with only NaN has no effect on integers.
    fn add(&mut self, stored: NumberType, fills: Vec<Fill>) {
        let masking: Vec<Fill> = fills.into_iter().filter(|fill| !fill.is_nan()).collect();
        self.promotes |= !masking.is_empty();
        self.stated |= !masking.is_empty() || !matches!(stored.kind, 'i' | 'u');
        for fill in masking {
            match fill {
                Fill::Number(number) if !self.fills.contains(&number) => self.fills.push(number),
                Fill::Number(_) | Fill::Text => {}
            }
        }
    }

    /// The fills as `float64`, to compare with.
    pub fn doubles(&self) -> Vec<f64> {
        self.fills.iter().map(|fill| double(*fill)).collect()
    }
}

/// `number` in the bits of the integer type `to`.
pub(crate) fn wrapped(number: Number, to: NumberType) -> i128 {
    let integer = match number {
        Number::Int(integer) => integer,
        Number::Float(float) => float as i128,
    };
    let count = 1i128 << (8 * to.size);
    let unsigned = integer.rem_euclid(count);
    if to.kind == 'i' && unsigned >= count / 2 { unsigned - count } else { unsigned }
}

/// One value of a fill attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fill {
    Number(Number),
    /// Text, which equals no number.
    Text,
}

impl Fill {
    pub fn is_nan(&self) -> bool {
        matches!(self, Fill::Number(Number::Float(value)) if value.is_nan())
    }

    fn wrapped(&self, to: NumberType) -> Fill {
        match self {
            Fill::Number(number) if !self.is_nan() => Fill::Number(Number::Int(wrapped(*number, to))),
            other => other.clone(),
        }
    }
}

/// A fill attribute as a plain number.
pub(crate) fn fill(value: &Value) -> Option<Fill> {
    match value {
        Value::Bool(truth) => Some(Fill::Number(Number::Int(i128::from(*truth)))),
        Value::String(_) => Some(number(value).map_or(Fill::Text, Fill::Number)),
        _ => number(value).map(Fill::Number),
    }
}

/// `_FillValue` in xarray's coding: Base64 of a little-endian `float64` for floats; integers truncated to whole
/// numbers; booleans. Other values, on which xarray fails, are used as plain numbers.
pub(crate) fn coded(value: &Value, stored: NumberType) -> Option<Fill> {
    let float = matches!(stored.kind, 'f' | 'B');
    let bytes = value.as_str().filter(|_| float).and_then(|text| STANDARD.decode(text).ok());
    if let Some(bytes) = bytes.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) {
        return Some(Fill::Number(Number::Float(f64::from_le_bytes(bytes))));
    }
    match (fill(value)?, stored.kind) {
        (Fill::Number(number), 'b') => Some(Fill::Number(Number::Int(i128::from(double(number) != 0.0)))),
        (Fill::Number(Number::Float(value)), 'i' | 'u') if value.is_finite() => {
            Some(Fill::Number(Number::Int(value as i128)))
        }
        (fill, _) => Some(fill),
    }
}

/// The metadata's `fill_value`, in the type of the elements.
fn zarr_fill(array: &Array, stored: NumberType) -> Result<Number, DecodeError> {
    let element = stored.element(&array.fill_value).and_then(|bytes| decoded(stored, &bytes));
    let unknown = || format!("fill value {} of data type {} is not valid", array.fill_value, array.dtype);
    element.ok_or_else(|| DecodeError::FillValue(unknown()))
}

fn decoded(stored: NumberType, bytes: &[u8]) -> Option<Number> {
    let float = match (stored.kind, stored.size) {
        ('f', 2) => f16::each(bytes, stored.big_endian, Stored::f64).pop(),
        ('B', _) => bf16::each(bytes, stored.big_endian, Stored::f64).pop(),
        _ => return stored.decode(bytes),
    };
    float.map(Number::Float)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const INT8: NumberType = NumberType { kind: 'i', size: 1, big_endian: false };
    const UINT8: NumberType = NumberType { kind: 'u', ..INT8 };
    const FLOAT: NumberType = NumberType { kind: 'f', size: 4, big_endian: false };

    fn masks(fill: Value, attributes: Value, stored: NumberType, read: NumberType, origin: Origin) -> Masks {
        let text = json!({"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": "<f4", "fill_value": fill,
            "order": "C", "filters": null, "compressor": null});
        let attributes = attributes.to_string();
        let array = zarray::array_v2("/x", text.to_string().as_bytes(), Some(attributes.as_bytes())).expect("an array");
        Masks::of(&array, stored, read, origin).expect("understood")
    }

    #[test]
    fn zarr_fill_stands_for_the_attribute() {
        let attributes = json!({"_FillValue": 5, "missing_value": [7, "NaN", [8.5]]});
        let found = masks(json!(0), attributes.clone(), FLOAT, FLOAT, Origin::Zarr);
        assert_eq!(found.doubles(), [7.0, 8.5, 0.0]);
        let found = masks(Value::Null, attributes.clone(), FLOAT, FLOAT, Origin::Zarr);
        assert_eq!(found.doubles(), [7.0, 8.5, 5.0]);
        let found = masks(json!(0), attributes, INT8, INT8, Origin::Attribute);
        assert_eq!(found.doubles(), [7.0, 8.5, 5.0]);
    }

    #[test]
    fn nan_alone_means_nothing_to_integers() {
        let nan = json!({"_FillValue": "NaN"});
        assert_eq!(masks(Value::Null, nan.clone(), INT8, INT8, Origin::Zarr), Masks::default());
        let found = masks(Value::Null, nan, FLOAT, FLOAT, Origin::Zarr);
        assert_eq!((found.promotes, found.stated), (false, true));
        let text = masks(Value::Null, json!({"missing_value": "none"}), INT8, INT8, Origin::Zarr);
        assert_eq!((text.promotes, text.doubles().len()), (true, 0));
    }

    #[test]
    fn coded_fill_values() {
        for (value, stored, fills) in [
            (json!("AAAAAAAAWUA="), FLOAT, vec![100.0]),
            (json!("AAAAAAAA+H8="), FLOAT, vec![]),
            (json!(-9999.5), FLOAT, vec![-9999.5]),
            (json!("Infinity"), FLOAT, vec![f64::INFINITY]),
            (json!(100.7), INT8, vec![100.0]),
        ] {
            let found = masks(json!(0), json!({"_FillValue": value}), stored, stored, Origin::Attribute);
            assert_eq!(found.doubles(), fills, "{value}");
        }
    }

    #[test]
    fn unsigned_takes_the_bits_of_the_fill_value_only() {
        let attributes = json!({"_FillValue": -1, "missing_value": [-1, -2]});
        assert_eq!(masks(Value::Null, attributes, INT8, UINT8, Origin::Zarr).doubles(), [-2.0, 255.0]);
    }

    proptest! {
        #[test]
        fn wrapping_is_a_cast(value: i64) {
            prop_assert_eq!(wrapped(Number::Int(value.into()), INT8), i128::from(value as i8));
            prop_assert_eq!(wrapped(Number::Int(value.into()), UINT8), i128::from(value as u8));
        }
    }
}
