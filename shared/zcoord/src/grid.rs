//! Which cell of a grid a place is in, whatever the kind of grid: coordinates in, cells out.

use std::fmt;

use crate::curvilinear::Curvilinear;
use crate::rectilinear::Rectilinear;
use crate::scattered::Scattered;
use crate::sphere::{Points, distance_km, squared_chord_of_km, unit};

/// Latitudes this far beyond a pole are at the pole, rounded.
const POLE_ROUNDING: f64 = 1e-4;
/// Longitudes beyond this many degrees are something else: metres, or a fill value.
const MOST_LONGITUDE: f64 = 1080.0;

/// A place on the globe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east, in any turn: -10 and 350 are the same.
    pub lon: f64,
}

/// A cell of a grid, as seen from a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Index along the dimension of rows (of latitude); of the one dimension of a scattered grid.
    pub row: usize,
    /// Index along the dimension of columns (of longitude); 0 on a scattered grid.
    pub column: usize,
    /// Its latitude as stored, degrees north.
    pub lat: f64,
    /// Its longitude as stored, degrees east.
    pub lon: f64,
    /// Kilometres from the place along the great circle, on a sphere with the radius 6371.229 km.
    pub distance_km: f64,
}

/// How far a place may be from its nearest cell. Without limits it has to be in the cell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Degrees of latitude, in place of the cell's own extent.
    pub tolerance_lat: Option<f64>,
    /// Degrees of longitude, in place of the cell's own extent.
    pub tolerance_lon: Option<f64>,
    /// Kilometres, besides; on scattered grids in place of the rule of thumb for the cell's extent.
    pub max_distance_km: Option<f64>,
}

/// The nearest cell of a place, and whether the place is in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// The place is in this cell.
    Inside(Cell),
    /// The place is in no cell.
    Outside {
        /// The nearest one all the same; nothing where the place itself is none (NaN, beyond a pole).
        nearest: Option<Cell>,
        /// What is wrong, in one sentence.
        why: String,
    },
}

/// Cells by (row, column), with the weights of their values, which add up to 1.
pub type Weights = Vec<((usize, usize), f64)>;

/// Why coordinates make no grid, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridError(String);

impl GridError {
    pub(crate) fn new(what: String) -> GridError {
        GridError(what)
    }
}

impl fmt::Display for GridError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for GridError {}

/// The coordinates of a horizontal grid, ready for searches.
#[derive(Debug, Clone)]
pub enum Grid {
    /// Latitude and longitude each on a dimension of its own.
    Rectilinear(Rectilinear),
    /// Latitude and longitude both over two dimensions.
    Curvilinear(Curvilinear),
    /// Latitude and longitude on one shared dimension.
    Scattered(Scattered),
}

impl Grid {
    /// Latitude and longitude each on a dimension of its own, in degrees and in any direction; longitudes may cross the
    /// seam between two turns and repeat the first column as the last. `lat_bounds` and `lon_bounds` are CF bounds, two a
    /// cell, where the store has them.
    ///
    /// # Errors
    /// Coordinates that are none, not finite, beyond the poles, or neither rise nor fall throughout; bounds that do not
    /// fit them.
    pub fn rectilinear(
        lat: Vec<f64>,
        lon: Vec<f64>,
        lat_bounds: Option<Vec<[f64; 2]>>,
        lon_bounds: Option<Vec<[f64; 2]>>,
    ) -> Result<Grid, GridError> {
        Rectilinear::new(lat, lon, lat_bounds, lon_bounds).map(Grid::Rectilinear)
    }

    /// Latitude and longitude both over (rows, columns) in C order, in degrees; cells where either is not finite (masked
    /// ones) are never found.
    ///
    /// # Errors
    /// Coordinates that do not fill the shape, are finite nowhere, or beyond the poles.
    pub fn curvilinear(rows: usize, columns: usize, lat: Vec<f64>, lon: Vec<f64>) -> Result<Grid, GridError> {
        Curvilinear::new(rows, columns, lat, lon).map(Grid::Curvilinear)
    }

    /// Latitude and longitude on one shared dimension, in degrees: unstructured and reduced Gaussian grids, stations.
    ///
    /// # Errors
    /// Coordinates that are none, of different lengths, not finite, or beyond the poles.
    pub fn scattered(lat: Vec<f64>, lon: Vec<f64>) -> Result<Grid, GridError> {
        Scattered::new(lat, lon).map(Grid::Scattered)
    }

    /// Rows and columns; a scattered grid has one column.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Grid::Rectilinear(grid) => grid.shape(),
            Grid::Curvilinear(grid) => grid.shape(),
            Grid::Scattered(grid) => (grid.len(), 1),
        }
    }

    /// The nearest cell of a place, and whether the place is in it.
    ///
    /// On rectilinear grids each axis for itself, as xarray's `.sel(method="nearest")`: the larger coordinate of two that
    /// are equally near. On the others along great circles: the first of the cells that are equally near. A place is in
    /// the cell
    ///
    /// - on a rectilinear grid within its CF bounds, or without them up to half a step beyond the outermost coordinates;
    ///   on grids all round the globe also between an outermost row and a pole that is at most one step away;
    /// - on a curvilinear grid up to half a step beyond the outermost cells and masked ones;
    /// - on a scattered grid, by rule of thumb, no farther away than the cell's third-nearest other cell.
    pub fn nearest(&self, place: Place, limits: &Limits) -> Match {
        let found = self.nearest_of_each(&[place], limits).pop();
        found.unwrap_or_else(|| Match::Outside { nearest: None, why: "no place was given".into() })
    }

    /// [`nearest`](Grid::nearest) for each of many places: on curvilinear and scattered grids the coordinates are read
    /// once for many of them.
    pub fn nearest_of_each(&self, places: &[Place], limits: &Limits) -> Vec<Match> {
        let good: Vec<Place> = places.iter().copied().filter(|place| place.fault().is_none()).collect();
        let mut found = match self {
            Grid::Rectilinear(grid) => good.iter().map(|place| grid.nearest(*place, limits)).collect(),
            Grid::Curvilinear(grid) => grid.nearest(&good, limits),
            Grid::Scattered(grid) => grid.nearest(&good, limits),
        }
        .into_iter();
        let of = |place: &Place| match place.fault() {
            Some(why) => Some(Match::Outside { nearest: None, why }),
            None => found.next(),
        };
        places.iter().filter_map(of).collect()
    }

    /// The (row, column) of the cells around a place with their bilinear weights in degrees, which add up to 1: four, or
    /// fewer where the place lies on a line through coordinates. On grids all round the globe the last column and the
    /// first are neighbours.
    ///
    /// # Errors
    /// Says why there are none: the grid is not rectilinear, the place is no place, lies beyond the outermost coordinates
    /// (half a cell beyond, too: there is nothing to interpolate with), or farther than `limits` from its nearest cell.
    pub fn linear(&self, place: Place, limits: &Limits) -> Result<Weights, String> {
        match (self, place.fault()) {
            (_, Some(why)) => Err(why),
            (Grid::Rectilinear(grid), None) => grid.linear(place, limits),
            (Grid::Curvilinear(_) | Grid::Scattered(_), None) => {
                Err("bilinear interpolation needs latitude and longitude on a dimension of their own".into())
            }
        }
    }

    /// The cells within so many kilometres of a place, nearest first, then in the grid's order; none for a place that is
    /// no place. Of a repeated column of longitude only the first is among them.
    pub fn within(&self, place: Place, radius_km: f64) -> Vec<Cell> {
        match self {
            _ if place.fault().is_some() || radius_km.is_nan() || radius_km < 0.0 => Vec::new(),
            Grid::Rectilinear(grid) => grid.within(place, radius_km),
            Grid::Curvilinear(grid) => grid.within(place, radius_km),
            Grid::Scattered(grid) => grid.within(place, radius_km),
        }
    }
}

impl Place {
    /// Why this is no place on the globe, if it is none.
    fn fault(&self) -> Option<String> {
        let Place { lat, lon } = self;
        match () {
            () if !lat.is_finite() => Some(format!("the latitude of the place is {lat}")),
            () if !lon.is_finite() => Some(format!("the longitude of the place is {lon}")),
            () if lat.abs() > 90.0 => Some(format!("latitude {lat} is beyond the pole")),
            () => None,
        }
    }

    pub(crate) fn unit(&self) -> [f64; 3] {
        unit(self.lat, self.lon)
    }

    /// The cell at (`row`, `column`) with these coordinates, seen from here.
    pub(crate) fn cell(&self, (row, column): (usize, usize), lat: f64, lon: f64) -> Cell {
        Cell { row, column, lat, lon, distance_km: distance_km([lat, lon], [self.lat, self.lon]) }
    }

    /// Which of `points` are within so many kilometres, and a hair beyond.
    pub(crate) fn candidates(&self, points: &Points, radius_km: f64) -> Vec<usize> {
        points.within(self.unit(), squared_chord_of_km(radius_km) * (1.0 + 1e-9) + 1e-20)
    }
}

impl Match {
    /// The match of a place that is in `cell` unless there is a reason why not.
    pub(crate) fn new(cell: Cell, why: Option<String>) -> Match {
        match why {
            None => Match::Inside(cell),
            Some(why) => Match::Outside { nearest: Some(cell), why },
        }
    }
}

impl Limits {
    /// Why a cell is farther away than the limit in kilometres, if it is.
    pub(crate) fn too_far(&self, cell: &Cell) -> Option<String> {
        let most = self.max_distance_km.filter(|most| cell.distance_km > *most)?;
        Some(format!("the nearest cell is {:.3} km away, more than {most} km", cell.distance_km))
    }

    /// Why a cell is farther away than the tolerances, if it is: for grids without axes.
    pub(crate) fn beyond_tolerance(&self, place: Place, cell: &Cell) -> Option<String> {
        let east = (cell.lon - place.lon).rem_euclid(360.0);
        let away = [("latitude", (cell.lat - place.lat).abs()), ("longitude", east.min(360.0 - east))];
        let tolerances = [self.tolerance_lat, self.tolerance_lon];
        away.iter().zip(tolerances).find_map(|((name, away), tolerance)| {
            let tolerance = tolerance.filter(|tolerance| *away > tolerance + 1e-9)?;
            Some(format!(
                "the nearest cell is {away:.6} degrees of {name} away, more than the tolerance of {tolerance}"
            ))
        })
    }

    /// Whether tolerances stand in for the extent of a cell: on both axes.
    pub(crate) fn replace_cell(&self) -> bool {
        self.tolerance_lat.is_some() && self.tolerance_lon.is_some()
    }
}

/// Cells by distance, then in the grid's order.
pub(crate) fn nearest_first(mut cells: Vec<Cell>) -> Vec<Cell> {
    cells.sort_by(|a, b| a.distance_km.total_cmp(&b.distance_km).then((a.row, a.column).cmp(&(b.row, b.column))));
    cells
}

/// # Errors
/// Names the first index that is not finite, and coordinates that are none.
pub(crate) fn check_finite(name: &str, values: &[f64]) -> Result<(), GridError> {
    match values.iter().position(|value| !value.is_finite()) {
        _ if values.is_empty() => Err(GridError::new(format!("{name} has no values"))),
        Some(at) => Err(GridError::new(format!("{name} is {} at index {at}", values[at]))),
        None => Ok(()),
    }
}

/// # Errors
/// Latitudes beyond the poles, which are longitudes where the longitudes could be latitudes.
pub(crate) fn check_latitudes(lat: &[f64], lon: &[f64]) -> Result<(), GridError> {
    let largest = |values: &[f64]| {
        values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
            .fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a })
    };
    let (lat, lon) = (largest(lat), largest(lon));
    let guess = if lon.abs() <= 90.0 && lat.abs() <= 360.0 {
        "latitude and longitude look swapped"
    } else {
        "these are no degrees north"
    };
    let sign = if lat < 0.0 { "down" } else { "up" };
    if lat.abs() <= 90.0 + POLE_ROUNDING {
        return Ok(());
    }
    Err(GridError::new(format!("latitude has values {sign} to {lat}: {guess}")))
}

/// # Errors
/// Longitudes that are no degrees.
pub(crate) fn check_longitudes(lon: &[f64]) -> Result<(), GridError> {
    match lon.iter().find(|lon| lon.is_finite() && lon.abs() > MOST_LONGITUDE) {
        Some(lon) => Err(GridError::new(format!("longitude has the value {lon}: these are no degrees east"))),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "grid_tests.rs"]
mod tests;
