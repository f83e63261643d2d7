//! Labels of a coordinate: its values as text, and the values that some text stands for.

use std::ops::Range;

use crate::calendar::Calendar;
use crate::number::{Number, rounding};
use crate::time::{format_iso, parse_label};
use crate::values::{Column, Values};

/// A coordinate value as text: whole numbers without a point, times as ISO 8601.
pub fn label_of(column: &Column, row: usize) -> String {
    match &column.values {
        Values::F32(values) => values[row].to_string(),
        Values::F64(values) => values[row].to_string(),
        Values::I64(values) => values[row].to_string(),
        Values::U64(values) => values[row].to_string(),
        Values::Bool(values) => values[row].to_string(),
        Values::Text(values) => values[row].clone(),
        Values::Time(values, calendar) => {
            let mut text = String::new();
            format_iso(values[row], *calendar, &mut text);
            text
        }
    }
}

/// Up to so many coordinate values are listed.
const LISTED: usize = 16;

/// The values of a coordinate: all, or the first and the last.
pub(crate) fn available(column: &Column) -> Option<String> {
    let label = |row| label_of(column, row);
    match column.len() {
        0 => None,
        count if count <= LISTED => Some((0..count).map(label).collect::<Vec<_>>().join(", ")),
        count => Some(format!("{} to {} ({count} values)", label(0), label(count - 1))),
    }
}

/// The indices whose coordinate values are one of the labels, or in one of the ranges.
pub(crate) fn labelled(column: &Column, label: &str) -> Result<Vec<u64>, String> {
    match &column.values {
        Values::Time(moments, calendar) => {
            let ranges = time_ranges(label, *calendar, is_decreasing(column))?;
            Ok(positions(moments.len(), |row| ranges.iter().any(|range| range.contains(&moments[row]))))
        }
        Values::Text(texts) => Ok(positions(texts.len(), |row| label.split(',').any(|part| part == texts[row]))),
        _ => {
            let ranges = number_ranges(label, is_decreasing(column))?;
            let within = |value: Number| {
                let slack = rounding(&column.values, value);
                ranges.iter().any(|(low, high)| {
                    low.is_none_or(|low| low.minus(value) <= slack)
                        && high.is_none_or(|high| value.minus(high) <= slack)
                })
            };
            Ok(positions(column.len(), |row| Number::of(column, row).is_some_and(within)))
        }
    }
}

fn positions(length: usize, wanted: impl Fn(usize) -> bool) -> Vec<u64> {
    (0..length).filter(|row| wanted(*row)).map(|row| row as u64).collect()
}

/// Whether the values go down, so that a range of them may begin with the larger one.
fn is_decreasing(column: &Column) -> bool {
    let value = |row| Number::of(column, row);
    column.len() > 1 && value(0).zip(value(column.len() - 1)).is_some_and(|(first, last)| first.minus(last) > 0.0)
}

/// A range that would be empty, as `slice` is of increasing values.
fn reversed(from: &str, to: &str) -> String {
    let (from, to) = (from.trim(), to.trim());
    format!("the range {from}:{to} starts after it ends: use {to}:{from}")
}

/// The first and the last value of a range; `None` where it is open.
type NumberRange = (Option<Number>, Option<Number>);

/// `850`, `500:850`, `:500`, `500,700,850`; `850:500` of values that decrease.
fn number_ranges(label: &str, decreasing: bool) -> Result<Vec<NumberRange>, String> {
    let number = |text: &str| match text.trim() {
        "" => Ok(None),
        text => Number::parse(text).map(Some).ok_or_else(|| format!("{text:?} is not a number")),
    };
    let range = |part: &str| match part.split_once(':') {
        None => number(part).map(|value| (value, value)),
        Some((from, to)) => match (number(from)?, number(to)?) {
            (Some(first), Some(last)) if first.minus(last) > 0.0 => match decreasing {
                true => Ok((Some(last), Some(first))),
                false => Err(reversed(from, to)),
            },
            bounds => Ok(bounds),
        },
    };
    let parts = label.split(',').filter(|part| !part.trim().is_empty());
    parts.map(range).collect()
}

/// Labels and ranges of labels: `2019-03`, `2019-03-01:2019-03-07`, `2019-03-01T06:30/2019-04`. A colon may also be one of a
/// time of day: the range is cut where both sides are labels.
fn time_ranges(label: &str, calendar: Calendar, decreasing: bool) -> Result<Vec<Range<i64>>, String> {
    label.split(',').map(|part| time_range(part.trim(), calendar, decreasing)).collect()
}

fn time_range(text: &str, calendar: Calendar, decreasing: bool) -> Result<Range<i64>, String> {
    let whole = parse_label(text, calendar);
    if whole.is_ok() {
        return whole;
    }
    let side = |text: &str, open: i64| match text.trim() {
        "" => Some(open..open),
        text => parse_label(text, calendar).ok(),
    };
    let cuts = text.char_indices().filter(|(_, c)| matches!(c, ':' | '/')).map(|(at, _)| at);
    for at in cuts {
        let (first, second) = (&text[..at], &text[at + 1..]);
        let (Some(from), Some(to)) = (side(first, i64::MIN + 1), side(second, i64::MAX)) else { continue };
        return match (from.start..to.end, to.start..from.end) {
            (_, backwards) if decreasing && !backwards.is_empty() => Ok(backwards),
            (forwards, _) if !forwards.is_empty() => Ok(forwards),
            _ => Err(reversed(first, second)),
        };
    }
    whole
}
