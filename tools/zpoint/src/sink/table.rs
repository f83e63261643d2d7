//! The single-file table formats: CSV, JSON Lines and Parquet.

use std::fs::File;

use zwire::Failure;

use super::text::Text;
use super::{Format, Options, Shape, Sink, csv, jsonl, parquet};
use crate::batch::Schema;

/// A table in one file. `shape` is the shape of all rows, if known.
///
/// # Errors
/// A write fails, or the format cannot represent a value.
pub fn table(
    format: Format,
    file: File,
    target: String,
    schema: &Schema,
    options: &Options,
    shape: Option<Shape>,
) -> Result<Box<dyn Sink + Send>, Failure> {
    match format {
        Format::Parquet => Ok(Box::new(parquet::Parquet::begin(file, target, schema, options, shape)?)),
        Format::Jsonl => Ok(Box::new(Text::begin(jsonl::lines(schema, options), Box::new(file), target)?)),
        _ => Ok(Box::new(Text::begin(csv::lines(schema, options), Box::new(file), target)?)),
    }
}
