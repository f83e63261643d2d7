//! What the cells of an axis cover: their bounds where the store has them, else half a step on either side.

use crate::axis::{Axis, Spot, TURN, shown};
use crate::grid::GridError;
use crate::unroll::CLOSING;

/// How far from a coordinate that has no neighbour and no bounds a value may lie, in degrees.
pub(crate) const ALONE: f64 = 1e-6;

/// What the cells of an axis cover.
#[derive(Debug, Clone)]
pub(crate) enum Extent {
    /// The whole circle.
    Closed,
    /// Half a step on either side of each coordinate.
    Open,
    /// For each coordinate, ascending, from how far below to how far above it, in degrees.
    Bounds(Vec<[f64; 2]>),
}

impl Extent {
    /// Of an axis whose cells have these bounds, if any.
    pub fn of(axis: &Axis, bounds: Option<Vec<[f64; 2]>>) -> Extent {
        let whole = |bounds: &Vec<[f64; 2]>| bounds.iter().any(|[low, high]| high - low >= TURN * (1.0 - 1e-6));
        if axis.cyclic && (steps_close(&axis.values) || bounds.as_ref().is_some_and(whole)) {
            return Extent::Closed;
        }
        bounds.map_or(Extent::Open, Extent::Bounds)
    }
}

/// Whether the way from the last longitude on to the first is no longer than the step at either end.
fn steps_close(values: &[f64]) -> bool {
    let [first, second, ..] = values else { return false };
    let [.., before, last] = values else { return false };
    let step = (second - first).max(last - before);
    first + TURN - last <= step * (1.0 + CLOSING)
}

/// Bounds as they are stored, relative to their coordinates and in ascending order.
///
/// # Errors
/// Bounds that are not one pair a coordinate, or not finite.
pub(crate) fn offsets_of_bounds(axis: &Axis, stored: &[[f64; 2]]) -> Result<Vec<[f64; 2]>, GridError> {
    if stored.len() != axis.stored.len() {
        let (name, cells) = (axis.name, axis.stored.len());
        return Err(GridError::new(format!("the bounds of {name} are {} pairs for {cells} cells", stored.len())));
    }
    if let Some(at) = stored.iter().position(|pair| !pair.iter().all(|bound| bound.is_finite())) {
        return Err(GridError::new(format!("the bounds of {} at index {at} are not finite", axis.name)));
    }
    let of = |at: &usize| offsets(axis.stored[*at], stored[*at], axis.cyclic);
    Ok(axis.indices.iter().map(of).collect())
}

/// The bounds of one cell relative to its coordinate. Those of a longitude may be given in another turn than it is.
fn offsets(coordinate: f64, bounds: [f64; 2], cyclic: bool) -> [f64; 2] {
    let relative = bounds.map(|bound| bound - coordinate);
    let [low, high] = [relative[0].min(relative[1]), relative[0].max(relative[1])];
    if !cyclic || (low <= 0.0 && 0.0 <= high) {
        return [low, high];
    }
    let [one, other] = [low, high].map(|bound| bound - TURN * (bound / TURN).round());
    [one.min(other), one.max(other)]
}

impl Axis {
    /// Why a value lies outside the cells, if it does; `spot` is its nearest coordinate. A tolerance in degrees replaces
    /// the cells.
    pub fn outside(&self, value: f64, spot: Spot, tolerance: Option<f64>) -> Option<String> {
        let away = spot.offset.abs();
        let step = self.step_at(spot.at);
        let rounding = self.rounding(step.unwrap_or(1.0), value);
        if let Some(tolerance) = tolerance {
            let said = format!("more than the tolerance of {tolerance} degrees");
            return (away > tolerance + rounding).then(|| self.sentence(value, spot, &said));
        }
        match (&self.extent, step) {
            (Extent::Closed, _) => None,
            (Extent::Bounds(bounds), _) => (!self.in_bounds(bounds, value, spot))
                .then(|| format!("{} {} is in the bounds of no cell of its axis", self.name, shown(value))),
            (Extent::Open, None) => (away > ALONE + rounding)
                .then(|| self.sentence(value, spot, "the only one, and a cell of unknown size without bounds")),
            (Extent::Open, Some(step)) => (self.is_beyond_edge(spot) && away > step / 2.0 + rounding)
                .then(|| self.sentence(value, spot, "more than half a step")),
        }
    }

    /// Whether the nearest coordinate is an outermost one and the value is on the outer side of it.
    pub fn is_beyond_edge(&self, spot: Spot) -> bool {
        (spot.at == 0 && spot.offset < 0.0) || (spot.at + 1 == self.len() && spot.offset > 0.0)
    }

    /// Whether the cell of the nearest coordinate or one beside it holds the value: cells need not end half-way.
    fn in_bounds(&self, bounds: &[[f64; 2]], value: f64, spot: Spot) -> bool {
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

    fn sentence(&self, value: f64, spot: Spot, reason: &str) -> String {
        let coordinate = shown(self.stored[self.indices[spot.at]]);
        let (name, value, away) = (self.name, shown(value), shown(spot.offset.abs()));
        format!("{name} {value} is {away} degrees from the nearest coordinate {coordinate}: {reason}")
    }
}
