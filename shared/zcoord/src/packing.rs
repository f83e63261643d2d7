//! Packed numbers: `scale_factor` and `add_offset`, and the type of what they unpack to, as xarray 2026.9 chooses it
//! (`_choose_float_dtype` and `maybe_promote` in `coding/variables.py` and `core/dtypes.py`).

use serde_json::{Map, Value};
use zarray::{Number, NumberType};

use crate::attribute::{double, number, scalars};
use crate::decode_error::DecodeError;
use crate::masks::Masks;

/// Type of unpacked values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// The stored type, widened only if [`crate::Values`] has no such type.
    Keep,
    /// `float32`, by the arithmetic of `float16`.
    Half(Affine<f32>),
    /// `float32`.
    Single(Option<Affine<f32>>),
    /// `float64`.
    Double(Option<Affine<f64>>),
    /// `int64`: a whole number times a whole scale factor.
    Integer(i64),
    /// Booleans: everything except zero.
    Truth,
}

/// `x * scale + offset`, in this order, each step rounded. The defaults are 1 and -0, which change no number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine<T> {
    pub scale: T,
    pub offset: T,
}

/// The packing of a variable, where it has one: either attribute is there, if only as `null`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Packing {
    scale: Option<Number>,
    offset: Option<Number>,
}

impl Packing {
    /// The packing that attributes state.
    ///
    /// # Errors
    /// [`DecodeError::Attribute`], which names the one that is not a number.
    pub fn of(attributes: &Map<String, Value>) -> Result<Option<Packing>, DecodeError> {
        let packed = attributes.contains_key("scale_factor") || attributes.contains_key("add_offset");
        let one = |key: &str| match attributes.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let found = match scalars(value).as_slice() {
                    [only] => number(only),
                    _ => None,
                };
                let wrong = || DecodeError::Attribute(format!("attribute {key} is {value}, not a number"));
                found.map(Some).ok_or_else(wrong)
            }
        };
        let packing = Packing { scale: one("scale_factor")?, offset: one("add_offset")? };
        Ok(packed.then_some(packing))
    }

    /// A note on packing that xarray handles differently.
    pub fn note(self, from: NumberType, masks: &Masks) -> Option<String> {
        let whole = matches!((self.scale, self.offset), (Some(Number::Int(_)), None));
        let cut = whole && matches!(from.kind, 'f' | 'B') && !masks.stated;
        cut.then(|| {
            "scale_factor is an integer, for which xarray truncates values to integers; fractions are kept here".into()
        })
    }

    fn doubles(self) -> Affine<f64> {
        Affine { scale: self.scale.map_or(1.0, double), offset: self.offset.map_or(-0.0, double) }
    }

    fn singles(self) -> Affine<f32> {
        let Affine { scale, offset } = self.doubles();
        Affine { scale: scale as f32, offset: offset as f32 }
    }

    /// The target of elements of type `from` by xarray's general rules.
    fn chosen(self, from: NumberType, masked: bool) -> Target {
        match (self.scale, self.offset) {
            (None, None) if single_holds(from) => Target::Single(Some(self.singles())),
            // xarray converts floats to `int64` too, which truncates them, and fails if anything is masked.
            (Some(Number::Int(scale)), None) if matches!(from.kind, 'i' | 'u' | 'b') && !masked => {
                i64::try_from(scale).map_or(Target::Double(Some(self.doubles())), Target::Integer)
            }
            _ => Target::Double(Some(self.doubles())),
        }
    }
}

impl Target {
    /// What elements of type `from` become. `time`: they are counts of time units, which integers stay.
    pub fn of(from: NumberType, masks: &Masks, packing: Option<Packing>, time: bool) -> Target {
        let Some(packing) = packing else { return without_packing(from, masks, time) };
        // A fill value of NaN only: xarray takes the type for chosen already.
        let kept = masks.stated && !masks.promotes && !time;
        match (from.kind, from.size) {
            ('f', 2) if kept => Target::Half(packing.singles()),
            ('f', 4) | ('B', _) if kept => Target::Single(Some(packing.singles())),
            _ => packing.chosen(from, masks.promotes),
        }
    }
}

fn without_packing(from: NumberType, masks: &Masks, time: bool) -> Target {
    match from.kind {
        'i' | 'u' if masks.promotes && !time => {
            if from.size <= 2 {
                Target::Single(None)
            } else {
                Target::Double(None)
            }
        }
        'f' | 'B' if from.size <= 4 => Target::Single(None),
        'f' => Target::Double(None),
        _ => Target::Keep,
    }
}

/// Whether `float32` takes the type without stated factors.
fn single_holds(from: NumberType) -> bool {
    matches!((from.kind, from.size), ('f' | 'B', 2 | 4) | ('i' | 'u', 1 | 2))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(dtype: &str, fills: &[f64], stated: bool, attributes: Value) -> Target {
        let from = NumberType::from_v2(&json!(dtype)).expect("a number type");
        let fills: Vec<Number> = fills.iter().map(|fill| Number::Float(*fill)).collect();
        let masks = Masks { promotes: !fills.is_empty(), stated: stated || !fills.is_empty(), fills };
        let packing = Packing::of(attributes.as_object().expect("an object")).expect("numbers");
        Target::of(from, &masks, packing, false)
    }

    /// xarray 2026.9 gives these types.
    #[test]
    fn types_without_packing() {
        let (single, double) = (Target::Single(None), Target::Double(None));
        for (dtype, plain, masked) in [
            ("|i1", Target::Keep, single),
            (">u2", Target::Keep, single),
            ("<i4", Target::Keep, double),
            ("<u8", Target::Keep, double),
            ("<f2", single, single),
            ("<f4", single, single),
            ("<f8", double, double),
            ("|b1", Target::Keep, Target::Keep),
        ] {
            let found = (target(dtype, &[], false, json!({})), target(dtype, &[1.0], false, json!({})));
            assert_eq!(found, (plain, masked), "{dtype}");
        }
    }

    /// xarray 2026.9 gives these types, but for those that it fails on or cuts.
    #[test]
    fn types_of_packed_numbers() {
        let double = |scale, offset| Target::Double(Some(Affine { scale, offset }));
        let single = |scale, offset| Target::Single(Some(Affine { scale, offset }));
        let both = json!({"scale_factor": 0.5, "add_offset": 3});
        for (dtype, fills, stated, attributes, expected) in [
            ("<i2", &[][..], false, both.clone(), double(0.5, 3.0)),
            ("<i2", &[1.0], false, both.clone(), double(0.5, 3.0)),
            ("<i2", &[], false, json!({"scale_factor": [0.5]}), double(0.5, -0.0)),
            ("<i2", &[], false, json!({"scale_factor": 2}), Target::Integer(2)),
            ("<i2", &[1.0], false, json!({"scale_factor": 2}), double(2.0, -0.0)),
            ("<f4", &[], false, json!({"scale_factor": 2}), double(2.0, -0.0)),
            ("<i2", &[], false, json!({"add_offset": 2}), double(1.0, 2.0)),
            ("<i2", &[], false, json!({"scale_factor": null}), single(1.0, -0.0)),
            ("<i4", &[], false, json!({"scale_factor": null}), double(1.0, -0.0)),
            ("<f4", &[], true, both.clone(), single(0.5, 3.0)),
            ("<f4", &[1.0], true, both.clone(), double(0.5, 3.0)),
            ("<f8", &[], true, both.clone(), double(0.5, 3.0)),
            ("<f2", &[], true, both.clone(), Target::Half(Affine { scale: 0.5, offset: 3.0 })),
            ("<f2", &[], false, both.clone(), double(0.5, 3.0)),
            ("|b1", &[], false, both, double(0.5, 3.0)),
        ] {
            assert_eq!(target(dtype, fills, stated, attributes.clone()), expected, "{dtype} {attributes}");
        }
    }

    #[test]
    fn what_is_no_number_is_named() {
        for value in [json!("0.1"), json!([1, 2]), json!({}), json!(true)] {
            let attributes = json!({"scale_factor": value});
            let error = Packing::of(attributes.as_object().expect("an object")).expect_err("no number");
            assert!(error.to_string().contains("scale_factor"), "{error}");
        }
    }
}
