//! Moments as ISO 8601 writes them.

use std::fmt;

use super::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::calendar::Calendar;
use crate::values::NOT_A_TIME;

/// A moment that displays as [`format_iso`] writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iso(pub i64, pub Calendar);

impl fmt::Display for Iso {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        format_iso(self.0, self.1, &mut text);
        formatter.pad(&text)
    }
}

/// Appends a moment: `2019-03-01T00:00:00Z` where the calendar's dates are those of ISO 8601, the same without `Z` elsewhere
/// (also before 1582-10-15 in `standard`). A fraction of a second has three digits or six. Years before 0 and after 9999
/// have a sign. [`NOT_A_TIME`] is `NaT`.
pub fn format_iso(moment: i64, calendar: Calendar, out: &mut String) {
    if moment == NOT_A_TIME {
        out.push_str("NaT");
        return;
    }
    let days = moment.div_euclid(MICROS_PER_DAY);
    let (year, month, day) = calendar.civil_from_days(days);
    push_year(year, out);
    push_two('-', month, out);
    push_two('-', day, out);
    push_clock(moment.rem_euclid(MICROS_PER_DAY), out);
    if calendar.is_gregorian_on(days) {
        out.push('Z');
    }
}

fn push_year(year: i64, out: &mut String) {
    // The years of moments in microseconds have six digits at most.
    let digits = year.unsigned_abs() as u32;
    match year {
        0..10_000 => {}
        ..0 => out.push('-'),
        10_000.. => out.push('+'),
    }
    if digits >= 10_000 {
        let (above, below) = (digits / 10_000, digits % 10_000);
        if above >= 10 {
            push_digit(above / 10, out);
        }
        push_digit(above, out);
        push_four(below, out);
    } else {
        push_four(digits, out);
    }
}

fn push_clock(micros: i64, out: &mut String) {
    push_two('T', (micros / MICROS_PER_HOUR) as u32, out);
    push_two(':', (micros / MICROS_PER_MINUTE % 60) as u32, out);
    push_two(':', (micros / MICROS_PER_SECOND % 60) as u32, out);
    let fraction = (micros % MICROS_PER_SECOND) as u32;
    if fraction != 0 {
        out.push('.');
        push_three(fraction / 1000, out);
        if fraction % 1000 != 0 {
            push_three(fraction % 1000, out);
        }
    }
}

fn push_two(mark: char, number: u32, out: &mut String) {
    out.push(mark);
    push_digit(number / 10, out);
    push_digit(number, out);
}

fn push_three(number: u32, out: &mut String) {
    push_digit(number / 100, out);
    push_digit(number / 10, out);
    push_digit(number, out);
}

fn push_four(number: u32, out: &mut String) {
    push_digit(number / 1000, out);
    push_three(number, out);
}

/// The last digit of a number.
fn push_digit(number: u32, out: &mut String) {
    out.push(char::from(b'0' + (number % 10) as u8));
}
