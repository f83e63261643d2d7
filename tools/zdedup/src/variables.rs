//! Variables along the joined dimension, and what their stored values mean.

use zarray::{Array, VarFilter, ZarrFormat, fill_element};
use zcoord::{dimensions, name};

/// Attributes that decide what stored values mean.
const MEANING: [&str; 7] =
    ["units", "calendar", "scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned"];

/// What differs in the meaning of stored values between two arrays: an attribute, or in Zarr v2, where it marks missing values, the fill
/// value. Attributes for which `is_exempt` holds may differ.
pub fn meaning_differs(a: &Array, b: &Array, is_exempt: impl Fn(&str) -> bool) -> Option<&'static str> {
    let differs = |name: &&&str| !is_exempt(name) && a.attributes.get(**name) != b.attributes.get(**name);
    let attribute = MEANING.iter().find(differs).copied();
    let is_mask = a.format == ZarrFormat::V2 && b.format == ZarrFormat::V2;
    // Null masks nothing, although missing chunks are read as 0.
    let is_other = || a.fill_value.is_null() != b.fill_value.is_null() || fill_element(a).ok() != fill_element(b).ok();
    let other_fill = || is_mask && a.fill_value != b.fill_value && is_other();
    attribute.or_else(|| other_fill().then_some("fill_value"))
}

/// The number of the joined dimension in an array.
pub fn axis(array: &Array, dim: &str) -> Option<usize> {
    dimensions(array)?.iter().position(|name| *name == dim)
}

/// Whether an array is the coordinate of the dimension.
pub fn is_coordinate(array: &Array, dim: &str) -> bool {
    array.shape.len() == 1 && axis(array, dim) == Some(0) && name(&array.path) == dim
}

/// Whether an array is a variable along `dim`, and not the coordinate of the batch at the path `coordinate`. Those of groups are variables,
/// which come along with others.
pub fn is_variable(array: &Array, dim: &str, coordinate: &str, var: &VarFilter) -> bool {
    let is_wanted = || var.matches(&array.path) || is_coordinate(array, dim);
    axis(array, dim).is_some() && array.path != coordinate && is_wanted()
}
