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
            let ranges = time_ranges(label, *calendar)?;
            Ok(positions(moments.len(), |row| ranges.iter().any(|range| range.contains(&moments[row]))))
        }
        Values::Text(texts) => Ok(positions(texts.len(), |row| label.split(',').any(|part| part == texts[row]))),
        _ => {
            let ranges = number_ranges(label)?;
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

/// `850`, `500:850`, `850:500`, `:500`, `500,700,850`.
fn number_ranges(label: &str) -> Result<Vec<(f64, f64)>, String> {
    let number = |text: &str, open: f64| match text.trim() {
        "" => Ok(open),
        text => text.parse::<f64>().map_err(|_| format!("{text:?} is not a number")),
    };
    let range = |part: &str| match part.split_once(':') {
        None => number(part, f64::NAN).map(|value| (value, value)),
        Some((from, to)) => {
            let (from, to) = (number(from, f64::NEG_INFINITY)?, number(to, f64::INFINITY)?);
            Ok((from.min(to), from.max(to)))
        }
    };
    label.split(',').map(range).collect()
}

/// Labels and ranges of labels: `2019-03`, `2019-03-01:2019-03-07`, `2019-03-01T06:30/2019-04`. A colon may also be one of a
/// time of day: the range is cut where both sides are labels.
fn time_ranges(label: &str, calendar: Calendar) -> Result<Vec<Range<i64>>, String> {
    label.split(',').map(|part| time_range(part.trim(), calendar)).collect()
}

fn time_range(text: &str, calendar: Calendar) -> Result<Range<i64>, String> {
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
        let (from, to) = (side(&text[..at], i64::MIN + 1), side(&text[at + 1..], i64::MAX));
        if let (Some(from), Some(to)) = (from, to) {
            return Ok(from.start.min(to.start)..from.end.max(to.end));
        }
    }
    whole
}
