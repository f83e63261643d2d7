//! Failures shared by several formats.

use std::fmt::Display;
use std::io;
use std::path::Path;

use zstore::missing_directory;
use zwire::{Exit, Failure};

use super::Shape;

/// The output device is full, or the output cannot be written.
pub fn write_failed(target: impl Display, error: &io::Error) -> Failure {
    let place = target.to_string();
    let hint = missing_directory(Path::new(&place), error);
    let what = if hint.is_some() { "the directory does not exist".into() } else { error.to_string() };
    let failure = Failure::new(Exit::Output, what).at(place);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// An integer or boolean is missing, which the format cannot represent.
pub fn unsupported_missing(column: &str, kind: &str) -> Failure {
    Failure::usage(format!("a value of column {column:?} is missing, and {kind} has no missing value"))
        .hint("use --cast f32: missing values become NaN")
}

/// The number of rows differs from the plan.
pub fn wrong_count(target: impl Display, planned: u64, written: u64) -> Failure {
    Failure::new(Exit::Output, format!("expected {planned} rows, got {written}")).at(target)
}

/// More values than can be addressed in memory.
pub fn too_many(shape: Shape) -> Failure {
    Failure::new(Exit::Usage, format!("{} points with {} samples are too many", shape.points, shape.samples))
}
