//! How a record becomes a line of JSON.

use serde::{Serialize, Serializer};

/// The version of a record's meaning; `1` until a field is removed or re-meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct V1;

impl Serialize for V1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

/// `numerator / denominator` rounded to three decimals, so that a ratio reads well and prints alike everywhere; nothing
/// where it has no meaning.
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
