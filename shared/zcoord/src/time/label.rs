//! Labels: how much time a partial date means.

use std::ops::Range;

use super::stamp::Stamp;
use super::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, moment};
use crate::calendar::Calendar;

/// The moments that a label of ISO 8601 means, as pandas' partial string indexing has it: `2019` the year, `2019-03` the
/// month, `2019-03-07` the day, `2019-03-07T06` the hour (or with a space), and so on to the second; with a fraction of a
/// second that one microsecond. `Z` or `+hh:mm` may follow. The end is not part of the range.
///
/// # Errors
/// What is no such label, what the calendar does not have, and what is too far away, in a sentence.
pub fn parse_label(text: &str, calendar: Calendar) -> Result<Range<i64>, String> {
    let stamp = Stamp::parse(text).ok_or_else(|| {
        format!(
            "{text:?} is no date of ISO 8601 such as 2019, 2019-03, 2019-03-07, 2019-03-07T06 or 2019-03-07T06:30:15Z"
        )
    })?;
    check_year(&stamp).map_err(|why| format!("{text:?} is no date: {why}"))?;
    let start = stamp.start(calendar).map_err(|why| format!("{text:?} is no date: {why}"))?;
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
