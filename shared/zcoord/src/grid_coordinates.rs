//! The coordinates of a horizontal grid: latitude and longitude of a store, read and checked.

use std::f64::consts::PI;
use std::fmt;

use zarray::{Array, Pool, ZarrFormat};
use zstore::Store;
use zwire::{Exit, Failure};

use crate::angle::Units;
use crate::coordinate::{Positions, read_coordinate, read_positions};
use crate::dataset::Dataset;
use crate::decode_options::Mode;
use crate::find::{HorizontalCoordinates, HorizontalDimensions};
use crate::grid::CoordinateGrid;
use crate::grid_error::{GridError, GridFailure};

/// Latitude and longitude shared by variables: their paths and dimensions.
#[derive(Debug, Clone)]
pub struct GridSource {
    /// Path of the latitude.
    pub latitude: String,
    /// Path of the longitude.
    pub longitude: String,
    /// Layout of their dimensions.
    pub kind: GridKind,
    /// How they were found, for messages.
    pub found_by: String,
}

/// Dimensions of latitude and longitude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GridKind {
    /// Each along its own dimension.
    Axes,
    /// Both over two dimensions.
    Plane,
    /// Both along one dimension.
    Points,
}

impl From<HorizontalDimensions> for GridKind {
    fn from(dimensions: HorizontalDimensions) -> GridKind {
        match dimensions {
            HorizontalDimensions::Axes { .. } => GridKind::Axes,
            HorizontalDimensions::Plane { .. } => GridKind::Plane,
            HorizontalDimensions::Points { .. } => GridKind::Points,
        }
    }
}

impl GridSource {
    /// The grid of a variable with these coordinates.
    pub fn of(found: &HorizontalCoordinates) -> GridSource {
        let (latitude, longitude) = (found.latitude.path.clone(), found.longitude.path.clone());
        let (by, and) = (found.rules.0.name(), found.rules.1.name());
        let found_by = format!("{latitude} ({by}), {longitude} ({and})");
        GridSource { latitude, longitude, kind: found.dimensions.into(), found_by }
    }
}

/// A grid with its coordinates.
#[derive(Debug, Clone)]
pub struct GridCoordinates {
    /// Its geometry.
    pub grid: CoordinateGrid,
    /// Dimensions of its latitude and longitude.
    pub kind: GridKind,
    /// What was assumed of them, for messages.
    pub notes: Vec<String>,
}

/// Bytes that a search holds of each cell: latitude and longitude as stored and as numbers, and a unit vector.
const CELL_BYTES: u64 = 64;

impl GridCoordinates {
    /// Reads the coordinates of a grid, which may take `most_bytes` of memory.
    ///
    /// # Errors
    /// [`GridFailure::Unusable`] for units that are no angles and invalid coordinates (not finite, not monotonic, latitude and
    /// longitude swapped); [`GridFailure::Unread`] for read errors of the store and grids too large for the memory.
    pub fn read(
        store: &Store,
        dataset: &Dataset,
        source: &GridSource,
        pool: &Pool,
        most_bytes: u64,
    ) -> Result<GridCoordinates, GridFailure> {
        Reading { store, dataset, source, pool, most_bytes }.coordinates()
    }
}

/// A grid whose coordinates are being read.
struct Reading<'a> {
    store: &'a Store,
    dataset: &'a Dataset,
    source: &'a GridSource,
    pool: &'a Pool,
    most_bytes: u64,
}

impl Reading<'_> {
    fn coordinates(&self) -> Result<GridCoordinates, GridFailure> {
        let (latitude, longitude) = (self.array(&self.source.latitude)?, self.array(&self.source.longitude)?);
        self.check_size(latitude)?;
        let (north, east) = (self.degrees(latitude)?, self.degrees(longitude)?);
        let (lat, lon) = match self.source.kind {
            GridKind::Axes => (self.numbers(latitude, north)?, self.numbers(longitude, east)?),
            GridKind::Plane | GridKind::Points => self.positions(latitude, longitude, [north, east])?,
        };
        let notes = self.missing_units([latitude, longitude], [north, east], [&lat, &lon])?;
        let grid = match self.source.kind {
            GridKind::Axes => {
                let bounds = (self.bounds(latitude, north)?, self.bounds(longitude, east)?);
                CoordinateGrid::rectilinear(lat, lon, bounds.0, bounds.1)
            }
            GridKind::Points => CoordinateGrid::scattered(lat, lon),
            GridKind::Plane => {
                let rank = latitude.shape.len();
                let (rows, columns) = (latitude.shape[rank - 2] as usize, latitude.shape[rank - 1] as usize);
                let (lat, lon) = (self.still(latitude, lat)?, self.still(longitude, lon)?);
                CoordinateGrid::curvilinear(rows, columns, lat, lon)
            }
        };
        let grid = grid.map_err(|error: GridError| self.wrong(error))?;
        Ok(GridCoordinates { grid, kind: self.source.kind, notes })
    }

    /// A grid must fit in memory before anything of it is read.
    fn check_size(&self, latitude: &Array) -> Result<(), GridFailure> {
        let cells = latitude.shape.iter().fold(1u64, |product, length| product.saturating_mul(*length));
        let needed = cells.saturating_mul(CELL_BYTES);
        if needed <= self.most_bytes {
            return Ok(());
        }
        let what = format!("{cells} cells need {} of memory", zwire::human_bytes(needed));
        let failure = Failure::usage(what).at(format!("{}: {}", self.store.location(), latitude.path));
        Err(GridFailure::Unread(failure.hint("increase --max-memory")))
    }

    /// Degrees of one unit of a coordinate; `None` if it has no units.
    fn degrees(&self, array: &Array) -> Result<Option<f64>, GridFailure> {
        match Units::of(array) {
            Units::Angle(angle) => Ok(Some(angle.degrees)),
            Units::Missing => Ok(None),
            Units::Other => {
                let units = &array.attributes["units"];
                let what = format!("units {units} are not degrees or radians, and cannot be converted to them");
                let failure = Failure::new(Exit::Unreadable, what);
                let failure = failure.at(format!("{}: {}", self.store.location(), array.path));
                let hint = "correct the units, or name other coordinates with --lat-name and --lon-name";
                Err(GridFailure::Unusable(failure.hint(hint)))
            }
        }
    }

    /// A note on coordinates without units, which are taken as degrees.
    ///
    /// # Errors
    /// If the values cover the globe in radians, or the other coordinate is not in degrees.
    fn missing_units(
        &self,
        arrays: [&Array; 2],
        degrees: [Option<f64>; 2],
        values: [&[f64]; 2],
    ) -> Result<Vec<String>, GridFailure> {
        let without: Vec<&str> = arrays
            .iter()
            .zip(degrees)
            .filter(|(_, degrees)| degrees.is_none())
            .map(|(array, _)| array.path.as_str())
            .collect();
        if without.is_empty() {
            return Ok(Vec::new());
        }
        let other = degrees.iter().flatten().any(|degrees| degrees.abs() != 1.0);
        let (names, verb) = (without.join(" and "), if without.len() == 1 { "has" } else { "have" });
        if other || (without.len() == 2 && cover_globe_in_radians(values)) {
            let reason = if other { "the other coordinate is not in degrees" } else { "the values look like radians" };
            return Err(self.wrong(format!("{names} {verb} no units, and {reason}")));
        }
        Ok(vec![format!("{names} {verb} no units; assumed to be degrees")])
    }

    fn array(&self, path: &str) -> Result<&Array, GridFailure> {
        let found = self.dataset.array(path);
        found.ok_or_else(|| {
            let failure = Failure::new(Exit::Absent, "no longer exists");
            GridFailure::Unread(failure.at(format!("{}: {path}", self.store.location())))
        })
    }

    fn wrong(&self, what: impl fmt::Display) -> GridFailure {
        let GridSource { latitude, longitude, .. } = self.source;
        let paths = format!("{}: {latitude} and {longitude}", self.store.location());
        GridFailure::Unusable(Failure::new(Exit::Unreadable, what.to_string()).at(paths))
    }

    /// The coordinate of a dimension, in degrees.
    fn numbers(&self, array: &Array, degrees: Option<f64>) -> Result<Vec<f64>, GridFailure> {
        let (column, _) = read_coordinate(self.store, array, Mode::Cf, self.pool, self.most_bytes)?;
        let numbers = column.numbers().ok_or_else(|| self.wrong(format!("{} is not numeric", array.path)))?;
        Ok(in_degrees(numbers, degrees))
    }

    /// Latitudes and longitudes of cells; NaN where a cell has no position.
    fn positions(
        &self,
        latitude: &Array,
        longitude: &Array,
        degrees: [Option<f64>; 2],
    ) -> Result<(Vec<f64>, Vec<f64>), GridFailure> {
        let read = |array: &Array, degrees| {
            let Positions { values, fills } = read_positions(self.store, array, self.pool, self.most_bytes)?;
            let values = values.ok_or_else(|| self.wrong(format!("{} is not numeric", array.path)))?;
            Ok::<_, GridFailure>((in_degrees(values, degrees), fills))
        };
        let ((mut lat, no_lat), (mut lon, no_lon)) = (read(latitude, degrees[0])?, read(longitude, degrees[1])?);
        let is_fill = |fills: &[bool], cell: usize| fills.get(cell).copied().unwrap_or(false);
        // As in xarray, the fill value of Zarr v2 is a mask. Many stores have a fill value that is a position itself, mostly
        // 0, without meaning it: that alone is not enough.
        let masks = latitude.format == ZarrFormat::V2 && longitude.format == ZarrFormat::V2;
        for (cell, (lat, lon)) in lat.iter_mut().zip(&mut lon).enumerate() {
            let (north, east) = (is_fill(&no_lat, cell), is_fill(&no_lon, cell));
            let nowhere = (north && lat.abs() > 90.0) || (east && lon.abs() > 360.0);
            if nowhere || (masks && north && east) {
                (*lat, *lon) = (f64::NAN, f64::NAN);
            }
        }
        Ok((lat, lon))
    }

    /// The CF bounds of a coordinate, if the store has them. Without units of their own they have those of the coordinate.
    fn bounds(&self, array: &Array, degrees: Option<f64>) -> Result<Option<Vec<[f64; 2]>>, GridFailure> {
        let named = array.attributes.get("bounds").and_then(|name| name.as_str());
        let found = named.and_then(|name| self.dataset.named(array, name));
        let Some(found) = found.filter(|found| found.shape.as_slice() == [array.shape[0], 2]) else {
            return Ok(None);
        };
        let degrees = self.degrees(found)?.or(degrees);
        Ok(Some(self.numbers(found, degrees)?.as_chunks::<2>().0.to_vec()))
    }

    /// Coordinates of two dimensions; of three if they are constant along the first.
    fn still(&self, array: &Array, values: Vec<f64>) -> Result<Vec<f64>, GridFailure> {
        let rank = array.shape.len();
        let size = (array.shape[rank - 2] * array.shape[rank - 1]) as usize;
        let (first, others) = values.split_at(size.min(values.len()));
        let equal = |other: &[f64]| other.iter().zip(first).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
        match others.chunks(size.max(1)).all(equal) {
            true => Ok(first.to_vec()),
            false => {
                Err(self
                    .wrong(format!("{} changes along its first dimension: moving grids are not supported", array.path)))
            }
        }
    }
}

fn in_degrees(mut values: Vec<f64>, degrees: Option<f64>) -> Vec<f64> {
    if let Some(factor) = degrees.filter(|factor| *factor != 1.0) {
        values.iter_mut().for_each(|value| *value *= factor);
    }
    values
}

/// Whether latitudes and longitudes reach from pole to pole and all round, if they are radians.
fn cover_globe_in_radians([lat, lon]: [&[f64]; 2]) -> bool {
    let extent = |values: &[f64]| {
        let finite = values.iter().filter(|value| value.is_finite());
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
    };
    let ((south, north), (west, east)) = (extent(lat), extent(lon));
    let near = |value: f64, whole: f64| (0.9 * whole..=whole + 1e-6).contains(&value);
    near(north - south, PI) && near(north.abs().max(south.abs()), PI / 2.0) && near(east - west, 2.0 * PI)
}
