//! The loops from stored numbers to decoded ones. The type is chosen once, and each loop does only what its variable
//! needs: `float32` without masks is a copy.

use half::f16;
use zarray::NumberType;

use crate::clock::Clock;
use crate::masks::Masks;
use crate::packing::{Affine, Target};
use crate::stored::{Stored, with_type};
use crate::values::{Kind, NOT_A_TIME, Values};

/// How the numbers of one variable are decoded.
#[derive(Clone)]
pub(crate) struct Numeric {
    /// Type as which elements are read.
    pub read: NumberType,
    /// Type of the decoded values.
    pub target: Target,
    /// Numbers that mark missing values, as `float64`.
    pub fills: Vec<f64>,
    /// Those of them that are integers.
    pub whole_fills: Vec<i64>,
}

impl Numeric {
    /// Numbers as they are stored.
    pub fn plain(read: NumberType) -> Numeric {
        Numeric {
            read,
            target: Target::of(read, &Masks::default(), None, false),
            fills: Vec::new(),
            whole_fills: Vec::new(),
        }
    }

    /// Kind of the values.
    pub fn kind(&self) -> Kind {
        let bits = 8 * self.read.size as u8;
        match (self.target, self.read.kind) {
            (Target::Keep, 'i') => Kind::Int(bits),
            (Target::Keep, 'u') => Kind::UInt(bits),
            (Target::Keep | Target::Truth, _) => Kind::Bool,
            (Target::Half(_) | Target::Single(_), _) => Kind::Float(32),
            (Target::Double(_), _) => Kind::Float(64),
            (Target::Integer(_), _) => Kind::Int(64),
        }
    }

    /// The values of `bytes`, missing ones as NaN.
    pub fn values(&self, bytes: &[u8]) -> Values {
        let (read, fills) = (self.read, self.fills.as_slice());
        let big_endian = read.big_endian;
        with_type!(read, T => match self.target {
            Target::Keep => match read.kind {
                'i' => Values::I64(T::each(bytes, big_endian, Stored::i64)),
                'u' => Values::U64(T::each(bytes, big_endian, Stored::u64)),
                _ => Values::Bool(T::each(bytes, big_endian, |value| value.f64() != 0.0)),
            },
            Target::Half(affine) => {
                Values::F32(masked::<T, _>(bytes, big_endian, fills, f32::NAN, |value| in_halves(value.f32(), affine)))
            }
            Target::Single(None) => Values::F32(masked::<T, _>(bytes, big_endian, fills, f32::NAN, Stored::f32)),
            Target::Single(Some(Affine { scale, offset })) => {
                Values::F32(masked::<T, _>(bytes, big_endian, fills, f32::NAN, |value| value.f32() * scale + offset))
            }
            Target::Double(None) => Values::F64(masked::<T, _>(bytes, big_endian, fills, f64::NAN, Stored::f64)),
            Target::Double(Some(Affine { scale, offset })) => {
                Values::F64(masked::<T, _>(bytes, big_endian, fills, f64::NAN, |value| value.f64() * scale + offset))
            }
            Target::Integer(scale) => Values::I64(T::each(bytes, big_endian, |value| value.i64().wrapping_mul(scale))),
            Target::Truth => Values::Bool(T::each(bytes, big_endian, |value| value.f64() != 0.0)),
        })
    }

    /// Integers that mark missing values; empty if there are none.
    pub fn masked(&self, bytes: &[u8]) -> Vec<bool> {
        let silent = matches!(self.target, Target::Keep | Target::Integer(_) | Target::Truth);
        if !silent || self.whole_fills.is_empty() {
            return Vec::new();
        }
        let fills = self.whole_fills.as_slice();
        with_type!(self.read, T => T::each(bytes, self.read.big_endian, |value| fills.contains(&value.i64())))
    }

    /// The times in `bytes`. Integers are masked as integers.
    pub fn moments(&self, bytes: &[u8], clock: &dyn Clock) -> Values {
        let fills = self.whole_fills.as_slice();
        let moment = |found: Option<i64>| found.unwrap_or(NOT_A_TIME);
        let whole =
            |count: i64| moment(Some(count).filter(|count| *count != NOT_A_TIME).and_then(|count| clock.int(count)));
        let broken =
            |count: f64| moment(Some(count).filter(|count| !count.is_nan()).and_then(|count| clock.float(count)));
        let moments = match self.target {
            Target::Keep => with_type!(self.read, T => T::each(bytes, self.read.big_endian, |value| {
                let count = value.i64();
                if fills.contains(&count) { NOT_A_TIME } else { whole(count) }
            })),
            _ => match self.values(bytes) {
                Values::F32(counts) => counts.into_iter().map(|count| broken(f64::from(count))).collect(),
                Values::F64(counts) => counts.into_iter().map(broken).collect(),
                Values::I64(counts) => counts.into_iter().map(whole).collect(),
                other => return other,
            },
        };
        Values::Time(moments, clock.calendar())
    }
}

/// What `map` makes of the elements, `missing` where they equal one of `fills`.
fn masked<T: Stored, R: Copy>(
    bytes: &[u8],
    big_endian: bool,
    fills: &[f64],
    missing: R,
    map: impl Fn(T) -> R,
) -> Vec<R> {
    match fills {
        [] => T::each(bytes, big_endian, map),
        [fill] => T::each(bytes, big_endian, |value| if value.f64() == *fill { missing } else { map(value) }),
        fills => T::each(bytes, big_endian, |value| if fills.contains(&value.f64()) { missing } else { map(value) }),
    }
}

/// `x * scale + offset` as in NumPy for `float16`: computed in `float32`, rounded after each step.
fn in_halves(value: f32, affine: Affine<f32>) -> f32 {
    let half = |value: f32| f16::from_f32(value).to_f32();
    half(half(value * half(affine.scale)) + half(affine.offset))
}
