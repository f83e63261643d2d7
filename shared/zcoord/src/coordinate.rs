//! Decoders that know calendars, and coordinates read in full.

use std::sync::Arc;

use zarray::{Array, ArrayValues, Pool, ZarrError, read_whole};
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

/// All values of a coordinate in C order, decoded as `mode` selects, and a note on attributes that are not supported.
///
/// # Errors
/// As [`read_whole`]; [`ZarrError::Metadata`] if its type or attributes are not supported.
pub fn read_coordinate(
    store: &Store,
    array: &Array,
    mode: Mode,
    pool: &Pool,
) -> Result<(Column, Option<String>), ZarrError> {
    let wrong =
        |error: DecodeError| ZarrError::Metadata { place: store.place(array.key_prefix()), detail: error.to_string() };
    // A coordinate has no missing values (CF 2.5.1), and zero is a valid longitude: the fill value of the metadata is
    // not a mask.
    let options = DecodeOptions { mode, fill_value_as_mask: Some(false) };
    let decoder = decoder(array, options).map_err(wrong)?;
    let column = match read_whole(store, array, pool)? {
        ArrayValues::Fixed { bytes, .. } => decoder.decode(&bytes, &[]).column,
        ArrayValues::Variable(elements) => decoder.decode_text(&elements, &[]).column,
    };
    Ok((column, decoder.note().map(str::to_owned)))
}
