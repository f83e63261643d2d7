//! What the user may choose of decoding.

/// How far values are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Masks, packing and times are undone.
    #[default]
    Cf,
    /// Numbers are what is stored; only filters, byte order and NumPy's own times are undone.
    Raw,
}

/// What the user may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeOptions {
    /// How far values are decoded.
    pub mode: Mode,
    /// Whether the `fill_value` of the array's metadata stands for missing values; `None` for xarray's choice, which is yes
    /// for Zarr v2 and no for v3.
    pub fill_value_as_mask: Option<bool>,
}
