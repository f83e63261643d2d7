//! Compares values, little endian, side by side. Equal bytes are passed over at the speed of `memcmp`; only blocks that differ
//! are looked at value by value, in loops that the compiler vectorises.
//!
//! Semantics: `numpy.array_equal(a, b, equal_nan=True)`; with a tolerance, `numpy.isclose(a, b, equal_nan=True)` in double
//! precision, with `b` as the reference. NaN equals NaN of any payload, and -0.0 equals 0.0.

use half::{bf16, f16};

use crate::value_type::Class;

/// Bytes that are compared at once.
const BLOCK: usize = 4096;

/// The difference that still counts as equal: `atol + rtol * |b|`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tolerance {
    /// Relative to the reference.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
}

/// What differs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Difference {
    /// Values that differ.
    pub differing: u64,
    /// Position of the first of them.
    pub first: Option<u64>,
    /// Largest absolute difference of numbers, also of those within the tolerance; that from or to NaN is none.
    pub max: f64,
}

impl Difference {
    /// Adds what differs in the values that follow the `before` values of `self`.
    fn add(&mut self, before: usize, more: Difference) {
        self.first = self.first.or(more.first.map(|first| first + before as u64));
        self.differing += more.differing;
        self.max = self.max.max(more.max);
    }
}

/// Compares `a` with the reference `b`: values of `size` bytes each. Both have the same length.
pub fn compare(class: Class, size: usize, a: &[u8], b: &[u8], tolerance: Tolerance) -> Difference {
    debug_assert_eq!(a.len(), b.len());
    let mut found = Difference::default();
    if size == 0 || a == b {
        return found;
    }
    let block = (BLOCK / size).max(1) * size;
    for (number, (a, b)) in a.chunks(block).zip(b.chunks(block)).enumerate() {
        if a != b {
            found.add(number * block / size, compare_block(class, size, a, b, tolerance));
        }
    }
    found
}

fn compare_block(class: Class, size: usize, a: &[u8], b: &[u8], tolerance: Tolerance) -> Difference {
    match class {
        Class::Number(number) => match (number.kind, number.size) {
            ('f', 2) => floats(a, b, tolerance, |bytes| f64::from(f16::from_le_bytes(bytes))),
            ('B', _) => floats(a, b, tolerance, |bytes| f64::from(bf16::from_le_bytes(bytes))),
            ('f', 4) => floats(a, b, tolerance, |bytes| f64::from(f32::from_le_bytes(bytes))),
            ('f', _) => floats(a, b, tolerance, f64::from_le_bytes),
            ('i', 1) => signed(a, b, tolerance, |bytes| i64::from(i8::from_le_bytes(bytes))),
            ('i', 2) => signed(a, b, tolerance, |bytes| i64::from(i16::from_le_bytes(bytes))),
            ('i', 4) => signed(a, b, tolerance, |bytes| i64::from(i32::from_le_bytes(bytes))),
            ('i', _) => signed(a, b, tolerance, i64::from_le_bytes),
            (_, 1) => unsigned(a, b, tolerance, |bytes| u64::from(u8::from_le_bytes(bytes))),
            (_, 2) => unsigned(a, b, tolerance, |bytes| u64::from(u16::from_le_bytes(bytes))),
            (_, 4) => unsigned(a, b, tolerance, |bytes| u64::from(u32::from_le_bytes(bytes))),
            (..) => unsigned(a, b, tolerance, u64::from_le_bytes),
        },
        Class::Complex(4) => complex(a, b, tolerance, |bytes: [u8; 8]| {
            let part =
                |at: usize| f64::from(f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
            (part(0), part(4))
        }),
        Class::Complex(_) => complex(a, b, tolerance, |bytes: [u8; 16]| {
            let (real, imaginary) = bytes.split_at(8);
            let part = |part: &[u8]| f64::from_le_bytes(part.first_chunk::<8>().copied().unwrap_or_default());
            (part(real), part(imaginary))
        }),
        Class::Time => times(a, b),
        Class::Bytes | Class::Variable => bytes(size, a, b),
    }
}

/// Runs over pairs of values: `look` returns whether they are equal, and their distance.
fn pairs<const N: usize>(a: &[u8], b: &[u8], look: impl Fn([u8; N], [u8; N]) -> (bool, f64)) -> Difference {
    let (a, b) = (a.as_chunks::<N>().0, b.as_chunks::<N>().0);
    let (mut differing, mut max) = (0u64, 0f64);
    for (a, b) in a.iter().zip(b) {
        let (same, distance) = look(*a, *b);
        differing += u64::from(!same);
        max = if distance > max { distance } else { max };
    }
    let first = if differing > 0 { a.iter().zip(b).position(|(a, b)| !look(*a, *b).0) } else { None };
    Difference { differing, first: first.map(|first| first as u64), max }
}

fn floats<const N: usize>(
    a: &[u8],
    b: &[u8],
    tolerance: Tolerance,
    read: impl Fn([u8; N]) -> f64 + Copy,
) -> Difference {
    let Tolerance { rtol, atol } = tolerance;
    pairs(a, b, |a, b| {
        let (a, b) = (read(a), read(b));
        let same = (a == b) | (a.is_nan() & b.is_nan());
        let distance = (a - b).abs();
        (same | ((distance <= atol + rtol * b.abs()) & b.is_finite()), distance)
    })
}

fn signed<const N: usize>(
    a: &[u8],
    b: &[u8],
    tolerance: Tolerance,
    read: impl Fn([u8; N]) -> i64 + Copy,
) -> Difference {
    let Tolerance { rtol, atol } = tolerance;
    pairs(a, b, |a, b| {
        let (a, b) = (read(a), read(b));
        let distance = a.abs_diff(b) as f64;
        ((a == b) | (distance <= atol + rtol * (b as f64).abs()), distance)
    })
}

fn unsigned<const N: usize>(
    a: &[u8],
    b: &[u8],
    tolerance: Tolerance,
    read: impl Fn([u8; N]) -> u64 + Copy,
) -> Difference {
    let Tolerance { rtol, atol } = tolerance;
    pairs(a, b, |a, b| {
        let (a, b) = (read(a), read(b));
        let distance = a.abs_diff(b) as f64;
        ((a == b) | (distance <= atol + rtol * b as f64), distance)
    })
}

/// A complex number is NaN if one of its parts is.
fn complex<const N: usize>(
    a: &[u8],
    b: &[u8],
    tolerance: Tolerance,
    read: impl Fn([u8; N]) -> (f64, f64) + Copy,
) -> Difference {
    let Tolerance { rtol, atol } = tolerance;
    pairs(a, b, |a, b| {
        let (a, b) = (read(a), read(b));
        let is_nan = |value: (f64, f64)| value.0.is_nan() | value.1.is_nan();
        let same = ((a.0 == b.0) & (a.1 == b.1)) | (is_nan(a) & is_nan(b));
        let distance = (a.0 - b.0).hypot(a.1 - b.1);
        let is_finite = b.0.is_finite() & b.1.is_finite();
        (same | ((distance <= atol + rtol * b.0.hypot(b.1)) & is_finite), if same { 0.0 } else { distance })
    })
}

/// Times have no tolerance, and no distance from `NaT`.
fn times(a: &[u8], b: &[u8]) -> Difference {
    pairs(a, b, |a, b| {
        let (a, b) = (i64::from_le_bytes(a), i64::from_le_bytes(b));
        let is_time = (a != i64::MIN) & (b != i64::MIN);
        (a == b, if is_time { a.abs_diff(b) as f64 } else { 0.0 })
    })
}

fn bytes(size: usize, a: &[u8], b: &[u8]) -> Difference {
    let mut found = Difference::default();
    for (number, (a, b)) in a.chunks_exact(size).zip(b.chunks_exact(size)).enumerate() {
        if a != b {
            found.first = found.first.or(Some(number as u64));
            found.differing += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zarray::{Number, NumberType};

    use super::*;

    fn number(kind: char, size: usize) -> Class {
        Class::Number(NumberType { kind, size, big_endian: false })
    }

    /// The naive loop: NumPy's definition, value by value.
    fn naive(kind: char, size: usize, a: &[u8], b: &[u8], tolerance: Tolerance) -> Difference {
        let mut found = Difference::default();
        for (at, (a, b)) in a.chunks_exact(size).zip(b.chunks_exact(size)).enumerate() {
            let read = |bytes: &[u8]| match (NumberType { kind, size, big_endian: false }).decode(bytes) {
                Some(Number::Int(value)) => (value as f64, Some(value)),
                Some(Number::Float(value)) => (value, None),
                None => (f64::from(f16::from_le_bytes([bytes[0], bytes[1]])), None),
            };
            let ((x, whole_x), (y, whole_y)) = (read(a), read(b));
            let distance = match (whole_x, whole_y) {
                (Some(x), Some(y)) => (x - y).unsigned_abs() as f64,
                _ => (x - y).abs(),
            };
            let equal = if whole_x.is_some() { whole_x == whole_y } else { x == y || (x.is_nan() && y.is_nan()) };
            let close = y.is_finite() && distance <= tolerance.atol + tolerance.rtol * y.abs();
            if !equal && !close {
                found.differing += 1;
                found.first = found.first.or(Some(at as u64));
            }
            if distance > found.max {
                found.max = distance;
            }
        }
        found
    }

    const KINDS: [(char, usize); 11] =
        [('f', 2), ('f', 4), ('f', 8), ('i', 1), ('i', 2), ('i', 4), ('i', 8), ('u', 1), ('u', 2), ('u', 4), ('u', 8)];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn agrees_with_a_naive_loop(
            words in prop::collection::vec(prop_oneof![any::<u64>(), 0u64..3, Just(f64::NAN.to_bits()), Just(1 << 63)], 0..2000),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            kind in prop::sample::select(&KINDS[..]), rtol in 0f64..0.1, atol in 0f64..3.0, exact: bool,
        ) {
            let a: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut b = a.clone();
            for (index, change) in changes.iter().filter(|_| !a.is_empty()) {
                b[index.index(a.len())] ^= change;
            }
            let tolerance = if exact { Tolerance::default() } else { Tolerance { rtol, atol } };
            let found = compare(number(kind.0, kind.1), kind.1, &a, &b, tolerance);
            prop_assert_eq!(found, naive(kind.0, kind.1, &a, &b, tolerance));
        }

        #[test]
        fn bytes_agree_with_a_naive_loop(a in prop::collection::vec(0u8..2, 0..9000), size in 1usize..50, flip: prop::sample::Index) {
            let a = &a[..a.len() / size * size];
            let mut b = a.to_vec();
            if !b.is_empty() {
                b[flip.index(a.len())] ^= 4;
            }
            let found = compare(Class::Bytes, size, a, &b, Tolerance::default());
            let first = (!a.is_empty()).then(|| (flip.index(a.len()) / size) as u64);
            prop_assert_eq!(found, Difference { differing: u64::from(!a.is_empty()), first, max: 0.0 });
        }
    }

    fn doubles(values: &[f64]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn nan_zero_and_infinity_are_as_in_numpy() {
        let payload = f64::from_bits(f64::NAN.to_bits() ^ 7);
        let a = doubles(&[f64::NAN, 0.0, f64::INFINITY, f64::INFINITY, f64::NAN, 1.0]);
        let b = doubles(&[payload, -0.0, f64::INFINITY, f64::NEG_INFINITY, 1.0, f64::INFINITY]);
        let wide = Tolerance { rtol: 1e9, atol: 1e9 };
        for tolerance in [Tolerance::default(), wide] {
            let found = compare(number('f', 8), 8, &a, &b, tolerance);
            assert_eq!(found, Difference { differing: 3, first: Some(3), max: f64::INFINITY });
        }
        // Pairs: NaN in either part is NaN.
        let found = compare(Class::Complex(8), 16, &a, &b, Tolerance::default());
        assert_eq!((found.differing, found.first), (2, Some(1)));
    }

    #[test]
    fn times_have_no_distance_from_no_time() {
        let times = |values: [i64; 3]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
        let found = compare(
            Class::Time,
            8,
            &times([i64::MIN, i64::MIN, 5]),
            &times([i64::MIN, 0, 9]),
            Tolerance { rtol: 9.0, atol: 9.0 },
        );
        assert_eq!(found, Difference { differing: 2, first: Some(1), max: 4.0 });
    }
}
