//! Grids with latitude and longitude on one shared dimension: great circles, and an estimate of the size of cells.

use crate::degrees::ALONE;
use crate::grid_error::{GridError, check_any_finite, check_latitudes, check_longitudes};
use crate::point::{Cell, Limits, Match, Point, nearest_first};
use crate::sphere::{EARTH_RADIUS_KM, UnitVectors, Vector, km_of_squared_chord};

/// Squared chord below which two cells are the same point.
const SAME_POINT: f64 = 1e-20;

/// Unordered cells: unstructured and reduced Gaussian grids, lists of points.
#[derive(Debug, Clone)]
pub struct Scattered {
    lat: Vec<f64>,
    lon: Vec<f64>,
    centres: UnitVectors,
}

impl Scattered {
    /// See [`CoordinateGrid::scattered`](crate::CoordinateGrid::scattered).
    pub(crate) fn new(lat: Vec<f64>, lon: Vec<f64>) -> Result<Scattered, GridError> {
        if lat.len() != lon.len() {
            let (lat, lon) = (lat.len(), lon.len());
            return Err(GridError::new(format!("latitude has {lat} values and longitude {lon}")));
        }
        check_any_finite(&lat, &lon)?;
        check_latitudes(&lat, &lon)?;
        check_longitudes(&lon)?;
        let centres = UnitVectors::new(&lat, &lon);
        Ok(Scattered { lat, lon, centres })
    }

    pub(crate) fn len(&self) -> usize {
        self.lat.len()
    }

    /// Latitudes and longitudes of cells.
    pub(crate) fn coordinates(&self) -> (&[f64], &[f64]) {
        (&self.lat, &self.lon)
    }

    /// The nearest cell of each point on the sphere.
    pub(crate) fn nearest(&self, points: &[Point], limits: &Limits) -> Vec<Match> {
        let vectors: Vec<Vector> = points.iter().map(Point::unit).collect();
        let cells = self.centres.nearest(&vectors);
        let replaced = limits.replace_cell() || limits.max_distance_km.is_some();
        let extents = if replaced { vec![f64::INFINITY; cells.len()] } else { self.extents_km(&cells) };
        let found = points.iter().zip(cells).zip(extents);
        found.map(|((point, cell), extent)| self.matched(*point, cell, extent, limits)).collect()
    }

    /// The cells within a distance in kilometres of a point on the sphere, nearest first.
    pub(crate) fn within(&self, point: Point, radius_km: f64) -> Vec<Cell> {
        let cells = point.candidates(&self.centres, radius_km).into_iter().map(|cell| self.cell(point, cell));
        nearest_first(cells.filter(|cell| cell.distance_km <= radius_km).collect())
    }

    fn cell(&self, point: Point, cell: usize) -> Cell {
        point.cell((cell, 0), self.lat[cell], self.lon[cell])
    }

    fn matched(&self, point: Point, nearest: usize, extent_km: f64, limits: &Limits) -> Match {
        let cell = self.cell(point, nearest);
        let beyond = || {
            let away = cell.distance_km;
            let why = || {
                format!("the nearest cell is {away:.3} km away, more than the {extent_km:.3} km to the cells around it")
            };
            (away > extent_km).then(why)
        };
        let why = limits.beyond_tolerance(point, &cell).or_else(|| limits.too_far(&cell));
        Match::new(cell, why.or_else(beyond))
    }

    /// Kilometres from each cell to its third-nearest other one, or the farthest of fewer: a triangle of cells around a
    /// point is no wider, as long as their density does not change too fast.
    fn extents_km(&self, cells: &[usize]) -> Vec<f64> {
        let points: Vec<Vector> = cells.iter().filter_map(|cell| self.centres.get(*cell)).collect();
        let extent = |others: [f64; 3]| {
            let farthest = others.into_iter().filter(|chord| chord.is_finite()).reduce(f64::max);
            farthest.map_or(EARTH_RADIUS_KM * ALONE.to_radians(), km_of_squared_chord)
        };
        self.centres.nearest_beyond(&points, SAME_POINT).into_iter().map(extent).collect()
    }
}

#[cfg(test)]
#[path = "scattered_tests.rs"]
mod tests;
