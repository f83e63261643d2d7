//! All output formats behind one trait: batches of rows go in, and a file or directory is published when it is complete.
//!
//! Text formats can also go to a writer ([`stream`]). The bytes never depend on the number of workers.

mod arrow;
mod cast;
mod cells;
mod columns;
mod csv;
mod dictionary;
mod element;
mod estimate;
mod failure;
mod gather;
mod jsonl;
mod lines;
mod npy;
mod open;
mod parquet;
mod partition;
mod published;
mod staging;
mod table;
mod text;
mod time;
mod zarr;

#[cfg(test)]
mod fixture;

use std::path::PathBuf;

use zarray::Pool;
use zstore::StoreOptions;
use zwire::Failure;

use crate::batch::Batch;

pub use estimate::estimate;
pub use open::{open, stream};

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180, lines end with a newline).
    Csv,
    /// JSON Lines.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// One NumPy matrix, with sidecars that describe its rows and columns.
    Npy,
    /// Zarr v3: a CF discrete sampling geometry.
    Zarr,
}

impl Format {
    /// Its name in messages, and the usual extension of its files.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
            Format::Npy => "npy",
            Format::Zarr => "zarr",
        }
    }
}

/// Table layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A point at a sample, with a column for each feature.
    Wide,
    /// One value per row.
    Long,
}

/// Time format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFormat {
    /// ISO 8601; a timestamp in Parquet.
    Iso,
    /// Seconds since 1970-01-01, with as much of a fraction as there is.
    Unix,
    /// Whole microseconds since 1970-01-01.
    UnixMicros,
}

/// Options of an output.
#[derive(Debug, Clone)]
pub struct Options {
    /// What a line is.
    pub layout: Layout,
    /// Text of a missing value in CSV.
    pub na_rep: String,
    /// Whether CSV starts with the names of its columns.
    pub header: bool,
    /// How times are written; Zarr output always uses CF times.
    pub time_format: TimeFormat,
    /// Whether all numbers of features become 32-bit floats, missing ones NaN.
    pub cast_f32: bool,
    /// Whether an existing output is replaced once the new one is complete.
    pub overwrite: bool,
    /// The program and its version, for formats that record it.
    pub tool: String,
    /// Maximum uncompressed bytes of a Parquet row group, which is held in memory.
    pub row_group_bytes: u64,
    /// The key whose values become directories.
    pub partition_by: Option<String>,
    /// How the store of a Zarr output is reached.
    pub store: StoreOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            layout: Layout::Wide,
            na_rep: String::new(),
            header: true,
            time_format: TimeFormat::Iso,
            cast_f32: false,
            overwrite: false,
            tool: String::new(),
            row_group_bytes: 256 << 20,
            partition_by: None,
            store: StoreOptions::default(),
        }
    }
}

/// How many wide rows there will be: one for each point at each sample, the points of a sample side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of points.
    pub points: u64,
    /// Number of samples.
    pub samples: u64,
}

impl Shape {
    /// Number of wide rows.
    pub fn rows(self) -> u64 {
        self.points.saturating_mul(self.samples)
    }
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Wide rows.
    pub rows: u64,
    /// Bytes, those of sidecars left out.
    pub bytes: u64,
    /// Published files and directories, sidecars first.
    pub paths: Vec<PathBuf>,
}

/// A writer of rows. Dropped before [`Sink::finish`], it removes everything it wrote.
pub trait Sink {
    /// Writes a batch; returns the number of bytes written so far.
    ///
    /// # Errors
    /// An output that is full or cannot be written, or values that the format cannot hold.
    fn write(&mut self, batch: &Batch, pool: &Pool) -> Result<u64, Failure>;

    /// Bytes buffered in memory.
    fn buffered(&self) -> u64 {
        0
    }

    /// Flushes buffered rows, as far as the format allows.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn relieve(&mut self, _pool: &Pool) -> Result<(), Failure> {
        Ok(())
    }

    /// Writes the rest, and publishes the output.
    ///
    /// # Errors
    /// As [`Sink::write`]; an output that another process has created meanwhile.
    fn finish(self: Box<Self>) -> Result<Written, Failure>;
}
