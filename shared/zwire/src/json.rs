//! Helpers to write records as JSON.

use serde::{Serialize, Serializer};

/// The version of the record format; `1` until a field is removed or changes meaning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct V1;

impl Serialize for V1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_and_never_infinite() {
        assert_eq!(ratio(10, 3), Some(3.333));
        assert_eq!(ratio(10, 0), None);
    }
}
