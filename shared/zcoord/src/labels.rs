//! Labels of a coordinate: its values as text, and the values that some text stands for.

use std::ops::Range;

use crate::calendar::Calendar;
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
            let within = |value: f64| {
                // A coordinate stored as float32 differs from its decimal in the seventh digit.
                let slack = value.abs().max(1.0) * 1e-6;
                ranges.iter().any(|(low, high)| *low - slack <= value && value <= *high + slack)
            };
            Ok(positions(column.len(), |row| column.number(row).is_some_and(within)))
        }
    }
}

fn positions(length: usize, wanted: impl Fn(usize) -> bool) -> Vec<u64> {
    (0..length).filter(|row| wanted(*row)).map(|row| row as u64).collect()
}

/// Whether the values go down, so that a range of them may begin with the larger one.
fn is_decreasing(column: &Column) -> bool {
    let ends = |length: usize| match &column.values {
        Values::Time(moments, _) => moments[0] > moments[length - 1],
        _ => column.number(0).zip(column.number(length - 1)).is_some_and(|(first, last)| first > last),
    };
    column.len() > 1 && ends(column.len())
}

/// A range that would be empty, as `slice` is of increasing values.
fn reversed(from: &str, to: &str) -> String {
    let (from, to) = (from.trim(), to.trim());
    format!("the range {from}:{to} starts after it ends: use {to}:{from}")
}

/// `850`, `500:850`, `:500`, `500,700,850`; `850:500` of values that decrease.
fn number_ranges(label: &str, decreasing: bool) -> Result<Vec<(f64, f64)>, String> {
    let number = |text: &str, open: f64| match text.trim() {
        "" => Ok(open),
        text => text.parse::<f64>().map_err(|_| format!("{text:?} is not a number")),
    };
    let range = |part: &str| match part.split_once(':') {
        None => number(part, f64::NAN).map(|value| (value, value)),
        Some((from, to)) => match (number(from, f64::NEG_INFINITY)?, number(to, f64::INFINITY)?) {
            (low, high) if low > high && !decreasing => Err(reversed(from, to)),
            (from, to) => Ok((from.min(to), from.max(to))),
        },
    };
    label.split(',').map(range).collect()
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
