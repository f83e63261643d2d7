//! The flags of `zpoint`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use zarray::{Part, PartialDecode};
use zcli::clap::{self, Args as ClapArgs, Parser, ValueEnum};
use zcli::{Common, Ending, JobFlags, MemoryFlags, Session, StoreFlags, Table, Tool, VarFlags};
use zcoord::{DecodeOptions, Mode};
use zwire::Failure;

use crate::labels::{Selection, parse_isel, parse_sel};
use crate::naming::Template;
use crate::{human, run};

/// Extract the series of places out of Zarr stores
///
/// Finds the cell of each place and reads its values of every variable, at every time, out of one STORE or many. Dimensions
/// that number samples (times; file_id, sample, batch) make rows: one for each sample and place. All others, such as level,
/// make columns: u_500, u_850. Before the values a row has the place, its cell and their distance. Stores come in the order
/// given, in each the samples in theirs, and at each sample the places. Rows are written while they are read; nothing is
/// collected first.
///
/// Places are always points, never the corners of a box; longitude is compared around the circle; a place outside of the grid,
/// by more than half a cell, is an error unless --out-of-bounds says otherwise. Values are decoded as CF says, and xarray does:
/// masks, then packing; times in their calendar. Of chunks in Blosc only the blocks are read and decoded that hold a wanted
/// cell, of uncompressed chunks only the cells, all others whole.
///
/// Without -o rows go to standard output: as a table on a terminal, as records in a pipe, or as plain CSV with -f csv. With -o
/// they go to a file that appears when it is complete, beside it NAME.columns.jsonl, which says what each column is, and
/// standard output has the cells that were found.
#[derive(Debug, Parser)]
#[command(
    name = "zpoint",
    override_usage = "zpoint [OPTIONS] --lat=LAT --lon=LON STORE...\n       zpoint [OPTIONS] --points FILE STORE..."
)]
pub struct Args {
    /// Stores: paths, or URLs with file, s3, gs, az, http or https
    #[arg(value_name = "STORE")]
    pub stores: Vec<OsString>,
    /// Read more stores from FILE ("-": standard input): one a line, as text or as records with a "store"
    #[arg(long, value_name = "FILE")]
    pub stores_from: Option<PathBuf>,

    #[command(flatten)]
    pub place: PlaceFlags,
    #[command(flatten)]
    pub what: WhatFlags,
    #[command(flatten)]
    pub var: VarFlags,
    #[command(flatten)]
    pub rows: RowFlags,
    #[command(flatten)]
    pub read: ReadFlags,
    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub memory: MemoryFlags,
    #[command(flatten)]
    pub store: StoreFlags,
    #[command(flatten)]
    pub common: Common,
}

/// Flags that say where.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Places")]
pub struct PlaceFlags {
    /// Latitude of a place in degrees north; repeatable, each with a --lon
    #[arg(long, value_name = "LAT", allow_negative_numbers = true)]
    pub lat: Vec<f64>,
    /// Longitude of a place in degrees east, in either convention: -0.1 is 359.9
    #[arg(long, value_name = "LON", allow_negative_numbers = true)]
    pub lon: Vec<f64>,
    /// Read places from a CSV file whose header names lat, lon and perhaps id ("-": standard input); further columns are
    /// carried through
    #[arg(long, value_name = "FILE")]
    pub points: Option<PathBuf>,
    /// What a place gets: the value of the nearest cell, or one between the four around it
    #[arg(long, value_name = "HOW", value_enum, default_value = "nearest")]
    pub method: Method,
    /// The farthest that a cell may be in degrees, in place of half a cell: lat=0.2,lon=0.2
    #[arg(long, value_name = "DEGREES", value_parser = parse_tolerance)]
    pub tolerance: Option<Tolerance>,
    /// The farthest that a cell may be, along the ground: 25km, 500m
    #[arg(long, value_name = "DISTANCE", value_parser = parse_distance)]
    pub max_distance: Option<f64>,
    /// What becomes of a place outside of the grid, by more than half a cell: end the run, missing values, no rows, or no rows
    /// and a warning
    #[arg(long, value_name = "WHAT", value_enum, default_value = "error")]
    pub out_of_bounds: OutOfBounds,
    /// Take the nearest cell at which this variable is not missing (at the first sample), for places at a coast
    #[arg(long, value_name = "VAR", requires = "search_radius")]
    pub nearest_valid: Option<String>,
    /// How far --nearest-valid looks: 50km
    #[arg(long, value_name = "DISTANCE", value_parser = parse_distance, requires = "nearest_valid")]
    pub search_radius: Option<f64>,
    /// What to do when stores, or grids of one store, have different cells for a place
    #[arg(long, value_name = "WHAT", value_enum, default_value = "error")]
    pub same_cell: SameCell,
    /// The array that is the latitude, where that is not clear
    #[arg(long, value_name = "NAME")]
    pub lat_name: Option<String>,
    /// The array that is the longitude
    #[arg(long, value_name = "NAME")]
    pub lon_name: Option<String>,
}

/// Flags that say what.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Selection options")]
pub struct WhatFlags {
    /// Only these values of a dimension: level=850, level=500,850, level=500:850, time=2019-03 (all of it),
    /// time=2019-03-01:2019-03-07 (both ends included); repeatable, for another dimension each
    #[arg(long, value_name = "DIM=LABEL", value_parser = parse_sel)]
    pub sel: Vec<Selection>,
    /// Only these indices of a dimension, as Python counts them: level=0:3 (3 excluded), time=-1, time=::24; repeatable, for
    /// another dimension each
    #[arg(long, value_name = "DIM=INDEX", value_parser = parse_isel)]
    pub isel: Vec<Selection>,
    /// Add variables without latitude and longitude, such as one value a time, to every row; else they are left out
    #[arg(long)]
    pub carry: bool,
    /// How far to decode: as CF says, or just the numbers that are stored
    #[arg(long, value_name = "HOW", value_enum, default_value = "cf")]
    pub decode: Decode,
    /// Whether the fill_value of an array's metadata means missing [default: as in xarray, true in Zarr v2, false in v3]
    #[arg(long, value_name = "BOOL")]
    pub fill_value_as_mask: Option<bool>,
    /// Dimensions that make rows, in place of times, file_id, sample and batch
    #[arg(long, value_name = "DIM,…", value_delimiter = ',')]
    pub row_dims: Option<Vec<String>>,
    /// Dimensions that make columns, though they would make rows by default
    #[arg(long, value_name = "DIM,…", value_delimiter = ',')]
    pub feature_dims: Vec<String>,
    /// Names of the columns of variables with further dimensions, as in '{var}_{level}' or '{var}[_{level}][_{step}]'
    #[arg(long, value_name = "TEMPLATE", value_parser = Template::parse)]
    pub column_name: Option<Template>,
}

/// Flags of the output.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Output options")]
pub struct RowFlags {
    /// Format of the rows [default: by the ending of --output, .csv, .parquet, .npy or .zarr, else records; on standard output
    /// a table or records]
    #[arg(short = 'f', long = "to", value_name = "FORMAT", value_enum)]
    pub to: Option<RowFormat>,
    /// One row for each sample and place, or one for each value
    #[arg(long, value_name = "HOW", value_enum, default_value = "wide")]
    pub layout: LayoutChoice,
    /// Make --output a directory with a file for each value of a column before the values (point_id, time, …), named as in
    /// Hive: point_id=7/part-0.parquet
    #[arg(long, value_name = "KEY")]
    pub partition_by: Option<String>,
    /// What CSV has for a missing value
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub na_rep: String,
    /// Leave the header of CSV out, so that parts can be put together
    #[arg(long)]
    pub no_header: bool,
    /// How times are written: ISO 8601, or counted since 1970 in their own calendar, in seconds or microseconds
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "iso")]
    pub time_format: TimeChoice,
    /// Convert every value to this type, so that all fit one matrix (-f npy)
    #[arg(long, value_name = "TYPE", value_enum)]
    pub cast: Option<Cast>,
    /// Replace the output where it exists, once the new one is whole
    #[arg(long)]
    pub overwrite: bool,
}

/// Flags of reading.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Work options")]
pub struct ReadFlags {
    /// Print the plan of each store, and read coordinates and a few chunks only: the bytes to read for those wanted, how many
    /// times as many that is (READ×), and would be for a reader of whole chunks (WHOLE×)
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Do part I of N of the rows: a contiguous share, cut between chunks where that is possible; a part may be empty
    #[arg(long, value_name = "I/N")]
    pub part: Option<Part>,
    /// Whether to read single blocks of Blosc chunks: where that is less work, always, or never
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub partial_decode: PartialChoice,
}

macro_rules! choices {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
        pub enum $name { $($(#[$doc])* $variant,)* }
    };
}

choices! {
    /// Which value a place gets.
    Method {
        /// That of the nearest cell.
        Nearest,
        /// Bilinear, between four cells.
        Linear,
    }
}
choices! {
    /// What becomes of a place outside.
    OutOfBounds {
        /// The run ends.
        Error,
        /// Rows with missing values.
        Null,
        /// No rows.
        Drop,
        /// No rows, and a warning.
        Warn,
    }
}
choices! {
    /// What cells that differ mean.
    SameCell {
        /// The run ends.
        Error,
        /// A warning.
        Warn,
    }
}
choices! {
    /// How far values are decoded.
    Decode {
        /// Masks, packing and times.
        Cf,
        /// Not at all.
        Raw,
    }
}
choices! {
    /// Formats of rows.
    RowFormat {
        /// Comma-separated values (RFC 4180).
        Csv,
        /// A record a line.
        Jsonl,
        /// Apache Parquet.
        Parquet,
        /// One NumPy matrix, with rows and columns described beside it.
        Npy,
        /// A Zarr v3 store, CF time series.
        Zarr,
    }
}
choices! {
    /// What a row is.
    LayoutChoice {
        /// All values of a sample and place.
        Wide,
        /// One value.
        Long,
    }
}
choices! {
    /// How times are written.
    TimeChoice {
        /// 2019-03-01T00:00:00Z.
        Iso,
        /// Seconds since 1970.
        Unix,
        /// Microseconds since 1970.
        Cf,
    }
}
choices! {
    /// The one type of all values.
    Cast {
        /// 32-bit floats.
        F32,
    }
}
choices! {
    /// Whether chunks are read in part.
    PartialChoice {
        /// Where it is less work.
        Auto,
        /// Always.
        On,
        /// Never.
        Off,
    }
}

impl From<PartialChoice> for PartialDecode {
    fn from(choice: PartialChoice) -> PartialDecode {
        match choice {
            PartialChoice::Auto => PartialDecode::Auto,
            PartialChoice::On => PartialDecode::On,
            PartialChoice::Off => PartialDecode::Off,
        }
    }
}

/// `--tolerance`, in degrees.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tolerance {
    /// Along the meridian.
    pub lat: Option<f64>,
    /// Along the parallel.
    pub lon: Option<f64>,
}

fn parse_tolerance(text: &str) -> Result<Tolerance, String> {
    let mut tolerance = Tolerance::default();
    for part in text.split(',') {
        let (axis, degrees) = part.split_once('=').ok_or("a tolerance is lat=DEGREES,lon=DEGREES")?;
        let degrees = degrees.parse::<f64>().ok().filter(|degrees| (0.0..=360.0).contains(degrees));
        let degrees = Some(degrees.ok_or_else(|| format!("{part:?} is no number of degrees"))?);
        match axis.trim() {
            "lat" | "latitude" => tolerance.lat = degrees,
            "lon" | "longitude" => tolerance.lon = degrees,
            other => return Err(format!("{other:?} is neither lat nor lon")),
        }
    }
    Ok(tolerance)
}

/// `25km`, `500m`; kilometres.
fn parse_distance(text: &str) -> Result<f64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "km" => 1.0,
        "m" => 0.001,
        _ => return Err("a distance is a number with km or m".into()),
    };
    let number = digits.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.map(|number| number * unit).ok_or_else(|| "a distance is a number with km or m".into())
}

impl Args {
    /// The file that rows go to; nothing: standard output.
    pub fn rows_file(&self) -> Option<&Path> {
        self.common.output.as_deref().filter(|path| path.as_os_str() != "-")
    }

    /// The format of the rows; nothing: whatever records are printed as.
    pub fn row_format(&self) -> Option<RowFormat> {
        self.rows.to.or_else(|| match self.rows_file()?.extension()?.to_str()? {
            "csv" => Some(RowFormat::Csv),
            "parquet" | "pq" => Some(RowFormat::Parquet),
            "npy" => Some(RowFormat::Npy),
            "zarr" => Some(RowFormat::Zarr),
            _ => None,
        })
    }

    /// Whether rows are records of the stream, in a file or not.
    pub fn rows_are_records(&self) -> bool {
        self.rows.partition_by.is_none() && matches!(self.row_format(), None | Some(RowFormat::Jsonl))
    }

    /// How values are decoded.
    pub fn decoding(&self) -> DecodeOptions {
        let mode = match self.what.decode {
            Decode::Cf => Mode::Cf,
            Decode::Raw => Mode::Raw,
        };
        DecodeOptions { mode, fill_value_as_mask: self.what.fill_value_as_mask }
    }
}

impl Tool for Args {
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("The series of London, as a table", "zpoint era5.zarr --lat 51.5 --lon -0.1"),
        ("The same as CSV", "zpoint era5.zarr --lat 51.5 --lon -0.1 -f csv > london.csv"),
        ("What that would read, and how many times what is wanted", "zpoint -n era5.zarr --lat 51.5 --lon -0.1"),
        (
            "A week of some variables at many stations, for a training run",
            "zpoint batch_*.zarr --points stations.csv --var 't*' --sel time=2019-03-01:2019-03-07 -o series.parquet",
        ),
        (
            "One file for each value of the dimension file_id",
            "zpoint batch_*.zarr --lat 51.5 --lon 0 -f parquet --partition-by file_id -o features",
        ),
        (
            "Sea temperature at a harbour whose cell is land",
            "zpoint ocean.zarr --lat 53.9 --lon 8.6 --var sst --nearest-valid sst --search-radius 50km",
        ),
        ("Part 3 of 8, for an array job", "zpoint archive.zarr --points stations.csv --part 3/8 -o part-3.parquet"),
        ("Stores out of another tool", "zinspect --json *.zarr | zpoint --stores-from - --lat 51.5 --lon 0 -f csv"),
    ];

    fn writes(&self) -> bool {
        self.rows_file().is_some()
    }

    fn records_file(&self) -> Option<&Path> {
        self.rows_file().filter(|_| self.rows_are_records() && !self.read.dry_run)
    }

    fn replaces(&self) -> bool {
        self.rows.overwrite
    }

    fn keeps_failed(&self) -> bool {
        false
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        human::table(self)
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        run::run(self, session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_tolerances() {
        assert_eq!((parse_distance("25km"), parse_distance("500m")), (Ok(25.0), Ok(0.5)));
        for bad in ["25", "km", "-1km", "1mile", "NaNkm"] {
            assert!(parse_distance(bad).is_err(), "{bad}");
        }
        let both = Tolerance { lat: Some(0.2), lon: Some(0.5) };
        assert_eq!(parse_tolerance("lat=0.2,lon=0.5"), Ok(both));
        for bad in ["0.2", "lat=x", "time=1", "lat=-1"] {
            assert!(parse_tolerance(bad).is_err(), "{bad}");
        }
    }
}
