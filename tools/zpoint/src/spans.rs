//! Boxes of samples that are read together, split at chunk boundaries where possible.
//!
//! Samples are numbered in C order over the sample axes. A run of numbers is a sequence of boxes, each a range along
//! one axis at fixed positions of the axes before it, and all positions of the axes after it.

use std::ops::Range;
use std::sync::Arc;

use zcoord::Indices;

/// A box of samples: a range of positions along every sample axis.
pub type Span = Vec<Range<usize>>;

/// Where an axis can be split: the chunk of each position, worked out when it is asked for.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The indices of the axis, or any ascending numbers.
    pub indices: Arc<Indices>,
    /// How many indices make a chunk.
    pub chunk: u64,
}

impl Cut {
    /// Number of positions.
    pub fn len(&self) -> usize {
        usize::try_from(self.indices.len()).unwrap_or(usize::MAX)
    }

    /// The chunk of a position; positions of the same chunk are read together.
    pub fn chunk_at(&self, position: usize) -> u64 {
        self.indices.get(position as u64) / self.chunk
    }

    /// The first position of a chunk or of a later one.
    fn first_of(&self, chunk: u64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.chunk_at(middle) < chunk { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The largest end in `start + 1 ..= most` at which a chunk ends, else `most`.
    fn end(&self, start: usize, most: usize) -> usize {
        if most == self.len() {
            return most;
        }
        let end = self.first_of(self.chunk_at(most));
        if end > start { end } else { most }
    }
}

/// Number of samples.
pub fn samples(cuts: &[Cut]) -> u64 {
    cuts.iter().fold(1, |product: u64, cut| product.saturating_mul(cut.len() as u64))
}

/// The boxes of the samples `range`, in order, each of at most `most` samples (at least one).
pub fn boxes(cuts: &[Cut], range: Range<u64>, most: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let (span, len) = largest(cuts, at, range.end, most.max(1));
        spans.push(span);
        at += len;
    }
    spans
}

/// The largest box that starts at sample `at`, and its number of samples.
fn largest(cuts: &[Cut], at: u64, end: u64, most: u64) -> (Span, u64) {
    let lengths: Vec<u64> = cuts.iter().map(|cut| cut.len() as u64).collect();
    let mut positions = vec![0; cuts.len()];
    let mut rest = at;
    for (position, length) in positions.iter_mut().zip(&lengths).rev() {
        *position = (rest % length) as usize;
        rest /= length;
    }
    let room = (end - at).min(most);
    for axis in 0..cuts.len() {
        let inner: u64 = lengths[axis + 1..].iter().product();
        let steps = (room / inner.max(1)).min(lengths[axis] - positions[axis] as u64);
        if !at.is_multiple_of(inner.max(1)) || steps == 0 {
            continue;
        }
        let start = positions[axis];
        let stop = cuts[axis].end(start, start + steps as usize);
        let before = positions[..axis].iter().map(|position| *position..*position + 1);
        let behind = lengths[axis + 1..].iter().map(|length| 0..*length as usize);
        let span = before.chain(std::iter::once(start..stop)).chain(behind).collect();
        return (span, (stop - start) as u64 * inner);
    }
    (positions.iter().map(|position| *position..*position + 1).collect(), 1)
}

/// Samples of part `number` of `of`: contiguous ranges, whose borders are chunk boundaries of the first axis if the
/// ranges are larger than its chunks.
pub fn share(cuts: &[Cut], number: u32, of: u32) -> Range<u64> {
    let total = samples(cuts);
    let border = |number: u32| -> u64 {
        let exact = (u128::from(total) * u128::from(number) / u128::from(of.max(1))) as u64;
        let Some(first) = cuts.first().filter(|_| number > 0 && number < of) else { return exact };
        let inner: u64 = cuts[1..].iter().map(|cut| cut.len() as u64).product();
        let step = (exact / inner.max(1)) as usize;
        // The chunk that the exact border would split: the share ends before or after it, whichever is nearer.
        let (start, end) = match step < first.len() {
            true => (first.first_of(first.chunk_at(step)), first.first_of(first.chunk_at(step) + 1)),
            false => (step, step),
        };
        if ((end - start) as u64 * inner).saturating_mul(2) > total / u64::from(of) {
            return exact;
        }
        let (start, end) = (start as u64 * inner, end as u64 * inner);
        if exact - start <= end - exact { start } else { end }
    };
    border(number - 1)..border(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(length: usize, chunk: usize) -> Cut {
        Cut { indices: Arc::new(Indices::all(length as u64)), chunk: chunk as u64 }
    }

    /// The numbers of the samples of a box.
    fn numbers(cuts: &[Cut], span: &Span) -> Vec<u64> {
        let mut found = vec![0u64];
        for (cut, range) in cuts.iter().zip(span) {
            found = found.iter().flat_map(|n| range.clone().map(move |at| n * cut.len() as u64 + at as u64)).collect();
        }
        found
    }

    #[test]
    fn boxes_end_between_chunks() {
        let cuts = [cut(100, 24)];
        let flat = |spans: Vec<Span>| spans.into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(flat(boxes(&cuts, 0..100, 50)), [0..48, 48..96, 96..100]);
        assert_eq!(flat(boxes(&cuts, 10..30, 1000)), [10..24, 24..30]);
        assert_eq!(boxes(&cuts, 0..24, 10).len(), 3, "a chunk that does not fit is cut");
        assert_eq!(boxes(&[], 0..1, 5), [Vec::<Range<usize>>::new()], "one sample without axes");
        assert_eq!(boxes(&[cut(4, 1), cut(10, 10)], 0..40, 20), [vec![0..2, 0..10], vec![2..4, 0..10]]);
    }

    #[test]
    fn shares_are_cut_between_chunks_where_they_are_large() {
        let cuts = [cut(100, 10)];
        let shares: Vec<Range<u64>> = (1..=3).map(|number| share(&cuts, number, 3)).collect();
        assert_eq!(shares, [0..30, 30..70, 70..100]);
        assert_eq!(share(&cuts, 2, 50), 2..4, "small shares cut chunks");
    }

    fn any_cuts() -> impl Strategy<Value = Vec<Cut>> {
        prop::collection::vec((1usize..12, 1usize..8).prop_map(|(length, chunk)| cut(length, chunk)), 0..4)
    }

    proptest! {
        /// The boxes are the run, in order, and none is too large.
        #[test]
        fn boxes_are_the_run((cuts, from, to) in (any_cuts(), 0u64..2000, 0u64..2000), most in 1u64..500) {
            let total = samples(&cuts);
            let (from, to) = (from.min(total), to.min(total));
            let range = from.min(to)..from.max(to);
            let spans = boxes(&cuts, range.clone(), most);
            let all: Vec<u64> = spans.iter().flat_map(|span| numbers(&cuts, span)).collect();
            prop_assert_eq!(all, range.collect::<Vec<_>>());
            prop_assert!(spans.iter().all(|span| numbers(&cuts, span).len() as u64 <= most));
        }

        /// Shares are disjoint, in order and together everything.
        #[test]
        fn shares_are_everything(cuts in any_cuts(), of in 1u32..40) {
            let shares: Vec<Range<u64>> = (1..=of).map(|number| share(&cuts, number, of)).collect();
            prop_assert_eq!(shares[0].start, 0);
            prop_assert_eq!(shares[of as usize - 1].end, samples(&cuts));
            prop_assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert!(shares.iter().all(|share| share.start <= share.end));
        }
    }
}
