//! The kernels: one pass over the decoded bytes of a chunk, by data type. Written so that the compiler vectorises them: a few
//! lanes side by side, no branches.

use std::convert::identity;

use zarray::{Number, NumberType};

/// Groups of lanes after which the counters are summed up.
const RUN: usize = 4096;

/// What one pass over values finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// Values.
    pub values: u64,
    /// Of these, NaN.
    pub nan: u64,
    /// Of these, the fill value (if it stands for missing data).
    pub fill: u64,
    /// The smallest value apart from those; infinite if there is none.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Both once more, of integers of 64 bits, which floats do not hold: as numbers in the same order (see [`Scanner::extremes`]).
    pub whole: [u64; 2],
}

/// The extremes of no integers.
const NO_WHOLE: [u64; 2] = [u64::MAX, 0];

impl Default for Stats {
    fn default() -> Stats {
        Stats { values: 0, nan: 0, fill: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, whole: NO_WHOLE }
    }
}

impl Stats {
    /// Adds those of other values.
    pub fn merge(&mut self, other: &Stats) {
        self.values += other.values;
        self.nan += other.nan;
        self.fill += other.fill;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.whole = [self.whole[0].min(other.whole[0]), self.whole[1].max(other.whole[1])];
    }

    /// Values that stand for missing data.
    pub fn empty(&self) -> u64 {
        self.nan + self.fill
    }

    /// Whether there are values, and all stand for missing data.
    pub fn is_empty(&self) -> bool {
        self.values > 0 && self.empty() == self.values
    }

    /// Whether all values are equal and none is missing.
    pub fn is_constant(&self) -> bool {
        self.values > 0 && self.empty() == 0 && self.min == self.max
    }
}

/// How the values of an array are scanned.
#[derive(Debug, Clone, Copy)]
pub struct Scanner {
    number: NumberType,
    /// The fill value, bit by bit, if it stands for missing data and is not NaN.
    fill: Option<u64>,
}

macro_rules! kernel {
    ($name:ident, $type:ty, $bits:ty, $lanes:literal, $none:expr, $from_bits:expr, $whole:expr) => {
        fn $name<const FILL: bool, const SWAP: bool>(bytes: &[u8], fill: u64) -> Stats {
            const SIZE: usize = size_of::<$type>();
            const NONE: ($type, $type) = $none;
            let fill = fill as $bits;
            let (mut nans, mut fills) = (0u64, 0u64);
            let (mut min, mut max) = ([NONE.0; $lanes], [NONE.1; $lanes]);
            let (values, _) = bytes.as_chunks::<SIZE>();
            let (groups, rest) = values.as_chunks::<$lanes>();
            // Counters as narrow as the values are summed up before they overflow.
            for run in groups.chunks(RUN.min(<$bits>::MAX as usize)) {
                let (mut nan, mut equal) = ([0 as $bits; $lanes], [0 as $bits; $lanes]);
                for group in run {
                    let mut bits = [0; $lanes];
                    for lane in 0..$lanes {
                        let stored = <$bits>::from_le_bytes(group[lane]);
                        bits[lane] = if SWAP { stored.swap_bytes() } else { stored };
                    }
                    for lane in 0..$lanes {
                        let value: $type = $from_bits(bits[lane]);
                        let is_fill = FILL && bits[lane] == fill;
                        nan[lane] += <$bits>::from(value != value);
                        equal[lane] += <$bits>::from(is_fill);
                        // Neither NaN nor the fill value is smaller or larger than anything.
                        let low = if is_fill { NONE.0 } else { value };
                        let high = if is_fill { NONE.1 } else { value };
                        min[lane] = if low < min[lane] { low } else { min[lane] };
                        max[lane] = if high > max[lane] { high } else { max[lane] };
                    }
                }
                nans += nan.iter().map(|count| *count as u64).sum::<u64>();
                fills += equal.iter().map(|count| *count as u64).sum::<u64>();
            }
            let mut stats = Stats { values: values.len() as u64, nan: nans, fill: fills, ..Stats::default() };
            for (low, high) in min.into_iter().zip(max).filter(|(low, high)| low <= high) {
                let whole: [u64; 2] = $whole(low, high);
                stats.whole = [stats.whole[0].min(whole[0]), stats.whole[1].max(whole[1])];
                (stats.min, stats.max) = (stats.min.min(low as f64), stats.max.max(high as f64));
            }
            let Some(first) = rest.first() else { return stats };
            // The last group is filled up with its first value, which changes no extreme and is taken off the counts.
            let mut group = [*first; $lanes];
            group[..rest.len()].copy_from_slice(rest);
            let tail = $name::<FILL, SWAP>(group.as_flattened(), fill as u64);
            let one = $name::<FILL, SWAP>([*first; $lanes].as_flattened(), fill as u64);
            let padding = ($lanes - rest.len()) as u64;
            stats.nan += tail.nan - if one.nan > 0 { padding } else { 0 };
            stats.fill += tail.fill - if one.fill > 0 { padding } else { 0 };
            (stats.min, stats.max) = (stats.min.min(tail.min), stats.max.max(tail.max));
            stats.whole = [stats.whole[0].min(tail.whole[0]), stats.whole[1].max(tail.whole[1])];
            stats
        }
    };
}

kernel!(f32s, f32, u32, 16, (f32::INFINITY, f32::NEG_INFINITY), f32::from_bits, |_, _| NO_WHOLE);
kernel!(f64s, f64, u64, 8, (f64::INFINITY, f64::NEG_INFINITY), f64::from_bits, |_, _| NO_WHOLE);
kernel!(i8s, i8, u8, 32, (i8::MAX, i8::MIN), |bits: u8| bits as i8, |_, _| NO_WHOLE);
kernel!(i16s, i16, u16, 16, (i16::MAX, i16::MIN), |bits: u16| bits as i16, |_, _| NO_WHOLE);
kernel!(i32s, i32, u32, 8, (i32::MAX, i32::MIN), |bits: u32| bits as i32, |_, _| NO_WHOLE);
kernel!(i64s, i64, u64, 8, (i64::MAX, i64::MIN), |bits: u64| bits as i64, |low, high| [ordered(low), ordered(high)]);
kernel!(u8s, u8, u8, 32, (u8::MAX, u8::MIN), identity, |_, _| NO_WHOLE);
kernel!(u16s, u16, u16, 16, (u16::MAX, u16::MIN), identity, |_, _| NO_WHOLE);
kernel!(u32s, u32, u32, 8, (u32::MAX, u32::MIN), identity, |_, _| NO_WHOLE);
kernel!(u64s, u64, u64, 8, (u64::MAX, u64::MIN), identity, |low, high| [low, high]);

/// A signed integer as an unsigned one, in the same order.
fn ordered(number: i64) -> u64 {
    number as u64 ^ SIGN
}

/// The bit that tells negative integers from others.
const SIGN: u64 = 1 << 63;

/// 16-bit floats, which few processors calculate with: one after the other.
fn halves(bytes: &[u8], number: NumberType, fill: Option<u64>) -> Stats {
    let mut stats = Stats::default();
    for pair in bytes.as_chunks::<2>().0 {
        let bits = if number.big_endian { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
        let value = match number.kind {
            'B' => half::bf16::from_bits(bits).to_f64(),
            _ => half::f16::from_bits(bits).to_f64(),
        };
        stats.values += 1;
        if value.is_nan() {
            stats.nan += 1;
        } else if fill == Some(bits.into()) {
            stats.fill += 1;
        } else {
            (stats.min, stats.max) = (stats.min.min(value), stats.max.max(value));
        }
    }
    stats
}

impl Scanner {
    /// The scanner of elements of this type; `fill` is an element that stands for missing data. `None` if the type has no
    /// kernel.
    pub fn new(number: NumberType, fill: Option<&[u8]>) -> Option<Scanner> {
        let known =
            matches!((number.kind, number.size), ('f', 2 | 4 | 8) | ('B', 2) | ('i' | 'u', 1 | 2 | 4 | 8) | ('b', 1));
        let bits = |element: &[u8]| {
            let mut word = [0; 8];
            let bytes = element.get(..number.size)?;
            word[..number.size].copy_from_slice(bytes);
            if number.big_endian {
                word[..number.size].reverse();
            }
            Some(u64::from_le_bytes(word))
        };
        let mut scanner = Scanner { number, fill: None };
        let fill = fill.filter(|element| known && scanner.scan(element).nan == 0).and_then(bits);
        scanner.fill = fill;
        known.then_some(scanner)
    }

    /// Bytes of an element.
    pub fn itemsize(&self) -> usize {
        self.number.size
    }

    /// Whether the elements are floating-point numbers.
    pub fn is_float(&self) -> bool {
        matches!(self.number.kind, 'f' | 'B')
    }

    /// One pass over the elements in `bytes`.
    pub fn scan(&self, bytes: &[u8]) -> Stats {
        let NumberType { kind, size, big_endian } = self.number;
        macro_rules! run {
            ($kernel:ident) => {
                match (self.fill, big_endian) {
                    (Some(fill), false) => $kernel::<true, false>(bytes, fill),
                    (Some(fill), true) => $kernel::<true, true>(bytes, fill),
                    (None, false) => $kernel::<false, false>(bytes, 0),
                    (None, true) => $kernel::<false, true>(bytes, 0),
                }
            };
        }
        match (kind, size) {
            ('f', 4) => run!(f32s),
            ('f', 8) => run!(f64s),
            ('i', 1) => run!(i8s),
            ('i', 2) => run!(i16s),
            ('i', 4) => run!(i32s),
            ('i', _) => run!(i64s),
            ('u' | 'b', 1) => run!(u8s),
            ('u', 2) => run!(u16s),
            ('u', 4) => run!(u32s),
            ('u', _) => run!(u64s),
            _ => halves(bytes, self.number, self.fill),
        }
    }

    /// The smallest and the largest value, if there are any: integers exactly.
    pub fn extremes(&self, stats: &Stats) -> Option<[Number; 2]> {
        if stats.min > stats.max {
            return None;
        }
        Some(match (self.number.kind, self.number.size) {
            ('f' | 'B', _) => [stats.min, stats.max].map(Number::Float),
            ('i', 8) => stats.whole.map(|number| Number::Int(i128::from((number ^ SIGN) as i64))),
            (_, 8) => stats.whole.map(|number| Number::Int(i128::from(number))),
            _ => [stats.min, stats.max].map(|number| Number::Int(number as i128)),
        })
    }

    /// Whether all elements in `bytes` stand for missing data; it stops at the first that does not.
    pub fn is_empty(&self, bytes: &[u8]) -> bool {
        bytes.chunks(256 * self.number.size).all(|part| self.scan(part).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    const F32: NumberType = NumberType { kind: 'f', size: 4, big_endian: false };

    #[test]
    fn nan_fill_and_range_are_told_apart() {
        let mut values: Vec<f32> = (0..100).map(|number| 250.0 + number as f32).collect();
        (values[3], values[40], values[99]) = (f32::NAN, -9999.0, -9999.0);
        let scanner = Scanner::new(F32, Some(&(-9999f32).to_le_bytes())).expect("a kernel");
        let stats = scanner.scan(&floats(&values));
        assert_eq!(stats, Stats { values: 100, nan: 1, fill: 2, min: 250.0, max: 348.0, whole: NO_WHOLE });
        let plain = Scanner::new(F32, None).expect("a kernel").scan(&floats(&values));
        assert_eq!(plain, Stats { values: 100, nan: 1, fill: 0, min: -9999.0, max: 348.0, whole: NO_WHOLE });
        let big: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        let big_endian = NumberType { big_endian: true, ..F32 };
        let fill = (-9999f32).to_be_bytes();
        assert_eq!(Scanner::new(big_endian, Some(&fill)).expect("a kernel").scan(&big), stats);
    }

    /// Any number of values, in any place.
    #[test]
    fn every_value_counts_once() {
        for count in (0..70usize).chain([300, 5000, 70_000]) {
            for at in [0, count / 2, count.saturating_sub(1)] {
                let mut values = vec![1i16; count];
                let mut reals = vec![1f32; count];
                if count > 0 {
                    (values[at], reals[at]) = (-5, f32::NAN);
                }
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
                let number = NumberType { kind: 'i', size: 2, big_endian: true };
                let stats = Scanner::new(number, Some(&[0, 1])).expect("a kernel").scan(&bytes);
                let one = u64::from(count > 0);
                assert_eq!((stats.values, stats.fill), (count as u64, count as u64 - one), "{count} {at}");
                assert!(count == 0 || (stats.min, stats.max) == (-5.0, -5.0), "{count} {at}");
                let stats = Scanner::new(F32, None).expect("a kernel").scan(&floats(&reals));
                assert_eq!((stats.values, stats.nan), (count as u64, one), "{count} {at}");
                assert!(count < 2 || (stats.min, stats.max) == (1.0, 1.0), "{count} {at}");
                let bytes = vec![7u8; count];
                let number = NumberType { kind: 'u', size: 1, big_endian: false };
                let stats = Scanner::new(number, Some(&[7])).expect("a kernel").scan(&bytes);
                assert_eq!(stats.fill, count as u64);
            }
        }
    }

    #[test]
    fn a_nan_as_fill_value_is_nan() {
        let scanner = Scanner::new(F32, Some(&f32::NAN.to_le_bytes())).expect("a kernel");
        let stats = scanner.scan(&floats(&[f32::NAN; 33]));
        assert_eq!((stats.nan, stats.fill, stats.is_empty(), stats.is_constant()), (33, 0, true, false));
        assert!(scanner.is_empty(&floats(&[f32::NAN; 1000])) && !scanner.is_empty(&floats(&[f32::NAN, 1.0])));
    }

    #[test]
    fn every_type_has_its_kernel() {
        for (kind, size, bytes, min, max) in [
            ('i', 1, vec![0xff, 0x02], -1.0, 2.0),
            ('u', 1, vec![0xff, 0x02], 2.0, 255.0),
            ('i', 2, vec![0xff, 0xff, 0x02, 0], -1.0, 2.0),
            ('u', 8, vec![1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0], 1.0, 3.0),
            ('f', 2, vec![0x00, 0x3c, 0x00, 0xc0], -2.0, 1.0),
            ('B', 2, vec![0x80, 0x3f, 0x00, 0x40], 1.0, 2.0),
            ('b', 1, vec![0, 1], 0.0, 1.0),
        ] {
            let scanner = Scanner::new(NumberType { kind, size, big_endian: false }, None).expect("a kernel");
            let stats = scanner.scan(&bytes);
            assert_eq!((stats.values, stats.min, stats.max), (2, min, max), "{kind}{size}");
        }
        assert!(Scanner::new(NumberType { kind: 'c', size: 8, big_endian: false }, None).is_none());
        let constant =
            Scanner::new(NumberType { kind: 'i', size: 2, big_endian: false }, Some(&[7, 0])).expect("a kernel");
        assert!(constant.scan(&[7, 0, 7, 0]).is_empty() && constant.scan(&[8, 0, 8, 0]).is_constant());
    }

    /// Integers that floats do not hold, in every place of a group of lanes.
    #[test]
    fn extremes_of_integers_are_exact() {
        let number = |kind, big_endian| NumberType { kind, size: 8, big_endian };
        let ends = |scanner: &Scanner, bytes: &[u8]| scanner.extremes(&scanner.scan(bytes));
        for count in [1usize, 7, 8, 9, 40_000] {
            for at in [0, count / 2, count - 1] {
                let signed = |place| if place == at { i64::MIN + 1 } else { i64::MAX - 2 };
                let bytes: Vec<u8> = (0..count).flat_map(|place| signed(place).to_be_bytes()).collect();
                let scanner = Scanner::new(number('i', true), Some(&i64::MIN.to_be_bytes())).expect("a kernel");
                let high = if count == 1 { i64::MIN + 1 } else { i64::MAX - 2 };
                assert_eq!(ends(&scanner, &bytes), Some([i64::MIN + 1, high].map(|end| Number::Int(end.into()))));
                let unsigned = |place| if place == at { u64::MAX - 1 } else { (1 << 53) + 1 };
                let bytes: Vec<u8> = (0..count).flat_map(|place: usize| u64::to_le_bytes(unsigned(place))).collect();
                let scanner = Scanner::new(number('u', false), None).expect("a kernel");
                let low = if count == 1 { u64::MAX - 1 } else { (1 << 53) + 1 };
                assert_eq!(ends(&scanner, &bytes), Some([low, u64::MAX - 1].map(|end| Number::Int(end.into()))));
            }
        }
        let scanner = Scanner::new(number('i', false), Some(&7i64.to_le_bytes())).expect("a kernel");
        assert_eq!(ends(&scanner, &7i64.to_le_bytes()), None);
        let scanner = Scanner::new(NumberType { kind: 'i', size: 2, big_endian: false }, None).expect("a kernel");
        assert_eq!(ends(&scanner, &[0xff, 0xff, 5, 0]), Some([Number::Int(-1), Number::Int(5)]));
    }
}
