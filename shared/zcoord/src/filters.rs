//! Decodes filters that encode each element by itself: numcodecs' `fixedscaleoffset`, `quantize`, `bitround`, `astype`.
//!
//! Semantics: numcodecs 0.16's `decode` of each, in NumPy 2's arithmetic (a Python number takes the array's precision, and
//! integers divide in `float64`).

use half::{bf16, f16};
use serde_json::Value;
use zarray::{Array, NumberType, ZarrFormat, codec_name};

use crate::decode_error::DecodeError;
use crate::element::is_big_endian;
use crate::stored::{Stored, with_type};

/// Decodes the elementwise filters of an array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filters {
    /// Type of the elements in a decoded chunk.
    pub encoded: NumberType,
    /// In decoding order.
    steps: Vec<Step>,
}

/// One filter's decoding.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// Conversion to a type.
    Cast(NumberType),
    /// `x / scale + offset`, and conversion to a type.
    Unscale { scale: f64, offset: f64, to: NumberType },
}

impl Filters {
    /// The elementwise filters of `array`, whose own elements are `number`s; `None` where it has none.
    ///
    /// # Errors
    /// [`DecodeError::Filter`].
    pub fn of(array: &Array, number: Option<NumberType>) -> Result<Option<Filters>, DecodeError> {
        let chain = array.chain.innermost();
        let layout = |spec: &&Value| matches!(codec_name(spec), "transpose" | "bytes" | "endian" | "vlen-utf8");
        let specs: Vec<&Value> = chain.specs[..chain.kept].iter().filter(|spec| !layout(spec)).collect();
        let Some(first) = specs.first() else { return Ok(None) };
        let only_numbers = || DecodeError::Filter(format!("filter {:?} supports only numbers", codec_name(first)));
        let number = number.ok_or_else(only_numbers)?;
        let (mut at, mut steps) = (number, Vec::new());
        for spec in specs {
            let unknown = || DecodeError::Filter(format!("filter {spec} of {} is not supported", array.dtype));
            let (encoded, step) = decoding(spec, at).ok_or_else(unknown)?;
            steps.splice(0..0, step);
            at = encoded;
        }
        // Zarr v3 keeps byte order apart from types.
        let big_endian = if array.format == ZarrFormat::V3 { is_big_endian(array) } else { at.big_endian };
        Ok(Some(Filters { encoded: NumberType { big_endian, ..at }, steps }))
    }

    /// The elements of the array, little endian.
    pub fn undo(&self, bytes: &[u8]) -> Vec<u8> {
        let mut at = self.encoded;
        let mut decoded: Option<Vec<u8>> = None;
        for step in &self.steps {
            let numbers = Wide::read(at, decoded.as_deref().unwrap_or(bytes));
            at = match step {
                Step::Cast(to) | Step::Unscale { to, .. } => NumberType { big_endian: false, ..*to },
            };
            decoded = Some(match step {
                Step::Cast(_) => numbers.write(at),
                Step::Unscale { scale, offset, .. } => numbers.unscaled(*scale, *offset).write(at),
            });
        }
        decoded.unwrap_or_else(|| Wide::read(at, bytes).write(NumberType { big_endian: false, ..at }))
    }
}

/// The encoded type of a filter whose input has the type `from`, and its decoding step.
fn decoding(spec: &Value, from: NumberType) -> Option<(NumberType, Option<Step>)> {
    let name = codec_name(spec);
    let members = spec.get("configuration").unwrap_or(spec);
    // A type that is given, `Some(None)` if it is not supported.
    let typed = |key: &str| {
        let stated = members.get(key).filter(|dtype| !dtype.is_null());
        stated.map(|dtype| NumberType::from_v2(dtype).or_else(|| NumberType::from_v3(dtype.as_str()?, false)))
    };
    // The input type that the filter states must match its actual input.
    let fits = |stated: NumberType| (stated.kind, stated.size) == (from.kind, from.size);
    let own = typed("dtype").unwrap_or(Some(from)).filter(|stated| fits(*stated))?;
    match name.strip_prefix("numcodecs.").unwrap_or(name) {
        "bitround" => (from.kind == 'f').then_some((from, None)),
        "quantize" => Some((typed("astype").unwrap_or(Some(own))?, Some(Step::Cast(from)))),
        "astype" => {
            typed("decode_dtype").unwrap_or(Some(from)).filter(|stated| fits(*stated))?;
            Some((typed("encode_dtype")??, Some(Step::Cast(from))))
        }
        "fixedscaleoffset" => {
            let encoded = typed("astype").unwrap_or(Some(own))?;
            let (scale, offset) = (members.get("scale")?.as_f64()?, members.get("offset")?.as_f64()?);
            // NumPy would add in half precision, which is hardly intended.
            let half = encoded.size == 2 && matches!(encoded.kind, 'f' | 'B');
            (!half).then_some((encoded, Some(Step::Unscale { scale, offset, to: from })))
        }
        _ => None,
    }
}

/// Numbers in the widest type of their kind.
enum Wide {
    Signed(Vec<i64>),
    Unsigned(Vec<u64>),
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Wide {
    fn read(number: NumberType, bytes: &[u8]) -> Wide {
        let big_endian = number.big_endian;
        with_type!(number, T => match (number.kind, number.size) {
            ('i', _) => Wide::Signed(T::each(bytes, big_endian, Stored::i64)),
            ('f', 8) => Wide::Double(T::each(bytes, big_endian, Stored::f64)),
            ('f' | 'B', _) => Wide::Single(T::each(bytes, big_endian, Stored::f32)),
            _ => Wide::Unsigned(T::each(bytes, big_endian, Stored::u64)),
        })
    }

    fn unscaled(self, scale: f64, offset: f64) -> Wide {
        let doubles = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x / scale + offset).collect();
        match self {
            Wide::Single(numbers) => {
                let (scale, offset) = (scale as f32, offset as f32);
                Wide::Single(numbers.into_iter().map(|x| x / scale + offset).collect())
            }
            Wide::Double(numbers) => Wide::Double(doubles(&mut numbers.into_iter())),
            Wide::Signed(numbers) => Wide::Double(doubles(&mut numbers.into_iter().map(|x| x as f64))),
            Wide::Unsigned(numbers) => Wide::Double(doubles(&mut numbers.into_iter().map(|x| x as f64))),
        }
    }

    fn write(&self, to: NumberType) -> Vec<u8> {
        macro_rules! write {
            ($numbers:expr, $own:ty, $half:expr, $bfloat:expr) => {
                match (to.kind, to.size) {
                    ('i', 1) => flat($numbers, |x: $own| (x as i8).to_le_bytes()),
                    ('i', 2) => flat($numbers, |x: $own| (x as i16).to_le_bytes()),
                    ('i', 4) => flat($numbers, |x: $own| (x as i32).to_le_bytes()),
                    ('i', _) => flat($numbers, |x: $own| (x as i64).to_le_bytes()),
                    ('u', 1) => flat($numbers, |x: $own| (x as u8).to_le_bytes()),
                    ('u', 2) => flat($numbers, |x: $own| (x as u16).to_le_bytes()),
                    ('u', 4) => flat($numbers, |x: $own| (x as u32).to_le_bytes()),
                    ('u', _) => flat($numbers, |x: $own| (x as u64).to_le_bytes()),
                    ('f', 2) => flat($numbers, |x: $own| $half(x as _).to_le_bytes()),
                    ('f', 4) => flat($numbers, |x: $own| (x as f32).to_le_bytes()),
                    ('f', _) => flat($numbers, |x: $own| (x as f64).to_le_bytes()),
                    ('B', _) => flat($numbers, |x: $own| $bfloat(x as _).to_le_bytes()),
                    _ => flat($numbers, |x: $own| [u8::from(x != 0 as $own)]),
                }
            };
        }
        match self {
            Wide::Signed(numbers) => write!(numbers, i64, f16::from_f64, bf16::from_f64),
            Wide::Unsigned(numbers) => write!(numbers, u64, f16::from_f64, bf16::from_f64),
            Wide::Single(numbers) => write!(numbers, f32, f16::from_f32, bf16::from_f32),
            Wide::Double(numbers) => write!(numbers, f64, f16::from_f64, bf16::from_f64),
        }
    }
}

fn flat<T: Copy, const N: usize>(numbers: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let elements: Vec<[u8; N]> = numbers.iter().map(|number| bytes(*number)).collect();
    elements.into_flattened()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn filters(dtype: &str, specs: Value) -> Result<Option<Filters>, DecodeError> {
        let text = json!({"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": dtype, "fill_value": null,
            "order": "C", "filters": specs, "compressor": null});
        let array = zarray::array_v2("/x", text.to_string().as_bytes(), None).expect("an array");
        Filters::of(&array, NumberType::from_v2(&json!(dtype)))
    }

    fn singles(bytes: &[u8]) -> Vec<f32> {
        f32::each(bytes, false, |value| value)
    }

    /// numcodecs 0.16.6 with NumPy 2.4.6 gives these.
    #[test]
    fn fixed_scale_and_offset() {
        let spec = |astype: &str| {
            json!([{"id": "fixedscaleoffset", "dtype": "<f4", "astype": astype, "scale": 10,
            "offset": 3.3}])
        };
        let undo = |astype: &str, bytes: &[u8]| {
            singles(&filters("<f4", spec(astype)).expect("known").expect("one").undo(bytes))
        };
        let expected = [3.4, 3.5, 2.6];
        assert_eq!(undo("<i2", &[1, 0, 2, 0, 0xf9, 0xff]), expected);
        assert_eq!(undo(">i2", &[0, 1, 0, 2, 0xff, 0xf9]), expected);
        assert_eq!(undo("|u1", &[1, 2]), expected[..2]);
        let floats: Vec<u8> = [1f32, 2.0, -7.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(undo("<f4", &floats), [1f32, 2.0, -7.0].map(|x| x / 10.0 + 3.3));
    }

    #[test]
    fn filters_are_undone_last_first() {
        let specs = json!([{"id": "quantize", "digits": 1, "dtype": "<f8", "astype": "<f4"},
            {"id": "bitround", "keepbits": 9}, {"id": "astype", "encode_dtype": ">i2", "decode_dtype": "<f4"}]);
        let filters = filters("<f8", specs).expect("known").expect("three");
        assert_eq!(filters.encoded, NumberType { kind: 'i', size: 2, big_endian: true });
        assert_eq!(f64::each(&filters.undo(&[0xff, 0xfe, 1, 0]), false, |x| x), [-2.0, 256.0]);
    }

    #[test]
    fn what_cannot_be_undone_is_named() {
        for (dtype, spec, word) in [
            ("<f4", json!({"id": "fixedscaleoffset", "dtype": "<f8", "scale": 1, "offset": 0}), "fixedscaleoffset"),
            ("<f4", json!({"id": "fixedscaleoffset", "dtype": "<f4", "scale": "x", "offset": 0}), "fixedscaleoffset"),
            ("<f2", json!({"id": "fixedscaleoffset", "dtype": "<f2", "scale": 1, "offset": 0}), "fixedscaleoffset"),
            ("<i4", json!({"id": "bitround", "keepbits": 3}), "bitround"),
            ("<f4", json!({"id": "astype", "decode_dtype": "<f4"}), "astype"),
            ("<f4", json!({"id": "delta", "dtype": "<f4"}), "delta"),
            ("<M8[s]", json!({"id": "astype"}), "only numbers"),
        ] {
            let error = filters(dtype, json!([spec])).expect_err(word);
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(filters("<f4", Value::Null), Ok(None));
    }

    proptest! {
        #[test]
        fn casts_that_lose_nothing_come_back(values: Vec<i16>) {
            let specs = json!([{"id": "astype", "encode_dtype": "<i2", "decode_dtype": "<i8"}]);
            let filters = filters("<i8", specs).expect("known").expect("one");
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let undone = i64::each(&filters.undo(&bytes), false, |value| value);
            prop_assert_eq!(undone, values.into_iter().map(i64::from).collect::<Vec<_>>());
        }
    }
}
