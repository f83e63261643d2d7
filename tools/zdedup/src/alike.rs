//! Whether an array of a batch has the meaning, the values and the stored form of that of the first.

use std::sync::Arc;

use serde_json::Value;
use zarray::Array;
use zcoord::{Column, is_time_units};
use zstage::Recode;

use crate::time_shift::TimeShift;

/// Whether both have the same lengths, except along the joined dimension.
pub fn is_as_long(array: &Array, first: &Array, dimension: Option<usize>) -> bool {
    let lengths = array.shape.iter().zip(&first.shape).enumerate();
    lengths.filter(|(axis, _)| Some(*axis) != dimension).all(|(_, (own, other))| own == other)
}

/// Whether all values are equal, or numbers that differ by no more than `tolerance`; NaN equals NaN.
pub fn is_close(a: &Column, b: &Column, tolerance: f64) -> bool {
    let close = |(a, b): (f64, f64)| a == b || (a - b).abs() <= tolerance || (a.is_nan() && b.is_nan());
    match (a.numbers(), b.numbers()) {
        (Some(a), Some(b)) => a.len() == b.len() && a.into_iter().zip(b).all(close),
        _ => a.values == b.values,
    }
}

/// Whether an array has units of time.
pub fn is_time(array: &Array) -> bool {
    array.attributes.get("units").and_then(Value::as_str).is_some_and(is_time_units)
}

/// The conversion of times, if they count from another date.
pub fn shift(array: &Array, first: &Array, dimension: Option<usize>) -> Result<Option<Arc<dyn Recode>>, String> {
    let same = |name: &str| array.attributes.get(name) == first.attributes.get(name);
    if (same("units") && same("calendar")) || dimension.is_none() {
        return Ok(None);
    }
    let shift = TimeShift::between(array, first)?;
    Ok(shift.map(|shift| Arc::new(shift) as Arc<dyn Recode>))
}

/// What keeps elements of both from being put together.
pub fn stored_differently(array: &Array, first: &Array) -> Option<String> {
    let order = |array: &Array| array.order.clone().unwrap_or_else(|| "C".to_owned());
    if order(array) != order(first) {
        return Some(format!("is stored in order {}, and {}", order(array), order(first)));
    }
    let differ = || format!("is encoded with {}, and {}", array.chain.describe(), first.chain.describe());
    (!zstage::is_stored_alike(array, first)).then(differ)
}

/// Whether an array is stored like the first batch's, apart from its length.
pub fn is_stored_like(array: &Array, first: &Array) -> bool {
    let chunks = |array: &Array| array.numbered().map(|grid| grid.chunk_shape().to_vec());
    array.chain.specs == first.chain.specs
        && array.dtype == first.dtype
        && array.order == first.order
        && array.fill_value == first.fill_value
        && array.keys == first.keys
        && chunks(array) == chunks(first)
}
