//! Decodes filters that encode each element by itself: numcodecs' `fixedscaleoffset`, `quantize`, `bitround`, `astype`, and
//! Zarr v3's `scale_offset` and `cast_value`.
//!
//! Semantics: numcodecs 0.16's `decode` of each, in NumPy 2's arithmetic (a Python number takes the array's precision, and
//! integers divide in `float64`); for those of Zarr v3 zarr-python 3.2, which stays within the type of the array.

use half::{bf16, f16};
use serde_json::Value;
use zarray::{Array, Number, NumberType, ZarrFormat, codec_name};

use crate::decode_error::DecodeError;
use crate::element::is_big_endian;
use crate::stored::{Stored, with_type};

/// Decodes the elementwise filters of an array.
#[derive(Debug, Clone, PartialEq)]
pub struct Filters {
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
    /// `x // scale + offset` of integers.
    UnscaleWhole { scale: i128, offset: i128, to: NumberType },
    /// Conversion to a type, but for some numbers, which stand for others.
    CastValue { map: Vec<(Number, Vec<u8>)>, to: NumberType },
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
                Step::Cast(to)
                | Step::Unscale { to, .. }
                | Step::UnscaleWhole { to, .. }
                | Step::CastValue { to, .. } => NumberType { big_endian: false, ..*to },
            };
            decoded = Some(match step {
                Step::Cast(_) => numbers.write(at),
                Step::UnscaleWhole { scale, offset, .. } => numbers.unscaled_whole(*scale, *offset).write(at),
                Step::CastValue { map, .. } => numbers.mapped(map, at),
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
        "scale_offset" => Some((from, Some(scale_offset(members, from)?))),
        "cast_value" => cast_value(members, from),
        _ => None,
    }
}

/// A number of the metadata in the type of the elements.
fn scalar(value: &Value, number: NumberType) -> Option<Number> {
    number.decode(&number.element(value)?)
}

/// Zarr v3's `scale_offset`. The arithmetic of halves is left out.
fn scale_offset(members: &Value, from: NumberType) -> Option<Step> {
    let member = |key: &str, default: i64| scalar(members.get(key).unwrap_or(&default.into()), from);
    match (member("scale", 1)?, member("offset", 0)?) {
        (Number::Float(scale), Number::Float(offset)) if from.size >= 4 => {
            Some(Step::Unscale { scale, offset, to: from })
        }
        (Number::Int(scale), Number::Int(offset)) if from.kind != 'b' && scale != 0 => {
            Some(Step::UnscaleWhole { scale, offset, to: from })
        }
        _ => None,
    }
}

/// Zarr v3's `cast_value`, where every stored number has a value in the type of the array: nothing is rounded to a whole
/// number or out of range.
fn cast_value(members: &Value, to: NumberType) -> Option<(NumberType, Option<Step>)> {
    let stored = NumberType::from_v3(members.get("data_type")?.as_str()?, false)?;
    let wraps = members.get("out_of_range").and_then(Value::as_str) == Some("wrap");
    let holds = match (stored.kind, to.kind) {
        ('i' | 'u', 'f') => to.size >= 4,
        ('f', 'f') | ('i', 'i') | ('u', 'u') => wraps && to.kind != 'f' || to.size >= stored.size,
        ('u', 'i') => wraps || to.size > stored.size,
        ('i', 'u') => wraps,
        _ => false,
    };
    let listed =
        members.pointer("/scalar_map/decode").map_or(Some(&[][..]), |map| map.as_array().map(Vec::as_slice))?;
    let little = NumberType { big_endian: false, ..to };
    let entry = |pair: &Value| Some((scalar(pair.get(0)?, stored)?, little.element(pair.get(1)?)?));
    let map = listed.iter().map(entry).collect::<Option<Vec<_>>>()?;
    holds.then_some((stored, Some(Step::CastValue { map, to })))
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

    /// `x // scale + offset`, rounded down, in the bits of the type.
    fn unscaled_whole(self, scale: i128, offset: i128) -> Wide {
        let whole = |x: i128| {
            let (quotient, rest) = (x / scale, x % scale);
            quotient - i128::from(rest != 0 && (rest < 0) != (scale < 0)) + offset
        };
        match self {
            Wide::Signed(numbers) => Wide::Signed(numbers.into_iter().map(|x| whole(x.into()) as i64).collect()),
            Wide::Unsigned(numbers) => Wide::Unsigned(numbers.into_iter().map(|x| whole(x.into()) as u64).collect()),
            floats => floats,
        }
    }

    /// The numbers in another type; those in `map` become the elements that it has for them.
    fn mapped(&self, map: &[(Number, Vec<u8>)], to: NumberType) -> Vec<u8> {
        let mut elements = self.write(to);
        for (key, value) in map {
            let at = |number: usize| match (self, key) {
                (Wide::Signed(numbers), Number::Int(key)) => i128::from(numbers[number]) == *key,
                (Wide::Unsigned(numbers), Number::Int(key)) => i128::from(numbers[number]) == *key,
                (Wide::Single(numbers), Number::Float(key)) => is_same(f64::from(numbers[number]), *key),
                (Wide::Double(numbers), Number::Float(key)) => is_same(numbers[number], *key),
                _ => false,
            };
            let elements = elements.chunks_exact_mut(to.size).enumerate();
            elements.filter(|(number, _)| at(*number)).for_each(|(_, element)| element.copy_from_slice(value));
        }
        elements
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

fn is_same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
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

    fn filters_v3(data_type: &str, specs: Value) -> Result<Option<Filters>, DecodeError> {
        let mut codecs = specs.as_array().expect("a list").clone();
        codecs.push(json!({"name": "bytes", "configuration": {"endian": "little"}}));
        let text = json!({"zarr_format": 3, "node_type": "array", "shape": [4], "data_type": data_type, "fill_value": 0,
            "codecs": codecs, "chunk_key_encoding": {"name": "default"},
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}}});
        let Ok(zarray::Node::Array(array)) = zarray::node_v3("/x", text.to_string().as_bytes()) else {
            panic!("an array")
        };
        Filters::of(&array, NumberType::from_v3(data_type, false))
    }

    /// The values that NumPy 2.4 computes for zarr-python 3.2: reflectances of Sentinel-2 as EOPF stores them.
    #[test]
    fn scale_offset_and_cast_value() {
        let scale_offset = json!({"name": "scale_offset", "configuration": {"offset": -0.1, "scale": 10000.0}});
        let map = json!({"encode": [["NaN", 0]], "decode": [[0, "NaN"]]});
        let cast = json!({"name": "cast_value", "configuration": {"data_type": "uint16", "scalar_map": map}});
        let filters = filters_v3("float32", json!([scale_offset, cast])).expect("known").expect("two");
        assert_eq!(filters.encoded, NumberType { kind: 'u', size: 2, big_endian: false });
        let stored: Vec<u8> = [0u16, 1000, 2000, 65535].iter().flat_map(|x| x.to_le_bytes()).collect();
        let found = singles(&filters.undo(&stored));
        assert!(found[0].is_nan());
        assert_eq!(found[1..], [1000.0 / 10000.0 + -0.1f32, 2000.0 / 10000.0 + -0.1f32, 65535.0 / 10000.0 + -0.1f32]);
        let whole = json!({"name": "scale_offset", "configuration": {"offset": 5, "scale": 4}});
        let filters = filters_v3("int32", json!([whole])).expect("known").expect("one");
        let stored: Vec<u8> = [-7i32, 7, -8].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(i32::each(&filters.undo(&stored), false, |x| x), [3, 6, 3]);
        let wrap = json!({"name": "cast_value", "configuration": {"data_type": "int16", "out_of_range": "wrap"}});
        let filters = filters_v3("uint8", json!([wrap])).expect("known").expect("one");
        assert_eq!(filters.undo(&[0xff, 0xff, 7, 1]), [255, 7]);
    }

    #[test]
    fn casts_that_could_fail_are_named() {
        let cast = |configuration: Value| json!([{"name": "cast_value", "configuration": configuration}]);
        for (data_type, specs, word) in [
            ("uint8", cast(json!({"data_type": "int16"})), "cast_value"),
            ("int16", cast(json!({"data_type": "float32", "rounding": "towards-zero"})), "cast_value"),
            ("float32", cast(json!({"data_type": "float64"})), "cast_value"),
            ("float32", cast(json!({"data_type": "uint8", "scalar_map": {"decode": [["x", 1]]}})), "cast_value"),
            ("int8", json!([{"name": "scale_offset", "configuration": {"scale": 0.5}}]), "scale_offset"),
            ("int8", json!([{"name": "scale_offset", "configuration": {"scale": 0}}]), "scale_offset"),
            ("float16", json!([{"name": "scale_offset", "configuration": {"scale": 2}}]), "scale_offset"),
        ] {
            let error = filters_v3(data_type, specs).expect_err(word);
            assert!(error.to_string().contains(word), "{error}");
        }
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
