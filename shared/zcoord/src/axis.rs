//! One axis of a rectilinear grid: the coordinate nearest to a value, and whether the value is within the axis.
//!
//! Values are degrees. The nearest coordinate is chosen as by xarray's `.sel(method="nearest")`, in the precision of the
//! coordinates; in addition, longitudes are compared modulo 360.

use crate::degrees::{ALONE, TURN, shown};
use crate::extent::Extent;
use crate::grid_error::GridError;
use crate::point::LinearError;
use crate::unroll::Ordered;

/// Rounding tolerance, as a fraction of a step, when a value is compared with the edge of a cell.
const STEP_ROUNDING: f64 = 1e-6;

/// Coordinates along one dimension.
#[derive(Debug, Clone)]
pub(crate) struct CoordinateAxis {
    /// `latitude` or `longitude`.
    pub name: &'static str,
    /// The coordinates as stored.
    pub stored: Vec<f64>,
    /// The same in ascending order, longitudes made continuous, without a repeated last column.
    pub values: Vec<f64>,
    /// Stored index of each of `values`.
    pub indices: Vec<usize>,
    /// Whether values 360 degrees apart are equal.
    pub cyclic: bool,
    /// Whether the coordinates were 32-bit floats.
    float32: bool,
    /// Extent of the cells.
    pub extent: Extent,
}

/// A neighbouring coordinate of a value: its number, and its value shifted by whole turns to be next to it.
type Side = Option<(usize, f64)>;

/// The coordinate that is nearest to a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NearestCoordinate {
    /// Its index in ascending order.
    pub at: usize,
    /// Value minus coordinate, in degrees.
    pub offset: f64,
}

impl CoordinateAxis {
    /// Latitudes, ascending or descending; `bounds` has two values per cell.
    ///
    /// # Errors
    /// Latitudes that are not monotonic, and bounds that do not match the cells.
    pub fn latitude(stored: Vec<f64>, bounds: Option<Vec<[f64; 2]>>) -> Result<CoordinateAxis, GridError> {
        CoordinateAxis::new(Ordered::latitude(stored)?, bounds)
    }

    /// Longitudes, ascending or descending, possibly across the wrap from 360 to 0.
    ///
    /// # Errors
    /// Longitudes that are not monotonic or span more than 360 degrees, and bounds that do not match the cells.
    pub fn longitude(stored: Vec<f64>, bounds: Option<Vec<[f64; 2]>>) -> Result<CoordinateAxis, GridError> {
        CoordinateAxis::new(Ordered::longitude(stored)?, bounds)
    }

    fn new(coordinates: Ordered, bounds: Option<Vec<[f64; 2]>>) -> Result<CoordinateAxis, GridError> {
        let extent = Extent::of(&coordinates, bounds.as_deref())?;
        let Ordered { name, stored, values, indices, cyclic } = coordinates;
        Ok(CoordinateAxis { name, float32: is_float32(&stored), stored, values, indices, cyclic, extent })
    }

    /// Number of coordinates, a repeated one counted once.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The coordinate nearest to a value; the larger of two that are equally near.
    pub fn nearest(&self, value: f64) -> NearestCoordinate {
        let turned = self.turned(value);
        let sought = self.rounded(turned);
        let (lower, upper) = self.around(sought);
        let gap = |coordinate: f64| match self.float32 {
            true => f64::from((coordinate as f32 - sought as f32).abs()),
            false => (coordinate - sought).abs(),
        };
        let (at, coordinate) = match (lower, upper) {
            (Some(lower), Some(upper)) if gap(lower.1) < gap(upper.1) => lower,
            (_, Some(upper)) => upper,
            (Some(lower), None) => lower,
            (None, None) => (0, turned),
        };
        NearestCoordinate { at, offset: turned - coordinate }
    }

    /// The coordinates around a value with their linear weights; a single one if the value is a coordinate. Values equal to
    /// a coordinate in its precision use only that one, so that a missing neighbour does not matter. On a closed axis the
    /// last and the first coordinate are neighbours.
    ///
    /// # Errors
    /// [`LinearError::Outside`] if the value is beyond the outermost coordinates.
    pub fn between(&self, value: f64) -> Result<Vec<(usize, f64)>, LinearError> {
        let (spot, sought) = (self.nearest(value), self.turned(value));
        let rounding = STEP_ROUNDING * self.step_at(spot.at).unwrap_or(1.0);
        let rounds_to_it = [0.0, TURN].iter().any(|turn| self.rounded(sought) == self.values[spot.at] + turn);
        if rounds_to_it || spot.offset.abs() <= rounding {
            return Ok(vec![(spot.at, 1.0)]);
        }
        match self.around(sought) {
            (Some(lower), Some(upper)) if self.is_closed() || lower.0 < upper.0 => {
                let weight = (sought - lower.1) / (upper.1 - lower.1);
                Ok(vec![(lower.0, 1.0 - weight), (upper.0, weight)])
            }
            _ => Err(LinearError::Outside(format!(
                "{} {} is beyond the outermost coordinate {}",
                self.name,
                shown(value),
                shown(self.stored[self.indices[spot.at]])
            ))),
        }
    }

    /// Whether the cells cover the full circle.
    pub fn is_closed(&self) -> bool {
        matches!(self.extent, Extent::Closed)
    }

    /// Indices of the coordinates from `value - reach` to `value + reach`.
    pub fn window(&self, value: f64, reach: f64) -> Vec<usize> {
        if !self.cyclic {
            return self.range(value - reach, value + reach).collect();
        }
        if reach >= TURN / 2.0 {
            return (0..self.len()).collect();
        }
        let value = self.turned(value);
        let turns = [-TURN, 0.0, TURN].into_iter();
        turns.flat_map(|turn| self.range(value + turn - reach, value + turn + reach)).collect()
    }

    /// Indices of the coordinates in a closed interval.
    fn range(&self, low: f64, high: f64) -> std::ops::Range<usize> {
        let from = self.values.partition_point(|coordinate| *coordinate < low);
        from..self.values.partition_point(|coordinate| *coordinate <= high).max(from)
    }

    /// The value shifted by whole turns to the range of the coordinates; unchanged if it is already among them.
    fn turned(&self, value: f64) -> f64 {
        match (self.values.first(), self.values.last()) {
            (Some(first), Some(last)) if self.cyclic && !(*first <= value && value <= *last) => {
                first + (value - first).rem_euclid(TURN)
            }
            _ => value,
        }
    }

    /// A value in the precision of the coordinates, as xarray looks it up.
    fn rounded(&self, value: f64) -> f64 {
        if self.float32 { f64::from(value as f32) } else { value }
    }

    /// The coordinates on both sides of a `turned` value; the same one twice if the value is a coordinate.
    fn around(&self, value: f64) -> (Side, Side) {
        let above = self.values.partition_point(|coordinate| *coordinate < value);
        let of = |at: usize| self.values.get(at).map(|coordinate| (at, *coordinate));
        let next_turn = || of(0).filter(|_| self.cyclic).map(|(at, first)| (at, first + TURN));
        let upper = of(above).or_else(next_turn);
        let lower = if upper.is_some_and(|upper| upper.1 == value) { upper } else { of(above.wrapping_sub(1)) };
        (lower, upper)
    }

    /// Distance from a coordinate to its neighbour, the smaller of two; `None` for a single coordinate.
    pub fn step_at(&self, at: usize) -> Option<f64> {
        let gap = |low: usize| Some(self.values.get(low.wrapping_add(1))? - self.values.get(low)?);
        match (gap(at.wrapping_sub(1)), gap(at)) {
            (Some(below), Some(above)) => Some(below.min(above)),
            (below, above) => below.or(above),
        }
    }

    /// Rounding tolerance of a comparison of `value` with the edge of a cell of width `step`.
    pub fn rounding(&self, step: f64, value: f64) -> f64 {
        STEP_ROUNDING * step + if self.float32 { value.abs() * f64::from(f32::EPSILON) } else { 0.0 }
    }

    /// Why a value is outside the cells, if it is; `spot` is its nearest coordinate. A tolerance in degrees replaces the
    /// extent of the cells.
    pub fn outside(&self, value: f64, spot: NearestCoordinate, tolerance: Option<f64>) -> Option<String> {
        let away = spot.offset.abs();
        let step = self.step_at(spot.at);
        let rounding = self.rounding(step.unwrap_or(1.0), value);
        if let Some(tolerance) = tolerance {
            let reason = format!("more than the tolerance of {tolerance} degrees");
            return (away > tolerance + rounding).then(|| self.sentence(value, spot, &reason));
        }
        match (&self.extent, step) {
            (Extent::Closed, _) => None,
            (Extent::Bounds(bounds), _) => (!self.in_bounds(bounds, value, spot))
                .then(|| format!("{} {} is outside the bounds of every cell", self.name, shown(value))),
            (Extent::Open, None) => (away > ALONE + rounding).then(|| {
                self.sentence(
                    value,
                    spot,
                    "it is the only coordinate and has no bounds, so the size of its cell is unknown",
                )
            }),
            (Extent::Open, Some(step)) => (self.is_beyond_edge(spot) && away > step / 2.0 + rounding)
                .then(|| self.sentence(value, spot, "more than half a step")),
        }
    }

    /// Whether the nearest coordinate is an outermost one and the value is on the outer side of it.
    pub fn is_beyond_edge(&self, spot: NearestCoordinate) -> bool {
        (spot.at == 0 && spot.offset < 0.0) || (spot.at + 1 == self.len() && spot.offset > 0.0)
    }

    /// Whether the cell of the nearest coordinate or a neighbouring cell contains the value: bounds need not be midpoints.
    fn in_bounds(&self, bounds: &[[f64; 2]], value: f64, spot: NearestCoordinate) -> bool {
        let value_there = self.values[spot.at] + spot.offset;
        let turns = if self.cyclic { [0.0, TURN, -TURN].as_slice() } else { &[0.0] };
        let count = self.len();
        let beside = [spot.at, (spot.at + 1) % count, (spot.at + count - 1) % count];
        beside.iter().any(|at| {
            let [low, high] = bounds[*at];
            let rounding = self.rounding(high - low, value);
            let offsets = turns.iter().map(|turn| value_there + turn - self.values[*at]);
            offsets.into_iter().any(|offset| low - rounding <= offset && offset <= high + rounding)
        })
    }

    fn sentence(&self, value: f64, spot: NearestCoordinate, reason: &str) -> String {
        let coordinate = shown(self.stored[self.indices[spot.at]]);
        let (name, value, away) = (self.name, shown(value), shown(spot.offset.abs()));
        format!("{name} {value} is {away} degrees from the nearest coordinate {coordinate}: {reason}")
    }
}

/// Whether coordinates were 32-bit floats: all are exact in 32 bits, and not just because they are short binary
/// fractions, for which it makes no difference.
fn is_float32(values: &[f64]) -> bool {
    let short = |value: &f64| (value * 1024.0).fract() == 0.0;
    values.iter().all(|value| f64::from(*value as f32) == *value) && !values.iter().all(short)
}

#[cfg(test)]
#[path = "axis_tests.rs"]
mod tests;
