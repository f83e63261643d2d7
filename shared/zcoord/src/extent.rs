//! Extent of the cells of an axis: their bounds if the store has them, otherwise half a step on either side.

use crate::degrees::{CLOSING, TURN};
use crate::grid_error::GridError;
use crate::unroll::Ordered;

/// Extent of the cells of an axis.
#[derive(Debug, Clone)]
pub(crate) enum Extent {
    /// The whole circle.
    Closed,
    /// Half a step on either side of each coordinate.
    Open,
    /// For each coordinate, ascending, the offsets of its lower and upper bound, in degrees.
    Bounds(Vec<[f64; 2]>),
}

impl Extent {
    /// The extent of cells around `coordinates` with these bounds, if any, in stored order.
    ///
    /// # Errors
    /// Bounds that are not one pair per coordinate, or not finite.
    pub fn of(coordinates: &Ordered, bounds: Option<&[[f64; 2]]>) -> Result<Extent, GridError> {
        let bounds = bounds.map(|bounds| offsets_of_bounds(coordinates, bounds)).transpose()?;
        let whole = |bounds: &Vec<[f64; 2]>| bounds.iter().any(|[low, high]| high - low >= TURN * (1.0 - 1e-6));
        let closed = steps_close(&coordinates.values) || bounds.as_ref().is_some_and(whole);
        Ok(match bounds {
            _ if coordinates.cyclic && closed => Extent::Closed,
            Some(bounds) => Extent::Bounds(bounds),
            None => Extent::Open,
        })
    }
}

/// Whether the gap from the last longitude to the first is no larger than the step at either end.
fn steps_close(values: &[f64]) -> bool {
    let [first, second, ..] = values else { return false };
    let [.., before, last] = values else { return false };
    let step = (second - first).max(last - before);
    first + TURN - last <= step * (1.0 + CLOSING)
}

/// Bounds as they are stored, relative to their coordinates and in ascending order.
fn offsets_of_bounds(axis: &Ordered, stored: &[[f64; 2]]) -> Result<Vec<[f64; 2]>, GridError> {
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

/// The bounds of one cell relative to its coordinate. Those of a longitude may be shifted by whole turns.
fn offsets(coordinate: f64, bounds: [f64; 2], cyclic: bool) -> [f64; 2] {
    let relative = bounds.map(|bound| bound - coordinate);
    let [low, high] = [relative[0].min(relative[1]), relative[0].max(relative[1])];
    if !cyclic || (low <= 0.0 && 0.0 <= high) {
        return [low, high];
    }
    let [one, other] = [low, high].map(|bound| bound - TURN * (bound / TURN).round());
    [one.min(other), one.max(other)]
}
