//! Calendars against tables, whose numbers are those of cftime 1.6.6 with a year 0; days and dates against each other.

use proptest::prelude::*;

use super::Calendar::{self, AllLeap, Day360, Julian, NoLeap, ProlepticGregorian, Standard};

const ALL: [Calendar; 6] = [Standard, ProlepticGregorian, Julian, NoLeap, AllLeap, Day360];

type Row = (i64, u32, u32, i64);

const DAYS: [(Calendar, &[Row]); 6] = [
    (
        Standard,
        &[
            (1970, 1, 1, 0),
            (1969, 12, 31, -1),
            (1582, 10, 15, -141427),
            (1582, 10, 4, -141428),
            (1582, 10, 1, -141431),
            (1900, 3, 1, -25508),
            (1900, 2, 28, -25509),
            (2000, 2, 29, 11016),
            (2100, 3, 1, 47541),
            (1500, 2, 29, -171596),
            (1, 1, 1, -719164),
            (0, 12, 31, -719165),
            (0, 2, 29, -719471),
            (-1, 3, 1, -719836),
            (-4712, 1, 1, -2440588),
            (12345, 6, 7, 3789548),
        ],
    ),
    (
        ProlepticGregorian,
        &[
            (1970, 1, 1, 0),
            (1969, 12, 31, -1),
            (1582, 10, 15, -141427),
            (1582, 10, 10, -141432),
            (1582, 10, 4, -141438),
            (1900, 3, 1, -25508),
            (2000, 2, 29, 11016),
            (2000, 3, 1, 11017),
            (2100, 2, 28, 47540),
            (2100, 3, 1, 47541),
            (1, 1, 1, -719162),
            (0, 2, 29, -719469),
            (0, 3, 1, -719468),
            (-1, 12, 31, -719529),
            (-400, 2, 29, -865566),
            (-9999, 1, 1, -4371587),
            (12345, 6, 7, 3789548),
        ],
    ),
    (
        Julian,
        &[
            (1970, 1, 1, 0),
            (1969, 12, 31, -1),
            (1582, 10, 10, -141435),
            (1900, 2, 29, -25509),
            (1900, 3, 1, -25508),
            (2100, 2, 29, 47541),
            (2000, 2, 29, 11016),
            (1, 1, 1, -719177),
            (0, 2, 29, -719484),
            (-1, 12, 31, -719544),
            (-4712, 1, 1, -2440601),
        ],
    ),
    (
        NoLeap,
        &[
            (1970, 1, 1, 0),
            (1969, 12, 31, -1),
            (2000, 2, 28, 11008),
            (2000, 3, 1, 11009),
            (1850, 1, 1, -43800),
            (1, 1, 1, -718685),
            (0, 12, 31, -718686),
            (-1, 3, 1, -719356),
        ],
    ),
    (
        AllLeap,
        &[
            (1970, 1, 1, 0),
            (1969, 12, 31, -1),
            (1970, 2, 29, 59),
            (1970, 3, 1, 60),
            (1900, 2, 29, -25561),
            (2001, 2, 29, 11405),
            (1, 1, 1, -720654),
            (0, 12, 31, -720655),
            (-1, 2, 29, -721327),
        ],
    ),
    (
        Day360,
        &[
            (1970, 1, 1, 0),
            (1969, 12, 30, -1),
            (2000, 2, 30, 10859),
            (2000, 3, 1, 10860),
            (1850, 1, 1, -43200),
            (1, 1, 1, -708840),
            (0, 12, 30, -708841),
            (-1, 2, 30, -709501),
        ],
    ),
];

#[test]
fn days_and_dates_are_those_of_the_table() {
    for (calendar, rows) in DAYS {
        for &(year, month, day, days) in rows {
            let date = (year, month, day);
            assert_eq!(calendar.days_from_civil(year, month, day), Some(days), "{calendar:?} {date:?}");
            assert_eq!(calendar.civil_from_days(days), date, "{calendar:?} {days}");
        }
    }
}

#[test]
fn days_that_are_not_there() {
    for (calendar, year, month, day) in [
        (Standard, 1582, 10, 5),
        (Standard, 1582, 10, 14),
        (Standard, 1582, 2, 29),
        (Standard, 1900, 2, 29),
        (Standard, 1500, 2, 30),
        (ProlepticGregorian, 1900, 2, 29),
        (ProlepticGregorian, 2100, 2, 29),
        (ProlepticGregorian, 1500, 2, 29),
        (ProlepticGregorian, 2019, 4, 31),
        (Julian, 1901, 2, 29),
        (NoLeap, 2000, 2, 29),
        (NoLeap, 2000, 2, 30),
        (AllLeap, 2000, 2, 30),
        (Day360, 2000, 1, 31),
        (Day360, 2000, 0, 1),
        (ProlepticGregorian, 2019, 13, 1),
        (ProlepticGregorian, 2019, u32::MAX, 1),
        (ProlepticGregorian, 2019, 1, 0),
        (Day360, 2019, 1, u32::MAX),
    ] {
        assert_eq!(calendar.days_from_civil(year, month, day), None, "{calendar:?} {year}-{month}-{day}");
    }
}

#[test]
fn years_beyond_all_days() {
    for calendar in ALL {
        assert_eq!(calendar.days_from_civil(i64::MAX, 12, 30), None, "{calendar:?}");
        assert_eq!(calendar.days_from_civil(i64::MIN, 1, 1), None, "{calendar:?}");
    }
}

/// Every day of a thousand years has the date that follows the one before.
#[test]
fn dates_follow_each_other() {
    for calendar in ALL {
        let mut before = calendar.civil_from_days(-200_000);
        for days in -199_999..200_000 {
            let date = calendar.civil_from_days(days);
            assert_eq!(date, after(calendar, before), "{calendar:?}");
            before = date;
        }
    }
}

/// The next date, from nothing but the lengths of months.
fn after(calendar: Calendar, (year, month, day): (i64, u32, u32)) -> (i64, u32, u32) {
    let last = calendar.days_in_month(year, month).expect("a month");
    match (calendar, year, month, day) {
        (Standard, 1582, 10, 4) => (1582, 10, 15),
        _ if day < last => (year, month, day + 1),
        _ if month < 12 => (year, month + 1, 1),
        _ => (year + 1, 1, 1),
    }
}

#[test]
fn names_of_cf() {
    for calendar in ALL {
        assert_eq!(Calendar::parse(calendar.name()), Some(calendar));
    }
    for (name, calendar) in [
        ("Gregorian", Some(Standard)),
        ("UTC", Some(ProlepticGregorian)),
        ("tai", Some(ProlepticGregorian)),
        ("365_day", Some(NoLeap)),
        ("366_day", Some(AllLeap)),
        ("none", None),
        ("", None),
    ] {
        assert_eq!(Calendar::parse(name), calendar, "{name}");
    }
}

#[test]
fn gregorian_dates() {
    assert_eq!(ALL.map(Calendar::is_gregorian), [true, true, false, false, false, false]);
    assert_eq!(ALL.map(|calendar| calendar.is_gregorian_on(-141_427)), [true, true, false, false, false, false]);
    assert_eq!(ALL.map(|calendar| calendar.is_gregorian_on(-141_428)), [false, true, false, false, false, false]);
}

proptest! {
    #[test]
    fn days_come_back(days in prop_oneof![-1_000_000_i64..1_000_000, i64::MIN / 2..i64::MAX / 2]) {
        for calendar in ALL {
            let (year, month, day) = calendar.civil_from_days(days);
            prop_assert_eq!(calendar.days_from_civil(year, month, day), Some(days), "{:?}", calendar);
        }
    }

    #[test]
    fn dates_come_back(year in -1_000_000_i64..1_000_000, month in 0_u32..14, day in 0_u32..33) {
        for calendar in ALL {
            if let Some(days) = calendar.days_from_civil(year, month, day) {
                prop_assert_eq!(calendar.civil_from_days(days), (year, month, day), "{:?}", calendar);
            }
        }
    }

    /// No day panics, not even the first of all.
    #[test]
    fn all_days_have_a_date(days in prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>()]) {
        for calendar in ALL {
            let (year, month, day) = calendar.civil_from_days(days);
            prop_assert!(day >= 1 && Some(day) <= calendar.days_in_month(year, month), "{:?}", calendar);
        }
    }
}
