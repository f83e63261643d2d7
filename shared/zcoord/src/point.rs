//! A point on the globe, its grid cell, and the limits of the distance between them.

use std::fmt;

use crate::sphere::{UnitVectors, distance_km, squared_chord_of_km, unit};

/// A point on the globe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east, modulo 360: -10 and 350 are equal.
    pub lon: f64,
}

/// A cell of a grid, as seen from a point.
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
    /// Kilometres from the point along the great circle, on a sphere with the radius 6371.229 km.
    pub distance_km: f64,
}

/// Maximum distance of a point from its nearest cell. Without limits it must be inside the cell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Degrees of latitude, instead of the cell's own extent.
    pub tolerance_lat: Option<f64>,
    /// Degrees of longitude, instead of the cell's own extent.
    pub tolerance_lon: Option<f64>,
    /// Kilometres, in addition; on scattered grids instead of the estimated extent of the cell.
    pub max_distance_km: Option<f64>,
}

/// The nearest cell of a point, and whether the point is in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// The point is in this cell.
    Inside(Cell),
    /// The point is in no cell.
    Outside {
        /// The nearest cell; `None` if the point is invalid (NaN, beyond a pole).
        nearest: Option<Cell>,
        /// The reason, as a message.
        why: String,
    },
}

/// Cells by (row, column), with the weights of their values, which add up to 1.
pub type Weights = Vec<((usize, usize), f64)>;

/// Why a point has no cells to interpolate between, as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinearError {
    /// The point is invalid.
    Point(String),
    /// The grid is not rectilinear.
    Grid,
    /// It lies beyond the outermost coordinates, or farther than the limits from its nearest cell.
    Outside(String),
}

impl fmt::Display for LinearError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            LinearError::Point(what) | LinearError::Outside(what) => what,
            LinearError::Grid => {
                "bilinear interpolation needs one-dimensional latitude and longitude, each with its own dimension"
            }
        })
    }
}

impl std::error::Error for LinearError {}

impl Point {
    /// Why this point is invalid, if it is.
    pub fn problem(&self) -> Option<String> {
        let Point { lat, lon } = self;
        match () {
            () if !lat.is_finite() => Some(format!("the latitude of the point is {lat}")),
            () if !lon.is_finite() => Some(format!("the longitude of the point is {lon}")),
            () if lat.abs() > 90.0 => Some(format!("latitude {lat} is beyond the pole")),
            () => None,
        }
    }

    /// The same with latitude and longitude exchanged, if only that is a point.
    pub fn swapped(&self) -> Option<Point> {
        let is_swapped = (90.0..=360.0).contains(&self.lat.abs()) && self.lon.abs() <= 90.0;
        is_swapped.then_some(Point { lat: self.lon, lon: self.lat })
    }

    /// What to do about flags that give this point, which is invalid.
    pub fn hint(&self) -> String {
        match self.swapped() {
            Some(Point { lat, lon }) => format!("use --lat {lat} --lon {lon} if they are swapped"),
            None => "latitudes go from -90 to 90, longitudes from -180 to 180 or from 0 to 360".into(),
        }
    }

    pub(crate) fn unit(&self) -> [f64; 3] {
        unit(self.lat, self.lon)
    }

    /// The cell at (`row`, `column`) with these coordinates, seen from here.
    pub(crate) fn cell(&self, (row, column): (usize, usize), lat: f64, lon: f64) -> Cell {
        Cell { row, column, lat, lon, distance_km: distance_km([lat, lon], [self.lat, self.lon]) }
    }

    /// Which of `points` are within a distance in kilometres, plus rounding.
    pub(crate) fn candidates(&self, points: &UnitVectors, radius_km: f64) -> Vec<usize> {
        points.within(self.unit(), squared_chord_of_km(radius_km) * (1.0 + 1e-9) + 1e-20)
    }
}

impl Match {
    /// The match of a point that is in `cell` unless there is a reason why not.
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
    pub(crate) fn beyond_tolerance(&self, point: Point, cell: &Cell) -> Option<String> {
        let east = (cell.lon - point.lon).rem_euclid(360.0);
        let away = [("latitude", (cell.lat - point.lat).abs()), ("longitude", east.min(360.0 - east))];
        let tolerances = [self.tolerance_lat, self.tolerance_lon];
        away.iter().zip(tolerances).find_map(|((name, away), tolerance)| {
            let tolerance = tolerance.filter(|tolerance| *away > tolerance + 1e-9)?;
            Some(format!(
                "the nearest cell is {away:.6} degrees of {name} away, more than the tolerance of {tolerance}"
            ))
        })
    }

    /// Whether tolerances replace the extent of a cell: on both axes.
    pub(crate) fn replace_cell(&self) -> bool {
        self.tolerance_lat.is_some() && self.tolerance_lon.is_some()
    }
}

/// Cells by distance, then in the grid's order.
pub(crate) fn nearest_first(mut cells: Vec<Cell>) -> Vec<Cell> {
    cells.sort_by(|a, b| a.distance_km.total_cmp(&b.distance_km).then((a.row, a.column).cmp(&(b.row, b.column))));
    cells
}
