//! Grids with latitude and longitude each on a dimension of its own.

use crate::axis::{CoordinateAxis, NearestCoordinate};
use crate::extent::Extent;
use crate::grid_error::{GridError, check_finite, check_latitudes, check_longitudes};
use crate::point::{Cell, Limits, LinearError, Match, Point, Weights, nearest_first};
use crate::sphere::{EARTH_RADIUS_KM, distance_km};

/// Margin added to the search window before distances are computed, in radians.
const SEARCH_ROUNDING: f64 = 1e-7;

/// Rows of latitude, columns of longitude.
#[derive(Debug, Clone)]
pub struct Rectilinear {
    lat: CoordinateAxis,
    lon: CoordinateAxis,
}

impl Rectilinear {
    /// See [`CoordinateGrid::rectilinear`](crate::CoordinateGrid::rectilinear).
    pub(crate) fn new(
        lat: Vec<f64>,
        lon: Vec<f64>,
        lat_bounds: Option<Vec<[f64; 2]>>,
        lon_bounds: Option<Vec<[f64; 2]>>,
    ) -> Result<Rectilinear, GridError> {
        check_finite("latitude", &lat)?;
        check_finite("longitude", &lon)?;
        check_latitudes(&lat, &lon)?;
        check_longitudes(&lon)?;
        Ok(Rectilinear {
            lat: CoordinateAxis::latitude(lat, lat_bounds)?,
            lon: CoordinateAxis::longitude(lon, lon_bounds)?,
        })
    }

    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.lat.stored.len(), self.lon.stored.len())
    }

    /// Latitudes of rows and longitudes of columns, as stored.
    pub(crate) fn coordinates(&self) -> (&[f64], &[f64]) {
        (&self.lat.stored, &self.lon.stored)
    }

    /// The nearest cell of a point on the sphere.
    pub(crate) fn nearest(&self, point: Point, limits: &Limits) -> Match {
        let (row, column) = (self.lat.nearest(point.lat), self.lon.nearest(point.lon));
        let cell = self.cell(row.at, column.at, point);
        let why = match self.outside_latitudes(point, row, limits.tolerance_lat) {
            None => self.lon.outside(point.lon, column, limits.tolerance_lon),
            why => why,
        };
        Match::new(cell, why.or_else(|| limits.too_far(&cell)))
    }

    /// The cells around a point on the sphere with their weights, which add up to 1.
    pub(crate) fn linear(&self, point: Point, limits: &Limits) -> Result<Weights, LinearError> {
        let (rows, columns) = (self.lat.between(point.lat)?, self.lon.between(point.lon)?);
        if let Match::Outside { why, .. } = self.nearest(point, limits) {
            return Err(LinearError::Outside(why));
        }
        let index = |row: usize, column: usize| (self.lat.indices[row], self.lon.indices[column]);
        let of_row = |(row, weight): &(usize, f64)| {
            let (row, weight) = (*row, *weight);
            columns.iter().map(move |(column, part)| (index(row, *column), weight * part)).collect::<Vec<_>>()
        };
        Ok(rows.iter().flat_map(of_row).filter(|(_, weight)| *weight > 0.0).collect())
    }

    /// The cells within a distance in kilometres of a point on the sphere, nearest first. Of a repeated column only the
    /// first.
    pub(crate) fn within(&self, point: Point, radius_km: f64) -> Vec<Cell> {
        let reach = radius_km / EARTH_RADIUS_KM;
        let rows = self.lat.window(point.lat, (reach + SEARCH_ROUNDING).to_degrees());
        let in_row = |row: usize| {
            let columns = self.lon.window(point.lon, self.reach_in_row(point.lat, row, reach).to_degrees());
            columns.into_iter().map(move |column| self.cell(row, column, point))
        };
        nearest_first(rows.into_iter().flat_map(in_row).filter(|cell| cell.distance_km <= radius_km).collect())
    }

    /// Difference of longitude at which a row is `reach` away from a latitude, in radians, by the haversine formula.
    fn reach_in_row(&self, lat: f64, row: usize, reach: f64) -> f64 {
        let half = |angle: f64| (angle.min(std::f64::consts::PI) / 2.0).sin().powi(2);
        let (from, to) = (lat.to_radians(), self.lat.values[row].to_radians());
        let part = (half(reach) - half((to - from).abs())) / (from.cos() * to.cos());
        if part < 1.0 { 2.0 * part.max(0.0).sqrt().asin() + SEARCH_ROUNDING } else { std::f64::consts::PI }
    }

    fn outside_latitudes(&self, point: Point, row: NearestCoordinate, tolerance: Option<f64>) -> Option<String> {
        let why = self.lat.outside(point.lat, row, tolerance)?;
        (tolerance.is_some() || !self.reaches_pole(row)).then_some(why)
    }

    /// Whether the cells of an outermost row extend to the pole: on global grids that end at most one step from the pole,
    /// such as Gaussian grids and grids without a row at the pole.
    fn reaches_pole(&self, row: NearestCoordinate) -> bool {
        let to_pole = 90.0 - self.lat.values[row.at] * spot_side(row);
        let step = self.lat.step_at(row.at).filter(|_| matches!(self.lat.extent, Extent::Open));
        let near = step.is_some_and(|step| to_pole <= step + self.lat.rounding(step, 90.0));
        near && self.lon.is_closed() && self.lat.is_beyond_edge(row)
    }

    fn cell(&self, row: usize, column: usize, point: Point) -> Cell {
        let (row, column) = (self.lat.indices[row], self.lon.indices[column]);
        let (lat, lon) = (self.lat.stored[row], self.lon.stored[column]);
        Cell { row, column, lat, lon, distance_km: distance_km([lat, lon], [point.lat, point.lon]) }
    }
}

/// 1 where the value lies north of its coordinate, -1 where south.
fn spot_side(spot: NearestCoordinate) -> f64 {
    1.0_f64.copysign(spot.offset)
}

#[cfg(test)]
#[path = "rectilinear_tests.rs"]
mod tests;
