//! The flags of `zpoint`: what may be typed. What it means is in `options.rs`.

use std::ffi::OsString;
use std::path::PathBuf;

use zarray::{Part, PartialDecode};
use zcli::clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use zcli::clap::{self, Args as ClapArgs, Parser};
use zcli::{Common, JobFlags, MemoryFlags, StoreFlags, VarFlags};
use zcoord::{Mode, Selection, parse_isel, parse_sel};

use crate::naming::Template;
use crate::points::{Method, OutOfBounds, SameCell};
use crate::sink::{Format, Layout, TimeFormat};

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
    pub point: PointFlags,
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

/// Flags of the points.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Places")]
pub struct PointFlags {
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
    #[arg(long, value_name = "HOW", value_parser = one_of(METHODS), default_value = "nearest")]
    pub method: Method,
    /// The farthest that a cell may be in degrees, in place of half a cell: lat=0.2,lon=0.2
    #[arg(long, value_name = "DEGREES", value_parser = parse_tolerance)]
    pub tolerance: Option<Tolerance>,
    /// The farthest that a cell may be, along the ground: 25km, 500m
    #[arg(long, value_name = "DISTANCE", value_parser = parse_distance)]
    pub max_distance: Option<f64>,
    /// What becomes of a place outside of the grid, by more than half a cell: end the run, missing values, no rows, or no rows
    /// and a warning
    #[arg(long, value_name = "WHAT", value_parser = one_of(OUT_OF_BOUNDS), default_value = "error")]
    pub out_of_bounds: OutOfBounds,
    /// Take the nearest cell at which this variable is not missing (at the first sample), for places at a coast
    #[arg(long, value_name = "VAR", requires = "search_radius")]
    pub nearest_valid: Option<String>,
    /// How far --nearest-valid looks: 50km
    #[arg(long, value_name = "DISTANCE", value_parser = parse_distance, requires = "nearest_valid")]
    pub search_radius: Option<f64>,
    /// What to do when stores, or grids of one store, have different cells for a place
    #[arg(long, value_name = "WHAT", value_parser = one_of(SAME_CELL), default_value = "error")]
    pub same_cell: SameCell,
    /// The array that is the latitude, where that is not clear
    #[arg(long, value_name = "NAME")]
    pub lat_name: Option<String>,
    /// The array that is the longitude
    #[arg(long, value_name = "NAME")]
    pub lon_name: Option<String>,
}

/// Flags of the data.
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
    #[arg(long, value_name = "HOW", value_parser = one_of(DECODE), default_value = "cf")]
    pub decode: Mode,
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
    #[arg(short = 'f', long = "to", value_name = "FORMAT", value_parser = one_of(FORMATS))]
    pub to: Option<Format>,
    /// One row for each sample and place, or one for each value
    #[arg(long, value_name = "HOW", value_parser = one_of(LAYOUTS), default_value = "wide")]
    pub layout: Layout,
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
    #[arg(long, value_name = "FORMAT", value_parser = one_of(TIME_FORMATS), default_value = "iso")]
    pub time_format: TimeFormat,
    /// Convert every value to this type, so that all fit one matrix (-f npy)
    #[arg(long = "cast", value_name = "TYPE", value_parser = one_of(CASTS))]
    pub cast_f32: Option<bool>,
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
    #[arg(long, value_name = "WHEN", value_parser = one_of(PARTIAL_DECODE), default_value = "auto")]
    pub partial_decode: PartialDecode,
}

/// A value as it is typed, its help, and what it means.
type Choice<T> = (&'static str, &'static str, T);

const METHODS: [Choice<Method>; 2] = [
    ("nearest", "That of the nearest cell", Method::Nearest),
    ("linear", "Bilinear, between four cells", Method::Linear),
];
const OUT_OF_BOUNDS: [Choice<OutOfBounds>; 4] = [
    ("error", "The run ends", OutOfBounds::Error),
    ("null", "Rows with missing values", OutOfBounds::Null),
    ("drop", "No rows", OutOfBounds::Drop),
    ("warn", "No rows, and a warning", OutOfBounds::Warn),
];
const SAME_CELL: [Choice<SameCell>; 2] =
    [("error", "The run ends", SameCell::Error), ("warn", "A warning", SameCell::Warn)];
const DECODE: [Choice<Mode>; 2] = [("cf", "Masks, packing and times", Mode::Cf), ("raw", "Not at all", Mode::Raw)];
const FORMATS: [Choice<Format>; 5] = [
    ("csv", "Comma-separated values (RFC 4180)", Format::Csv),
    ("jsonl", "A record a line", Format::Jsonl),
    ("parquet", "Apache Parquet", Format::Parquet),
    ("npy", "One NumPy matrix, with rows and columns described beside it", Format::Npy),
    ("zarr", "A Zarr v3 store, CF time series", Format::Zarr),
];
const LAYOUTS: [Choice<Layout>; 2] =
    [("wide", "All values of a sample and place", Layout::Wide), ("long", "One value", Layout::Long)];
const TIME_FORMATS: [Choice<TimeFormat>; 3] = [
    ("iso", "2019-03-01T00:00:00Z", TimeFormat::Iso),
    ("unix", "Seconds since 1970", TimeFormat::Unix),
    ("cf", "Microseconds since 1970", TimeFormat::Cf),
];
const CASTS: [Choice<bool>; 1] = [("f32", "32-bit floats", true)];
const PARTIAL_DECODE: [Choice<PartialDecode>; 3] = [
    ("auto", "Where it is less work", PartialDecode::Auto),
    ("on", "Always", PartialDecode::On),
    ("off", "Never", PartialDecode::Off),
];

/// A parser of one of these choices.
fn one_of<T, const N: usize>(choices: [Choice<T>; N]) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
{
    let names = choices.each_ref().map(|(name, help, _)| PossibleValue::new(*name).help(*help));
    PossibleValuesParser::new(names).try_map(move |typed| {
        let found = choices.iter().find(|(name, ..)| *name == typed);
        found.map(|(.., value)| value.clone()).ok_or("not one of the choices")
    })
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

/// Examples for help and manual page: what, and the command.
pub const EXAMPLES: &[(&str, &str)] = &[
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
