//! The command-line flags of `zpoint`; `options.rs` turns them into options.

use std::path::PathBuf;

use zarray::{Part, PartialDecode};
use zcli::clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use zcli::clap::{self, Args as ClapArgs, Parser};
use zcli::{Choice, Common, JobFlags, MemoryFlags, SelectFlags, StoreFlags, VarFlags, one_of};
use zcoord::Mode;
use zstore::Target;

use crate::naming::Template;
use crate::points::{Method, OutOfBounds, SameCell};
use crate::sink::{Format, Layout, NO_NETCDF, THROUGH_ZARR, TimeFormat};

/// Extract time series at points from Zarr stores
///
/// Finds the grid cell of each point and reads every variable there, at every time, from one or more STOREs. Sample
/// dimensions (times, file_id, sample, batch) become rows: one row per sample and point. All other dimensions, such as
/// level, become columns: u_500, u_850. The first columns of a row are the point, its cell and the distance between
/// them. Rows are ordered by store as given, then by sample, then by point. Rows are streamed to the output, so memory
/// does not grow with their number.
///
/// Each latitude-longitude pair is a point, never the corner of a box. Longitudes are compared modulo 360. A point more than
/// half a cell outside the grid is an error unless --out-of-bounds is given. Values are decoded according to the CF
/// conventions, as in xarray: masks, then packing; times in their calendar. From Blosc chunks only the blocks that hold a
/// requested cell are read and decoded, from uncompressed chunks only the cells; all other chunks are read whole.
///
/// Without -o, rows go to standard output: as a table on a terminal, as records in a pipe, or as plain CSV with -f csv. With
/// -o, they go to a file that appears only when it is complete, with NAME.columns.jsonl next to it to describe each column,
/// and standard output lists the grid cell of each point.
#[derive(Debug, Parser)]
#[command(
    name = "zpoint",
    mut_arg("format", |format| format.value_parser(format_parser())),
    mut_arg("isel", |isel| isel.help(ISEL)),
    override_usage = "zpoint [OPTIONS] --lat=LAT --lon=LON STORE...\n       zpoint [OPTIONS] --points FILE STORE..."
)]
pub struct Args {
    /// Stores: paths, or file, s3, gs, az, http or https URLs
    #[arg(value_name = "STORE", allow_negative_numbers = true)]
    pub stores: Vec<Target>,
    /// Read more stores from FILE ("-": standard input), one per line, as text or as records with a "store" field
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

/// Flags that select points.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Points")]
pub struct PointFlags {
    /// Latitude of a point in degrees north; repeatable, each with a --lon
    #[arg(long, value_name = "LAT", allow_negative_numbers = true)]
    pub lat: Vec<f64>,
    /// Longitude of a point in degrees east, in either convention: -0.1 equals 359.9
    #[arg(long, value_name = "LON", allow_negative_numbers = true)]
    pub lon: Vec<f64>,
    /// Read points from a CSV file ("-": standard input) whose header has lat, lon and optionally id; other columns are
    /// copied to the output
    #[arg(long, value_name = "FILE")]
    pub points: Option<PathBuf>,
    /// Leave out lines of --points that are no points, with a warning, instead of stopping
    #[arg(long, requires = "points")]
    pub skip_bad_points: bool,
    /// How values at a point are computed: from the nearest cell or the four cells around it
    #[arg(long, value_name = "HOW", value_parser = one_of(METHODS), default_value = "nearest")]
    pub method: Method,
    /// Maximum distance to the cell in degrees, instead of half a cell: lat=0.2,lon=0.2
    #[arg(long, value_name = "DEGREES", value_parser = parse_tolerance)]
    pub tolerance: Option<Degrees>,
    /// Maximum great-circle distance to the cell: 25km, 500m
    #[arg(long, value_name = "DISTANCE", value_parser = parse_distance)]
    pub max_distance: Option<f64>,
    /// How to handle points more than half a cell outside the grid
    #[arg(long, value_name = "WHAT", value_parser = one_of(OUT_OF_BOUNDS), default_value = "error")]
    pub out_of_bounds: OutOfBounds,
    /// Use the nearest cell where VAR is not missing (at the first sample), for points near a coast
    #[arg(long, value_name = "VAR", requires = "search_radius")]
    pub nearest_valid: Option<String>,
    /// Search radius of --nearest-valid: 50km
    #[arg(long, value_name = "DISTANCE", value_parser = parse_distance, requires = "nearest_valid")]
    pub search_radius: Option<f64>,
    /// What to do if stores, or grids within a store, have different cells for a point
    #[arg(long, value_name = "WHAT", value_parser = one_of(SAME_CELL), default_value = "error")]
    pub same_cell: SameCell,
    /// Name of the latitude variable, if it is ambiguous
    #[arg(long, value_name = "NAME")]
    pub lat_name: Option<String>,
    /// Name of the longitude variable, if it is ambiguous
    #[arg(long, value_name = "NAME")]
    pub lon_name: Option<String>,
}

/// Flags that select data.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Selection options")]
pub struct WhatFlags {
    #[command(flatten)]
    pub select: SelectFlags,
    /// Also include variables and coordinates without latitude and longitude, such as one value per time, repeated in every row
    #[arg(long)]
    pub carry: bool,
    /// Decode according to the CF conventions, or return the stored numbers
    #[arg(long, value_name = "HOW", value_parser = one_of(DECODE), default_value = "cf")]
    pub decode: Mode,
    /// Whether an array's fill_value marks missing values [default: as in xarray, true in Zarr v2, false in v3]
    #[arg(long, value_name = "BOOL")]
    pub fill_value_as_mask: Option<bool>,
    /// Dimensions used as rows, instead of times, file_id, sample and batch
    #[arg(long, value_name = "DIM,…", value_delimiter = ',')]
    pub row_dims: Option<Vec<String>>,
    /// Dimensions used as columns that would be rows by default
    #[arg(long, value_name = "DIM,…", value_delimiter = ',')]
    pub feature_dims: Vec<String>,
    /// Column names of variables with further dimensions, such as '{var}_{level}' or '{var}[_{level}][_{step}]'
    #[arg(long, value_name = "TEMPLATE", value_parser = Template::parse)]
    pub column_name: Option<Template>,
}

/// Flags of the output format.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Output options")]
pub struct RowFlags {
    /// Output format [default: from the extension of --output: .csv, .parquet, .npy or .zarr, otherwise records; on standard
    /// output a table or records]
    #[arg(short = 'f', long = "to", value_name = "FORMAT", value_parser = row_format())]
    pub to: Option<Format>,
    /// Add a column with the store of each row
    #[arg(long)]
    pub store_column: bool,
    /// Do not write NAME.columns.jsonl next to the output, nor the keys of the rows of a NumPy matrix
    #[arg(long)]
    pub no_sidecar: bool,
    /// One row per sample and point, or one row per value
    #[arg(long, value_name = "HOW", value_parser = one_of(LAYOUTS), default_value = "wide")]
    pub layout: Layout,
    /// Make --output a directory with one file per value of a key column (point_id, time, …), with Hive-style names:
    /// point_id=7/part-0.parquet
    #[arg(long, value_name = "KEY")]
    pub partition_by: Option<String>,
    /// Text for missing values in CSV
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub na_rep: String,
    /// Omit the CSV header, so that parts can be concatenated
    #[arg(long)]
    pub no_header: bool,
    /// Time format: ISO 8601, or seconds or microseconds since 1970 in the calendar of the data
    #[arg(long, value_name = "FORMAT", value_parser = one_of(TIME_FORMATS), default_value = "iso")]
    pub time_format: TimeFormat,
    /// Convert all values to this type, so that they fit in one matrix (-f npy)
    #[arg(long = "cast", value_name = "TYPE", value_parser = one_of(CASTS))]
    pub cast_f32: Option<bool>,
    /// Replace an existing output once the new one is complete
    #[arg(long)]
    pub overwrite: bool,
}

/// Flags that control reading.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Work options")]
pub struct ReadFlags {
    /// Print the plan of each store; read only coordinates and a few chunks. Shows the bytes to read and the bytes
    /// requested, their ratio (READ×), and the ratio if whole chunks were read (FULL×)
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Extract part I of N of the rows: a contiguous range, split at chunk boundaries where possible; a part may be empty
    #[arg(long, value_name = "I/N")]
    pub part: Option<Part>,
    /// Extract a part as --part does, counted from 0 as cloud array jobs count: --part-index 0 --parts 8 is --part 1/8
    #[arg(long, value_name = "K", requires = "parts", conflicts_with = "part")]
    pub part_index: Option<u32>,
    /// Number of parts, with --part-index
    #[arg(long, value_name = "N", requires = "part_index")]
    pub parts: Option<u32>,
    /// Whether to decode single blocks of Blosc chunks
    #[arg(long, value_name = "WHEN", value_parser = one_of(PARTIAL_DECODE), default_value = "auto")]
    pub partial_decode: PartialDecode,
}

const METHODS: [Choice<Method>; 2] = [
    ("nearest", "Value of the nearest cell", Method::Nearest),
    ("linear", "Bilinear interpolation between four cells", Method::Linear),
];
const OUT_OF_BOUNDS: [Choice<OutOfBounds>; 4] = [
    ("error", "Stop with an error", OutOfBounds::Error),
    ("null", "Write rows with missing values", OutOfBounds::Null),
    ("drop", "Write no rows", OutOfBounds::Drop),
    ("warn", "Write no rows and print a warning", OutOfBounds::Warn),
];
const SAME_CELL: [Choice<SameCell>; 2] =
    [("error", "Stop with an error", SameCell::Error), ("warn", "Print a warning", SameCell::Warn)];
const DECODE: [Choice<Mode>; 2] = [("cf", "Masks, packing and times", Mode::Cf), ("raw", "No decoding", Mode::Raw)];
const FORMATS: [Choice<Format>; 5] = [
    ("csv", "Comma-separated values (RFC 4180)", Format::Csv),
    ("jsonl", "One JSON record per line", Format::Jsonl),
    ("parquet", "Apache Parquet", Format::Parquet),
    ("npy", "One NumPy matrix, with files next to it that describe rows and columns", Format::Npy),
    ("zarr", "A Zarr v3 store with CF time series", Format::Zarr),
];
const LAYOUTS: [Choice<Layout>; 2] =
    [("wide", "All values of a sample and point", Layout::Wide), ("long", "One value per row", Layout::Long)];
const TIME_FORMATS: [Choice<TimeFormat>; 3] = [
    ("iso", "2019-03-01T00:00:00Z", TimeFormat::Iso),
    ("unix", "Seconds since 1970", TimeFormat::Unix),
    ("unix-us", "Microseconds since 1970", TimeFormat::UnixMicros),
];
const CASTS: [Choice<bool>; 1] = [("f32", "32-bit floats", true)];
const PARTIAL_DECODE: [Choice<PartialDecode>; 3] = [
    ("auto", "When it is less work", PartialDecode::Auto),
    ("on", "Always", PartialDecode::On),
    ("off", "Never", PartialDecode::Off),
];

/// What `--isel` means over several stores.
const ISEL: &str = "Select by index, as in Python: level=0:3 (3 excluded), time=-1, time=::24; repeatable, once per dimension. Over \
                    several stores, indices of the first row dimension count through all of them, as in their concatenation";

/// `--format` takes the formats of rows, too.
fn format_parser() -> impl TypedValueParser<Value = zcli::Format> {
    zcli::Format::parser(FORMATS.map(|(name, help, _)| (name, help)))
}

/// A parser of `--to`, which knows by name what it cannot do.
fn row_format() -> impl TypedValueParser<Value = Format> {
    let names = FORMATS.map(|(name, help, _)| PossibleValue::new(name).help(help));
    let netcdf = ["netcdf", "nc", "netcdf4"].map(|name| PossibleValue::new(name).hide(true));
    PossibleValuesParser::new(names.into_iter().chain(netcdf))
        .try_map(|typed| Format::named(&typed).ok_or_else(|| format!("{NO_NETCDF}: {THROUGH_ZARR}")))
}

/// `--tolerance`, in degrees.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Degrees {
    /// Along the meridian.
    pub lat: Option<f64>,
    /// Along the parallel.
    pub lon: Option<f64>,
}

fn parse_tolerance(text: &str) -> Result<Degrees, String> {
    let mut tolerance = Degrees::default();
    for part in text.split(',') {
        let (axis, degrees) = part.split_once('=').ok_or("expected lat=DEGREES,lon=DEGREES")?;
        let degrees = degrees.parse::<f64>().ok().filter(|degrees| (0.0..=360.0).contains(degrees));
        let degrees = Some(degrees.ok_or_else(|| format!("{part:?} is not a number of degrees from 0 to 360"))?);
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
        _ => return Err("expected a number followed by km or m, such as 25km".into()),
    };
    let number = digits.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.map(|number| number * unit).ok_or_else(|| "expected a number followed by km or m, such as 25km".into())
}

/// Examples for the help and the man page: description and command.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("Time series for London, as a table", "zpoint era5.zarr --lat 51.5 --lon -0.1"),
    ("The same as CSV", "zpoint era5.zarr --lat 51.5 --lon -0.1 -f csv > london.csv"),
    ("What that would read, and its ratio to the requested bytes", "zpoint -n era5.zarr --lat 51.5 --lon -0.1"),
    (
        "One week of some variables at many points, as training data",
        "zpoint batch_*.zarr --points points.csv --var 't*' \\\n  --sel time=2019-03-01:2019-03-07 -o series.parquet",
    ),
    (
        "One file per value of the dimension file_id",
        "zpoint batch_*.zarr --lat 51.5 --lon 0 \\\n  -f parquet --partition-by file_id -o features",
    ),
    (
        "Sea surface temperature at a harbour whose cell is land",
        "zpoint ocean.zarr --lat 53.9 --lon 8.6 --var sst \\\n  --nearest-valid sst --search-radius 50km",
    ),
    ("Part 3 of 8, for a job array", "zpoint archive.zarr --points points.csv --part 3/8 \\\n  -o part-3.parquet"),
    (
        "Stores listed by another tool",
        "zinspect --json *.zarr | \\\n  zpoint --stores-from - --lat 51.5 --lon 0 -f csv",
    ),
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
        let both = Degrees { lat: Some(0.2), lon: Some(0.5) };
        assert_eq!(parse_tolerance("lat=0.2,lon=0.5"), Ok(both));
        for bad in ["0.2", "lat=x", "time=1", "lat=-1"] {
            assert!(parse_tolerance(bad).is_err(), "{bad}");
        }
    }
}
