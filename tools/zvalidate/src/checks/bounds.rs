//! Where in a chunk the values lie that are not missing: the smallest box around them, found piece by piece. What is between it and
//! an edge of the chunk is a box of missing values.

use std::ops::Range;

use zcodec::to_usize;

use crate::kernel::Scanner;

/// Elements that are looked at together before one by one.
const TOGETHER: usize = 256;

/// A box that holds nothing.
const NOTHING: (u64, u64) = (u64::MAX, 0);

/// A box of missing values that reaches from one edge of a chunk into it, over its whole width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeBox {
    /// The dimension along which it ends inside of the chunk.
    pub dimension: usize,
    /// Whether it begins at the first element of the chunk along it; otherwise it ends at the last.
    pub at_start: bool,
    /// Its length along it.
    pub length: u64,
}

/// One pass over a chunk.
pub struct Bounds<'s> {
    scanner: &'s Scanner,
    /// Lengths of the chunk.
    stored: &'s [u64],
    /// Lengths inside of the array.
    valid: &'s [u64],
    /// The dimension along which elements lie side by side: those behind it have length one.
    row: usize,
    /// For each dimension, the first and the last index at which there is a value.
    found: Vec<(u64, u64)>,
    /// Elements seen.
    seen: u64,
    /// The index of a row, along the dimensions before it.
    index: Vec<u64>,
}

impl<'s> Bounds<'s> {
    /// A pass over a chunk with the lengths `stored`, of which `valid` lie inside of the array.
    pub fn new(scanner: &'s Scanner, stored: &'s [u64], valid: &'s [u64]) -> Bounds<'s> {
        let row = stored.iter().rposition(|length| *length > 1).unwrap_or(0);
        let mut found = vec![NOTHING; stored.len()];
        found.iter_mut().skip(row + 1).for_each(|behind| *behind = (0, 0));
        Bounds { scanner, stored, valid, row, found, seen: 0, index: vec![0; row] }
    }

    /// Looks at the next bytes of the chunk, which are whole elements.
    pub fn add(&mut self, bytes: &[u8]) {
        let (Some(length), Some(valid)) = (self.stored.get(self.row), self.valid.get(self.row)) else { return };
        let size = self.scanner.itemsize();
        let mut rest = bytes;
        while rest.len() >= size {
            let (row, start) = (self.seen / length, self.seen % length);
            let (part, behind) = rest.split_at(rest.len().min(to_usize(length - start).saturating_mul(size)));
            let inside = to_usize(valid.saturating_sub(start)).saturating_mul(size);
            self.part_of_row(row, start, &part[..part.len().min(inside)]);
            self.seen += (part.len() / size) as u64;
            rest = behind;
        }
    }

    /// Looks at elements of row `number` of the chunk, from its element `start` on.
    fn part_of_row(&mut self, mut number: u64, start: u64, part: &[u8]) {
        for (index, length) in self.index.iter_mut().zip(self.stored).rev() {
            (*index, number) = (number % length, number / length);
        }
        if self.index.iter().zip(self.valid).any(|(index, valid)| index >= valid) {
            return;
        }
        let end = start + (part.len() / self.scanner.itemsize()) as u64;
        let (low, high) = self.found[self.row];
        // In a row that crosses the box, only values outside of it matter.
        let crosses = self.index.iter().zip(&self.found).all(|(index, (low, high))| (low..=high).contains(&index));
        let before = if crosses { start..low.clamp(start, end) } else { start..end };
        let behind = if crosses && high >= low { (high + 1).clamp(start, end)..end } else { start..end };
        let first = self.first_value(part, before.start - start..before.end - start);
        let last = self.last_value(part, behind.start - start..behind.end - start);
        for value in first.into_iter().chain(last) {
            let index = self.index.iter().copied().chain([start + value]);
            self.found.iter_mut().zip(index).for_each(|(found, index)| {
                *found = (found.0.min(index), found.1.max(index));
            });
        }
    }

    /// The first of these elements that is not missing.
    fn first_value(&self, part: &[u8], elements: Range<u64>) -> Option<u64> {
        let size = self.scanner.itemsize();
        let part = part.get(to_usize(elements.start) * size..to_usize(elements.end) * size)?;
        let at = part.chunks(TOGETHER * size).position(|block| !self.scanner.is_empty(block))? * TOGETHER;
        let one = part[at * size..].chunks_exact(size).position(|element| !self.scanner.is_empty(element))?;
        Some(elements.start + (at + one) as u64)
    }

    /// The last of them.
    fn last_value(&self, part: &[u8], elements: Range<u64>) -> Option<u64> {
        let size = self.scanner.itemsize();
        let part = part.get(to_usize(elements.start) * size..to_usize(elements.end) * size)?;
        let behind = part.rchunks(TOGETHER * size).position(|block| !self.scanner.is_empty(block))? * TOGETHER;
        let part = &part[..part.len() - behind * size];
        let one = part.chunks_exact(size).rposition(|element| !self.scanner.is_empty(element))?;
        Some(elements.start + one as u64)
    }

    /// The box of missing values at the start of the chunk along each dimension, or else at its end.
    pub fn boxes(&self) -> impl Iterator<Item = EdgeBox> {
        let lengths = self.valid.iter().zip(&self.found).enumerate();
        lengths.filter(|(_, (length, _))| **length >= 2).filter_map(|(dimension, (length, (low, high)))| {
            let behind = (length - 1).saturating_sub(*high);
            match (*low, behind) {
                (u64::MAX, _) | (0, 0) => None,
                (0, length) => Some(EdgeBox { dimension, at_start: false, length }),
                (length, _) => Some(EdgeBox { dimension, at_start: true, length }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use zarray::NumberType;

    use super::*;

    const F32: NumberType = NumberType { kind: 'f', size: 4, big_endian: false };

    /// The boxes, in pieces of so many elements.
    fn boxes(stored: &[u64], valid: &[u64], piece: usize, has_value: impl Fn(u64) -> bool) -> Vec<(usize, bool, u64)> {
        let scanner = Scanner::new(F32, None).expect("a kernel");
        let mut bounds = Bounds::new(&scanner, stored, valid);
        let value = |number| if has_value(number) { 1.0 } else { f32::NAN };
        let bytes: Vec<u8> = (0..stored.iter().product()).flat_map(|number| value(number).to_le_bytes()).collect();
        bytes.chunks(piece * 4).for_each(|piece| bounds.add(piece));
        bounds.boxes().map(|found| (found.dimension, found.at_start, found.length)).collect()
    }

    #[test]
    fn a_box_at_the_edge_of_a_chunk_is_measured() {
        for piece in [1, 2, 7, 60] {
            let of = |has_value: fn(u64) -> bool| boxes(&[3, 4, 5], &[3, 4, 5], piece, has_value);
            assert_eq!(of(|number| number % 5 < 3), [(2, false, 2)], "{piece}");
            assert_eq!(of(|number| number / 20 > 0), [(0, true, 1)]);
            // Padding has no values, whatever it holds.
            assert_eq!(boxes(&[3, 4, 5], &[3, 4, 3], piece, |number| number % 5 != 0), [(2, true, 1)]);
            assert_eq!(boxes(&[3, 20, 1], &[3, 17, 1], piece, |number| number == 33), [(0, true, 1), (1, true, 13)]);
            assert_eq!(boxes(&[60], &[60], piece, |number| number < 58), [(0, false, 2)]);
            assert_eq!(boxes(&[60], &[60], piece, |_| false), []);
            assert_eq!(boxes(&[60], &[60], piece, |number| number == 0 || number == 59), []);
        }
        assert_eq!(boxes(&[], &[], 1, |_| true), []);
        assert_eq!(boxes(&[2000, 3], &[2000, 3], 500, |number| number == 3000), [(0, true, 1000), (1, false, 2)]);
    }

    /// Whatever the pieces are, the boxes are those of the planes without a value.
    #[test]
    fn boxes_are_planes_without_values() {
        let (stored, valid) = ([4u64, 5, 6], [4u64, 4, 6]);
        let mut state = 1u64;
        for _ in 0..300 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let seed = state;
            let has_value = move |number: u64| {
                let mixed = (seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                (mixed >> 59) == 0
            };
            let index = |number: u64| [number / 30, number / 6 % 5, number % 6];
            let is_inside = |number: &u64| index(*number).iter().zip(&valid).all(|(index, length)| index < length);
            let values: Vec<u64> = (0..120).filter(|number| is_inside(number) && has_value(*number)).collect();
            let expected: Vec<(usize, bool, u64)> = (0..3)
                .filter_map(|dimension| {
                    let at = |number: &u64| index(*number)[dimension];
                    let (low, high) = (values.iter().map(at).min()?, values.iter().map(at).max()?);
                    match (low, valid[dimension] - 1 - high) {
                        (0, 0) => None,
                        (0, length) => Some((dimension, false, length)),
                        (length, _) => Some((dimension, true, length)),
                    }
                })
                .collect();
            for piece in [1, 4, 31, 120] {
                assert_eq!(boxes(&stored, &valid, piece, has_value), expected, "{seed} {piece}");
            }
        }
    }
}
