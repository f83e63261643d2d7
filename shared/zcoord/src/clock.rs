//! The interface from the decoder to calendars: numbers become times.

use std::sync::Arc;

use crate::calendar::Calendar;

/// Turns the stored numbers of one variable into times: microseconds since 1970-01-01T00:00:00 by the calendar's own count
/// of days. `None` if a number is not a time, or does not fit.
pub trait Clock: Send + Sync {
    /// The calendar of the times.
    fn calendar(&self) -> Calendar;
    /// The time of a whole number of units.
    fn int(&self, count: i64) -> Option<i64>;
    /// The time of a number of units.
    fn float(&self, count: f64) -> Option<i64>;
}

/// A source of clocks.
pub trait Clocks {
    /// The clock of CF `units` ("days since 1850-1-1") in a `calendar`.
    ///
    /// # Errors
    /// A message: units or a calendar that are not supported.
    fn since(&self, units: &str, calendar: &str) -> Result<Arc<dyn Clock>, String>;

    /// The clock of a NumPy `datetime64` unit as its type string spells it: `ns`, `25s`. `None` for an unknown one.
    fn datetime64(&self, unit: &str) -> Option<Arc<dyn Clock>>;
}
