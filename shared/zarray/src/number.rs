//! Converts the numeric types of NumPy and Zarr to and from bytes. Used for single values; nothing
//! here touches data.

#![allow(clippy::cast_possible_truncation, reason = "bits of numbers, not sizes")]

use serde_json::Value;

/// What a number is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberType {
    /// NumPy's letter: `b`, `i`, `u` or `f`; `B` is bfloat16.
    pub kind: char,
    /// Bytes.
    pub size: usize,
    /// Whether the first byte is the most significant.
    pub big_endian: bool,
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Of an integer or boolean type.
    Int(i128),
    /// Of a floating-point type.
    Float(f64),
}

impl NumberType {
    /// A NumPy type string: `<f4`, `>i2`, `|b1`.
    pub fn from_v2(dtype: &Value) -> Option<NumberType> {
        let text = dtype.as_str()?;
        let plain = text.trim_start_matches(['<', '>', '|', '=']);
        let (kind, size) = (plain.chars().next()?, plain.get(1..)?.parse().ok()?);
        let known = matches!((kind, size), ('b', 1) | ('i' | 'u', 1 | 2 | 4 | 8) | ('f', 2 | 4 | 8));
        known.then_some(NumberType { kind, size, big_endian: text.starts_with('>') })
    }

    /// The name of a Zarr v3 data type.
    pub fn from_v3(name: &str, big_endian: bool) -> Option<NumberType> {
        let (kind, size) = match name {
            "bool" => ('b', 1),
            "int8" => ('i', 1),
            "int16" => ('i', 2),
            "int32" => ('i', 4),
            "int64" => ('i', 8),
            "uint8" => ('u', 1),
            "uint16" => ('u', 2),
            "uint32" => ('u', 4),
            "uint64" => ('u', 8),
            "float16" => ('f', 2),
            "bfloat16" => ('B', 2),
            "float32" => ('f', 4),
            "float64" => ('f', 8),
            _ => return None,
        };
        Some(NumberType { kind, size, big_endian })
    }

    /// The bytes of the metadata value `value`: a number, a boolean, `"NaN"`, `"Infinity"`, or the bits as `"0x…"`.
    pub fn element(self, value: &Value) -> Option<Vec<u8>> {
        match value {
            Value::Bool(value) => self.encode(Number::Int(i128::from(*value))),
            Value::Number(number) => match number.as_i64().map(i128::from).or(number.as_u64().map(i128::from)) {
                Some(integer) => self.encode(Number::Int(integer)),
                None => self.encode(Number::Float(number.as_f64()?)),
            },
            Value::String(text) => match text.strip_prefix("0x") {
                Some(digits) if self.is_float() => Some(self.bytes(u64::from_str_radix(digits, 16).ok()?)),
                _ if self.is_float() => self.encode(Number::Float(float_word(text)?)),
                _ => None,
            },
            _ => None,
        }
    }

    /// `number` as bytes; `None` if the type cannot hold it.
    pub fn encode(self, number: Number) -> Option<Vec<u8>> {
        if self.is_float() {
            let value = match number {
                Number::Int(integer) => integer as f64,
                Number::Float(value) => value,
            };
            return Some(self.bytes(self.float_bits(value)));
        }
        let integer = match number {
            Number::Int(integer) => integer,
            Number::Float(value) if value.fract() == 0.0 && value.abs() < 1e30 => value as i128,
            Number::Float(_) => return None,
        };
        let bits = 8 * self.size as u32;
        let holds = match self.kind {
            'b' => 0..=1,
            'u' => 0..=(1i128 << bits) - 1,
            _ => -(1i128 << (bits - 1))..=(1i128 << (bits - 1)) - 1,
        };
        holds.contains(&integer).then(|| self.bytes(integer as u64))
    }

    /// The number in `bytes`; `None` if there are too few bytes or the type is not supported.
    pub fn decode(self, bytes: &[u8]) -> Option<Number> {
        let mut word = [0; 8];
        word[..self.size].copy_from_slice(bytes.get(..self.size)?);
        if self.big_endian {
            word[..self.size].reverse();
        }
        let bits = u64::from_le_bytes(word);
        let unused = 64 - 8 * self.size as u32;
        match (self.kind, self.size) {
            ('f', 4) => Some(Number::Float(f64::from(f32::from_bits(bits as u32)))),
            ('f', 8) => Some(Number::Float(f64::from_bits(bits))),
            ('i', _) => Some(Number::Int(i128::from((bits << unused) as i64 >> unused))),
            ('u' | 'b', _) => Some(Number::Int(i128::from(bits))),
            _ => None,
        }
    }

    fn is_float(self) -> bool {
        matches!(self.kind, 'f' | 'B')
    }

    fn float_bits(self, value: f64) -> u64 {
        match (self.kind, self.size) {
            ('f', 4) => u64::from((value as f32).to_bits()),
            ('f', 8) => value.to_bits(),
            ('B', _) => small_float(value, 8, 7),
            _ => small_float(value, 5, 10),
        }
    }

    /// The low bytes of `bits`, in the type's byte order.
    fn bytes(self, bits: u64) -> Vec<u8> {
        let mut bytes = bits.to_le_bytes()[..self.size].to_vec();
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }
}

/// A floating-point number as text, as Python's `float` reads it: `NaN`, `nan`, `-Infinity`, `inf`, `1e20`.
fn float_word(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// The bits of `value` as an IEEE 754 number of `exponent` and `mantissa` bits, rounded to nearest, ties to even.
fn small_float(value: f64, exponent: u32, mantissa: i32) -> u64 {
    let sign = u64::from(value.is_sign_negative()) << (exponent as i32 + mantissa);
    let infinity = ((1u64 << exponent) - 1) << mantissa;
    if value.is_nan() {
        return sign | infinity | 1 << (mantissa - 1);
    }
    let bias = (1i32 << (exponent - 1)) - 1;
    let power = ((value.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(1 - bias);
    if value.is_infinite() || power > bias {
        return sign | infinity;
    }
    let units = (value.abs() * 2f64.powi(mantissa - power)).round_ties_even() as u64;
    // A carry out of the mantissa is the next exponent, and out of the largest one infinity.
    sign | (((power + bias - 1) as u64) << mantissa).wrapping_add(units)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn small_floats_round_as_numpy_does() {
        let half = |value| small_float(value, 5, 10);
        for (value, bits) in [
            (0.0, 0),
            (-0.0, 0x8000),
            (1.0, 0x3c00),
            (1.5, 0x3e00),
            (-2.0, 0xc000),
            (65504.0, 0x7bff),
            (65519.0, 0x7bff),
            (65520.0, 0x7c00),
            (1e9, 0x7c00),
            (f64::NEG_INFINITY, 0xfc00),
            (f64::NAN, 0x7e00),
            (6e-8, 0x0001),
            (2.9e-8, 0x0000),
            (6.1e-5, 0x03ff),
            (0.1, 0x2e66),
        ] {
            assert_eq!(half(value), bits, "{value}");
        }
        assert_eq!((small_float(1.0, 8, 7), small_float(3.3895e38, 8, 7)), (0x3f80, 0x7f7f));
    }

    #[test]
    fn what_a_type_cannot_hold_is_refused() {
        let number = |dtype: &str, value: Value| NumberType::from_v2(&json!(dtype)).expect("numeric").element(&value);
        assert_eq!(number("<i2", json!(-9999.0)), Some(vec![0xf1, 0xd8]));
        assert_eq!(number(">i2", json!(-2)), Some(vec![0xff, 0xfe]));
        assert_eq!(number("<u8", json!(u64::MAX)), Some(vec![0xff; 8]));
        assert_eq!(number("<f4", json!("0x7fc00001")), Some(vec![1, 0, 0xc0, 0x7f]));
        for (dtype, value) in [("<i2", json!(1.5)), ("|u1", json!(-1)), ("|b1", json!(2)), ("<i4", json!("NaN"))] {
            assert_eq!(number(dtype, value), None, "{dtype}");
        }
        assert_eq!(NumberType::from_v2(&json!("<M8[ns]")), None);
    }

    proptest! {
        #[test]
        fn integers_come_back(value: i32, big_endian: bool) {
            for kind in [NumberType { kind: 'i', size: 4, big_endian }, NumberType { kind: 'i', size: 8, big_endian }] {
                let bytes = kind.encode(Number::Int(value.into())).expect("fits");
                prop_assert_eq!(kind.decode(&bytes), Some(Number::Int(value.into())));
            }
        }

        /// Through the 32-bit float, which has no shorter neighbour that rounds otherwise for these sizes.
        #[test]
        fn bfloat_is_the_rounded_upper_half(value: f32) {
            prop_assume!(value.is_finite());
            let bits = value.to_bits();
            let rounded = (u64::from(bits) + 0x7fff + u64::from(bits >> 16 & 1)) >> 16;
            prop_assert_eq!(small_float(f64::from(value), 8, 7), rounded);
        }
    }
}
