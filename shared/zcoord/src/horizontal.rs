//! Latitude and longitude as words.

/// Latitude or longitude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizontal {
    /// Degrees north.
    Latitude,
    /// Degrees east.
    Longitude,
}

impl Horizontal {
    /// `latitude` or `longitude`.
    pub fn name(self) -> &'static str {
        match self {
            Horizontal::Latitude => "latitude",
            Horizontal::Longitude => "longitude",
        }
    }

    /// The flag that names it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Horizontal::Latitude => "--lat-name",
            Horizontal::Longitude => "--lon-name",
        }
    }
}
