//! Numbers of any type as `float64`, for those of two types.

use half::{bf16, f16};
use zarray::{Number, NumberType};

use crate::value_type::Class;

/// What they become.
pub const CLASS: Class = Class::Number(NumberType { kind: 'f', size: SIZE, big_endian: false });
/// Bytes of each.
pub const SIZE: usize = 8;

/// The numbers in `values`, little endian.
pub fn of(class: Class, values: &[u8]) -> Vec<u8> {
    let Class::Number(number) = class else { return Vec::new() };
    let double = |bytes: &[u8]| match (number.kind, bytes, number.decode(bytes)) {
        (_, _, Some(Number::Int(value))) => value as f64,
        (_, _, Some(Number::Float(value))) => value,
        ('B', [low, high, ..], None) => f64::from(bf16::from_le_bytes([*low, *high])),
        (_, [low, high, ..], None) => f64::from(f16::from_le_bytes([*low, *high])),
        _ => f64::NAN,
    };
    values.chunks_exact(number.size.max(1)).flat_map(|bytes| double(bytes).to_le_bytes()).collect()
}
