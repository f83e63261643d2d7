//! Formats times as text.

use zcoord::{Calendar, format_iso};

use super::TimeFormat;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;

/// 1582-10-15, the first day of the Gregorian calendar, in microseconds since 1970-01-01.
pub const GREGORIAN_START: i64 = -141_427 * DAY;

/// Appends a time; it must not be missing.
pub fn append(moment: i64, calendar: Calendar, format: TimeFormat, out: &mut String) {
    match format {
        TimeFormat::Iso => format_iso(moment, calendar, out),
        TimeFormat::Unix => seconds(moment, out),
        TimeFormat::UnixMicros => out.push_str(&moment.to_string()),
    }
}

/// Seconds, with as many decimals as needed.
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
            (951_782_400 * MICROS + 250_000, "2000-02-29T00:00:00.250Z", "951782400.25"),
            (-500_000, "1969-12-31T23:59:59.500Z", "-0.5"),
            (GREGORIAN_START, "1582-10-15T00:00:00Z", "-12219292800"),
        ] {
            assert_eq!(text(moment, TimeFormat::Iso), iso);
            assert_eq!(text(moment, TimeFormat::Unix), unix);
            assert_eq!(text(moment, TimeFormat::UnixMicros), moment.to_string());
        }
    }
}
