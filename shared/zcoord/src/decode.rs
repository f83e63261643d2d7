//! CF decoding of one variable: raw stored elements become a column, as xarray 2026.9 decodes Zarr stores. Valid ranges,
//! which xarray leaves alone, are applied too.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;
use zarray::{Array, NumberType, ZarrFormat};

use crate::clock::{Clock, Clocks};
use crate::element::Element;
use crate::filters::Filters;
use crate::masks::{Masks, Origin};
use crate::numeric::{Numeric, whole_fills};
use crate::packing::{Packing, Target};
use crate::range::Range;
use crate::stored::{Stored, with_type};
use crate::text::Texts;
use crate::values::{Column, Kind, NOT_A_TIME, Values};

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
    /// Whether the `fill_value` of the array's metadata stands for missing values; nothing for xarray's choice, which is yes
    /// for Zarr v2 and no for v3.
    pub fill_value_as_mask: Option<bool>,
}

/// A decoded column.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Its values.
    pub column: Column,
    /// How many of them are missing because they lie outside the variable's valid range.
    pub out_of_range: u64,
}

/// Decodes the elements of one variable.
#[derive(Clone)]
pub struct Decoder {
    element: Element,
    filters: Option<Filters>,
    rule: Rule,
    kind: Kind,
    consumed: Vec<&'static str>,
    remark: Option<String>,
}

/// What is done with elements.
#[derive(Clone)]
enum Rule {
    Numbers { numeric: Numeric, range: Range, masked: bool },
    Moments { numeric: Numeric, range: Range, clock: Arc<dyn Clock>, fills: Vec<i64> },
    Texts(Texts),
}

/// Attributes that say how an array is laid out or related, and nothing of its values.
const STRUCTURAL: [&str; 3] = ["_ARRAY_DIMENSIONS", "coordinates", "grid_mapping"];

/// Attributes that are done with once values are decoded.
const DECODED: [&str; 8] =
    ["_FillValue", "missing_value", "scale_factor", "add_offset", "valid_min", "valid_max", "valid_range", "_Unsigned"];

impl Decoder {
    /// A decoder from the metadata of `array`; `clocks` knows calendars.
    ///
    /// # Errors
    /// Which data type, filter or attribute is not understood, in a sentence.
    pub fn new(array: &Array, options: DecodeOptions, clocks: &dyn Clocks) -> Result<Decoder, String> {
        let element = Element::of(array)?;
        let filters = Filters::of(array, element.number())?;
        let zarr_fill = options.fill_value_as_mask.unwrap_or(array.format == ZarrFormat::V2);
        // What comes out of filters is little endian.
        let read = element.number().map(|number| match filters {
            Some(_) => NumberType { big_endian: false, ..number },
            None => number,
        });
        let mut decoder = Decoder {
            rule: Rule::Texts(Texts::of(array, &element, options.mode == Mode::Cf, zarr_fill)?),
            kind: Kind::Text,
            consumed: STRUCTURAL.to_vec(),
            remark: None,
            element,
            filters,
        };
        if options.mode == Mode::Cf {
            decoder.consumed.extend(DECODED);
        }
        match (&decoder.element, read) {
            (Element::Moment(unit, _), Some(read)) => {
                let clock = clocks.datetime64(unit).ok_or_else(|| format!("times in {unit:?} are not understood"))?;
                decoder.rule = moments(Numeric::plain(read), clock);
            }
            (Element::Number(stored), Some(read)) if options.mode == Mode::Cf => {
                let origin = if zarr_fill { Origin::Zarr } else { Origin::Attribute };
                decoder.take_cf(array, *stored, read, origin, clocks)?;
            }
            (_, Some(read)) => decoder.rule = numbers(Numeric::plain(read)),
            (_, None) => decoder.consumed.push("_Encoding"),
        }
        decoder.kind = decoder.rule.kind();
        Ok(decoder)
    }

    /// The rule of numbers by the attributes of CF.
    fn take_cf(
        &mut self,
        array: &Array,
        stored: NumberType,
        read: NumberType,
        origin: Origin,
        clocks: &dyn Clocks,
    ) -> Result<(), String> {
        let read = NumberType { kind: signedness(array, read.kind), ..read };
        let masks = Masks::of(array, stored, NumberType { kind: read.kind, ..stored }, origin)?;
        let packing = Packing::of(&array.attributes)?;
        let (range, mut remarks) = Range::of(array, read, read.kind != stored.kind, packing.is_some());
        let clock = if read.kind == 'b' { None } else { clock(array, clocks, &mut remarks) };
        let truth = packing.is_none()
            && clock.is_none()
            && matches!(read.kind, 'i' | 'u')
            && array.attributes.get("dtype").and_then(Value::as_str) == Some("bool");
        let target = match truth {
            true => Target::Truth,
            false => Target::of(read, &masks, packing, clock.is_some()),
        };
        let numeric = Numeric { read, target, fills: masks.doubles() };
        if truth {
            self.consumed.push("dtype");
        }
        self.rule = match clock {
            Some(clock) => {
                self.consumed.extend(["units", "calendar"]);
                Rule::Moments { numeric, range, clock, fills: whole_fills(&masks.fills) }
            }
            None => Rule::Numbers { masked: truth && masks.promotes, numeric, range },
        };
        self.remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        Ok(())
    }

    /// What the decoded values are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of one encoded element, as a decoded chunk holds it; nothing for text of any length.
    pub fn itemsize(&self) -> Option<usize> {
        self.filters.as_ref().map(|filters| filters.encoded.size).or_else(|| self.element.size())
    }

    /// What of the attributes was not understood or not applied, for people; nothing where all was.
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    /// The attributes of `array` that still say something of decoded values.
    pub fn attributes(&self, array: &Array) -> Vec<(String, Value)> {
        let remaining = array.attributes.iter().filter(|(key, _)| !self.consumed.contains(&key.as_str()));
        remaining.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Decodes `bytes`, which hold one encoded element of [`Decoder::itemsize`] bytes a row. `failed` says which rows could
    /// not be read; they are missing in the column. It may be empty, for none. Text of any length goes to
    /// [`Decoder::decode_text`].
    pub fn decode(&self, bytes: &[u8], failed: &[bool]) -> Decoded {
        let plain = match &self.filters {
            Some(filters) => Cow::Owned(filters.undo(bytes)),
            None => Cow::Borrowed(bytes),
        };
        let outside = self.rule.outside(&plain, failed);
        let out_of_range = outside.iter().filter(|outside| **outside).count() as u64;
        let (values, masked) = match &self.rule {
            Rule::Numbers { numeric, masked, .. } => {
                let spans = || i64::each(&plain, numeric.read.big_endian, |span| span == NOT_A_TIME);
                let missing = match self.element {
                    Element::Span(_) => spans(),
                    _ if *masked => numeric.masked(&plain),
                    _ => Vec::new(),
                };
                (numeric.values(&plain), missing)
            }
            Rule::Moments { numeric, clock, fills, .. } => (numeric.moments(&plain, clock.as_ref(), fills), Vec::new()),
            Rule::Texts(texts) => {
                let size = self.element.size().unwrap_or(usize::MAX);
                texts_of(plain.chunks_exact(size).map(|element| texts.padded(&self.element, element)))
            }
        };
        Decoded { column: column(self.kind, values, &[failed, &outside, &masked]), out_of_range }
    }

    /// Decodes text of any length, one element a row; `failed` as for [`Decoder::decode`].
    pub fn decode_text(&self, elements: &[Vec<u8>], failed: &[bool]) -> Decoded {
        let plain = Texts::default();
        let texts = if let Rule::Texts(texts) = &self.rule { texts } else { &plain };
        let (values, masked) = texts_of(elements.iter().map(|element| texts.whole(element)));
        Decoded { column: column(Kind::Text, values, &[failed, &masked]), out_of_range: 0 }
    }
}

fn numbers(numeric: Numeric) -> Rule {
    Rule::Numbers { numeric, range: Range::default(), masked: false }
}

fn moments(numeric: Numeric, clock: Arc<dyn Clock>) -> Rule {
    Rule::Moments { numeric, range: Range::default(), clock, fills: Vec::new() }
}

impl Rule {
    fn kind(&self) -> Kind {
        match self {
            Rule::Numbers { numeric, .. } => numeric.kind(),
            Rule::Moments { clock, .. } => Kind::Time(clock.calendar()),
            Rule::Texts(_) => Kind::Text,
        }
    }

    /// Which of the rows that could be read are outside the valid range; empty where there is none.
    fn outside(&self, bytes: &[u8], failed: &[bool]) -> Vec<bool> {
        let (Rule::Numbers { numeric, range, .. } | Rule::Moments { numeric, range, .. }) = self else {
            return Vec::new();
        };
        if range.is_open() {
            return Vec::new();
        }
        let mut outside = with_type!(numeric.read, T => range.outside::<T>(bytes, numeric.read, &numeric.fills));
        outside.iter_mut().zip(failed).for_each(|(outside, failed)| *outside &= !failed);
        outside
    }
}

/// The kind that `_Unsigned` makes of integers; xarray takes the words `true` and `false` only.
fn signedness(array: &Array, kind: char) -> char {
    match (kind, array.attributes.get("_Unsigned").and_then(Value::as_str)) {
        ('i', Some("true")) => 'u',
        ('u', Some("false")) => 'i',
        _ => kind,
    }
}

/// The clock of `units` that count from a moment.
fn clock(array: &Array, clocks: &dyn Clocks, remarks: &mut Vec<String>) -> Option<Arc<dyn Clock>> {
    let units = array.attributes.get("units").and_then(Value::as_str).filter(|units| units.contains("since"))?;
    let calendar = array.attributes.get("calendar").and_then(Value::as_str).unwrap_or("standard");
    match clocks.since(units, calendar) {
        Ok(clock) => Some(clock),
        Err(error) => {
            remarks.push(format!("times stay numbers: {error}"));
            None
        }
    }
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
