//! Grids whose latitude and longitude share one dimension: unstructured meshes, reduced Gaussian grids, stations.

use crate::axis::short;
use crate::grid::GridError;
use crate::sphere::{Cell, Place, Points, km_of};

/// How many neighbours tell how large a cell is.
const NEIGHBOURS: usize = 3;
/// Kilometres within which a place meets the only cell there is.
const SAME_KM: f64 = 1e-4;

/// Cells anywhere on the sphere.
#[derive(Debug, Clone)]
pub struct Scattered {
    lat: Vec<f64>,
    lon: Vec<f64>,
    points: Points,
}

impl Scattered {
    /// Latitudes and longitudes, one of each a cell, already checked to be numbers of the sphere.
    pub(crate) fn new(lat: Vec<f64>, lon: Vec<f64>) -> Result<Scattered, GridError> {
        if lat.len() != lon.len() {
            return Err(GridError(format!("latitude has {} values and longitude {}", lat.len(), lon.len())));
        }
        let points = Points::new(&lat, &lon);
        Ok(Scattered { lat, lon, points })
    }

    pub(crate) fn points(&self) -> &Points {
        &self.points
    }

    pub(crate) fn cell(&self, index: usize, place: Place) -> Cell {
        let (lat, lon) = (self.lat[index], self.lon[index]);
        Cell { row: index, column: 0, lat, lon, distance_km: place.distance_km(Place { lat, lon }) }
    }

    /// How far from each cell a place may be to be in it: as far as the third nearest other cell is.
    ///
    /// A rule of thumb, for the shapes of the cells are not known: no place between cells is left out, and none far
    /// from all of them is let in.
    pub(crate) fn reach_km(&self, indices: &[usize]) -> Vec<f64> {
        let targets: Vec<_> = indices.iter().map(|index| self.points.at(*index)).collect();
        let nearest = self.points.nearest(&targets, NEIGHBOURS + 1);
        nearest.iter().map(|found| found.last().map_or(0.0, |found| km_of(found.0.sqrt()).max(SAME_KM))).collect()
    }

    /// Why a place is not in its nearest cell, which reaches so far, where it is not.
    pub(crate) fn outside(cell: &Cell, reach_km: f64) -> Option<String> {
        (cell.distance_km > reach_km).then(|| {
            let (away, reach) = (short(cell.distance_km), short(reach_km));
            format!("the nearest cell is {away} km away, and its third neighbour only {reach} km")
        })
    }
}
