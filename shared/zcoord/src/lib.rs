//! CF: which array is latitude, longitude, time; the nearest cell of a point; masks, packing and calendars.
//!
//! This crate knows metadata, numbers and the sphere. It reads coordinates, and never the data of a variable.

mod anemoi;
mod angle;
mod attribute;
mod axis;
mod bounding_box;
mod calendar;
mod clock;
mod coordinate;
mod curvilinear;
mod dataset;
mod decode;
mod decode_error;
mod decode_options;
mod degrees;
mod element;
mod extent;
mod fill_attributes;
mod filters;
mod find;
mod grid;
mod grid_coordinates;
mod grid_error;
mod horizontal;
mod indices;
mod labels;
mod masks;
mod missed;
mod nearest;
mod number;
mod numeric;
mod packing;
mod point;
mod points;
mod range;
mod rectilinear;
mod rule;
mod scattered;
mod selection;
mod series;
mod shrink;
mod sphere;
mod stored;
#[cfg(test)]
mod testing;
mod text;
mod time;
mod unroll;
mod values;

pub use bounding_box::{BoundingBox, CellRanges};
pub use calendar::Calendar;
pub use clock::{Clock, Clocks};
pub use coordinate::{decoder, read_coordinate, read_coordinate_part, read_coordinate_range};
pub use curvilinear::Curvilinear;
pub use dataset::{Dataset, Describes, dimensions, name};
pub use decode::{Decoded, Decoder};
pub use decode_error::DecodeError;
pub use decode_options::{DecodeOptions, Mode};
pub use element::Element;
pub use fill_attributes::{is_fill_stated, missing_numbers};
pub use filters::Filters;
pub use find::{
    CoordinateNames, Finder, HorizontalCoordinates, HorizontalDimensions, NotFound, Rule, classify, is_time,
};
pub use grid::CoordinateGrid;
pub use grid_coordinates::{GridCoordinates, GridKind, GridSource};
pub use grid_error::{GridError, GridFailure};
pub use horizontal::Horizontal;
pub use indices::Indices;
pub use labels::label_of;
pub use missed::Missed;
pub use nearest::{Nearest, NearestMethod, Tolerance};
pub use point::{Cell, Limits, LinearError, Match, Point, Weights};
pub use points::{BadLines, Points, kept};
pub use rectilinear::Rectilinear;
pub use scattered::Scattered;
pub use selection::{By, Selection, SelectionError, parse_isel, parse_sel, select};
pub use series::{Series, Step};
pub use sphere::EARTH_RADIUS_KM;
pub use time::{Datetime64, Iso, TimeUnits, datetime64_unit, format_iso, is_time_units, parse_label};
pub use values::{Column, Kind, NOT_A_TIME, Values};
