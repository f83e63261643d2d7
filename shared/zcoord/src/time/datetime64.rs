//! NumPy's `datetime64`: whole numbers of a unit since 1970-01-01T00:00:00, proleptic Gregorian.

use super::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, moment};
use crate::calendar::Calendar;
use crate::values::NOT_A_TIME;

/// What one tick of a `datetime64` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datetime64 {
    unit: Unit,
    /// Units in a tick, 25 in `25s`: 1 to 2³¹ − 1.
    scale: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Months of the calendar: 12 for a year.
    Months(i64),
    /// Microseconds in a unit.
    Micros(i64),
    /// Units in a microsecond.
    PerMicro(i64),
}

impl Datetime64 {
    /// Reads a unit as type strings have it in brackets: `ns`, `25s`, `M`. Nothing for one that NumPy does not have; the
    /// generic unit (no unit at all) says nothing about time and is none.
    pub fn parse(text: &str) -> Option<Datetime64> {
        let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let scale = text.strip_suffix(unit)?;
        Datetime64::new(unit, if scale.is_empty() { 1 } else { scale.parse().ok()? })
    }

    /// A unit and its multiplier, as `unit` and `scale_factor` of `numpy.datetime64` in Zarr v3 have them.
    pub fn new(unit: &str, scale: u64) -> Option<Datetime64> {
        let unit = match unit {
            "Y" => Unit::Months(12),
            "M" => Unit::Months(1),
            "W" => Unit::Micros(7 * MICROS_PER_DAY),
            "D" => Unit::Micros(MICROS_PER_DAY),
            "h" => Unit::Micros(MICROS_PER_HOUR),
            "m" => Unit::Micros(MICROS_PER_MINUTE),
            "s" => Unit::Micros(MICROS_PER_SECOND),
            "ms" => Unit::Micros(1000),
            // The micro sign and the Greek letter, which look alike.
            "us" | "\u{b5}s" | "\u{3bc}s" => Unit::Micros(1),
            "ns" => Unit::PerMicro(1000),
            "ps" => Unit::PerMicro(1_000_000),
            "fs" => Unit::PerMicro(1_000_000_000),
            "as" => Unit::PerMicro(1_000_000_000_000),
            _ => return None,
        };
        // NumPy keeps it in a C int.
        (1..1 << 31).contains(&scale).then_some(Datetime64 { unit, scale: scale as u32 })
    }

    /// The moment of a stored number, rounded to the nearest microsecond. Nothing for `NaT`, and for what does not fit.
    pub fn decode(self, ticks: i64) -> Option<i64> {
        if ticks == NOT_A_TIME {
            return None;
        }
        let count = i128::from(ticks) * i128::from(self.scale);
        match self.unit {
            Unit::Months(months) => moment_of_month(count * i128::from(months)),
            Unit::Micros(micros) => moment(count * i128::from(micros)),
            Unit::PerMicro(per) => moment(nearest(count, per)),
        }
    }
}

/// The start of a month, counted from January 1970.
fn moment_of_month(months: i128) -> Option<i64> {
    let year = i64::try_from(months.div_euclid(12)).ok()?.checked_add(1970)?;
    let days = Calendar::ProlepticGregorian.days_from_civil(year, months.rem_euclid(12) as u32 + 1, 1)?;
    moment(i128::from(days) * i128::from(MICROS_PER_DAY))
}

/// The whole number nearest to `count / per`, the later one of two.
pub(super) fn nearest(count: i128, per: i64) -> i128 {
    // Numbers of 128 bits divide slowly, and few ticks need them.
    match i64::try_from(count) {
        Ok(count) => i128::from(count.div_euclid(per)) + i128::from(count.rem_euclid(per) >= per - per / 2),
        Err(_) => {
            let per = i128::from(per);
            count.div_euclid(per) + i128::from(count.rem_euclid(per) >= per - per / 2)
        }
    }
}

/// The unit of a `datetime64` type string, ready for [`Datetime64::parse`]: `25s` of `<M8[25s]` or `datetime64[25s]`.
/// Nothing for other types, and for a `datetime64` without a unit.
pub fn datetime64_unit(dtype: &str) -> Option<&str> {
    let name = dtype.strip_prefix(['<', '>', '=', '|']).unwrap_or(dtype);
    let unit = name.strip_prefix("M8").or_else(|| name.strip_prefix("datetime64"))?;
    unit.strip_prefix('[')?.strip_suffix(']').filter(|unit| !unit.is_empty())
}
