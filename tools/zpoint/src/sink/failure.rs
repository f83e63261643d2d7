//! Failures that several formats have in common.

use std::fmt::Display;
use std::io;

use zwire::{Exit, Failure};

use super::Shape;

/// An output that is full or cannot be written.
pub fn write_failed(place: impl Display, error: &io::Error) -> Failure {
    Failure::new(Exit::Output, error.to_string()).at(place)
}

/// An integer or boolean is missing, and the format cannot represent that.
pub fn no_place_for_missing(column: &str, kind: &str) -> Failure {
    Failure::usage(format!("a value of the column {column:?} is missing, which {kind} cannot say"))
        .hint("say --cast f32: missing values are then NaN")
}

/// The number of rows differs from the plan.
pub fn wrong_count(place: impl Display, planned: u64, came: u64) -> Failure {
    Failure::new(Exit::Output, format!("{planned} rows were planned, and {came} came")).at(place)
}

/// More values than the machine can address.
pub fn too_many(shape: Shape) -> Failure {
    Failure::new(Exit::Usage, format!("{} places at {} samples are too many", shape.stations, shape.samples))
}
