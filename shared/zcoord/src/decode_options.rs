//! Decoding options.

/// Decoding mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Masks, packing and times are decoded.
    #[default]
    Cf,
    /// Stored numbers; only filters, byte order and NumPy's own times are decoded.
    Raw,
}

/// Decoding options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeOptions {
    /// Decoding mode.
    pub mode: Mode,
    /// Whether the `fill_value` of the array's metadata marks missing values; `None` for xarray's default, which is yes
    /// for Zarr v2 and no for v3.
    pub fill_value_as_mask: Option<bool>,
}
