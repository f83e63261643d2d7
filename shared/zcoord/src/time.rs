//! Times: what stored numbers and written dates mean as microseconds since 1970-01-01T00:00:00 of a calendar.
//!
//! A calendar's own days are counted, each of 86,400 seconds: there are no leap seconds and no time zones in a time.

mod datetime64;
mod iso;
mod label;
mod stamp;
mod units;

pub use datetime64::{Datetime64, datetime64_unit};
pub use iso::{Iso, format_iso};
pub use label::parse_label;
pub use units::{TimeUnits, is_time_units};

use crate::values::NOT_A_TIME;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

/// A count of microseconds as a time; `None` if it does not fit, or would be [`NOT_A_TIME`].
fn moment(micros: i128) -> Option<i64> {
    i64::try_from(micros).ok().filter(|micros| *micros != NOT_A_TIME)
}
