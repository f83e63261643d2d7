//! Failures that several formats have in common.

use std::fmt::Display;
use std::io;

use zwire::{Exit, Failure};

/// An output that is full or cannot be written.
pub fn write_failed(place: impl Display, error: &io::Error) -> Failure {
    Failure::new(Exit::Output, error.to_string()).at(place)
}

/// A whole number or truth value is missing where the format cannot say so.
pub fn no_place_for_missing(column: &str, kind: &str) -> Failure {
    Failure::usage(format!("a value of the column {column:?} is missing, which {kind} cannot say"))
        .hint("say --cast f32: missing values are then NaN")
}

/// Rows that came are not those that were planned.
pub fn wrong_count(place: impl Display, planned: u64, came: u64) -> Failure {
    Failure::new(Exit::Output, format!("{planned} rows were planned, and {came} came")).at(place)
}
