//! What is read and encoded again of an array that is cut inside its chunks: computed dimension by dimension, because what is
//! fetched is a product of ranges.

use std::ops::Range;

/// What is read of an array, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// Objects of the output that are copies.
    pub copied: u64,
    /// Objects of the output that are put together and encoded again.
    pub recoded: u64,
    /// Source objects that are read, counting repeated reads.
    pub objects: u64,
    /// Their elements that lie in the array.
    pub elements: u64,
}

/// What is read for `ranges` of each dimension of an array of this shape with chunks of this shape, joined into chunks of the same shape.
pub fn reads(ranges: &[Vec<Range<u64>>], shape: &[u64], chunks: &[u64]) -> Reads {
    let mut product = Along { chunks: 1, copied: 1, reads: 1, elements: 1 };
    for ((ranges, length), chunk) in ranges.iter().zip(shape).zip(chunks) {
        let own = along(ranges, *length, (*chunk).max(1));
        product.chunks = product.chunks.saturating_mul(own.chunks);
        product.copied = product.copied.saturating_mul(own.copied);
        product.reads = product.reads.saturating_mul(own.reads);
        product.elements = product.elements.saturating_mul(own.elements);
    }
    let Along { chunks, copied, reads, elements } = product;
    Reads { copied, recoded: chunks - copied, objects: reads, elements }
}

/// One dimension: chunks of the output, those that are chunks of the source, chunks of the source that are read, and their indices.
#[derive(Default)]
struct Along {
    chunks: u64,
    copied: u64,
    reads: u64,
    elements: u64,
}

fn along(ranges: &[Range<u64>], length: u64, chunk: u64) -> Along {
    let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let mut all = Along { chunks: total.div_ceil(chunk), ..Along::default() };
    // The ranges lie one after the other in the output, and are cut where its chunks end.
    let (mut at, mut parts) = (0, Vec::new());
    for range in ranges {
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min(start + (chunk - at % chunk));
            parts.push((at, start..end));
            at += end - start;
            start = end;
        }
    }
    for chunk_parts in parts.chunk_by(|(one, _), (other, _)| one / chunk == other / chunk) {
        let is_copy = chunk_parts.len() == 1 && chunk_parts[0].1.start.is_multiple_of(chunk);
        all.copied += u64::from(is_copy);
        for (_, part) in chunk_parts {
            let (first, last) = (part.start / chunk, part.end.div_ceil(chunk));
            all.reads += last - first;
            all.elements += (last * chunk).min(length) - first * chunk;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ranges: &[Range<u64>], length: u64, chunk: u64) -> (u64, u64, u64, u64) {
        let Reads { copied, recoded, objects, elements } = reads(&[ranges.to_vec()], &[length], &[chunk]);
        (copied, recoded, objects, elements)
    }

    #[test]
    fn ranges_between_chunks_are_copied_and_others_are_not() {
        assert_eq!(of(&[4..8], 10, 4), (1, 0, 1, 4));
        assert_eq!(of(&[8..10], 10, 4), (1, 0, 1, 2), "the last chunk is shorter");
        assert_eq!(of(&[2..4], 4, 4), (0, 1, 1, 4), "half of a chunk");
        assert_eq!(of(&[2..10], 10, 4), (0, 2, 4, 14), "each is made of two");
        assert_eq!(of(&[0..4, 6..8], 10, 4), (1, 1, 2, 8));
        assert_eq!(of(&[6..8, 0..2], 10, 4), (0, 1, 2, 8), "two ranges in one chunk");
    }

    #[test]
    fn dimensions_are_multiplied() {
        let ranges = [vec![4..8], vec![1..3]];
        assert_eq!(reads(&ranges, &[8, 4], &[2, 2]), Reads { copied: 0, recoded: 2, objects: 4, elements: 16 });
        assert_eq!(reads(&[], &[], &[]), Reads { copied: 1, recoded: 0, objects: 1, elements: 1 });
    }
}
