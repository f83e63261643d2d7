//! CF: which array is latitude, longitude, time; the nearest cell of a place; masks, packing and calendars.
//!
//! This crate knows metadata, numbers and the sphere. It reads coordinates, and never the data of a variable.

mod calendar;
mod time;
mod values;

pub use calendar::Calendar;
pub use time::{Datetime64, Iso, TimeUnits, datetime64_unit, format_iso, is_time_units, parse_label};
pub use values::{Column, Kind, NOT_A_TIME, Values};
