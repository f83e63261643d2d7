//! Finds the grid cell of a point, for all kinds of grids.

use crate::curvilinear::Curvilinear;
use crate::grid_error::GridError;
use crate::point::{Cell, Limits, LinearError, Match, Point, Weights};
use crate::rectilinear::Rectilinear;
use crate::scattered::Scattered;

/// The coordinates of a horizontal grid, ready for searches.
#[derive(Debug, Clone)]
pub enum CoordinateGrid {
    /// Latitude and longitude each on a dimension of its own.
    Rectilinear(Rectilinear),
    /// Latitude and longitude both over two dimensions.
    Curvilinear(Curvilinear),
    /// Latitude and longitude on one shared dimension.
    Scattered(Scattered),
}

impl CoordinateGrid {
    /// Latitude and longitude each on a dimension of its own, in degrees, ascending or descending; longitudes may wrap
    /// from 360 to 0 and repeat the first column as the last. `lat_bounds` and `lon_bounds` are CF bounds, two per cell, if
    /// the store has them.
    ///
    /// # Errors
    /// Coordinates that are empty, not finite, beyond the poles, or not monotonic; bounds that do not match them.
    pub fn rectilinear(
        lat: Vec<f64>,
        lon: Vec<f64>,
        lat_bounds: Option<Vec<[f64; 2]>>,
        lon_bounds: Option<Vec<[f64; 2]>>,
    ) -> Result<CoordinateGrid, GridError> {
        Rectilinear::new(lat, lon, lat_bounds, lon_bounds).map(CoordinateGrid::Rectilinear)
    }

    /// Latitude and longitude both over (rows, columns) in C order, in degrees; cells where either is not finite (masked
    /// ones) are never found.
    ///
    /// # Errors
    /// Coordinates that do not match the shape, are not finite in any cell, or are beyond the poles.
    pub fn curvilinear(rows: usize, columns: usize, lat: Vec<f64>, lon: Vec<f64>) -> Result<CoordinateGrid, GridError> {
        Curvilinear::new(rows, columns, lat, lon).map(CoordinateGrid::Curvilinear)
    }

    /// Latitude and longitude on one shared dimension, in degrees: unstructured and reduced Gaussian grids, lists of points.
    /// Cells where either is not finite are never found.
    ///
    /// # Errors
    /// Coordinates of different lengths, not finite in any cell, or beyond the poles.
    pub fn scattered(lat: Vec<f64>, lon: Vec<f64>) -> Result<CoordinateGrid, GridError> {
        Scattered::new(lat, lon).map(CoordinateGrid::Scattered)
    }

    /// Rows and columns; a scattered grid has one column.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            CoordinateGrid::Rectilinear(grid) => grid.shape(),
            CoordinateGrid::Curvilinear(grid) => grid.shape(),
            CoordinateGrid::Scattered(grid) => (grid.len(), 1),
        }
    }

    /// Latitudes and longitudes as stored, in degrees: of rows and of columns, or of cells.
    pub(crate) fn coordinates(&self) -> (&[f64], &[f64]) {
        match self {
            CoordinateGrid::Rectilinear(grid) => grid.coordinates(),
            CoordinateGrid::Curvilinear(grid) => grid.coordinates(),
            CoordinateGrid::Scattered(grid) => grid.coordinates(),
        }
    }

    /// The nearest cell of a point, and whether the point is in it.
    ///
    /// On rectilinear grids each axis is searched separately, as by xarray's `.sel(method="nearest")`: the larger
    /// coordinate of two that are equally near. On other grids distance is along great circles, and the first of
    /// equally near cells is used. A point is in the cell
    ///
    /// - on a rectilinear grid within its CF bounds, or without them up to half a step beyond the outermost coordinates;
    ///   on global grids also between an outermost row and a pole that is at most one step away;
    /// - on a curvilinear grid up to half a step beyond the outermost cells and masked ones;
    /// - on a scattered grid, by rule of thumb, no farther away than the cell's third-nearest other cell.
    pub fn nearest(&self, point: Point, limits: &Limits) -> Match {
        let found = self.nearest_of_each(&[point], limits).pop();
        found.unwrap_or_else(|| Match::Outside { nearest: None, why: "no point was given".into() })
    }

    /// [`nearest`](CoordinateGrid::nearest) for each of many points: on curvilinear and scattered grids the coordinates
    /// are scanned once for many of them.
    pub fn nearest_of_each(&self, points: &[Point], limits: &Limits) -> Vec<Match> {
        let good: Vec<Point> = points.iter().copied().filter(|point| point.problem().is_none()).collect();
        let mut found = match self {
            CoordinateGrid::Rectilinear(grid) => good.iter().map(|point| grid.nearest(*point, limits)).collect(),
            CoordinateGrid::Curvilinear(grid) => grid.nearest(&good, limits),
            CoordinateGrid::Scattered(grid) => grid.nearest(&good, limits),
        }
        .into_iter();
        let of = |point: &Point| match point.problem() {
            Some(why) => Some(Match::Outside { nearest: None, why }),
            None => found.next(),
        };
        points.iter().filter_map(of).collect()
    }

    /// The (row, column) of the cells around a point with their bilinear weights in degrees, which add up to 1: four, or
    /// fewer where the point lies on a line through coordinates. On global grids the last column and the
    /// first are neighbours.
    ///
    /// # Errors
    /// Any [`LinearError`]. Half a cell beyond the outermost coordinates is outside, too: there is no cell to
    /// interpolate with.
    pub fn linear(&self, point: Point, limits: &Limits) -> Result<Weights, LinearError> {
        match (self, point.problem()) {
            (_, Some(why)) => Err(LinearError::Point(why)),
            (CoordinateGrid::Rectilinear(grid), None) => grid.linear(point, limits),
            (CoordinateGrid::Curvilinear(_) | CoordinateGrid::Scattered(_), None) => Err(LinearError::Grid),
        }
    }

    /// The cells within a distance in kilometres of a point, nearest first, then in the grid's order; none for an invalid
    /// point. Of a repeated column of longitude only the first is included.
    pub fn within(&self, point: Point, radius_km: f64) -> Vec<Cell> {
        match self {
            _ if point.problem().is_some() || radius_km.is_nan() || radius_km < 0.0 => Vec::new(),
            CoordinateGrid::Rectilinear(grid) => grid.within(point, radius_km),
            CoordinateGrid::Curvilinear(grid) => grid.within(point, radius_km),
            CoordinateGrid::Scattered(grid) => grid.within(point, radius_km),
        }
    }
}

#[cfg(test)]
#[path = "grid_tests.rs"]
mod tests;
