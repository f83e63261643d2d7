//! Stored numbers of every type, read from bytes in either byte order.

use half::{bf16, f16};

/// A type of stored numbers.
pub(crate) trait Stored: Copy + PartialOrd {
    /// What `map` makes of each element of `bytes`; an incomplete last element is ignored.
    fn each<R>(bytes: &[u8], big_endian: bool, map: impl Fn(Self) -> R) -> Vec<R>;
    /// As NumPy converts to `float64`.
    fn f64(self) -> f64;
    /// As NumPy converts to `float32`.
    fn f32(self) -> f32;
    /// As NumPy converts to `int64`: unsigned numbers keep their bits.
    fn i64(self) -> i64;
    /// As NumPy converts to `uint64`.
    fn u64(self) -> u64;
}

/// Elements in either byte order; the loop over each is compiled by itself, so that one without a swap is a copy.
macro_rules! each {
    ($type:ty) => {
        fn each<R>(bytes: &[u8], big_endian: bool, map: impl Fn(Self) -> R) -> Vec<R> {
            let elements = bytes.as_chunks::<{ size_of::<$type>() }>().0.iter();
            match big_endian {
                true => elements.map(|element| map(<$type>::from_be_bytes(*element))).collect(),
                false => elements.map(|element| map(<$type>::from_le_bytes(*element))).collect(),
            }
        }
    };
}

macro_rules! stored_number {
    ($($type:ty)*) => {$(
        impl Stored for $type {
            each!($type);
            fn f64(self) -> f64 {
                self as f64
            }
            fn f32(self) -> f32 {
                self as f32
            }
            fn i64(self) -> i64 {
                self as i64
            }
            fn u64(self) -> u64 {
                self as u64
            }
        }
    )*};
}

macro_rules! stored_half {
    ($($type:ty)*) => {$(
        impl Stored for $type {
            each!($type);
            fn f64(self) -> f64 {
                self.to_f64()
            }
            fn f32(self) -> f32 {
                self.to_f32()
            }
            fn i64(self) -> i64 {
                self.to_f32() as i64
            }
            fn u64(self) -> u64 {
                self.to_f32() as u64
            }
        }
    )*};
}

stored_number!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
stored_half!(f16 bf16);

/// Runs `$run` with `$type` standing for the Rust type of a [`zarray::NumberType`]; truth values are bytes.
macro_rules! with_type {
    ($number:expr, $type:ident => $run:expr) => {
        match ($number.kind, $number.size) {
            ('i', 1) => with_type!(@ i8, $type, $run),
            ('i', 2) => with_type!(@ i16, $type, $run),
            ('i', 4) => with_type!(@ i32, $type, $run),
            ('i', _) => with_type!(@ i64, $type, $run),
            ('u', 2) => with_type!(@ u16, $type, $run),
            ('u', 4) => with_type!(@ u32, $type, $run),
            ('u', 8) => with_type!(@ u64, $type, $run),
            ('f', 2) => with_type!(@ half::f16, $type, $run),
            ('f', 4) => with_type!(@ f32, $type, $run),
            ('f', _) => with_type!(@ f64, $type, $run),
            ('B', _) => with_type!(@ half::bf16, $type, $run),
            _ => with_type!(@ u8, $type, $run),
        }
    };
    (@ $rust:ty, $type:ident, $run:expr) => {{
        type $type = $rust;
        $run
    }};
}

pub(crate) use with_type;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rest_is_left_out() {
        assert_eq!(u16::each(&[1, 0, 2, 0, 3], false, |value| value), [1, 2]);
        assert_eq!(f16::each(&[0x3e, 0x00], true, Stored::f32), [1.5]);
        assert_eq!(bf16::each(&[0x80, 0x3f], false, Stored::f64), [1.0]);
    }

    proptest! {
        #[test]
        fn both_orders(values: Vec<i32>) {
            let little: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let big: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
            prop_assert_eq!(&i32::each(&little, false, |value| value), &values);
            prop_assert_eq!(&i32::each(&big, true, |value| value), &values);
        }
    }
}
