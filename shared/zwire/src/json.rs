//! Helpers to write records as JSON.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// The version of the record format; `1` until a field is removed or changes meaning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct V1;

impl Serialize for V1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl JsonSchema for V1 {
    fn schema_name() -> Cow<'static, str> {
        "version".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"const": 1})
    }
}

/// `numerator / denominator` rounded to three decimals, so that it is readable and prints the same on every platform;
/// `None` if undefined.
pub fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| round3(numerator as f64 / denominator as f64))
}

/// `value` rounded to three decimals.
pub fn round3(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// `value` rounded to three significant digits: a throughput, which on a slow machine is small and still not 0.
pub fn three_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 2 - value.abs().log10().floor() as i32;
    // A power of ten below 1 is not exact: large values are divided by one above it.
    let scale = 10f64.powi(digits.abs());
    if digits < 0 { (value / scale).round() * scale } else { (value * scale).round() / scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_throughputs_are_not_0() {
        for (value, rounded) in [
            (0.000_312_34, 0.000_312),
            (1.309_4, 1.31),
            (12_345.0, 12_300.0),
            (46_312_345.0, 46_300_000.0),
            (0.0, 0.0),
            (-2.0, -2.0),
        ] {
            assert_eq!(three_digits(value), rounded);
        }
        assert!(three_digits(f64::NAN).is_nan() && three_digits(f64::INFINITY).is_infinite());
    }

    #[test]
    fn ratios_are_rounded_and_never_infinite() {
        assert_eq!(ratio(10, 3), Some(3.333));
        assert_eq!(ratio(10, 0), None);
    }
}
