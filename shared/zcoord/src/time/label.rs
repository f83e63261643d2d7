//! Labels: the range of time of a partial date.

use std::ops::Range;

use super::stamp::Stamp;
use super::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, moment};
use crate::calendar::Calendar;

/// The time range of an ISO 8601 label, as in pandas' partial string indexing: `2019` the year, `2019-03` the
/// month, `2019-03-07` the day, `2019-03-07T06` the hour (or with a space), and so on to the second; with a fraction of a
/// second that one microsecond. `Z` or `+hh:mm` may follow. The end is not part of the range.
///
/// # Errors
/// A message: an invalid label, a date that the calendar does not have, or one too far from 1970.
pub fn parse_label(text: &str, calendar: Calendar) -> Result<Range<i64>, String> {
    let stamp = Stamp::parse(text).ok_or_else(|| {
        format!(
            "{text:?} is not an ISO 8601 date such as 2019, 2019-03, 2019-03-07, 2019-03-07T06 or 2019-03-07T06:30:15Z"
        )
    })?;
    check_year(&stamp).map_err(|why| format!("{text:?} is not a valid date: {why}"))?;
    let start = stamp.start(calendar).map_err(|why| format!("{text:?} is not a valid date: {why}"))?;
    let end = end(&stamp, start, calendar);
    let range = moment(start).zip(end.and_then(moment)).map(|(start, end)| start..end);
    range.ok_or_else(|| format!("{text:?} is too far from 1970 to be counted in microseconds of 64 bits"))
}

/// `20190307` is a day to some and the year of another era to others; `7` is more likely an index.
fn check_year(stamp: &Stamp) -> Result<(), String> {
    match stamp.year_digits {
        4 => Ok(()),
        5.. if stamp.year_signed => Ok(()),
        5.. => Err("a year of more than four digits needs a sign; days are written with hyphens".into()),
        _ => Err("a year needs four digits".into()),
    }
}

fn end(stamp: &Stamp, start: i128, calendar: Calendar) -> Option<i128> {
    let width = match stamp {
        Stamp { micros: Some(_), .. } => 1,
        Stamp { second: Some(_), .. } => MICROS_PER_SECOND,
        Stamp { minute: Some(_), .. } => MICROS_PER_MINUTE,
        Stamp { hour: Some(_), .. } => MICROS_PER_HOUR,
        Stamp { day: Some(_), .. } => MICROS_PER_DAY,
        _ => return next(stamp)?.start(calendar).ok(),
    };
    Some(start + i128::from(width))
}

/// The month after a month, the year after a year.
fn next(stamp: &Stamp) -> Option<Stamp> {
    let (year, month) = match stamp.month {
        Some(month @ ..12) => (stamp.year, Some(month + 1)),
        Some(_) => (stamp.year.checked_add(1)?, Some(1)),
        None => (stamp.year.checked_add(1)?, None),
    };
    Some(Stamp { year, month, zone: stamp.zone, ..Stamp::default() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Iso;

    #[test]
    fn labels_mean_all_the_time_they_do_not_tell_apart() {
        use Calendar::{Day360, NoLeap, ProlepticGregorian, Standard};
        for (label, calendar, start, end) in [
            ("2019", ProlepticGregorian, "2019-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
            ("2019-03", ProlepticGregorian, "2019-03-01T00:00:00Z", "2019-04-01T00:00:00Z"),
            ("2019-12", ProlepticGregorian, "2019-12-01T00:00:00Z", "2020-01-01T00:00:00Z"),
            ("2019-03-07", ProlepticGregorian, "2019-03-07T00:00:00Z", "2019-03-08T00:00:00Z"),
            ("2019-03-07T06", ProlepticGregorian, "2019-03-07T06:00:00Z", "2019-03-07T07:00:00Z"),
            ("2019-03-07 06", ProlepticGregorian, "2019-03-07T06:00:00Z", "2019-03-07T07:00:00Z"),
            ("2019-03-07T06:30", ProlepticGregorian, "2019-03-07T06:30:00Z", "2019-03-07T06:31:00Z"),
            (" 2019-03-07T06:30:15Z ", ProlepticGregorian, "2019-03-07T06:30:15Z", "2019-03-07T06:30:16Z"),
            ("2019-03-07T06:30:15.5", ProlepticGregorian, "2019-03-07T06:30:15.500Z", "2019-03-07T06:30:15.500001Z"),
            ("2019-03-07T06+03:00", ProlepticGregorian, "2019-03-07T03:00:00Z", "2019-03-07T04:00:00Z"),
            ("2019-03-07-03:30", ProlepticGregorian, "2019-03-07T03:30:00Z", "2019-03-08T03:30:00Z"),
            ("2019-02+01:00", ProlepticGregorian, "2019-01-31T23:00:00Z", "2019-02-28T23:00:00Z"),
            ("2019Z", ProlepticGregorian, "2019-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
            ("-0001", ProlepticGregorian, "-0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("+12345-06", ProlepticGregorian, "+12345-06-01T00:00:00Z", "+12345-07-01T00:00:00Z"),
            ("1582", Standard, "1582-01-01T00:00:00", "1583-01-01T00:00:00Z"),
            ("1582-10-04", Standard, "1582-10-04T00:00:00", "1582-10-15T00:00:00Z"),
            ("2000-02", NoLeap, "2000-02-01T00:00:00", "2000-03-01T00:00:00"),
            ("2000-02-30", Day360, "2000-02-30T00:00:00", "2000-03-01T00:00:00"),
        ] {
            let range = parse_label(label, calendar).expect(label);
            let shown = [range.start, range.end].map(|moment| Iso(moment, calendar).to_string());
            assert_eq!(shown, [start, end], "{label}");
        }
        let october = parse_label("1582-10", Standard).expect("a month of 21 days");
        assert_eq!(october.end - october.start, 21 * MICROS_PER_DAY);
    }

    #[test]
    fn what_is_no_label() {
        for (label, why) in [
            ("", "not an ISO 8601 date"),
            ("march", "not an ISO 8601 date"),
            ("2019-", "not an ISO 8601 date"),
            ("2019-03-07T", "not an ISO 8601 date"),
            ("2019-03-07T06:", "not an ISO 8601 date"),
            ("2019-03-07T06:30:15.", "not an ISO 8601 date"),
            ("2019-03-07T06:30:15 CET", "not an ISO 8601 date"),
            ("2019-03-07T06:30:15+25:00", "not an ISO 8601 date"),
            ("2019-03-07T06:30:15+1:2:3", "not an ISO 8601 date"),
            ("2019-03:00", "not an ISO 8601 date"),
            ("99999999999999999999", "not an ISO 8601 date"),
            ("2019-99999999999", "not an ISO 8601 date"),
            ("20190307", "needs a sign"),
            ("7", "four digits"),
            ("2019-13", "no day 2019-13-01"),
            ("2019-02-29", "no day 2019-02-29"),
            ("2019-02-28T24", "24:00:00 is not a time"),
            ("2019-02-28T23:60", "23:60:00 is not a time"),
            ("2016-12-31T23:59:60", "23:59:60 is not a time"),
            ("+300000", "too far from 1970"),
            ("+9223372036854775807", "no day"),
        ] {
            let error = parse_label(label, Calendar::ProlepticGregorian).expect_err(label);
            assert!(error.contains(why), "{label}: {error}");
        }
        let error = parse_label("1582-10-10", Calendar::Standard).expect_err("left out");
        assert_eq!(error, "\"1582-10-10\" is not a valid date: the calendar standard has no day 1582-10-10");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+0-9T:. Z]{0,30}|\\PC{0,12}") {
            if let Ok(range) = parse_label(&text, Calendar::Standard) {
                prop_assert!(range.start < range.end);
            }
        }
    }
}
