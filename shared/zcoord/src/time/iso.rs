//! Times as ISO 8601 writes them.

use std::fmt;

use super::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::calendar::Calendar;
use crate::values::NOT_A_TIME;

/// The numbers 00 to 99, two digits each.
const PAIRS: &str = "\
    0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
    5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// A time that displays as [`format_iso`] writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iso(pub i64, pub Calendar);

impl fmt::Display for Iso {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        format_iso(self.0, self.1, &mut text);
        formatter.pad(&text)
    }
}

/// Appends a time: `2019-03-01T00:00:00Z` where the calendar's dates are those of ISO 8601, the same without `Z`
/// elsewhere (also before 1582-10-15 in `standard`). A fraction of a second has three digits or six. Years before 0 and
/// after 9999 have a sign. [`NOT_A_TIME`] is `NaT`.
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
    // The years of times in microseconds have six digits at most.
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
        if !fraction.is_multiple_of(1000) {
            push_three(fraction % 1000, out);
        }
    }
}

fn push_two(mark: char, number: u32, out: &mut String) {
    out.push(mark);
    out.push_str(pair(number));
}

/// The last two digits of a number.
fn pair(number: u32) -> &'static str {
    let start = 2 * (number % 100) as usize;
    &PAIRS[start..start + 2]
}

fn push_three(number: u32, out: &mut String) {
    push_digit(number / 100, out);
    out.push_str(pair(number));
}

fn push_four(number: u32, out: &mut String) {
    out.push_str(pair(number / 100));
    out.push_str(pair(number));
}

/// The last digit of a number.
fn push_digit(number: u32, out: &mut String) {
    out.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::parse_label;

    #[test]
    fn moments_are_written_as_iso_8601_has_them() {
        use Calendar::{Day360, Julian, NoLeap, ProlepticGregorian, Standard};
        for (days, micros, calendar, text) in [
            (17_956, 0, ProlepticGregorian, "2019-03-01T00:00:00Z"),
            (17_956, 0, Standard, "2019-03-01T00:00:00Z"),
            (-141_427, 0, Standard, "1582-10-15T00:00:00Z"),
            (-141_428, MICROS_PER_DAY - 1, Standard, "1582-10-04T23:59:59.999999"),
            (-141_428, 0, ProlepticGregorian, "1582-10-14T00:00:00Z"),
            (11_008, 0, NoLeap, "2000-02-28T00:00:00"),
            (10_859, 0, Day360, "2000-02-30T00:00:00"),
            (-25_509, 0, Julian, "1900-02-29T00:00:00"),
            (0, 45_296_500_000, ProlepticGregorian, "1970-01-01T12:34:56.500Z"),
            (0, 45_296_000_070, ProlepticGregorian, "1970-01-01T12:34:56.000070Z"),
            (-1, 0, ProlepticGregorian, "1969-12-31T00:00:00Z"),
            (-719_468, 0, ProlepticGregorian, "0000-03-01T00:00:00Z"),
            (-719_529, 0, ProlepticGregorian, "-0001-12-31T00:00:00Z"),
            (-4_371_587, 0, ProlepticGregorian, "-9999-01-01T00:00:00Z"),
            (3_789_548, 0, ProlepticGregorian, "+12345-06-07T00:00:00Z"),
            (2_932_896, 0, ProlepticGregorian, "9999-12-31T00:00:00Z"),
            (2_932_897, 0, ProlepticGregorian, "+10000-01-01T00:00:00Z"),
        ] {
            let mut out = String::from("x");
            format_iso(days * MICROS_PER_DAY + micros, calendar, &mut out);
            assert_eq!(out.strip_prefix('x'), Some(text), "{calendar:?}");
        }
    }

    #[test]
    fn the_first_and_the_last_moment() {
        let calendar = Calendar::ProlepticGregorian;
        assert_eq!(Iso(i64::MAX, calendar).to_string(), "+294247-01-10T04:00:54.775807Z");
        assert_eq!(Iso(i64::MIN + 1, calendar).to_string(), "-290308-12-21T19:59:05.224193Z");
        assert_eq!(format!("{:>5}", Iso(NOT_A_TIME, calendar)), "  NaT");
    }

    fn calendars() -> impl Strategy<Value = Calendar> {
        use Calendar::{AllLeap, Day360, Julian, NoLeap, ProlepticGregorian, Standard};
        prop::sample::select(vec![Standard, ProlepticGregorian, Julian, NoLeap, AllLeap, Day360])
    }

    fn moments() -> impl Strategy<Value = i64> {
        let year = 366 * MICROS_PER_DAY;
        let seconds = -100_000_000_000_i64..200_000_000_000;
        prop_oneof![seconds.prop_map(|second| second * MICROS_PER_SECOND), i64::MIN + 2 * year..i64::MAX - 2 * year]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(moment in moments(), calendar in calendars()) {
            let text = Iso(moment, calendar).to_string();
            let range = parse_label(&text, calendar).expect("what was written");
            prop_assert_eq!(range.start, moment, "{}", text);
            let width = if text.contains('.') { 1 } else { MICROS_PER_SECOND };
            prop_assert_eq!(range.end - range.start, width);
        }
    }
}
