//! CF: which array is latitude, longitude, time; the nearest cell of a place; masks, packing and calendars.
//!
//! This crate knows metadata, numbers and the sphere. It reads coordinates, and never the data of a variable.

mod calendar;
mod dataset;
mod find;
#[cfg(test)]
mod testing;
mod values;

pub use calendar::Calendar;
pub use dataset::{Dataset, dimensions, name};
pub use find::{Horizontal, Layout, Names, NotFound, PlaceCoordinates, Rule, classify, is_time, place_coordinates};
pub use values::{Column, Kind, NOT_A_TIME, Values};
