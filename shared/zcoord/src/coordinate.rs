//! Decoders that know calendars, and coordinates read in full.

use std::ops::Range;
use std::sync::Arc;

use zarray::{Array, ArrayValues, Pool, Subset, ZarrError, read_region, read_whole};
use zstore::Store;

use crate::calendar::Calendar;
use crate::clock::{Clock, Clocks};
use crate::decode::Decoder;
use crate::decode_error::DecodeError;
use crate::decode_options::{DecodeOptions, Mode};
use crate::time::{Datetime64, TimeUnits};
use crate::values::Column;

/// Clocks implemented by [`crate::time`].
struct Civil;

impl Clocks for Civil {
    fn since(&self, units: &str, calendar: &str) -> Result<Arc<dyn Clock>, String> {
        Ok(Arc::new(TimeUnits::parse(units, Some(calendar))?))
    }

    fn datetime64(&self, unit: &str) -> Option<Arc<dyn Clock>> {
        Some(Arc::new(Datetime64::parse(unit)?))
    }
}

impl Clock for TimeUnits {
    fn calendar(&self) -> Calendar {
        (*self).calendar()
    }

    fn int(&self, count: i64) -> Option<i64> {
        self.decode_int(count)
    }

    fn float(&self, count: f64) -> Option<i64> {
        self.decode_float(count)
    }
}

impl Clock for Datetime64 {
    fn calendar(&self) -> Calendar {
        Calendar::ProlepticGregorian
    }

    fn int(&self, count: i64) -> Option<i64> {
        self.decode(count)
    }

    /// NumPy's times are whole numbers.
    fn float(&self, _: f64) -> Option<i64> {
        None
    }
}

/// A decoder of `array` that knows the calendars of CF.
///
/// # Errors
/// As [`Decoder::new`].
pub fn decoder(array: &Array, options: DecodeOptions) -> Result<Decoder, DecodeError> {
    Decoder::new(array, options, &Civil)
}

/// All values of a coordinate in C order, decoded as `mode` selects, and a note on attributes that are not supported. They may
/// take `most_bytes` of memory.
///
/// # Errors
/// As [`read_whole`]; [`ZarrError::Metadata`] if its type or attributes are not supported.
pub fn read_coordinate(
    store: &Store,
    array: &Array,
    mode: Mode,
    pool: &Pool,
    most_bytes: u64,
) -> Result<(Column, Option<String>), ZarrError> {
    read_coordinate_part(store, array, &Subset::whole(&array.shape), mode, pool, most_bytes)
}

/// As [`read_coordinate`], of the values with these indices of a coordinate of one dimension.
///
/// # Errors
/// As [`read_coordinate`].
pub fn read_coordinate_range(
    store: &Store,
    array: &Array,
    range: Range<u64>,
    mode: Mode,
    pool: &Pool,
    most_bytes: u64,
) -> Result<(Column, Option<String>), ZarrError> {
    let part = Subset::new(vec![range.start], vec![range.end.saturating_sub(range.start)]);
    read_coordinate_part(store, array, &part, mode, pool, most_bytes)
}

/// As [`read_coordinate`], of a box of the coordinate.
///
/// # Errors
/// As [`read_coordinate`].
pub fn read_coordinate_part(
    store: &Store,
    array: &Array,
    part: &Subset,
    mode: Mode,
    pool: &Pool,
    most_bytes: u64,
) -> Result<(Column, Option<String>), ZarrError> {
    let decoder = coordinate_decoder(store, array, mode)?;
    let values = read_region(store, array, part, pool, most_bytes)?;
    Ok((decoded(&decoder, &values), decoder.note().map(str::to_owned)))
}

/// Latitudes or longitudes.
pub(crate) struct Positions {
    /// In C order; NaN where an attribute marks them as missing. `None` if they are not numbers.
    pub values: Option<Vec<f64>>,
    /// Which of them are the fill value of the metadata; empty if none are.
    pub fills: Vec<bool>,
}

/// All latitudes or longitudes of a grid, and which of them nobody has set.
///
/// # Errors
/// As [`read_coordinate`].
pub(crate) fn read_positions(
    store: &Store,
    array: &Array,
    pool: &Pool,
    most_bytes: u64,
) -> Result<Positions, ZarrError> {
    let plain = coordinate_decoder(store, array, Mode::Cf)?;
    let stored = read_whole(store, array, pool, most_bytes)?;
    let values = decoded(&plain, &stored).numbers();
    let masking = decoder(array, DecodeOptions { mode: Mode::Cf, fill_value_as_mask: Some(true) }).ok();
    let masked = masking.and_then(|masking| decoded(&masking, &stored).numbers());
    let fills = match (&values, masked) {
        (Some(values), Some(masked)) => values.iter().zip(masked).map(|(a, b)| !a.is_nan() && b.is_nan()).collect(),
        _ => Vec::new(),
    };
    Ok(Positions { values, fills })
}

/// A coordinate of a dimension has no missing values (CF 2.5.1), and zero is a valid longitude: the fill value of the metadata
/// is not a mask.
fn coordinate_decoder(store: &Store, array: &Array, mode: Mode) -> Result<Decoder, ZarrError> {
    let wrong =
        |error: DecodeError| ZarrError::Metadata { place: store.place(array.key_prefix()), detail: error.to_string() };
    decoder(array, DecodeOptions { mode, fill_value_as_mask: Some(false) }).map_err(wrong)
}

fn decoded(decoder: &Decoder, values: &ArrayValues) -> Column {
    match values {
        ArrayValues::Fixed { bytes, .. } => decoder.decode(bytes, &[]).column,
        ArrayValues::Variable(elements) => decoder.decode_text(elements, &[]).column,
    }
}
