//! A written date and time of day: the reference of CF units, and the labels of a selection.

use super::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::calendar::Calendar;

/// `y[-m[-d[( |T)h[:m[:s[.f]]]]]][ zone]`, as far as it was written. Numbers are not checked yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub year: i64,
    /// Digits of the year, and whether it had a sign.
    pub year_digits: usize,
    pub year_signed: bool,
    pub month: Option<u32>,
    pub day: Option<u32>,
    pub hour: Option<u32>,
    pub minute: Option<u32>,
    pub second: Option<u32>,
    /// Fraction of the second, rounded to the nearest microsecond: 0 to 1,000,000.
    pub micros: Option<u32>,
    /// Minutes that its clock is ahead of UTC.
    pub zone: i64,
}

impl Stamp {
    /// Parses it; `None` if it has another form. Leading zeros may be missing.
    pub fn parse(text: &str) -> Option<Stamp> {
        let mut text = Scan(text.trim());
        let mut stamp = Stamp::default();
        let negative = text.eat('-');
        stamp.year_signed = negative || text.eat('+');
        let digits = text.digits()?;
        stamp.year_digits = digits.len();
        stamp.year = digits.parse().ok()?;
        if negative {
            stamp.year = -stamp.year;
        }
        stamp.month = text.field('-')?;
        if stamp.month.is_some() {
            stamp.day = text.field('-')?;
        }
        if stamp.day.is_some() {
            stamp.read_clock(&mut text)?;
        }
        stamp.zone = zone(text.0.trim_start())?;
        Some(stamp)
    }

    /// The time of day, if there is one. After a space only a digit begins it: a sign or a letter is a zone.
    fn read_clock(&mut self, text: &mut Scan) -> Option<()> {
        if !text.eat('T') && !text.eat('t') {
            let rest = text.0.trim_start();
            if rest.len() == text.0.len() || !rest.starts_with(|first: char| first.is_ascii_digit()) {
                return Some(());
            }
            text.0 = rest;
        }
        self.hour = Some(text.number()?);
        self.minute = text.field(':')?;
        if self.minute.is_some() {
            self.second = text.field(':')?;
        }
        if self.second.is_some() && text.eat('.') {
            self.micros = Some(micros(text.digits()?));
        }
        Some(())
    }

    /// Its first microsecond in UTC, with January, the first and midnight for what was not written.
    ///
    /// # Errors
    /// A day that the calendar does not have; an invalid time of day.
    pub fn start(&self, calendar: Calendar) -> Result<i128, String> {
        let (year, month, day) = (self.year, self.month.unwrap_or(1), self.day.unwrap_or(1));
        let days = calendar
            .days_from_civil(year, month, day)
            .ok_or_else(|| format!("the calendar {} has no day {year:04}-{month:02}-{day:02}", calendar.name()))?;
        let clock = i128::from(self.clock()? - self.zone * MICROS_PER_MINUTE);
        Ok(i128::from(days) * i128::from(MICROS_PER_DAY) + clock)
    }

    /// Microseconds since midnight.
    fn clock(&self) -> Result<i64, String> {
        let [hour, minute, second] = [self.hour, self.minute, self.second].map(|part| i64::from(part.unwrap_or(0)));
        if hour > 23 || minute > 59 || second > 59 {
            return Err(format!("{hour:02}:{minute:02}:{second:02} is not a time of day"));
        }
        let micros = i64::from(self.micros.unwrap_or(0));
        Ok(hour * MICROS_PER_HOUR + minute * MICROS_PER_MINUTE + second * MICROS_PER_SECOND + micros)
    }
}

/// Minutes ahead of UTC: empty, `Z`, `UTC`, `GMT`, or `±h`, `±hh`, `±hmm`, `±hhmm`, `±h:m`.
fn zone(text: &str) -> Option<i64> {
    if ["", "Z", "UTC", "GMT"].iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    let mut text = Scan(text);
    let west = text.eat('-');
    if !west && !text.eat('+') {
        return None;
    }
    let digits = text.digits().filter(|digits| digits.len() <= 4)?;
    let number: i64 = digits.parse().ok()?;
    let (hours, minutes) = match (digits.len(), text.field(':')?) {
        (1 | 2, minutes) => (number, i64::from(minutes.unwrap_or(0))),
        (_, None) => (number / 100, number % 100),
        (_, Some(_)) => return None,
    };
    let ahead = (text.0.is_empty() && hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
    Some(if west { -ahead } else { ahead })
}

/// The digits of a fraction as millionths, rounded to the nearest.
fn micros(digits: &str) -> u32 {
    let digit = |at: usize| digits.as_bytes().get(at).map_or(0, |byte| u32::from(byte - b'0'));
    (0..6).fold(0, |sum, at| 10 * sum + digit(at)) + u32::from(digit(6) >= 5)
}

/// What is left to read.
struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    fn eat(&mut self, mark: char) -> bool {
        let rest = self.0.strip_prefix(mark);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<&'a str> {
        let end = self.0.find(|other: char| !other.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        (!digits.is_empty()).then_some(digits)
    }

    fn number(&mut self) -> Option<u32> {
        self.digits()?.parse().ok()
    }

    /// The number after a mark: `None` where there is a mark and no number, `Some(None)` where there is no mark.
    fn field(&mut self, mark: char) -> Option<Option<u32>> {
        if self.eat(mark) { self.number().map(Some) } else { Some(None) }
    }
}
