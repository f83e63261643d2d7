//! Units of time against cftime 1.6.6, and floats against whole numbers.

use proptest::prelude::*;

use super::*;
use crate::time::Iso;

fn shown(units: &str, calendar: &str, count: f64) -> String {
    let units = TimeUnits::parse(units, Some(calendar)).expect(units);
    Iso(units.decode_float(count).expect("a moment"), units.calendar()).to_string()
}

#[test]
fn numbers_become_moments() {
    for (count, units, calendar, moment) in [
        (0.25, "days since 1850-1-1", "noleap", "1850-01-01T06:00:00"),
        (1_043_832.0, "hours since 1900-01-01", "standard", "2019-01-30T00:00:00Z"),
        (1_043_856.0, "hours since 1900-01-01 00:00:00.0", "proleptic_gregorian", "2019-01-31T00:00:00Z"),
        (59.0, "days since 2000-01-01", "noleap", "2000-03-01T00:00:00"),
        (59.0, "days since 2000-01-01", "360_day", "2000-02-30T00:00:00"),
        (59.0, "days since 2001-01-01", "all_leap", "2001-02-29T00:00:00"),
        (1.0, "days since 1582-10-04", "standard", "1582-10-15T00:00:00Z"),
        (577_737.0, "days since 0001-01-01", "standard", "1582-10-15T00:00:00Z"),
        (-0.5, "days since 1970-01-01", "utc", "1969-12-31T12:00:00Z"),
        (1.5, "weeks since 1970-01-01", "utc", "1970-01-11T12:00:00Z"),
        (90.0, "minutes since 1970-01-01", "utc", "1970-01-01T01:30:00Z"),
        (1e-6, "seconds since 1970-01-01", "utc", "1970-01-01T00:00:00.000001Z"),
        (1.5, "msec since 1970-01-01", "utc", "1970-01-01T00:00:00.001500Z"),
        (0.5, "us since 1970-01-01", "utc", "1970-01-01T00:00:00.000001Z"),
        (499.9, "ns since 1970-01-01", "utc", "1970-01-01T00:00:00Z"),
        (737_060.25, "days since 0-1-1", "365_day", "2019-05-06T06:00:00"),
    ] {
        assert_eq!(shown(units, calendar, count), moment, "{count} {units} {calendar}");
    }
}

#[test]
fn references_as_people_write_them() {
    for (reference, moment) in [
        ("2026-6-10 0:0:0+3", "2026-06-09T21:00:00Z"),
        ("1992-10-8 15:15:42.5 -6:00", "1992-10-08T21:15:42.500Z"),
        ("1992-10-8 15:15:42.5 -0630", "1992-10-08T21:45:42.500Z"),
        ("1970-01-01T06", "1970-01-01T06:00:00Z"),
        ("1970-01-01T06:30Z", "1970-01-01T06:30:00Z"),
        ("1970-01-01 06:30 UTC", "1970-01-01T06:30:00Z"),
        ("1970-01-01 gmt", "1970-01-01T00:00:00Z"),
        ("1970-01-01 +1", "1969-12-31T23:00:00Z"),
        ("1970-01-01  00:00:00.0000005", "1970-01-01T00:00:00.000001Z"),
        ("1970-01-01 23:59:59.9999999", "1970-01-02T00:00:00Z"),
        ("1970-01-01T00:00:00.000000000", "1970-01-01T00:00:00Z"),
        ("-4713-11-24 12:00:00", "-4713-11-24T12:00:00Z"),
        ("12345-06-07", "+12345-06-07T00:00:00Z"),
        ("1-1-1", "0001-01-01T00:00:00Z"),
    ] {
        assert_eq!(shown(&format!("days  since {reference} "), "proleptic_gregorian", 0.0), moment, "{reference}");
    }
}

#[test]
fn every_spelling_of_a_unit() {
    for (names, micros) in [
        ("week weeks Weeks", 7 * MICROS_PER_DAY),
        ("day days d Days DAYS", MICROS_PER_DAY),
        ("hour hours hr hrs h Hours", MICROS_PER_HOUR),
        ("minute minutes min mins", MICROS_PER_MINUTE),
        ("second seconds sec secs s", MICROS_PER_SECOND),
        ("millisecond milliseconds millisec millisecs msec msecs ms", 1000),
        ("microsecond microseconds microsec microsecs us \u{b5}s \u{3bc}s", 1),
    ] {
        for name in names.split(' ') {
            let units = TimeUnits::parse(&format!("{name} since 1970-01-01"), None).expect(name);
            assert_eq!((units.decode_int(3), units.calendar()), (Some(3 * micros), Calendar::Standard), "{name}");
        }
    }
    for name in "nanosecond nanoseconds nanosec nanosecs nsec nsecs ns".split(' ') {
        let units = TimeUnits::parse(&format!("{name} since 1970-01-01"), None).expect(name);
        let rounded = [499, 500, 1499, -500, -501].map(|count| units.decode_int(count));
        assert_eq!(rounded, [Some(0), Some(1), Some(1), Some(0), Some(-1)], "{name}");
    }
}

#[test]
fn what_cannot_be_decoded_is_said() {
    for (units, calendar, why) in [
        ("months since 2000-01-01", "standard", "365.242198781 days"),
        ("Years since 2000-01-01", "noleap", "not a fixed number of days"),
        ("Ms since 2000-01-01", "standard", "\"Ms\" is not a unit of time"),
        ("metres since 2000-01-01", "standard", "not a unit of time"),
        ("days", "standard", "do not have the form"),
        ("days since", "standard", "do not have the form"),
        ("days after 2000-01-01", "standard", "do not have the form"),
        ("days since yesterday", "standard", "\"yesterday\" is not a date"),
        ("days since 2000", "standard", "is not a date"),
        ("days since 2000-01", "standard", "is not a date"),
        ("days since 2000-01-01 00:00:00 CET", "standard", "is not a date"),
        ("days since 2000-01-01 25:00", "standard", "25:00:00 is not a time"),
        ("days since 2000-02-30", "standard", "no day 2000-02-30"),
        ("days since 1582-10-10", "gregorian", "the calendar standard has no day 1582-10-10"),
        ("days since 2000-01-01", "none", "calendar \"none\""),
        ("days since 9223372036854775807-01-01", "standard", "no day"),
    ] {
        let error = TimeUnits::parse(units, Some(calendar)).expect_err(units);
        assert!(error.contains(why), "{units}: {error}");
    }
}

#[test]
fn what_is_no_moment() {
    let days = TimeUnits::parse("days since 1970-01-01", None).expect("units");
    for count in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e9, -1e9, 1.2e24] {
        assert_eq!(days.decode_float(count), None, "{count}");
    }
    assert_eq!((days.decode_int(i64::MAX), days.decode_int(i64::MIN)), (None, None));
    let micros = TimeUnits::parse("us since 1970-01-01", None).expect("units");
    assert_eq!((micros.decode_int(i64::MAX), micros.decode_int(i64::MIN)), (Some(i64::MAX), None));
    let far = TimeUnits::parse("us since -200000000000-01-01", None).expect("a reference that is no moment itself");
    assert_eq!((far.decode_int(0), far.decode_float(0.0)), (None, None));
}

#[test]
fn units_of_time_are_told_from_others() {
    for (units, expected) in [
        ("days since 1850-1-1", true),
        ("months since 1850-1-1", true),
        ("  Hours SINCE whenever", true),
        ("K", false),
        ("", false),
        ("metres since 1850", false),
        ("days", false),
        ("degrees_north", false),
    ] {
        assert_eq!(is_time_units(units), expected, "{units}");
    }
}

proptest! {
    /// Below 65,536 days the floats lie close enough together for every second.
    #[test]
    fn whole_seconds_as_days(second in -65_536 * 86_400_i64..65_536 * 86_400) {
        let units = TimeUnits::parse("days since 1850-01-01", Some("noleap")).expect("units");
        let start = units.decode_int(0).expect("a moment");
        prop_assert_eq!(units.decode_float(second as f64 / 86_400.0), Some(start + second * MICROS_PER_SECOND));
    }

    /// Tenths of an hour, as long as floats lie close enough together: 2,097,152 hours.
    #[test]
    fn tenths_of_hours(tenth in 0..20_971_520_i64) {
        let units = TimeUnits::parse("hours since 1970-01-01", None).expect("units");
        prop_assert_eq!(units.decode_float(tenth as f64 / 10.0), Some(tenth * MICROS_PER_HOUR / 10));
    }

    /// Any float, against its fraction of two whole numbers.
    #[test]
    fn floats_are_rounded_once(mantissa in -(1_i64 << 53)..1 << 53, shift in 0_u32..70) {
        let units = TimeUnits::parse("days since 1970-01-01", None).expect("units");
        let count = mantissa as f64 / 2_f64.powi(shift as i32);
        let micros = i128::from(mantissa) * i128::from(MICROS_PER_DAY);
        let expected = (micros + (1_i128 << shift >> 1)) >> shift;
        prop_assert_eq!(units.decode_float(count), moment(expected));
    }

    #[test]
    fn whole_floats_are_integers(count in -100_000_000_i64..100_000_000) {
        for unit in ["weeks", "hours", "ms", "ns"] {
            let units = TimeUnits::parse(&format!("{unit} since 1900-01-01"), None).expect(unit);
            prop_assert_eq!(units.decode_float(count as f64), units.decode_int(count), "{}", unit);
        }
    }

    #[test]
    fn no_units_panic(
        text in "(days|ns|weeks) since [-+0-9T:. Z]{0,30}|\\PC{0,30}",
        count in any::<f64>(),
        ticks in any::<i64>(),
    ) {
        if let Ok(units) = TimeUnits::parse(&text, None) {
            prop_assert_ne!(units.decode_float(count), Some(crate::NOT_A_TIME));
            prop_assert_ne!(units.decode_int(ticks), Some(crate::NOT_A_TIME));
        }
    }
}
