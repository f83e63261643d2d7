//! `--sel-method` and `--sel-tolerance`: the coordinate value for a label that is none, in xarray's words.

use std::str::FromStr;

use crate::labels::{label_of, labelled};
use crate::number::{Number, rounding};
use crate::time::parse_label;
use crate::values::{Column, Values};

/// Which coordinate value stands for a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NearestMethod {
    /// The nearest; of two, the larger.
    Nearest,
    /// The last that is not larger.
    Pad,
    /// The first that is not smaller.
    Backfill,
}

/// The farthest that a coordinate value may be from its label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// A number in the units of the coordinate.
    Number(f64),
    /// Microseconds.
    Time(f64),
}

/// How the coordinate value for a label is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// Which it is.
    pub method: NearestMethod,
    /// How far it may be.
    pub tolerance: Option<Tolerance>,
}

/// Units of a tolerance of time, in microseconds.
const UNITS: [(&str, f64); 9] = [
    ("us", 1.0),
    ("ms", 1e3),
    ("s", 1e6),
    ("min", 6e7),
    ("m", 6e7),
    ("h", 3.6e9),
    ("H", 3.6e9),
    ("d", 8.64e10),
    ("D", 8.64e10),
];

impl FromStr for Tolerance {
    type Err = String;

    /// `0.01`, or for times `30min`, `1h`, `1D`.
    fn from_str(text: &str) -> Result<Tolerance, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &text[digits.len()..];
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let number = digits.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        match (number, unit, factor) {
            (Some(number), "", _) => Ok(Tolerance::Number(number)),
            (Some(number), _, Some(factor)) => Ok(Tolerance::Time(number * factor)),
            _ => Err("expected a number, or for times a number with s, min, h or D, such as 1h".into()),
        }
    }
}

impl Nearest {
    /// The nearest, however far.
    pub const ANY: Nearest = Nearest { method: NearestMethod::Nearest, tolerance: None };

    /// The indices of the coordinate values for some labels, ascending; ranges and text match as without a method.
    ///
    /// # Errors
    /// A message for text that is no label, and a tolerance that is none of this coordinate.
    pub fn labelled(self, column: &Column, label: &str) -> Result<Vec<u64>, String> {
        let mut all = Vec::new();
        for part in label.split(',').map(str::trim) {
            match target(column, part) {
                Some(target) => all.extend(self.index(column, target)?),
                None => all.extend(labelled(column, part)?),
            }
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The coordinate value for a label, as text.
    pub(crate) fn label(self, column: &Column, label: &str) -> Option<String> {
        self.row(column, label).map(|row| label_of(column, row))
    }

    /// The row of the coordinate value for a label.
    pub(crate) fn row(self, column: &Column, label: &str) -> Option<usize> {
        let index = self.index(column, target(column, label)?).ok()??;
        usize::try_from(index).ok()
    }

    fn index(self, column: &Column, target: Number) -> Result<Option<u64>, String> {
        let most = match (self.tolerance, &column.values) {
            (None, _) => f64::INFINITY,
            (Some(Tolerance::Number(number)), values) if !matches!(values, Values::Time(..)) => number,
            (Some(Tolerance::Time(micros)), Values::Time(..)) => micros,
            (Some(Tolerance::Number(_)), _) => return Err("the tolerance of a time needs a unit, such as 1h".into()),
            (Some(Tolerance::Time(_)), _) => return Err("the tolerance of a number has no unit".into()),
        };
        // How much larger than the target a coordinate value is.
        let allowed = |beyond: f64| match self.method {
            NearestMethod::Nearest => true,
            NearestMethod::Pad => beyond <= 0.0,
            NearestMethod::Backfill => beyond >= 0.0,
        };
        let candidates = (0..column.len()).filter_map(|row| {
            let value = Number::of(column, row)?;
            let beyond = value.minus(target);
            let is_near = allowed(beyond) && beyond.abs() <= most + rounding(&column.values, value);
            is_near.then_some((row, beyond))
        });
        let best = candidates.min_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()).then(b.total_cmp(a)));
        Ok(best.map(|(row, _)| row as u64))
    }
}

/// A label as a number: of a time, its beginning in microseconds. `None` for ranges and text.
fn target(column: &Column, label: &str) -> Option<Number> {
    match &column.values {
        Values::Text(_) | Values::Bool(_) => None,
        Values::Time(_, calendar) => parse_label(label, *calendar).ok().map(|period| period.start.into()),
        _ => Number::parse(label).filter(|number| number.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Calendar;
    use crate::values::Kind;

    fn depths() -> Column {
        Column::new(Kind::Float(32), Values::F32(vec![0.494_025, 1.541_375, 2.645_669]))
    }

    fn hours() -> Column {
        let calendar = Calendar::ProlepticGregorian;
        let start = parse_label("2019-03-01", calendar).expect("a label").start;
        Column::new(Kind::Time(calendar), Values::Time((0..4).map(|n| start + n * 21_600_000_000).collect(), calendar))
    }

    fn near(column: &Column, method: NearestMethod, tolerance: Option<&str>, label: &str) -> Result<Vec<u64>, String> {
        let tolerance = tolerance.map(|text| text.parse().expect("a tolerance"));
        Nearest { method, tolerance }.labelled(column, label)
    }

    #[test]
    fn labels_find_the_value_that_the_method_takes() {
        use NearestMethod::{Backfill, Nearest, Pad};
        for (method, label, expected) in [
            (Nearest, "0.494", vec![0]),
            (Nearest, "2,0.5", vec![0, 1]),
            (Nearest, "9", vec![2]),
            (Pad, "2", vec![1]),
            (Pad, "0.1", vec![]),
            (Backfill, "2", vec![2]),
            (Nearest, "1:3", vec![1, 2]),
        ] {
            assert_eq!(near(&depths(), method, None, label), Ok(expected), "{method:?} {label}");
        }
        let even = Column::new(Kind::Int(64), Values::I64(vec![30, 20, 10]));
        assert_eq!(near(&even, Nearest, None, "15"), Ok(vec![1]), "of two, the larger");
        assert_eq!(near(&hours(), Nearest, None, "2019-03-01T08:00"), Ok(vec![1]));
        assert_eq!(near(&hours(), Pad, None, "2019-03-05"), Ok(vec![3]));
    }

    #[test]
    fn a_tolerance_is_no_wider_for_large_values() {
        let metres = Column::new(Kind::Float(64), Values::F64((0..5).map(|n| f64::from(5_000_000 + 2 * n)).collect()));
        let names = Column::new(Kind::Int(64), Values::I64((0..4).map(|n| (1 << 53) + 2 * n).collect()));
        let tenths = Column::new(Kind::Float(64), Values::F64(vec![0.6, 0.7, 0.8]));
        let nearest = NearestMethod::Nearest;
        for (column, tolerance, label, expected) in [
            (&metres, "0.5", "5000003", vec![]),
            (&metres, "1", "5000003", vec![2]),
            (&metres, "0.5", "5000002.5", vec![1]),
            (&names, "0", "9007199254740993", vec![]),
            (&names, "1", "9007199254740993", vec![1]),
            (&names, "0", "9007199254740994", vec![1]),
            (&tenths, "0.1", "0.9", vec![2]),
        ] {
            assert_eq!(near(column, nearest, Some(tolerance), label), Ok(expected), "{label} {tolerance}");
        }
    }

    #[test]
    fn tolerances_have_the_unit_of_the_coordinate() {
        let nearest = NearestMethod::Nearest;
        assert_eq!(near(&depths(), nearest, Some("0.001"), "0.494"), Ok(vec![0]));
        assert_eq!(near(&depths(), nearest, Some("0.00001"), "0.494"), Ok(vec![]));
        assert_eq!(near(&hours(), nearest, Some("2h"), "2019-03-01T08:00"), Ok(vec![1]));
        assert_eq!(near(&hours(), nearest, Some("90min"), "2019-03-01T08:00"), Ok(vec![]));
        assert!(near(&hours(), nearest, Some("2"), "2019-03-01T08:00").is_err());
        assert!(near(&depths(), nearest, Some("2h"), "0.494").is_err());
        for bad in ["", "-1", "1y", "NaN", "h"] {
            assert!(bad.parse::<Tolerance>().is_err(), "{bad}");
        }
    }
}
