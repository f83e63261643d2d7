//! Valid ranges: `valid_range`, `valid_min` and `valid_max` (CF conventions 2.5.1), in packed numbers.

use serde_json::Value;
use zarray::{Array, Number, NumberType};

use crate::attribute::{number, scalars};
use crate::masks::wrapped;
use crate::stored::Stored;

/// The valid range of a variable, either end open or inclusive.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Range {
    low: Option<Number>,
    high: Option<Number>,
}

impl Range {
    /// The range of `array`, whose elements are taken for `read`, and what is left out of it: a bound that the packed type
    /// cannot hold, or a broken number for packed integers, which is one of the unpacked values.
    pub fn of(array: &Array, read: NumberType, reinterpreted: bool, packed: bool) -> (Range, Vec<String>) {
        let (mut range, mut notes) = (Range::default(), Vec::new());
        let attribute = |key: &str| array.attributes.get(key).map(|value| (key.to_owned(), scalars(value)));
        let mut bound = |found: Option<(String, Value)>| {
            let (key, value) = found?;
            let bound = number(&value).filter(|_| read.kind != 'b').and_then(|bound| {
                let unpacked = packed && matches!((bound, read.kind), (Number::Float(_), 'i' | 'u'));
                (!unpacked).then(|| held(bound, read, reinterpreted))?
            });
            if bound.is_none() {
                notes.push(format!("{key} {value} is not a packed value and was ignored"));
            }
            bound
        };
        let nth = |found: &Option<(String, Vec<&Value>)>, at: usize| {
            found.as_ref().and_then(|(key, values)| Some((key.clone(), (*values.get(at)?).clone())))
        };
        let both = attribute("valid_range");
        match &both {
            Some((_, values)) if values.len() == 2 => {
                (range.low, range.high) = (bound(nth(&both, 0)), bound(nth(&both, 1)))
            }
            _ => {
                range.low = bound(nth(&attribute("valid_min"), 0));
                range.high = bound(nth(&attribute("valid_max"), 0));
            }
        }
        (range, notes)
    }

    /// Whether there is no bound.
    pub fn is_open(&self) -> bool {
        *self == Range::default()
    }

    /// Which elements are outside; those that are missing anyway are not.
    pub fn outside<T: Stored>(&self, bytes: &[u8], read: NumberType, fills: &[f64]) -> Vec<bool> {
        let element = |bound: Option<Number>| {
            let bytes = read.encode(bound?)?;
            T::each(&bytes, read.big_endian, |value| value).pop()
        };
        let (low, high) = (element(self.low), element(self.high));
        T::each(bytes, read.big_endian, |value| {
            let outside = low.is_some_and(|low| value < low) || high.is_some_and(|high| value > high);
            outside && !fills.contains(&value.f64())
        })
    }
}

/// The bound, where the type holds it; with `_Unsigned`, a negative one by its bits.
fn held(bound: Number, read: NumberType, reinterpreted: bool) -> Option<Number> {
    let bound = match bound {
        Number::Int(integer) if reinterpreted && integer < 0 && read.kind == 'u' => Number::Int(wrapped(bound, read)),
        Number::Float(value) if value.is_nan() => return None,
        other => other,
    };
    read.encode(bound).map(|_| bound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn range(attributes: Value, dtype: &str, reinterpreted: bool, packed: bool) -> (Range, Vec<String>) {
        let text = json!({"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": dtype, "fill_value": null,
            "order": "C", "filters": null, "compressor": null});
        let attributes = attributes.to_string();
        let array = zarray::array_v2("/x", text.to_string().as_bytes(), Some(attributes.as_bytes())).expect("an array");
        let read = NumberType::from_v2(&json!(dtype)).expect("a number type");
        Range::of(&array, read, reinterpreted, packed)
    }

    #[test]
    fn bounds_in_packed_numbers() {
        let int =
            |low: Option<i128>, high: Option<i128>| Range { low: low.map(Number::Int), high: high.map(Number::Int) };
        for (attributes, dtype, reinterpreted, expected) in [
            (json!({"valid_range": [-5, 7]}), "<i2", false, int(Some(-5), Some(7))),
            (json!({"valid_min": [1]}), "<i2", false, int(Some(1), None)),
            (json!({"valid_max": 9, "valid_range": [1, 2, 3]}), "<i2", false, int(None, Some(9))),
            (json!({"valid_range": [0, -2]}), "|u1", true, int(Some(0), Some(254))),
        ] {
            assert_eq!(range(attributes.clone(), dtype, reinterpreted, true), (expected, vec![]), "{attributes}");
        }
    }

    #[test]
    fn bounds_that_are_no_packed_values_are_left_out_and_named() {
        for (attributes, dtype) in [
            (json!({"valid_max": 330.0}), "<i2"),
            (json!({"valid_max": 70000}), "<i2"),
            (json!({"valid_min": -1}), "|u1"),
            (json!({"valid_min": "NaN"}), "<f4"),
            (json!({"valid_min": "low"}), "<f4"),
            (json!({"valid_min": 0}), "|b1"),
        ] {
            let (found, notes) = range(attributes.clone(), dtype, false, true);
            assert!(found.is_open() && notes.len() == 1 && notes[0].contains("valid_m"), "{attributes}: {notes:?}");
        }
        assert!(!range(json!({"valid_max": 330.0}), "<i2", false, false).0.is_open());
    }

    proptest! {
        #[test]
        fn outside_is_below_or_above(values: Vec<i16>, low: i16, high: i16) {
            let (found, _) = range(json!({"valid_range": [low, high]}), ">i2", false, false);
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
            let read = NumberType { kind: 'i', size: 2, big_endian: true };
            let expected: Vec<bool> = values.iter().map(|value| *value != 3 && (*value < low || *value > high)).collect();
            prop_assert_eq!(found.outside::<i16>(&bytes, read, &[3.0]), expected);
        }
    }
}
