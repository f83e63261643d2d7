//! Moments as text.

use zcoord::Calendar;

use super::TimeFormat;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;

/// 1582-10-15, the first day of the Gregorian calendar, in microseconds since 1970-01-01.
pub const GREGORIAN_START: i64 = -141_427 * DAY;

/// The calendar as CF names it.
pub fn calendar_name(calendar: Calendar) -> &'static str {
    match calendar {
        Calendar::Standard => "standard",
        Calendar::ProlepticGregorian => "proleptic_gregorian",
        Calendar::Julian => "julian",
        Calendar::NoLeap => "noleap",
        Calendar::AllLeap => "all_leap",
        Calendar::Day360 => "360_day",
    }
}

/// Whether moments of it are those of everybody's clock (but for `standard` before 1582).
pub fn is_gregorian(calendar: Calendar) -> bool {
    matches!(calendar, Calendar::Standard | Calendar::ProlepticGregorian)
}

/// Appends a moment that is there.
pub fn append(moment: i64, calendar: Calendar, format: TimeFormat, out: &mut String) {
    match format {
        TimeFormat::Iso => iso(moment, calendar, out),
        TimeFormat::Unix => seconds(moment, out),
        TimeFormat::Cf => out.push_str(&moment.to_string()),
    }
}

/// Seconds, with as many digits after the point as there are.
fn seconds(moment: i64, out: &mut String) {
    let (whole, fraction) = (moment.unsigned_abs() / MICROS as u64, moment.unsigned_abs() % MICROS as u64);
    let sign = if moment < 0 { "-" } else { "" };
    out.push_str(&format!("{sign}{whole}"));
    push_fraction(fraction, out);
}

fn push_fraction(micros: u64, out: &mut String) {
    if micros > 0 {
        out.push_str(format!(".{micros:06}").trim_end_matches('0'));
    }
}

/// Stands in for `zcoord::format_iso(moment, calendar, out)`, which knows all calendars: to be replaced by a call of it.
pub fn iso(moment: i64, _calendar: Calendar, out: &mut String) {
    let (day, micros) = (moment.div_euclid(DAY), moment.rem_euclid(DAY));
    let (year, month, day) = civil(day);
    let seconds = micros / MICROS;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    out.push_str(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"));
    push_fraction((micros % MICROS) as u64, out);
    out.push('Z');
}

/// Year, month and day of a day since 1970-01-01, proleptic Gregorian. Years are counted from March, so that the leap day is
/// their last.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(moment: i64, format: TimeFormat) -> String {
        let mut out = String::new();
        append(moment, Calendar::ProlepticGregorian, format, &mut out);
        out
    }

    #[test]
    fn moments_are_written_in_three_ways() {
        for (moment, iso, unix) in [
            (0, "1970-01-01T00:00:00Z", "0"),
            (1_551_398_400 * MICROS, "2019-03-01T00:00:00Z", "1551398400"),
            (951_782_400 * MICROS + 250_000, "2000-02-29T00:00:00.25Z", "951782400.25"),
            (-500_000, "1969-12-31T23:59:59.5Z", "-0.5"),
            (GREGORIAN_START, "1582-10-15T00:00:00Z", "-12219292800"),
        ] {
            assert_eq!(text(moment, TimeFormat::Iso), iso);
            assert_eq!(text(moment, TimeFormat::Unix), unix);
            assert_eq!(text(moment, TimeFormat::Cf), moment.to_string());
        }
    }
}
