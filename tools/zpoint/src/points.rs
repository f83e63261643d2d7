//! The options that apply to points.

/// How values at a point are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Value of the nearest cell.
    Nearest,
    /// Bilinear interpolation between four cells.
    Linear,
}

/// How points outside the grid are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfBounds {
    /// Stop with an error.
    Error,
    /// Write rows with missing values.
    Null,
    /// Write no rows.
    Drop,
    /// Write no rows and print a warning.
    Warn,
}

/// What to do if grids have different cells for a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameCell {
    /// Stop with an error.
    Error,
    /// Print a warning.
    Warn,
}

/// Use the nearest cell where a variable is not missing.
#[derive(Debug, Clone)]
pub struct NearestValid {
    /// The variable.
    pub variable: String,
    /// Search radius.
    pub radius_km: f64,
}
