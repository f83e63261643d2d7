//! The kernels: one pass over the decoded bytes of a chunk, by data type. Written so that the compiler vectorises them: a few
//! lanes side by side, no branches.

use zarray::NumberType;

/// Lanes of a kernel: a multiple of what a vector register holds.
const LANES: usize = 16;

/// Elements after which the counters of the lanes, of 32 bits, are summed up.
const STRETCH: usize = 1 << 28;

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
}

impl Default for Stats {
    fn default() -> Stats {
        Stats { values: 0, nan: 0, fill: 0, min: f64::INFINITY, max: f64::NEG_INFINITY }
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

macro_rules! float_kernel {
    ($name:ident, $float:ty, $bits:ty) => {
        fn $name<const FILL: bool>(bytes: &[u8], big_endian: bool, fill: u64) -> Stats {
            const SIZE: usize = size_of::<$float>();
            let fill = fill as $bits;
            let load = |bytes: &[u8; SIZE]| {
                let bits = <$bits>::from_le_bytes(*bytes);
                if big_endian { bits.swap_bytes() } else { bits }
            };
            let (mut nan, mut fills) = ([0u32; LANES], [0u32; LANES]);
            let (mut min, mut max) = ([<$float>::INFINITY; LANES], [<$float>::NEG_INFINITY; LANES]);
            let mut one = |lane: usize, bits: $bits| {
                let value = <$float>::from_bits(bits);
                let is_fill = FILL && bits == fill;
                // Neither NaN nor the fill value is smaller or larger than anything.
                let (low, high) = if is_fill { (<$float>::INFINITY, <$float>::NEG_INFINITY) } else { (value, value) };
                nan[lane] += u32::from(value != value);
                fills[lane] += u32::from(is_fill);
                min[lane] = if low < min[lane] { low } else { min[lane] };
                max[lane] = if high > max[lane] { high } else { max[lane] };
            };
            let (values, _) = bytes.as_chunks::<SIZE>();
            let (groups, rest) = values.as_chunks::<LANES>();
            for group in groups {
                for lane in 0..LANES {
                    one(lane, load(&group[lane]));
                }
            }
            rest.iter().for_each(|value| one(0, load(value)));
            Stats {
                values: values.len() as u64,
                nan: nan.iter().map(|count| u64::from(*count)).sum(),
                fill: fills.iter().map(|count| u64::from(*count)).sum(),
                min: f64::from(min.into_iter().fold(<$float>::INFINITY, <$float>::min)),
                max: f64::from(max.into_iter().fold(<$float>::NEG_INFINITY, <$float>::max)),
            }
        }
    };
}

macro_rules! integer_kernel {
    ($name:ident, $int:ty) => {
        fn $name<const FILL: bool>(bytes: &[u8], big_endian: bool, fill: u64) -> Stats {
            const SIZE: usize = size_of::<$int>();
            let fill = fill as $int;
            let load = |bytes: &[u8; SIZE]| {
                let value = <$int>::from_le_bytes(*bytes);
                if big_endian { value.swap_bytes() } else { value }
            };
            let mut fills = [0u32; LANES];
            let (mut min, mut max) = ([<$int>::MAX; LANES], [<$int>::MIN; LANES]);
            let mut one = |lane: usize, value: $int| {
                let is_fill = FILL && value == fill;
                let (low, high) = if is_fill { (<$int>::MAX, <$int>::MIN) } else { (value, value) };
                fills[lane] += u32::from(is_fill);
                min[lane] = min[lane].min(low);
                max[lane] = max[lane].max(high);
            };
            let (values, _) = bytes.as_chunks::<SIZE>();
            let (groups, rest) = values.as_chunks::<LANES>();
            for group in groups {
                for lane in 0..LANES {
                    one(lane, load(&group[lane]));
                }
            }
            rest.iter().for_each(|value| one(0, load(value)));
            let fill: u64 = fills.iter().map(|count| u64::from(*count)).sum();
            let values = values.len() as u64;
            let (mut stats, any) = (Stats { values, fill, ..Stats::default() }, fill < values);
            if any {
                stats.min = min.into_iter().min().unwrap_or(0) as f64;
                stats.max = max.into_iter().max().unwrap_or(0) as f64;
            }
            stats
        }
    };
}

float_kernel!(f32s, f32, u32);
float_kernel!(f64s, f64, u64);
integer_kernel!(i8s, i8);
integer_kernel!(i16s, i16);
integer_kernel!(i32s, i32);
integer_kernel!(i64s, i64);
integer_kernel!(u8s, u8);
integer_kernel!(u16s, u16);
integer_kernel!(u32s, u32);
integer_kernel!(u64s, u64);

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
        let stretch = STRETCH * self.number.size;
        if bytes.len() <= stretch {
            return self.stretch(bytes);
        }
        let mut stats = Stats::default();
        bytes.chunks(stretch).for_each(|part| stats.merge(&self.stretch(part)));
        stats
    }

    fn stretch(&self, bytes: &[u8]) -> Stats {
        let NumberType { kind, size, big_endian } = self.number;
        macro_rules! run {
            ($kernel:ident) => {
                match self.fill {
                    Some(fill) => $kernel::<true>(bytes, big_endian, fill),
                    None => $kernel::<false>(bytes, big_endian, 0),
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
        assert_eq!(stats, Stats { values: 100, nan: 1, fill: 2, min: 250.0, max: 348.0 });
        let plain = Scanner::new(F32, None).expect("a kernel").scan(&floats(&values));
        assert_eq!(plain, Stats { values: 100, nan: 1, fill: 0, min: -9999.0, max: 348.0 });
        let big: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        let big_endian = NumberType { big_endian: true, ..F32 };
        let fill = (-9999f32).to_be_bytes();
        assert_eq!(Scanner::new(big_endian, Some(&fill)).expect("a kernel").scan(&big), stats);
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
}
