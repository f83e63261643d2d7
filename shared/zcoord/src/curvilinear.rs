//! Grids with latitude and longitude over two dimensions: great circles, and half a step beyond the outermost cells.

use crate::degrees::ALONE;
use crate::grid_error::{GridError, check_any_finite, check_latitudes, check_longitudes};
use crate::point::{Cell, Limits, Match, Point, nearest_first};
use crate::sphere::{UnitVectors, Vector, along_great_circle, angle, cross, difference, dot, norm, scaled, tangent};

/// Maximum distance of a point beyond the edge, in cells: half a cell, plus rounding.
const HALF: f64 = 0.5 + 1e-6;
/// Steps shorter than this, in radians, are zero: the cells of a row at the pole.
const NO_STEP: f64 = 1e-10;

/// Rows and columns of cells at arbitrary positions. Masked cells have coordinates that are not finite.
#[derive(Debug, Clone)]
pub struct Curvilinear {
    rows: usize,
    columns: usize,
    lat: Vec<f64>,
    lon: Vec<f64>,
    centres: UnitVectors,
}

/// The two neighbours of a cell along one dimension of the grid, in its tangent plane.
type Neighbours = [Option<Vector>; 2];

impl Curvilinear {
    /// See [`CoordinateGrid::curvilinear`](crate::CoordinateGrid::curvilinear).
    pub(crate) fn new(rows: usize, columns: usize, lat: Vec<f64>, lon: Vec<f64>) -> Result<Curvilinear, GridError> {
        let cells = rows.checked_mul(columns);
        if let Some((name, values)) =
            [("latitude", &lat), ("longitude", &lon)].iter().find(|(_, values)| Some(values.len()) != cells)
        {
            let count = values.len();
            return Err(GridError::new(format!("{name} has {count} values for {rows} rows and {columns} columns")));
        }
        check_any_finite(&lat, &lon)?;
        check_latitudes(&lat, &lon)?;
        check_longitudes(&lon)?;
        let centres = UnitVectors::new(&lat, &lon);
        Ok(Curvilinear { rows, columns, lat, lon, centres })
    }

    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Latitudes and longitudes of cells, in C order.
    pub(crate) fn coordinates(&self) -> (&[f64], &[f64]) {
        (&self.lat, &self.lon)
    }

    /// The nearest cell of each point on the sphere.
    pub(crate) fn nearest(&self, points: &[Point], limits: &Limits) -> Vec<Match> {
        let vectors: Vec<Vector> = points.iter().map(Point::unit).collect();
        let matched = |(point, cell): (&Point, usize)| self.matched(*point, cell, limits);
        points.iter().zip(self.centres.nearest(&vectors)).map(matched).collect()
    }

    /// The cells within a distance in kilometres of a point on the sphere, nearest first.
    pub(crate) fn within(&self, point: Point, radius_km: f64) -> Vec<Cell> {
        let cells = point.candidates(&self.centres, radius_km).into_iter().map(|cell| self.cell(point, cell));
        nearest_first(cells.filter(|cell| cell.distance_km <= radius_km).collect())
    }

    fn cell(&self, point: Point, cell: usize) -> Cell {
        point.cell((cell / self.columns, cell % self.columns), self.lat[cell], self.lon[cell])
    }

    fn matched(&self, point: Point, nearest: usize, limits: &Limits) -> Match {
        let cell = self.cell(point, nearest);
        let beyond = || if limits.replace_cell() { None } else { self.beyond_edge(point, nearest) };
        let why = limits.beyond_tolerance(point, &cell).or_else(beyond);
        Match::new(cell, why.or_else(|| limits.too_far(&cell)))
    }

    /// Why a point is outside its nearest cell, if it is. That can only happen at an edge: inside the grid another cell
    /// would be nearer.
    fn beyond_edge(&self, point: Point, nearest: usize) -> Option<String> {
        let (row, column) = (nearest / self.columns, nearest % self.columns);
        let at = self.centres.get(nearest)?;
        let neighbour = |there: Option<(usize, usize)>| {
            let (row, column) = there.filter(|(row, column)| *row < self.rows && *column < self.columns)?;
            Some(tangent(at, self.centres.get(row * self.columns + column)?))
        };
        let along =
            [column.checked_sub(1), Some(column + 1)].map(|column| neighbour(column.map(|column| (row, column))));
        let across = [row.checked_sub(1), Some(row + 1)].map(|row| neighbour(row.map(|row| (row, column))));
        if along.iter().chain(&across).all(Option::is_some) {
            return None;
        }
        let towards = tangent(at, point.unit());
        let Some(basis) = basis(at, step(along), step(across)) else {
            return (norm(towards) > ALONE.to_radians())
                .then(|| "the nearest cell has no neighbours, so its size is unknown".into());
        };
        let beyond = outward(coordinates(at, basis, towards), basis, along, across);
        let (cells, _) = beyond.into_iter().find(|(cells, step)| *cells > HALF && !self.goes_on(at, *step))?;
        Some(format!("the point is {cells:.3} cells beyond the edge of the grid, more than half a cell"))
    }

    /// Whether there is a cell one step beyond an edge, within half a step: where the first column is next to the last,
    /// where a row is folded, across a pole.
    fn goes_on(&self, at: Vector, step: Vector) -> bool {
        let there = along_great_circle(at, step);
        let nearest = self.centres.nearest(&[there]).first().and_then(|cell| self.centres.get(*cell));
        nearest.is_some_and(|cell| angle(cell, there) <= norm(step) / 2.0)
    }
}

/// The step from a cell to the next along one dimension: half the way between its neighbours, or the way from or to the
/// only one.
fn step([before, after]: Neighbours) -> Option<Vector> {
    let step = match (before, after) {
        (Some(before), Some(after)) => scaled(difference(after, before), 0.5),
        (Some(before), None) => scaled(before, -1.0),
        (None, after) => after?,
    };
    (norm(step) > NO_STEP).then_some(step)
}

/// Steps along a row and along a column. One that is missing, or no direction of its own, is taken as if cells were square.
fn basis(at: Vector, along: Option<Vector>, across: Option<Vector>) -> Option<[Vector; 2]> {
    match (along, across) {
        (Some(along), Some(across)) if area(at, along, across).abs() > 1e-6 * norm(along) * norm(across) => {
            Some([along, across])
        }
        (Some(along), _) => Some([along, cross(at, along)]),
        (None, Some(across)) => Some([cross(across, at), across]),
        (None, None) => None,
    }
}

/// Signed area that two vectors of the tangent plane span.
fn area(at: Vector, a: Vector, b: Vector) -> f64 {
    dot(cross(a, b), at)
}

/// A vector of the tangent plane in steps along a row and along a column.
fn coordinates(at: Vector, [along, across]: [Vector; 2], vector: Vector) -> [f64; 2] {
    let whole = area(at, along, across);
    [area(at, vector, across) / whole, area(at, along, vector) / whole]
}

/// By how many cells a point is on the far side of those neighbours that are missing, with the step that leads there.
fn outward(point: [f64; 2], basis: [Vector; 2], along: Neighbours, across: Neighbours) -> Vec<(f64, Vector)> {
    let dimensions = point.into_iter().zip(basis).zip([along, across]);
    let sides = dimensions
        .flat_map(|((cells, step), [before, after])| [(before, -cells, scaled(step, -1.0)), (after, cells, step)]);
    sides.filter(|(neighbour, ..)| neighbour.is_none()).map(|(_, cells, step)| (cells, step)).collect()
}

#[cfg(test)]
#[path = "curvilinear_tests.rs"]
mod tests;
