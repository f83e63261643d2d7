//! All output formats behind one trait: batches of rows are written, and the complete file or directory is published.
//!
//! Text formats can also be written to a stream ([`stream`]). The output does not depend on the number of workers.

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
mod uploaded;
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
    /// One NumPy matrix, with sidecar files that describe its rows and columns.
    Npy,
    /// Zarr v3: a CF discrete sampling geometry.
    Zarr,
}

impl Format {
    /// The format of this name.
    pub fn named(name: &str) -> Option<Format> {
        [Format::Csv, Format::Jsonl, Format::Parquet, Format::Npy, Format::Zarr]
            .into_iter()
            .find(|format| format.name() == name)
    }

    /// The name in messages, also the usual file extension.
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

/// Why there is no NetCDF output, and the way to it.
pub const NO_NETCDF: &str = "NetCDF is not written";
/// The hint that goes with it.
pub const THROUGH_ZARR: &str =
    "write Zarr (-o x.zarr), then convert it in Python: xarray.open_zarr('x.zarr').to_netcdf('x.nc')";

/// Table layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One row per point and sample, with a column for each feature.
    Wide,
    /// One value per row.
    Long,
}

/// Time format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFormat {
    /// ISO 8601; a timestamp in Parquet.
    Iso,
    /// Seconds since 1970-01-01, with as many decimals as needed.
    Unix,
    /// Whole microseconds since 1970-01-01.
    UnixMicros,
}

/// Options of an output.
#[derive(Debug, Clone)]
pub struct Options {
    /// Table layout.
    pub layout: Layout,
    /// Text of a missing value in CSV.
    pub na_rep: String,
    /// Whether CSV starts with a header line of column names.
    pub header: bool,
    /// Whether there are files next to the output that describe it.
    pub sidecar: bool,
    /// Time format; Zarr output always uses CF times.
    pub time_format: TimeFormat,
    /// Whether to convert all numeric features to 32-bit floats, with NaN for missing values.
    pub cast_f32: bool,
    /// Whether to replace an existing output once the new one is complete.
    pub overwrite: bool,
    /// Name and version of the program, for formats that record it.
    pub tool: String,
    /// Maximum uncompressed size of a Parquet row group, which is held in memory.
    pub row_group_bytes: u64,
    /// The key to partition by: one directory per value.
    pub partition_by: Option<String>,
    /// Connection options for an output that is not local.
    pub store: StoreOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            layout: Layout::Wide,
            na_rep: String::new(),
            header: true,
            sidecar: true,
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

/// Number of wide rows: one for each point at each sample; the points of a sample are adjacent.
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

/// Summary of the written output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Wide rows.
    pub rows: u64,
    /// Bytes written, without sidecars.
    pub bytes: u64,
    /// Published files and directories, sidecars first.
    pub paths: Vec<PathBuf>,
}

/// A writer of rows. If dropped before [`Sink::finish`], it removes everything it wrote.
pub trait Sink {
    /// Writes a batch; returns the number of bytes written so far.
    ///
    /// # Errors
    /// The output is full or cannot be written, or the format cannot represent a value.
    fn write(&mut self, batch: &Batch, pool: &Pool) -> Result<u64, Failure>;

    /// Bytes buffered in memory.
    fn buffered(&self) -> u64 {
        0
    }

    /// Flushes buffered rows, as far as the format allows.
    ///
    /// # Errors
    /// The errors of [`Sink::write`].
    fn relieve(&mut self, _pool: &Pool) -> Result<(), Failure> {
        Ok(())
    }

    /// Flushes everything and publishes the output.
    ///
    /// # Errors
    /// The errors of [`Sink::write`], or another process has created the output in the meantime.
    fn finish(self: Box<Self>) -> Result<Written, Failure>;
}
