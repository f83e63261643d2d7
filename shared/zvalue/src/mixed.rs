//! Compares numbers of two types, exactly: an integer of 64 bits is not rounded to a `float64` first.

use half::{bf16, f16};
use zarray::{Number, NumberType};

use crate::difference::{Difference, Tolerance};

/// Compares `a` with the reference `b`, both little endian and of the same length in numbers; as
/// [`crate::compare`].
pub fn compare([a_type, b_type]: [NumberType; 2], a: &[u8], b: &[u8], tolerance: Tolerance) -> Difference {
    let mut found = Difference::default();
    let pairs = a.chunks_exact(a_type.size.max(1)).zip(b.chunks_exact(b_type.size.max(1)));
    for (position, (a, b)) in pairs.enumerate() {
        let (a, b) = (number(a_type, a), number(b_type, b));
        if is_equal(a, b) {
            continue;
        }
        let distance = distance(a, b);
        found.max = if distance.is_nan() { found.max } else { found.max.max(distance) };
        let reference = double(b);
        let is_close = reference.is_finite() && distance <= tolerance.atol + tolerance.rtol * reference.abs();
        if !is_close {
            found.differing += 1;
            found.first = found.first.or(Some(position as u64));
        }
    }
    found
}

fn number(number: NumberType, bytes: &[u8]) -> Number {
    match (number.kind, bytes, number.decode(bytes)) {
        (_, _, Some(value)) => value,
        ('B', [low, high, ..], None) => Number::Float(bf16::from_le_bytes([*low, *high]).into()),
        (_, [low, high, ..], None) => Number::Float(f16::from_le_bytes([*low, *high]).into()),
        _ => Number::Float(f64::NAN),
    }
}

fn is_equal(a: Number, b: Number) -> bool {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a == b,
        (Number::Float(a), Number::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Number::Int(int), Number::Float(float)) | (Number::Float(float), Number::Int(int)) => {
            whole(float) == Some(int)
        }
    }
}

/// A float that is a whole number, as such.
fn whole(float: f64) -> Option<i128> {
    (float.fract() == 0.0 && float.abs() < i64::MAX as f64 * 4.0).then_some(float as i128)
}

fn distance(a: Number, b: Number) -> f64 {
    let exact = |number| match number {
        Number::Int(int) => Some(int),
        Number::Float(float) => whole(float),
    };
    match (exact(a), exact(b)) {
        (Some(a), Some(b)) => (a - b).unsigned_abs() as f64,
        _ => (double(a) - double(b)).abs(),
    }
}

fn double(number: Number) -> f64 {
    match number {
        Number::Int(int) => int as f64,
        Number::Float(float) => float,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(kind: char, size: usize) -> NumberType {
        NumberType { kind, size, big_endian: false }
    }

    #[test]
    fn large_integers_are_not_rounded() {
        let ints: Vec<u8> = [(1i64 << 53) + 1, 3, -1].iter().flat_map(|value| value.to_le_bytes()).collect();
        let unsigned: Vec<u8> = [1u64 << 53, 3, u64::MAX].iter().flat_map(|value| value.to_le_bytes()).collect();
        let floats: Vec<u8> = [(1u64 << 53) as f64, 3.0, -1.5].iter().flat_map(|value| value.to_le_bytes()).collect();
        let exact = Tolerance::default();
        let found = compare([type_of('i', 8), type_of('u', 8)], &ints, &unsigned, exact);
        assert_eq!((found.differing, found.first, found.max), (2, Some(0), 2f64.powi(64)));
        let found = compare([type_of('i', 8), type_of('f', 8)], &ints, &floats, exact);
        assert_eq!((found.differing, found.first, found.max), (2, Some(0), 1.0));
        let close = Tolerance { atol: 1.0, rtol: 0.0 };
        assert_eq!(compare([type_of('i', 8), type_of('f', 8)], &ints, &floats, close).differing, 0);
    }

    #[test]
    fn nan_equals_nan_and_nothing_else() {
        let bytes = |values: [f32; 3]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let doubles: Vec<u8> = [f64::NAN, 1.0, 0.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let types = [type_of('f', 4), type_of('f', 8)];
        assert_eq!(
            compare(types, &bytes([f32::NAN, 1.0, -0.0]), &doubles, Tolerance::default()),
            Difference::default()
        );
        let found = compare(types, &bytes([1.0, f32::NAN, 0.0]), &doubles, Tolerance { atol: 9.0, rtol: 9.0 });
        assert_eq!((found.differing, found.max), (2, 0.0));
    }
}
