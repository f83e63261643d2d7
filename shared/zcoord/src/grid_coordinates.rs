//! The coordinates of a horizontal grid: latitude and longitude of a store, read and checked.

use std::fmt;

use zarray::{Array, Pool};
use zstore::Store;
use zwire::{Exit, Failure};

use crate::coordinate::read_coordinate;
use crate::dataset::Dataset;
use crate::decode_options::Mode;
use crate::find::{HorizontalCoordinates, HorizontalDimensions};
use crate::grid::CoordinateGrid;
use crate::grid_error::GridError;

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

    /// Whether another one has the same coordinates.
    pub fn is_same(&self, other: &GridSource) -> bool {
        (&self.latitude, &self.longitude, self.kind) == (&other.latitude, &other.longitude, other.kind)
    }
}

/// A grid with its coordinates.
#[derive(Debug, Clone)]
pub struct GridCoordinates {
    /// Its geometry.
    pub grid: CoordinateGrid,
    /// Dimensions of its latitude and longitude.
    pub kind: GridKind,
}

impl GridCoordinates {
    /// Reads the coordinates of a grid.
    ///
    /// # Errors
    /// Read errors of the store, and invalid coordinates: not finite, not monotonic, latitude and longitude swapped.
    pub fn read(
        store: &Store,
        dataset: &Dataset,
        source: &GridSource,
        pool: &Pool,
    ) -> Result<GridCoordinates, Failure> {
        Reading { store, dataset, source, pool }.coordinates()
    }
}

/// A grid whose coordinates are being read.
struct Reading<'a> {
    store: &'a Store,
    dataset: &'a Dataset,
    source: &'a GridSource,
    pool: &'a Pool,
}

impl Reading<'_> {
    fn coordinates(&self) -> Result<GridCoordinates, Failure> {
        let (latitude, longitude) = (self.array(&self.source.latitude)?, self.array(&self.source.longitude)?);
        let (lat, lon) = (self.numbers(latitude)?, self.numbers(longitude)?);
        let grid = match self.source.kind {
            GridKind::Axes => CoordinateGrid::rectilinear(lat, lon, self.bounds(latitude)?, self.bounds(longitude)?),
            GridKind::Points => CoordinateGrid::scattered(lat, lon),
            GridKind::Plane => {
                let rank = latitude.shape.len();
                let (rows, columns) = (latitude.shape[rank - 2] as usize, latitude.shape[rank - 1] as usize);
                let (lat, lon) = (self.still(latitude, lat)?, self.still(longitude, lon)?);
                CoordinateGrid::curvilinear(rows, columns, lat, lon)
            }
        };
        let grid = grid.map_err(|error: GridError| self.wrong(error))?;
        Ok(GridCoordinates { grid, kind: self.source.kind })
    }

    fn array(&self, path: &str) -> Result<&Array, Failure> {
        let found = self.dataset.arrays().find(|array| array.path == path);
        found.ok_or_else(|| {
            Failure::new(Exit::Absent, "no longer exists").at(format!("{}: {path}", self.store.location()))
        })
    }

    fn wrong(&self, what: impl fmt::Display) -> Failure {
        let GridSource { latitude, longitude, .. } = self.source;
        let paths = format!("{}: {latitude} and {longitude}", self.store.location());
        Failure::new(Exit::Unreadable, what.to_string()).at(paths)
    }

    fn numbers(&self, array: &Array) -> Result<Vec<f64>, Failure> {
        let (column, _) = read_coordinate(self.store, array, Mode::Cf, self.pool)?;
        column.numbers().ok_or_else(|| self.wrong(format!("{} is not numeric", array.path)))
    }

    /// The CF bounds of a coordinate, if the store has them.
    fn bounds(&self, array: &Array) -> Result<Option<Vec<[f64; 2]>>, Failure> {
        let named = array.attributes.get("bounds").and_then(|name| name.as_str());
        let found = named.and_then(|name| self.dataset.named(array, name));
        let Some(found) = found.filter(|found| found.shape.as_slice() == [array.shape[0], 2]) else {
            return Ok(None);
        };
        Ok(Some(self.numbers(found)?.as_chunks::<2>().0.to_vec()))
    }

    /// Coordinates of two dimensions; of three if they are constant along the first.
    fn still(&self, array: &Array, values: Vec<f64>) -> Result<Vec<f64>, Failure> {
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
