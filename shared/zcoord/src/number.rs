//! Numbers of labels and coordinates, compared without loss: whole numbers of any size, and fractions as they were rounded.

use crate::values::{Column, NOT_A_TIME, Values};

/// A coordinate value, or the number that a label stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number; of a time, microseconds.
    Whole(i128),
    /// Any other.
    Real(f64),
}

impl Number {
    /// Reads a decimal number.
    pub fn parse(text: &str) -> Option<Number> {
        let text = text.trim();
        text.parse().map(Number::Whole).or_else(|_| text.parse().map(Number::Real)).ok()
    }

    /// The value of `row`; `None` if it is missing or text.
    pub fn of(column: &Column, row: usize) -> Option<Number> {
        if column.is_missing(row) {
            return None;
        }
        match &column.values {
            Values::I64(values) => Some(Number::Whole(values[row].into())),
            Values::U64(values) => Some(Number::Whole(values[row].into())),
            Values::Time(moments, _) => Some(moments[row]).filter(|moment| *moment != NOT_A_TIME).map(Number::from),
            _ => column.number(row).map(Number::Real),
        }
    }

    /// How much larger it is than `other`.
    pub fn minus(self, other: Number) -> f64 {
        match (self, other) {
            (Number::Whole(own), Number::Whole(other)) => own.saturating_sub(other) as f64,
            (own, other) => own.real() - other.real(),
        }
    }

    pub fn is_finite(self) -> bool {
        self.real().is_finite()
    }

    fn real(self) -> f64 {
        match self {
            Number::Whole(number) => number as f64,
            Number::Real(number) => number,
        }
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Number {
        Number::Whole(number.into())
    }
}

/// How far a stored value may be from the decimal number that it stands for. Fractions are rounded when they are stored, and
/// whole numbers are not.
pub fn rounding(values: &Values, value: Number) -> f64 {
    let Number::Real(value) = value else { return 0.0 };
    match values {
        _ if value.fract() == 0.0 => 0.0,
        // At least half of the last digit, and less than the step to the next value.
        Values::F32(_) => value.abs() * f64::from(f32::EPSILON) / 2.0,
        // Unpacking rounds as well.
        Values::F64(_) => value.abs() * 4.0 * f64::EPSILON,
        _ => 0.0,
    }
}
