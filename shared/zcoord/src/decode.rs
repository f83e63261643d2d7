//! CF decoding of one variable: raw stored elements become a column, as xarray 2026.9 decodes Zarr stores. Valid ranges,
//! which xarray ignores, are applied too.

use std::borrow::Cow;

use serde_json::Value;
use zarray::{Array, NumberType};

use crate::clock::Clocks;
use crate::decode_error::DecodeError;
use crate::decode_options::{DecodeOptions, Mode};
use crate::element::Element;
use crate::filters::Filters;
use crate::rule::{Action, DecodeRule};
use crate::text::Texts;
use crate::values::{Column, Kind, NOT_A_TIME, Values};

/// A decoded column.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Its values.
    pub column: Column,
    /// Number of values set to missing because they are outside the valid range.
    pub out_of_range: u64,
}

/// Decodes the elements of one variable.
#[derive(Clone)]
pub struct Decoder {
    element: Element,
    filters: Option<Filters>,
    /// The fill value as the filters decode elements, if there are filters.
    fill: Option<Vec<u8>>,
    rule: DecodeRule,
    mode: Mode,
    note: Option<String>,
}

/// Attributes about the dimensions and relations of an array, not its values.
const STRUCTURAL: [&str; 3] = ["_ARRAY_DIMENSIONS", "coordinates", "grid_mapping"];

/// Attributes that no longer apply once values are decoded.
const DECODED: [&str; 8] =
    ["_FillValue", "missing_value", "scale_factor", "add_offset", "valid_min", "valid_max", "valid_range", "_Unsigned"];

impl Decoder {
    /// A decoder from the metadata of `array`; `clocks` knows calendars.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    pub fn new(array: &Array, options: DecodeOptions, clocks: &dyn Clocks) -> Result<Decoder, DecodeError> {
        let array = &*array.as_decoded();
        let element = Element::of(array)?;
        let filters = Filters::of(array, element.number())?;
        let rule = DecodeRule::of(array, &element, filters.is_some(), options, clocks)?;
        let fill = filters.as_ref().and_then(|_| plain_fill(array, element.number()?));
        let note = (!rule.notes.is_empty()).then(|| rule.notes.join("; "));
        Ok(Decoder { element, filters, fill, rule, mode: options.mode, note })
    }

    /// Kind of the decoded values.
    pub fn kind(&self) -> Kind {
        self.rule.kind()
    }

    /// Bytes of one encoded element, as a decoded chunk holds it; `None` for variable-length text.
    pub fn itemsize(&self) -> Option<usize> {
        self.filters.as_ref().map(|filters| filters.encoded.size).or_else(|| self.element.size())
    }

    /// A note on attributes that were not supported or not applied; `None` if all were.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The attributes of `array` that still apply to decoded values.
    pub fn attributes(&self, array: &Array) -> Vec<(String, Value)> {
        let decoded: &[&str] = if self.mode == Mode::Cf { &DECODED } else { &[] };
        let consumed =
            |key: &str| STRUCTURAL.contains(&key) || decoded.contains(&key) || self.rule.consumed.contains(&key);
        let remaining = array.attributes.iter().filter(|(key, _)| !consumed(key));
        remaining.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Decodes `bytes`, which hold one encoded element of [`Decoder::itemsize`] bytes a row. `failed` marks the rows
    /// that could not be read; they are missing in the column. It may be empty if all were read. Variable-length text
    /// goes to [`Decoder::decode_text`].
    pub fn decode(&self, bytes: &[u8], failed: &[bool]) -> Decoded {
        self.decode_present(bytes, failed, &[])
    }

    /// Whether [`Decoder::decode_present`] has a fill value for elements that are not stored.
    pub fn has_fill(&self) -> bool {
        self.fill.is_some()
    }

    /// As [`Decoder::decode`]; `absent` marks rows of chunks that are not stored, which have the fill value. Filters need not
    /// have an element that stands for it.
    pub fn decode_present(&self, bytes: &[u8], failed: &[bool], absent: &[bool]) -> Decoded {
        let mut plain = match &self.filters {
            Some(filters) => Cow::Owned(filters.undo(bytes)),
            None => Cow::Borrowed(bytes),
        };
        if let Some(fill) = self.fill.as_ref().filter(|_| absent.contains(&true)) {
            let rows = plain.to_mut().chunks_exact_mut(fill.len());
            rows.zip(absent).filter(|(_, absent)| **absent).for_each(|(row, _)| row.copy_from_slice(fill));
        }
        let outside = self.rule.outside(&plain, failed);
        let out_of_range = outside.iter().filter(|outside| **outside).count() as u64;
        let (values, masked) = match &self.rule.action {
            Action::Numbers(numeric) => (numeric.values(&plain), numeric.masked(&plain)),
            Action::Moments(numeric, clock) => (numeric.moments(&plain, clock.as_ref()), Vec::new()),
            Action::Texts(texts) => {
                let size = self.element.size().unwrap_or(usize::MAX);
                texts_of(plain.chunks_exact(size).map(|element| texts.padded(&self.element, element)))
            }
        };
        Decoded { column: column(self.kind(), values, &[failed, &outside, &masked]), out_of_range }
    }

    /// Decodes variable-length text, one element per row; `failed` as for [`Decoder::decode`].
    pub fn decode_text(&self, elements: &[Vec<u8>], failed: &[bool]) -> Decoded {
        let plain = Texts::default();
        let texts = if let Action::Texts(texts) = &self.rule.action { texts } else { &plain };
        let (values, masked) = texts_of(elements.iter().map(|element| texts.whole(element)));
        Decoded { column: column(Kind::Text, values, &[failed, &masked]), out_of_range: 0 }
    }
}

/// The fill value of an array of numbers, little endian; `None` if it is not valid.
fn plain_fill(array: &Array, number: NumberType) -> Option<Vec<u8>> {
    let number = NumberType { big_endian: false, ..number };
    if array.fill_value.is_null() { Some(vec![0; number.size]) } else { number.element(&array.fill_value) }
}

fn texts_of(texts: impl Iterator<Item = (String, bool)>) -> (Values, Vec<bool>) {
    let (texts, missing): (Vec<String>, Vec<bool>) = texts.unzip();
    (Values::Text(texts), missing)
}

/// The column of `values` in which every row that one of `gone` names is missing.
fn column(kind: Kind, values: Values, gone: &[&[bool]]) -> Column {
    let mut column = Column::new(kind, values);
    if !gone.iter().any(|gone| gone.contains(&true)) {
        return column;
    }
    let mut missing = vec![false; column.len()];
    for gone in gone {
        missing.iter_mut().zip(gone.iter()).for_each(|(missing, gone)| *missing |= gone);
    }
    blank(&mut column.values, &missing);
    if !matches!(column.values, Values::F32(_) | Values::F64(_) | Values::Time(..)) {
        column.missing = missing;
    }
    column
}

/// Makes the `missing` rows NaN, no time, zero or empty.
fn blank(values: &mut Values, missing: &[bool]) {
    fn fill<T: Clone>(values: &mut [T], missing: &[bool], blank: T) {
        values.iter_mut().zip(missing).filter(|(_, missing)| **missing).for_each(|(value, _)| *value = blank.clone());
    }
    match values {
        Values::F32(values) => fill(values, missing, f32::NAN),
        Values::F64(values) => fill(values, missing, f64::NAN),
        Values::I64(values) => fill(values, missing, 0),
        Values::U64(values) => fill(values, missing, 0),
        Values::Bool(values) => fill(values, missing, false),
        Values::Time(values, _) => fill(values, missing, NOT_A_TIME),
        Values::Text(values) => fill(values, missing, String::new()),
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
