//! Degrees: whole turns, tolerances, and formatting for messages.

/// A whole turn.
pub(crate) const TURN: f64 = 360.0;
/// Maximum distance of a value from a coordinate without neighbours and bounds.
pub(crate) const ALONE: f64 = 1e-6;
/// Rounding tolerance of a closed circle, as a fraction of a step: 32-bit longitudes in steps of a hundredth of a degree.
pub(crate) const CLOSING: f64 = 0.01;

/// Degrees for a message: four decimals are ten metres, and all that 32-bit longitudes have.
pub(crate) fn shown(degrees: f64) -> f64 {
    (degrees * 1e4).round() / 1e4
}
