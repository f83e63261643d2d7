//! Errors of grid coordinates: of those that are no grid, and of those that cannot be read.

use std::fmt;

use zarray::ZarrError;
use zwire::Failure;

/// Latitudes this far beyond a pole are taken as the pole.
const POLE_ROUNDING: f64 = 1e-4;
/// Larger longitudes are not degrees, but metres or a fill value.
const MOST_LONGITUDE: f64 = 1080.0;

/// Why the coordinates of a grid are not there.
#[derive(Debug, Clone)]
pub enum GridFailure {
    /// They are no positions, or their data type or a codec is not supported: their grid cannot be used, now or later.
    Unusable(Failure),
    /// They could not be read: damaged, too large for the memory, or the store failed.
    Unread(Failure),
}

impl From<ZarrError> for GridFailure {
    fn from(error: ZarrError) -> GridFailure {
        match error {
            ZarrError::Metadata { .. } => GridFailure::Unusable(error.into()),
            error => GridFailure::Unread(error.into()),
        }
    }
}

impl From<GridFailure> for Failure {
    fn from(failure: GridFailure) -> Failure {
        match failure {
            GridFailure::Unusable(failure) | GridFailure::Unread(failure) => failure,
        }
    }
}

/// Why coordinates are not a valid grid, as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridError(String);

impl GridError {
    pub(crate) fn new(what: String) -> GridError {
        GridError(what)
    }
}

impl fmt::Display for GridError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for GridError {}

/// # Errors
/// Empty coordinates, and the first index that is not finite.
pub(crate) fn check_finite(name: &str, values: &[f64]) -> Result<(), GridError> {
    match values.iter().position(|value| !value.is_finite()) {
        _ if values.is_empty() => Err(GridError::new(format!("{name} has no values"))),
        Some(at) => Err(GridError::new(format!("{name} is {} at index {at}", values[at]))),
        None => Ok(()),
    }
}

/// # Errors
/// Coordinates that give no cell a position.
pub(crate) fn check_any_finite(lat: &[f64], lon: &[f64]) -> Result<(), GridError> {
    match lat.iter().zip(lon).any(|(lat, lon)| lat.is_finite() && lon.is_finite()) {
        true => Ok(()),
        false => Err(GridError::new("latitude and longitude are not both finite in any cell".into())),
    }
}

/// # Errors
/// Latitudes beyond the poles; suggests that they are swapped if the longitudes could be latitudes.
pub(crate) fn check_latitudes(lat: &[f64], lon: &[f64]) -> Result<(), GridError> {
    let largest = |values: &[f64]| {
        values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
            .fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a })
    };
    let (lat, lon) = (largest(lat), largest(lon));
    let guess = if lon.abs() <= 90.0 && lat.abs() <= 360.0 {
        "latitude and longitude may be swapped"
    } else {
        "not in degrees north"
    };
    let sign = if lat < 0.0 { "down" } else { "up" };
    if lat.abs() <= 90.0 + POLE_ROUNDING {
        return Ok(());
    }
    Err(GridError::new(format!("latitude has values {sign} to {lat}: {guess}")))
}

/// # Errors
/// Longitudes that are not degrees.
pub(crate) fn check_longitudes(lon: &[f64]) -> Result<(), GridError> {
    match lon.iter().find(|lon| lon.is_finite() && lon.abs() > MOST_LONGITUDE) {
        Some(lon) => Err(GridError::new(format!("longitude has the value {lon}: not in degrees east"))),
        None => Ok(()),
    }
}
