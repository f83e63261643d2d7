//! Degrees: whole turns, how exact stored ones are, and how messages show them.

/// A whole turn.
pub(crate) const TURN: f64 = 360.0;
/// How far from a coordinate that has no neighbour and no bounds a value may lie.
pub(crate) const ALONE: f64 = 1e-6;
/// Part of a step by which a circle may fail to close: 32-bit longitudes in steps of a hundredth of a degree.
pub(crate) const CLOSING: f64 = 0.01;

/// Degrees for a message: four decimals are ten metres, and all that 32-bit longitudes have.
pub(crate) fn shown(degrees: f64) -> f64 {
    (degrees * 1e4).round() / 1e4
}
