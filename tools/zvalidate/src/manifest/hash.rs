//! A hash of the values of an array that does not depend on chunks, shards, codecs, byte order or format, and that is computed
//! chunk by chunk in any order.
//!
//! Definition. A value is one or more 64-bit words: its little-endian bytes, the last word padded with zeros; of an element of
//! variable length, the first 16 bytes of its SHA-256. NaN has one representation, and -0.0 is 0.0, so that values that are equal
//! for `--against` are equal here. The words of an array are numbered in C order of its elements. The hash is the sum, modulo
//! 2^128, of `(word - fill) * key(number)` over all words, where `fill` is that word of the fill value (the difference is modulo
//! 2^64) and `key` is the finaliser of SplitMix64, made odd. So missing chunks add nothing, and the hash of an object is the part
//! of the sum that its elements make.
//!
//! Any change of one value changes the hash, and changes of several go unnoticed with a probability of about 2^-64. It is no
//! protection against somebody who wants to deceive: the SHA-256 of the stored bytes is.

use ring::digest::{SHA256, digest};
use zarray::Subset;

use zvalue::Class;

/// How values become words.
#[derive(Debug, Clone)]
pub struct ValueHash {
    class: Class,
    size: usize,
    /// The words of the fill value.
    fill: Vec<u64>,
}

impl ValueHash {
    /// The hash of values of `size` bytes (0: of variable length) with this fill value, both little endian.
    pub fn new(class: Class, size: usize, fill: &[u8]) -> ValueHash {
        let fill = match size {
            0 => text_words(fill).to_vec(),
            _ => {
                let mut words = Vec::new();
                each_word(class, size, fill, |word| words.push(word));
                words
            }
        };
        ValueHash { class, size, fill }
    }

    /// Words of a value.
    fn count(&self) -> u64 {
        self.fill.len() as u64
    }

    /// The part of the hash that `values` make: the elements of `part` in C order, of an array of this shape.
    pub fn part(&self, shape: &[u64], part: &Subset, values: &[u8]) -> u128 {
        let mut rest = values;
        let mut sum = 0u128;
        for (first, length) in runs(shape, part) {
            let (run, behind) = rest.split_at((zcodec::to_usize(length) * self.size).min(rest.len()));
            rest = behind;
            sum = sum.wrapping_add(self.run(first.wrapping_mul(self.count()), run));
        }
        sum
    }

    /// As [`ValueHash::part`], of elements of variable length.
    pub fn texts(&self, shape: &[u64], part: &Subset, texts: &[Vec<u8>]) -> u128 {
        let numbers = runs(shape, part).flat_map(|(first, length)| first..first + length);
        let word = |(number, text): (u64, &Vec<u8>)| {
            let [low, high] = text_words(text);
            let at = number.wrapping_mul(2);
            self.word(at, low, 0).wrapping_add(self.word(at.wrapping_add(1), high, 1))
        };
        numbers.zip(texts).map(word).fold(0, u128::wrapping_add)
    }

    fn word(&self, number: u64, word: u64, at: usize) -> u128 {
        u128::from(word.wrapping_sub(self.fill[at])).wrapping_mul(u128::from(key(number)))
    }

    /// Consecutive values, the first of which has the word `number`.
    fn run(&self, mut number: u64, values: &[u8]) -> u128 {
        let mut sum = 0u128;
        if let [fill] = self.fill.as_slice() {
            each_word(self.class, self.size, values, |word| {
                sum = sum.wrapping_add(u128::from(word.wrapping_sub(*fill)).wrapping_mul(u128::from(key(number))));
                number = number.wrapping_add(1);
            });
            return sum;
        }
        let (count, mut at) = (self.fill.len(), 0);
        each_word(self.class, self.size, values, |word| {
            sum = sum.wrapping_add(self.word(number, word, at));
            number = number.wrapping_add(1);
            at = if at + 1 == count { 0 } else { at + 1 };
        });
        sum
    }
}

/// A hash as text.
pub fn text(sum: u128) -> String {
    format!("{sum:032x}")
}

/// SplitMix64 (Steele, Lea, Flood 2014), made odd.
fn key(number: u64) -> u64 {
    let mut key = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key = (key ^ key >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key = (key ^ key >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (key ^ key >> 31) | 1
}

/// Runs of consecutive elements of an array: the number of the first and how many, in the order of the elements of `part`.
fn runs(shape: &[u64], part: &Subset) -> impl Iterator<Item = (u64, u64)> {
    let (mut from, mut length) = (shape.len(), 1);
    while from > 0 {
        from -= 1;
        length *= part.shape()[from];
        if part.shape()[from] != shape[from] {
            break;
        }
    }
    let outer = Subset::new(part.start()[..from].to_vec(), part.shape()[..from].to_vec());
    let (whole, inner) = (Subset::whole(shape), part.start()[from..].to_vec());
    let count = if part.elements() == 0 { 0 } else { outer.elements() };
    (0..count).map(move |number| (whole.number(&[outer.member(number), inner.clone()].concat()), length))
}

/// Calls `take` with each word of `values`.
fn each_word(class: Class, size: usize, values: &[u8], mut take: impl FnMut(u64)) {
    match (class, size) {
        (Class::Number(number), 2) if number.kind == 'f' => {
            pairs(values, |word| take(small_float(word, 0x7c00).into()))
        }
        (Class::Number(number), 2) if number.kind == 'B' => {
            pairs(values, |word| take(small_float(word, 0x7f80).into()))
        }
        (Class::Number(number), 4) if number.kind == 'f' => {
            values.as_chunks().0.iter().for_each(|bytes| take(single(u32::from_le_bytes(*bytes)).into()));
        }
        (Class::Number(number), 8) if number.kind == 'f' => {
            values.as_chunks().0.iter().for_each(|bytes| take(double(u64::from_le_bytes(*bytes))));
        }
        (Class::Complex(4), _) => values.as_chunks().0.iter().for_each(|bytes| {
            let word = u64::from_le_bytes(*bytes);
            let [real, imaginary] = [word as u32, (word >> 32) as u32].map(single);
            // A complex number is NaN if one of its parts is.
            let is_nan = real == SINGLE_NAN || imaginary == SINGLE_NAN;
            let [real, imaginary] = if is_nan { [SINGLE_NAN; 2] } else { [real, imaginary] };
            take(u64::from(imaginary) << 32 | u64::from(real));
        }),
        (Class::Complex(_), _) => values.as_chunks().0.iter().for_each(|bytes| {
            let word = u128::from_le_bytes(*bytes);
            let parts = [word as u64, (word >> 64) as u64].map(double);
            let parts = if parts.contains(&DOUBLE_NAN) { [DOUBLE_NAN; 2] } else { parts };
            parts.into_iter().for_each(&mut take);
        }),
        (_, 2) => pairs(values, |word| take(word.into())),
        (_, 4) => values.as_chunks().0.iter().for_each(|bytes| take(u32::from_le_bytes(*bytes).into())),
        (_, 8) => values.as_chunks().0.iter().for_each(|bytes| take(u64::from_le_bytes(*bytes))),
        _ => values.chunks_exact(size.max(1)).flat_map(|value| value.chunks(8)).for_each(|bytes| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            take(u64::from_le_bytes(word));
        }),
    }
}

fn pairs(values: &[u8], mut take: impl FnMut(u16)) {
    values.as_chunks().0.iter().for_each(|bytes| take(u16::from_le_bytes(*bytes)));
}

const SINGLE_NAN: u32 = 0x7fc0_0000;
const DOUBLE_NAN: u64 = 0x7ff8 << 48;

fn single(bits: u32) -> u32 {
    match f32::from_bits(bits) {
        value if value.is_nan() => SINGLE_NAN,
        0.0 => 0,
        _ => bits,
    }
}

fn double(bits: u64) -> u64 {
    match f64::from_bits(bits) {
        value if value.is_nan() => DOUBLE_NAN,
        0.0 => 0,
        _ => bits,
    }
}

/// A float of 16 bits whose infinity is `infinity`.
fn small_float(bits: u16, infinity: u16) -> u16 {
    match bits & 0x7fff {
        0 => 0,
        magnitude if magnitude > infinity => infinity | 1,
        _ => bits,
    }
}

fn text_words(text: &[u8]) -> [u64; 2] {
    let digest = digest(&SHA256, text);
    let word = |at: usize| digest.as_ref()[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    [word(0), word(8)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zarray::NumberType;

    use super::*;

    fn class(kind: char, size: usize) -> Class {
        Class::Number(NumberType { kind, size, big_endian: false })
    }

    /// The definition, word by word.
    fn naive(values: &[u64], fill: u64) -> u128 {
        let add = |sum: u128, (number, word): (u64, &u64)| {
            sum.wrapping_add(u128::from(word.wrapping_sub(fill)).wrapping_mul(u128::from(key(number))))
        };
        (0u64..).zip(values).fold(0, add)
    }

    proptest! {
        /// Whatever the chunks, their parts add up to the hash of the whole.
        #[test]
        fn parts_add_up(
            axes in prop::collection::vec((1u64..9, 1u64..6), 0..4), seed: u64, fill in 0u64..3, size in prop::sample::select(&[1usize, 2, 4, 8][..]),
        ) {
            let (shape, chunk): (Vec<u64>, Vec<u64>) = axes.into_iter().unzip();
            let whole = Subset::whole(&shape);
            let values: Vec<u64> = (0..whole.elements()).map(|at| key(at ^ seed) & (u64::MAX >> (64 - 8 * size))).collect();
            let hash = ValueHash::new(class('u', size), size, &fill.to_le_bytes()[..size]);
            let grid = zarray::Grid::new(shape.clone(), chunk).expect("a grid");
            let mut sum = 0u128;
            for index in (0..grid.len()).rev().map(|number| grid.index(number)) {
                let part = grid.chunk(&index).intersection(&whole).expect("inside");
                let bytes: Vec<u8> = (0..part.elements())
                    .flat_map(|member| values[whole.number(&part.member(member)) as usize].to_le_bytes()[..size].to_vec())
                    .collect();
                sum = sum.wrapping_add(hash.part(&shape, &part, &bytes));
            }
            prop_assert_eq!(sum, naive(&values, fill));
        }

        /// A single changed bit changes the hash.
        #[test]
        fn a_bit_is_seen(values in prop::collection::vec(any::<u64>(), 1..50), at: prop::sample::Index, bit in 0u32..64) {
            let bytes = |values: &[u64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
            let hash = ValueHash::new(class('i', 8), 8, &[0; 8]);
            let shape = [values.len() as u64];
            let mut other = values.clone();
            other[at.index(values.len())] ^= 1 << bit;
            let part = Subset::whole(&shape);
            prop_assert_ne!(hash.part(&shape, &part, &bytes(&values)), hash.part(&shape, &part, &bytes(&other)));
        }
    }

    #[test]
    fn equal_values_have_equal_hashes() {
        let part = Subset::whole(&[2]);
        let of = |class, size, bytes: &[u8]| ValueHash::new(class, size, &vec![0; size]).part(&[2], &part, bytes);
        let pair = |a: u32, b: u32| [a.to_le_bytes(), b.to_le_bytes()].concat();
        let float = class('f', 4);
        assert_eq!(of(float, 4, &pair(0x8000_0000, 0x7fc0_0000)), of(float, 4, &pair(0, 0xffc1_2345)));
        assert_ne!(of(float, 4, &pair(0, 0x7f80_0000)), of(float, 4, &pair(0, 0x7fc0_0000)));
        let whole = class('i', 4);
        assert_ne!(of(whole, 4, &pair(0x8000_0000, 0)), of(whole, 4, &pair(0, 0)));
        let half = class('f', 2);
        assert_eq!(of(half, 2, &[0, 0x80, 1, 0x7e]), of(half, 2, &[0, 0, 9, 0xfe]));
        let complex = |a: f64, b: f64| [a.to_le_bytes(), b.to_le_bytes(), a.to_le_bytes(), b.to_le_bytes()].concat();
        assert_eq!(
            of(Class::Complex(8), 16, &complex(f64::NAN, 1.0)),
            of(Class::Complex(8), 16, &complex(2.0, -f64::NAN))
        );
        assert_ne!(of(Class::Complex(8), 16, &complex(1.0, 2.0)), of(Class::Complex(8), 16, &complex(2.0, 1.0)));
        // Text of 5 characters is three words; the order of elements counts.
        let text = |one: u8, other: u8| [vec![one; 20], vec![other; 20]].concat();
        assert_ne!(of(Class::Bytes, 20, &text(1, 2)), of(Class::Bytes, 20, &text(2, 1)));
        assert_eq!(of(Class::Bytes, 20, &[0; 40]), 0, "fill values add nothing");
        let texts = ValueHash::new(Class::Variable, 0, b"");
        let sum = |a: &[u8], b: &[u8]| texts.texts(&[2], &part, &[a.to_vec(), b.to_vec()]);
        assert_eq!(sum(b"", b""), 0);
        assert_ne!(sum(b"a", b"b"), sum(b"b", b"a"));
    }
}
