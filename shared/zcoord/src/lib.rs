//! CF: which array is latitude, longitude, time; the nearest cell of a place; masks, packing and calendars.
//!
//! This crate knows metadata, numbers and the sphere. It reads coordinates, and never the data of a variable.

mod attribute;
mod calendar;
mod clock;
mod decode;
mod element;
mod filters;
mod masks;
mod numeric;
mod packing;
mod range;
mod rule;
mod stored;
mod text;
mod values;

pub use calendar::Calendar;
pub use clock::{Clock, Clocks};
pub use decode::{DecodeOptions, Decoded, Decoder, Mode};
pub use values::{Column, Kind, NOT_A_TIME, Values};
