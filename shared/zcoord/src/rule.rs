//! How the elements of one variable are decoded, from its data type and attributes.

use std::sync::Arc;

use serde_json::Value;
use zarray::{Array, NumberType, ZarrFormat};

use crate::clock::{Clock, Clocks};
use crate::decode_error::DecodeError;
use crate::decode_options::{DecodeOptions, Mode};
use crate::element::Element;
use crate::masks::{Masks, Origin};
use crate::numeric::Numeric;
use crate::packing::{Packing, Target};
use crate::range::Range;
use crate::stored::with_type;
use crate::text::Texts;
use crate::values::{Kind, NOT_A_TIME};

/// Units that xarray knows for durations. It leaves them undecoded, but masks integers in them without making floats of
/// them.
const DURATIONS: [&str; 7] = ["days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"];

/// Decoding action.
#[derive(Clone)]
pub(crate) enum Action {
    /// Numbers.
    Numbers(Numeric),
    /// Numbers that count from a reference time.
    Moments(Numeric, Arc<dyn Clock>),
    /// Text.
    Texts(Texts),
}

/// How elements are decoded.
#[derive(Clone)]
pub(crate) struct DecodeRule {
    pub action: Action,
    /// Valid packed numbers.
    pub range: Range,
    /// Attributes that no longer apply to decoded values, besides those of packing.
    pub consumed: Vec<&'static str>,
    /// Attributes that were not supported or not applied.
    pub notes: Vec<String>,
}

impl DecodeRule {
    /// The rule of `array`, whose elements are `element`s. `filtered`: they were decoded by filters, and are little endian.
    ///
    /// # Errors
    /// Any [`DecodeError`] except that of filters.
    pub fn of(
        array: &Array,
        element: &Element,
        filtered: bool,
        options: DecodeOptions,
        clocks: &dyn Clocks,
    ) -> Result<DecodeRule, DecodeError> {
        let zarr_fill = options.fill_value_as_mask.unwrap_or(array.format == ZarrFormat::V2);
        let native = |number: NumberType| NumberType { big_endian: number.big_endian && !filtered, ..number };
        let masked = options.mode == Mode::Cf;
        let action = match (element, element.number().map(native)) {
            (Element::Number(stored), Some(read)) if masked => return cf(array, *stored, read, zarr_fill, clocks),
            (Element::Moment(unit, _), Some(read)) => {
                let unknown = || DecodeError::DataType(format!("time unit {unit:?} is not supported"));
                let clock = clocks.datetime64(unit).ok_or_else(unknown)?;
                Action::Moments(Numeric::plain(read), clock)
            }
            // NumPy's NaT marks missing durations, too.
            (Element::Span(_), Some(read)) => {
                Action::Numbers(Numeric { whole_fills: vec![NOT_A_TIME], ..Numeric::plain(read) })
            }
            (_, Some(read)) => Action::Numbers(Numeric::plain(read)),
            (_, None) => Action::Texts(Texts::of(array, element, masked, zarr_fill)?),
        };
        let consumed = if matches!(action, Action::Texts(_)) { vec!["_Encoding"] } else { Vec::new() };
        Ok(DecodeRule { action, range: Range::default(), consumed, notes: Vec::new() })
    }

    /// Kind of the decoded values.
    pub fn kind(&self) -> Kind {
        match &self.action {
            Action::Numbers(numeric) => numeric.kind(),
            Action::Moments(_, clock) => Kind::Time(clock.calendar()),
            Action::Texts(_) => Kind::Text,
        }
    }

    /// Which of the rows that could be read are outside the valid range; empty if there is none.
    pub fn outside(&self, bytes: &[u8], failed: &[bool]) -> Vec<bool> {
        let (Action::Numbers(numeric) | Action::Moments(numeric, _)) = &self.action else { return Vec::new() };
        if self.range.is_open() {
            return Vec::new();
        }
        let mut outside = with_type!(numeric.read, T => self.range.outside::<T>(bytes, numeric.read, &numeric.fills));
        outside.iter_mut().zip(failed).for_each(|(outside, failed)| *outside &= !failed);
        outside
    }
}

/// The rule of numbers by the attributes of CF, in the order of xarray's `decode_cf_variable`.
fn cf(
    array: &Array,
    stored: NumberType,
    read: NumberType,
    zarr_fill: bool,
    clocks: &dyn Clocks,
) -> Result<DecodeRule, DecodeError> {
    let read = NumberType { kind: signedness(array, read.kind), ..read };
    let origin = if zarr_fill { Origin::Zarr } else { Origin::Attribute };
    let packing = Packing::of(&array.attributes)?;
    let masks = match (read.kind, packing) {
        ('b', None) => Masks::default(),
        _ => Masks::of(array, stored, NumberType { kind: read.kind, ..stored }, origin)?,
    };
    let (range, mut notes) = Range::of(array, read, read.kind != stored.kind, packing.is_some());
    let clock = if read.kind == 'b' { None } else { clock(array, clocks, &mut notes) };
    let duration = text(array, "units").is_some_and(|units| DURATIONS.contains(&units));
    let truth = is_truth(array, read) && packing.is_none() && clock.is_none();
    let target = match Target::of(read, &masks, packing, clock.is_some() || duration) {
        _ if truth => Target::Truth,
        Target::Keep if duration && masks.promotes => Target::Integer(1),
        target => target,
    };
    notes.extend(packing.and_then(|packing| packing.note(read, &masks)));
    let numeric = Numeric { read, target, fills: masks.doubles(), whole_fills: masks.integers() };
    let mut consumed = if truth { vec!["dtype"] } else { Vec::new() };
    let action = match clock {
        Some(clock) => {
            consumed.extend(["units", "calendar"]);
            Action::Moments(numeric, clock)
        }
        None => Action::Numbers(numeric),
    };
    Ok(DecodeRule { action, range, consumed, notes })
}

fn text<'a>(array: &'a Array, key: &str) -> Option<&'a str> {
    array.attributes.get(key).and_then(Value::as_str)
}

/// Whether integers are booleans, as stored by earlier versions of xarray.
fn is_truth(array: &Array, read: NumberType) -> bool {
    matches!(read.kind, 'i' | 'u') && text(array, "dtype") == Some("bool")
}

/// The kind that `_Unsigned` makes of integers; xarray accepts only `true` and `false`.
fn signedness(array: &Array, kind: char) -> char {
    match (kind, text(array, "_Unsigned")) {
        ('i', Some("true")) => 'u',
        ('u', Some("false")) => 'i',
        _ => kind,
    }
}

/// The clock of `units` that count from a reference time.
fn clock(array: &Array, clocks: &dyn Clocks, notes: &mut Vec<String>) -> Option<Arc<dyn Clock>> {
    let units = text(array, "units").filter(|units| units.contains("since"))?;
    let clock = clocks.since(units, text(array, "calendar").unwrap_or("standard"));
    clock.map_err(|error| notes.push(format!("times are left as numbers: {error}"))).ok()
}
