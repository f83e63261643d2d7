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
    /// Parses the unit in the brackets of a type string: `ns`, `25s`, `M`. `None` for one that NumPy does not have; the
    /// generic unit (no unit at all) is not a time and gives `None`.
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

    /// The time of a stored number, rounded to the nearest microsecond. `None` for `NaT`, and if it does not fit.
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
/// `None` for other types, and for a `datetime64` without a unit.
pub fn datetime64_unit(dtype: &str) -> Option<&str> {
    let name = dtype.strip_prefix(['<', '>', '=', '|']).unwrap_or(dtype);
    let unit = name.strip_prefix("M8").or_else(|| name.strip_prefix("datetime64"))?;
    unit.strip_prefix('[')?.strip_suffix(']').filter(|unit| !unit.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Iso;

    /// What NumPy 2.4 makes of it as `datetime64[us]`, but that it rounds down, and that its last row overflows there.
    #[test]
    fn ticks_are_numpys() {
        for (unit, ticks, moment) in [
            ("Y", 49, "2019-01-01T00:00:00Z"),
            ("Y", -1, "1969-01-01T00:00:00Z"),
            ("10Y", 5, "2020-01-01T00:00:00Z"),
            ("M", 590, "2019-03-01T00:00:00Z"),
            ("M", -11, "1969-02-01T00:00:00Z"),
            ("W", 2565, "2019-02-28T00:00:00Z"),
            ("D", 17_956, "2019-03-01T00:00:00Z"),
            ("h", -1, "1969-12-31T23:00:00Z"),
            ("m", 25_856_650, "2019-03-01T00:10:00Z"),
            ("25s", 62_055_936, "2019-03-01T00:00:00Z"),
            ("ms", 1_551_398_400_123, "2019-03-01T00:00:00.123Z"),
            ("us", 1_551_398_400_000_001, "2019-03-01T00:00:00.000001Z"),
            ("μs", -1, "1969-12-31T23:59:59.999999Z"),
            ("ns", 1_551_398_400_000_000_499, "2019-03-01T00:00:00Z"),
            ("ns", 1_551_398_400_000_000_500, "2019-03-01T00:00:00.000001Z"),
            ("100ns", 15_513_984_000_000_000, "2019-03-01T00:00:00Z"),
            ("ps", -1_000_000, "1969-12-31T23:59:59.999999Z"),
            ("fs", 3_600_000_000_000_000_000, "1970-01-01T01:00:00Z"),
            ("2147483647as", i64::MAX - 1, "2597-08-29T03:43:39.342712Z"),
        ] {
            let decoded = Datetime64::parse(unit).expect(unit).decode(ticks).expect(unit);
            let shown = Iso(decoded, Calendar::ProlepticGregorian).to_string();
            assert_eq!(shown, moment, "{ticks} {unit}");
        }
    }

    #[test]
    fn what_is_no_moment() {
        for unit in ["Y", "M", "W", "D", "h", "m", "s", "ms"] {
            let unit = Datetime64::parse(unit).expect(unit);
            assert_eq!(unit.decode(i64::MAX), None, "{unit:?}");
            assert_eq!(unit.decode(i64::MIN + 1), None, "{unit:?}");
        }
        for unit in ["Y", "us", "ns", "as"] {
            assert_eq!(Datetime64::parse(unit).expect(unit).decode(i64::MIN), None, "{unit} NaT");
        }
        assert_eq!(Datetime64::parse("2147483647ns").expect("a unit").decode(i64::MAX), None);
    }

    #[test]
    fn units_that_numpy_does_not_have() {
        for unit in
            ["", "5", "generic", "xs", "0s", "-1s", "2147483648s", "99999999999999999999s", "S", "Ms", "s5", "1 s"]
        {
            assert_eq!(Datetime64::parse(unit), None, "{unit}");
        }
        assert_eq!(Datetime64::new("s", 25), Datetime64::parse("25s"));
    }

    #[test]
    fn units_of_type_strings() {
        for (dtype, unit) in [
            ("<M8[ns]", Some("ns")),
            (">M8[25s]", Some("25s")),
            ("datetime64[us]", Some("us")),
            ("<M8", None),
            ("<M8[]", None),
            ("<m8[ns]", None),
            ("numpy.datetime64", None),
            ("<f8", None),
        ] {
            assert_eq!(datetime64_unit(dtype), unit, "{dtype}");
        }
    }
}
