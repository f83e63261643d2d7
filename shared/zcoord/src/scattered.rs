//! Grids with latitude and longitude on one shared dimension: great circles, and a rule of thumb for the size of cells.

use crate::extent::ALONE;
use crate::grid::{
    Cell, GridError, Limits, Match, Place, check_finite, check_latitudes, check_longitudes, nearest_first,
};
use crate::sphere::{EARTH_RADIUS_KM, Points, Vector, km_of_squared_chord};

/// Squared chord below which two cells are at the same place.
const SAME_PLACE: f64 = 1e-20;

/// Cells in no order: unstructured and reduced Gaussian grids, stations.
#[derive(Debug, Clone)]
pub struct Scattered {
    lat: Vec<f64>,
    lon: Vec<f64>,
    points: Points,
}

impl Scattered {
    /// See [`Grid::scattered`](crate::Grid::scattered).
    pub(crate) fn new(lat: Vec<f64>, lon: Vec<f64>) -> Result<Scattered, GridError> {
        if lat.len() != lon.len() {
            let (lat, lon) = (lat.len(), lon.len());
            return Err(GridError::new(format!("latitude has {lat} values and longitude {lon}")));
        }
        check_finite("latitude", &lat)?;
        check_finite("longitude", &lon)?;
        check_latitudes(&lat, &lon)?;
        check_longitudes(&lon)?;
        let points = Points::new(&lat, &lon);
        Ok(Scattered { lat, lon, points })
    }

    pub(crate) fn len(&self) -> usize {
        self.lat.len()
    }

    /// The nearest cell of each place on the sphere.
    pub(crate) fn nearest(&self, places: &[Place], limits: &Limits) -> Vec<Match> {
        let vectors: Vec<Vector> = places.iter().map(Place::unit).collect();
        let cells = self.points.nearest(&vectors);
        let replaced = limits.replace_cell() || limits.max_distance_km.is_some();
        let extents = if replaced { vec![f64::INFINITY; cells.len()] } else { self.extents_km(&cells) };
        let found = places.iter().zip(cells).zip(extents);
        found.map(|((place, cell), extent)| self.matched(*place, cell, extent, limits)).collect()
    }

    /// The cells within so many kilometres of a place on the sphere, nearest first.
    pub(crate) fn within(&self, place: Place, radius_km: f64) -> Vec<Cell> {
        let cells = place.candidates(&self.points, radius_km).into_iter().map(|cell| self.cell(place, cell));
        nearest_first(cells.filter(|cell| cell.distance_km <= radius_km).collect())
    }

    fn cell(&self, place: Place, cell: usize) -> Cell {
        place.cell((cell, 0), self.lat[cell], self.lon[cell])
    }

    fn matched(&self, place: Place, nearest: usize, extent_km: f64, limits: &Limits) -> Match {
        let cell = self.cell(place, nearest);
        let beyond = || {
            let away = cell.distance_km;
            let why = || {
                format!("the nearest cell is {away:.3} km away, more than the {extent_km:.3} km to the cells around it")
            };
            (away > extent_km).then(why)
        };
        let why = limits.beyond_tolerance(place, &cell).or_else(|| limits.too_far(&cell));
        Match::new(cell, why.or_else(beyond))
    }

    /// Kilometres from each cell to its third-nearest other one, or the farthest of fewer: a triangle of cells around a
    /// place is no wider, as long as their density does not change too fast.
    fn extents_km(&self, cells: &[usize]) -> Vec<f64> {
        let places: Vec<Vector> = cells.iter().filter_map(|cell| self.points.get(*cell)).collect();
        let extent = |others: [f64; 3]| {
            let farthest = others.into_iter().filter(|chord| chord.is_finite()).reduce(f64::max);
            farthest.map_or(EARTH_RADIUS_KM * ALONE.to_radians(), km_of_squared_chord)
        };
        self.points.nearest_beyond(&places, SAME_PLACE).into_iter().map(extent).collect()
    }
}

#[cfg(test)]
#[path = "scattered_tests.rs"]
mod tests;
