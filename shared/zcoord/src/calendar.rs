//! The CF calendars, and conversion between days and civil dates.
//!
//! Years are astronomical in every calendar: year 0 exists and precedes year 1. (cftime omits it from `standard`
//! and `julian` unless stated otherwise.) Days are counted from 1970-01-01 of the calendar itself.

/// A calendar of the CF conventions (section 4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// `standard` (`gregorian`): Julian up to 1582-10-04, Gregorian from 1582-10-15.
    Standard,
    /// `proleptic_gregorian`, and `utc` and `tai` as far as days go.
    ProlepticGregorian,
    /// `julian`.
    Julian,
    /// `noleap`, `365_day`.
    NoLeap,
    /// `all_leap`, `366_day`.
    AllLeap,
    /// `360_day`.
    Day360,
}

/// The first day of the Gregorian part of `standard`, 1582-10-15.
const REFORM: i64 = -141_427;

impl Calendar {
    /// The calendar with this CF name, case-insensitive. `none` is not supported: its dates have no order.
    pub fn parse(name: &str) -> Option<Calendar> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "standard" | "gregorian" => Calendar::Standard,
            "proleptic_gregorian" | "utc" | "tai" => Calendar::ProlepticGregorian,
            "julian" => Calendar::Julian,
            "noleap" | "365_day" => Calendar::NoLeap,
            "all_leap" | "366_day" => Calendar::AllLeap,
            "360_day" => Calendar::Day360,
            _ => return None,
        })
    }

    /// Its CF name.
    pub fn name(self) -> &'static str {
        match self {
            Calendar::Standard => "standard",
            Calendar::ProlepticGregorian => "proleptic_gregorian",
            Calendar::Julian => "julian",
            Calendar::NoLeap => "noleap",
            Calendar::AllLeap => "all_leap",
            Calendar::Day360 => "360_day",
        }
    }

    /// Whether its modern dates are those of ISO 8601: `standard` has them from 1582-10-15 on, which
    /// [`Calendar::is_gregorian_on`] decides for each day.
    pub fn is_gregorian(self) -> bool {
        matches!(self, Calendar::Standard | Calendar::ProlepticGregorian)
    }

    /// Whether the date of this day is the one ISO 8601 gives it.
    pub fn is_gregorian_on(self, days: i64) -> bool {
        match self {
            Calendar::ProlepticGregorian => true,
            Calendar::Standard => days >= REFORM,
            Calendar::Julian | Calendar::NoLeap | Calendar::AllLeap | Calendar::Day360 => false,
        }
    }

    /// The number of the day, from 1970-01-01 of this calendar, with months and days from 1. `None` if the calendar
    /// has no such day (1582-10-10 in `standard`, February 30 in `noleap`), or if its number does not fit.
    pub fn days_from_civil(self, year: i64, month: u32, day: u32) -> Option<i64> {
        if day == 0 || day > self.days_in_month(year, month)? {
            return None;
        }
        let (month, day) = (i64::from(month), i64::from(day));
        match self {
            Calendar::Standard => match (year, month, day) {
                (1582, 10, 5..15) => None,
                date if date < (1582, 10, 15) => early_days(year, month, day),
                _ => gregorian_days(year, month, day),
            },
            Calendar::ProlepticGregorian => gregorian_days(year, month, day),
            Calendar::Julian => cycle_days::<4, 1461, 719_483>(year, month, day),
            Calendar::NoLeap => cycle_days::<1, 365, 718_991>(year, month, day),
            Calendar::AllLeap => cycle_days::<1, 366, 720_960>(year, month, day),
            Calendar::Day360 => {
                let days = (i128::from(year) - 1970) * 360 + i128::from((month - 1) * 30 + day - 1);
                i64::try_from(days).ok()
            }
        }
    }

    /// Year, month and day (from 1) of the day with this number.
    pub fn civil_from_days(self, days: i64) -> (i64, u32, u32) {
        match self {
            Calendar::Standard if days < REFORM => early_civil(days),
            Calendar::Standard | Calendar::ProlepticGregorian => gregorian_civil(days),
            Calendar::Julian => cycle_civil::<4, 1461, 719_483>(days),
            Calendar::NoLeap => cycle_civil::<1, 365, 718_991>(days),
            Calendar::AllLeap => cycle_civil::<1, 366, 720_960>(days),
            Calendar::Day360 => {
                let day = days.rem_euclid(360) as u32;
                (days.div_euclid(360) + 1970, day / 30 + 1, day % 30 + 1)
            }
        }
    }

    /// The last day of a month; `None` for an invalid month. October 1582 of `standard` ends on the 31st like any other.
    pub fn days_in_month(self, year: i64, month: u32) -> Option<u32> {
        match (self, month) {
            (_, 0 | 13..) => None,
            (Calendar::Day360, _) => Some(30),
            (_, 2) => Some(if self.is_leap(year) { 29 } else { 28 }),
            (_, 4 | 6 | 9 | 11) => Some(30),
            _ => Some(31),
        }
    }

    fn is_leap(self, year: i64) -> bool {
        let julian = year.rem_euclid(4) == 0;
        let gregorian = julian && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
        match self {
            Calendar::Standard if year < 1582 => julian,
            Calendar::Standard | Calendar::ProlepticGregorian => gregorian,
            Calendar::Julian => julian,
            Calendar::AllLeap => true,
            Calendar::NoLeap | Calendar::Day360 => false,
        }
    }
}

fn gregorian_days(year: i64, month: i64, day: i64) -> Option<i64> {
    cycle_days::<400, 146_097, 719_468>(year, month, day)
}

fn gregorian_civil(days: i64) -> (i64, u32, u32) {
    cycle_civil::<400, 146_097, 719_468>(days)
}

/// Julian dates counted from the Gregorian 1970-01-01, which comes 13 days before the Julian one.
fn early_days(year: i64, month: i64, day: i64) -> Option<i64> {
    cycle_days::<4, 1461, 719_470>(year, month, day)
}

fn early_civil(days: i64) -> (i64, u32, u32) {
    cycle_civil::<4, 1461, 719_470>(days)
}

// The months from March on have the same lengths in all calendars except `360_day`, and February, at the end of a year
// that begins in March, may have any length. So a calendar is a cycle of `YEARS` such years in `DAYS` days, and the
// number of days `EPOCH` from 0000-03-01 to 1970-01-01. The formulas are those of Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms"; 153 days are the five months March to July, and August to December.

/// Days from 1970-01-01 to a valid date.
fn cycle_days<const YEARS: i64, const DAYS: i64, const EPOCH: i64>(year: i64, month: i64, day: i64) -> Option<i64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let (cycle, year) = (year.div_euclid(YEARS), year.rem_euclid(YEARS));
    let within = 365 * year + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1;
    i64::try_from(i128::from(cycle) * i128::from(DAYS) + i128::from(within - EPOCH)).ok()
}

/// The date of a day from 1970-01-01.
fn cycle_civil<const YEARS: i64, const DAYS: i64, const EPOCH: i64>(days: i64) -> (i64, u32, u32) {
    // Divided before the epoch is added: no day is too far away.
    let within = days.rem_euclid(DAYS) + EPOCH;
    let (cycle, day) = (days.div_euclid(DAYS) + within / DAYS, within % DAYS);
    // The last day of a cycle belongs to its last year, also where that one year is the whole cycle and has 366.
    let year = ((day - day / 1460 + day / 36_524 - day / 146_096) / 365).min(YEARS - 1);
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * YEARS + year + next, month as u32, day as u32)
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
