//! CF: which array is latitude, longitude, time; the nearest cell of a place; masks, packing and calendars.
//!
//! This crate knows metadata, numbers and the sphere. It reads coordinates, and never the data of a variable.

mod axis;
mod calendar;
mod curvilinear;
mod grid;
mod scattered;
mod sphere;
mod values;

pub use calendar::Calendar;
pub use curvilinear::Curvilinear;
pub use grid::{Grid, GridError, Limits, Linear, Match, Rectilinear};
pub use scattered::Scattered;
pub use sphere::{Cell, EARTH_RADIUS_KM, Place};
pub use values::{Column, Kind, NOT_A_TIME, Values};
