//! Grids whose latitude and longitude are both two-dimensional: ocean models, projections, swaths.

use crate::axis::short;
use crate::grid::GridError;
use crate::sphere::{Cell, Place, Points};

/// Half a cell, and a millionth for the noise of floating point.
const HALF_CELL: f64 = 0.5 + 1e-6;
/// Radians (1e-6 degrees) within which a place meets a cell whose size nobody knows.
const SAME_RADIANS: f64 = 1.7453e-8;

/// A vector in space.
type Vector = [f64; 3];

/// A curvilinear grid of rows and columns. Cells without coordinates (NaN, as masked land has them) are never found.
#[derive(Debug, Clone)]
pub struct Curvilinear {
    rows: usize,
    columns: usize,
    lat: Vec<f64>,
    lon: Vec<f64>,
    points: Points,
}

impl Curvilinear {
    /// Latitudes and longitudes over (rows, columns), in C order, already checked to be numbers of the sphere or NaN.
    pub(crate) fn new(rows: usize, columns: usize, lat: Vec<f64>, lon: Vec<f64>) -> Result<Curvilinear, GridError> {
        if rows.checked_mul(columns) != Some(lat.len()) || lat.len() != lon.len() {
            return Err(GridError(format!(
                "latitude has {} values and longitude {}, for {rows} rows of {columns} columns",
                lat.len(),
                lon.len()
            )));
        }
        if !lat.iter().zip(&lon).any(|(lat, lon)| lat.is_finite() && lon.is_finite()) {
            return Err(GridError("no cell has both a latitude and a longitude".into()));
        }
        let points = Points::new(&lat, &lon);
        Ok(Curvilinear { rows, columns, lat, lon, points })
    }

    pub(crate) fn points(&self) -> &Points {
        &self.points
    }

    /// The cell of an index in C order.
    pub(crate) fn cell(&self, index: usize, place: Place) -> Cell {
        let (lat, lon) = (self.lat[index], self.lon[index]);
        let distance_km = place.distance_km(Place { lat, lon });
        Cell { row: index / self.columns, column: index % self.columns, lat, lon, distance_km }
    }

    /// Why a place is not in the cell nearest to it, where it is not.
    ///
    /// A cell that has neighbours on all four sides holds every place it is nearest to. On a side without a neighbour
    /// (the edge of the arrays, or a masked cell) the cell ends half a step outwards, in the plane that touches the
    /// sphere at its centre, measured by the steps to its other neighbours.
    pub(crate) fn outside(&self, index: usize, place: Place) -> Option<String> {
        let sides = self.neighbours(index);
        if sides.iter().flatten().all(Option::is_some) {
            return None;
        }
        let plane = Plane::at(self.points.at(index));
        let steps = sides.map(|[before, after]| plane.step(before, after));
        let Some(target) = plane.project(place.unit()) else {
            return Some(outside_by("on the other side of the globe"));
        };
        let [down, along] = components(target, steps);
        let beyond =
            [(down, sides[0], "row"), (along, sides[1], "column")].into_iter().find_map(|(part, sides, name)| {
                let end = if part < 0.0 { sides[0] } else { sides[1] };
                (end.is_none() && part.abs() > HALF_CELL).then_some((part, name))
            });
        let (part, name) = beyond?;
        let cell = Place { lat: self.lat[index], lon: self.lon[index] };
        Some(outside_by(&format!(
            "{} of a cell beyond the last {name}, at latitude {}, longitude {}",
            if part.is_finite() { short(part.abs()) } else { "an unknown part".into() },
            short(cell.lat),
            short(cell.lon)
        )))
    }

    /// Unit vectors of the neighbours: of the row before and the row after, of the column before and the one after.
    fn neighbours(&self, index: usize) -> [[Option<Vector>; 2]; 2] {
        let (row, column) = (index / self.columns, index % self.columns);
        let at = |there: bool, index: usize| {
            let vector = there.then(|| self.points.at(index))?;
            vector.iter().all(|part| part.is_finite()).then_some(vector)
        };
        let before = [at(row > 0, index.wrapping_sub(self.columns)), at(row + 1 < self.rows, index + self.columns)];
        [before, [at(column > 0, index.wrapping_sub(1)), at(column + 1 < self.columns, index + 1)]]
    }
}

fn outside_by(how: &str) -> String {
    format!("the place is {how}")
}

/// The plane that touches the sphere at a point, with two axes of it.
struct Plane {
    centre: Vector,
    axes: [Vector; 2],
}

impl Plane {
    fn at(centre: Vector) -> Plane {
        // Any axis of space that is not close to the centre's will do to span the plane.
        let aside = if centre[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
        let first = unit(cross(aside, centre));
        Plane { centre, axes: [first, cross(centre, first)] }
    }

    /// Radians along both axes to a point, at its true distance from the centre; none beyond a quarter of the globe.
    fn project(&self, point: Vector) -> Option<[f64; 2]> {
        let chord = [0, 1, 2].map(|i| point[i] - self.centre[i]);
        let [x, y] = self.axes.map(|axis| dot(chord, axis));
        let angle = 2.0 * (dot(chord, chord).sqrt() / 2.0).min(1.0).asin();
        let length = x.hypot(y);
        let near = angle <= std::f64::consts::FRAC_PI_2;
        near.then(|| if length == 0.0 { [0.0, 0.0] } else { [x * angle / length, y * angle / length] })
    }

    /// One step from the cell before to the cell after; from one of them alone where the other is not there.
    fn step(&self, before: Option<Vector>, after: Option<Vector>) -> Option<[f64; 2]> {
        let project = |vector: Option<Vector>| vector.and_then(|vector| self.project(vector));
        let step = match (project(before), project(after)) {
            (Some(a), Some(b)) => [(b[0] - a[0]) / 2.0, (b[1] - a[1]) / 2.0],
            (Some(a), None) => [-a[0], -a[1]],
            (None, Some(b)) => b,
            (None, None) => return None,
        };
        (step[0].hypot(step[1]) > 0.0).then_some(step)
    }
}

/// A place in units of two steps. Where a step is not known, only a place that is not off the other step's line has a
/// component of 0; any other is infinitely far.
fn components(place: [f64; 2], steps: [Option<[f64; 2]>; 2]) -> [f64; 2] {
    let area = |a: [f64; 2], b: [f64; 2]| a[0] * b[1] - a[1] * b[0];
    let unknown = |off: f64| if off.abs() <= SAME_RADIANS { 0.0 } else { f64::INFINITY.copysign(off) };
    let along = |step: [f64; 2]| {
        let square = step[0] * step[0] + step[1] * step[1];
        ((place[0] * step[0] + place[1] * step[1]) / square, area(step, place) / square.sqrt())
    };
    match steps {
        [Some(first), Some(second)] if area(first, second) != 0.0 => {
            [area(place, second) / area(first, second), area(first, place) / area(first, second)]
        }
        [Some(step), _] => [along(step).0, unknown(along(step).1)],
        [None, Some(step)] => [unknown(along(step).1), along(step).0],
        [None, None] => [unknown(place[0].hypot(place[1])); 2],
    }
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(vector: Vector) -> Vector {
    let length = dot(vector, vector).sqrt();
    vector.map(|part| part / length)
}
