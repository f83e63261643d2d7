//! CF time units: `hours since 1900-01-01` (CF conventions, section 4.4).

use super::datetime64::nearest;
use super::stamp::Stamp;
use super::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, moment};
use crate::calendar::Calendar;

/// Meaning of stored numbers: a count of units since a reference, in a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeUnits {
    unit: Unit,
    /// Microseconds of the reference.
    reference: i128,
    calendar: Calendar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Microseconds in a unit.
    Micros(i64),
    Nanosecond,
}

/// Bits after the point of a fraction of a unit. With the 40 bits of the microseconds in a week they fit 128.
const FRACTION_BITS: u32 = 80;

impl TimeUnits {
    /// Reads the attributes `units` and `calendar` of a variable; without the latter the calendar is `standard`.
    ///
    /// # Errors
    /// A message: units or a calendar that are not supported.
    pub fn parse(units: &str, calendar: Option<&str>) -> Result<TimeUnits, String> {
        let calendar = calendar.unwrap_or("standard");
        let calendar = Calendar::parse(calendar).ok_or_else(|| format!("calendar {calendar:?} is not supported"))?;
        let (unit, reference) =
            split(units).ok_or_else(|| format!("the units {units:?} do not have the form \"<unit> since <date>\""))?;
        let unit = parse_unit(unit).map_err(|why| format!("the units {units:?} cannot be decoded: {why}"))?;
        let reference = parse_reference(reference, calendar)
            .map_err(|why| format!("the units {units:?} cannot be decoded: {why}"))?;
        Ok(TimeUnits { unit, reference, calendar })
    }

    /// The calendar of the times.
    pub fn calendar(self) -> Calendar {
        self.calendar
    }

    /// What is added to a count of `other` so that it counts in these units; `None` if units or calendars differ, or if it is not a whole
    /// number.
    pub fn offset_from(self, other: TimeUnits) -> Option<i64> {
        if self.unit != other.unit || self.calendar != other.calendar {
            return None;
        }
        let difference = other.reference - self.reference;
        let offset = match self.unit {
            Unit::Micros(micros) if difference % i128::from(micros) == 0 => difference / i128::from(micros),
            Unit::Micros(_) => return None,
            Unit::Nanosecond => difference.checked_mul(1000)?,
        };
        i64::try_from(offset).ok()
    }

    /// The time of a whole number of units, rounded to the nearest microsecond; `None` if it does not fit.
    pub fn decode_int(self, count: i64) -> Option<i64> {
        moment(self.reference + self.unit.micros(i128::from(count)))
    }

    /// The time of a number of units, rounded to the nearest microsecond; `None` for NaN, and if it does not fit.
    pub fn decode_float(self, count: f64) -> Option<i64> {
        // No unit is below a nanosecond, and 2⁸⁰ ns are more than any time.
        if count.is_nan() || count.abs() >= (1_u128 << 80) as f64 {
            return None;
        }
        let whole = count.trunc();
        let micros = match self.unit {
            Unit::Micros(_) if whole == count => self.unit.micros(count as i128),
            Unit::Micros(micros) => self.unit.micros(whole as i128) + part(count - whole, micros),
            // What is below a nanosecond never decides between two microseconds.
            Unit::Nanosecond => self.unit.micros(count.floor() as i128),
        };
        moment(self.reference + micros)
    }
}

impl Unit {
    /// Microseconds in a whole number of units, rounded to the nearest.
    fn micros(self, count: i128) -> i128 {
        match self {
            Unit::Micros(micros) => count * i128::from(micros),
            Unit::Nanosecond => nearest(count, 1000),
        }
    }
}

/// `fraction` (exact, between -1 and 1) of a unit of `micros`, rounded to the nearest microsecond.
///
/// In whole numbers: in floats the product would be rounded twice, and 06:00 become 05:59:59.999999.
fn part(fraction: f64, micros: i64) -> i128 {
    let fixed = (fraction * (1_u128 << FRACTION_BITS) as f64) as i128;
    (fixed * i128::from(micros) + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS
}

/// Whether these are units of time since a reference. Months and years are, although they cannot be decoded.
pub fn is_time_units(units: &str) -> bool {
    split(units).is_some_and(|(unit, _)| parse_unit(unit).is_ok() || is_calendar_unit(unit))
}

/// The unit, and what comes after `since`.
fn split(units: &str) -> Option<(&str, &str)> {
    let (unit, rest) = units.trim().split_once(char::is_whitespace)?;
    let (since, reference) = rest.trim_start().split_once(char::is_whitespace)?;
    since.eq_ignore_ascii_case("since").then_some((unit, reference))
}

fn parse_unit(unit: &str) -> Result<Unit, String> {
    Ok(Unit::Micros(match spelling(unit).as_str() {
        "week" | "weeks" => 7 * MICROS_PER_DAY,
        "day" | "days" | "d" => MICROS_PER_DAY,
        "hour" | "hours" | "hr" | "hrs" | "h" => MICROS_PER_HOUR,
        "minute" | "minutes" | "min" | "mins" => MICROS_PER_MINUTE,
        "second" | "seconds" | "sec" | "secs" | "s" => MICROS_PER_SECOND,
        "millisecond" | "milliseconds" | "millisec" | "millisecs" | "msec" | "msecs" | "ms" => 1000,
        "microsecond" | "microseconds" | "microsec" | "microsecs" | "us" | "\u{b5}s" | "\u{3bc}s" => 1,
        "nanosecond" | "nanoseconds" | "nanosec" | "nanosecs" | "nsec" | "nsecs" | "ns" => return Ok(Unit::Nanosecond),
        _ if is_calendar_unit(unit) => {
            return Err(format!(
                "{unit:?} is not a fixed number of days (the UDUNITS year is 365.242198781 days and its month a \
                 twelfth of that, whatever the calendar says); store days instead"
            ));
        }
        _ => return Err(format!("{unit:?} is not a unit of time")),
    }))
}

fn is_calendar_unit(unit: &str) -> bool {
    let names = ["month", "months", "mon", "year", "years", "yr", "yrs", "common_year", "common_years"];
    names.contains(&spelling(unit).as_str())
}

/// Words may be written in capitals. Symbols may not: `Ms` is a million seconds.
fn spelling(unit: &str) -> String {
    if unit.len() > 2 { unit.to_ascii_lowercase() } else { unit.to_owned() }
}

fn parse_reference(text: &str, calendar: Calendar) -> Result<i128, String> {
    let text = text.trim();
    match Stamp::parse(text) {
        Some(stamp) if stamp.day.is_some() => stamp.start(calendar),
        _ => Err(format!(
            "{text:?} is not a date \"y-m-d\" with or without a time \"h:m:s\" and a zone \"Z\" or \"+h:m\""
        )),
    }
}

#[cfg(test)]
#[path = "units_tests.rs"]
mod tests;
