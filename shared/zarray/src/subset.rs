//! Boxes of an n-dimensional array (Zarr's word: subsets), and the copy of one from a buffer to another.
//!
//! A buffer holds the elements of a subset in C order, the last dimension fastest. Elements are opaque bytes. To store
//! elements in another order, permute the subsets first: a permuted box in C order is the box in permuted order.

/// A hyperrectangle: start and length in each dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subset {
    start: Vec<u64>,
    shape: Vec<u64>,
}

impl Subset {
    /// The box of `shape` that starts at `start`, which has the same rank.
    pub fn new(start: Vec<u64>, shape: Vec<u64>) -> Subset {
        debug_assert_eq!(start.len(), shape.len());
        Subset { start, shape }
    }

    /// The box of `shape` at the origin.
    pub fn whole(shape: &[u64]) -> Subset {
        Subset { start: vec![0; shape.len()], shape: shape.to_vec() }
    }

    /// Chunk `index` of a regular grid of chunks of `chunk_shape`, in full even at the edge.
    pub fn chunk(index: &[u64], chunk_shape: &[u64]) -> Subset {
        let start = index.iter().zip(chunk_shape).map(|(index, length)| index * length).collect();
        Subset { start, shape: chunk_shape.to_vec() }
    }

    /// First element in each dimension.
    pub fn start(&self) -> &[u64] {
        &self.start
    }

    /// Length of each dimension.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Number of elements (`u64::MAX` if there are more).
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |product: u64, length| product.saturating_mul(*length))
    }

    /// The intersection with `other`; `None` if empty.
    pub fn intersection(&self, other: &Subset) -> Option<Subset> {
        let (mut start, mut shape) = (Vec::with_capacity(self.start.len()), Vec::with_capacity(self.start.len()));
        for ((a, n), (b, m)) in self.extents().zip(other.extents()) {
            let first = a.max(b);
            let end = a.saturating_add(n).min(b.saturating_add(m));
            start.push(first);
            shape.push(end.checked_sub(first).filter(|length| *length > 0)?);
        }
        Some(Subset { start, shape })
    }

    /// The box of the chunks of a regular grid that it touches, in units of chunks.
    pub fn chunks(&self, chunk_shape: &[u64]) -> Subset {
        let first: Vec<u64> = self.start.iter().zip(chunk_shape).map(|(start, chunk)| start / chunk).collect();
        let shape = self.extents().zip(chunk_shape).zip(&first);
        let shape =
            shape.map(|(((start, n), chunk), first)| if n == 0 { 0 } else { (start + n).div_ceil(*chunk) - first });
        Subset { shape: shape.collect(), start: first }
    }

    /// The member of that number in C order.
    pub fn member(&self, mut number: u64) -> Vec<u64> {
        let mut index = self.start.clone();
        for (position, length) in index.iter_mut().zip(&self.shape).rev() {
            *position += number % length.max(&1);
            number /= length.max(&1);
        }
        index
    }

    /// The number of a member in C order.
    pub fn number(&self, member: &[u64]) -> u64 {
        let places = member.iter().zip(self.extents());
        places.fold(0, |number, (position, (start, n))| number * n + (position - start))
    }

    /// The same subset with its dimensions permuted: dimension `order[i]` becomes dimension `i`.
    pub fn permuted(&self, order: &[usize]) -> Subset {
        let pick = |from: &[u64]| order.iter().map(|dimension| from[*dimension]).collect();
        Subset { start: pick(&self.start), shape: pick(&self.shape) }
    }

    fn extents(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + ExactSizeIterator {
        self.start.iter().copied().zip(self.shape.iter().copied())
    }
}

/// A dimension of a copy: its length, and bytes from one step to the next in both buffers.
#[derive(Clone, Copy)]
struct Axis {
    length: usize,
    source: usize,
    target: usize,
}

/// Copies the elements of `part` from `source`, which holds the subset `from`, to `target`, which holds the subset `to`;
/// `part` lies in both. Elements have `itemsize` bytes.
///
/// # Panics
/// Where a buffer is shorter than its subset.
pub fn copy_subset(part: &Subset, from: &Subset, source: &[u8], to: &Subset, target: &mut [u8], itemsize: usize) {
    copy_from_window(part, from, (source, 0), to, target, itemsize);
}

/// As [`copy_subset`], if only a window of the source is available: bytes, and their offset in the bytes of the subset.
pub(crate) fn copy_from_window(
    part: &Subset,
    from: &Subset,
    (window, window_start): (&[u8], usize),
    to: &Subset,
    target: &mut [u8],
    itemsize: usize,
) {
    if part.elements() == 0 || itemsize == 0 {
        return;
    }
    let mut axes: Vec<Axis> = Vec::with_capacity(part.shape.len());
    let (mut source_at, mut target_at) = (0, 0);
    let (mut source_stride, mut target_stride) = (itemsize, itemsize);
    // From the last dimension: one that continues the run before it, in both buffers, becomes part of that run.
    for (dimension, length) in part.shape.iter().enumerate().rev() {
        let length = zcodec::to_usize(*length);
        source_at += zcodec::to_usize(part.start[dimension] - from.start[dimension]) * source_stride;
        target_at += zcodec::to_usize(part.start[dimension] - to.start[dimension]) * target_stride;
        match axes.last_mut() {
            _ if length == 1 => {}
            Some(last) if last.source * last.length == source_stride && last.target * last.length == target_stride => {
                last.length *= length;
            }
            _ => axes.push(Axis { length, source: source_stride, target: target_stride }),
        }
        source_stride *= zcodec::to_usize(from.shape[dimension]);
        target_stride *= zcodec::to_usize(to.shape[dimension]);
    }
    // The axes are now fastest first. A first axis without gaps is a run of bytes.
    let run = match axes.first() {
        Some(first) if first.source == itemsize && first.target == itemsize => axes.remove(0).length * itemsize,
        _ => itemsize,
    };
    copy_axes(&axes, run, &window[source_at - window_start..], &mut target[target_at..]);
}

/// Copies runs of `run` bytes along `axes`, fastest first.
fn copy_axes(axes: &[Axis], run: usize, source: &[u8], target: &mut [u8]) {
    match axes {
        [] => target[..run].copy_from_slice(&source[..run]),
        [axis] => copy_runs(*axis, run, source, target),
        [faster @ .., axis] => {
            for step in 0..axis.length {
                copy_axes(faster, run, &source[step * axis.source..], &mut target[step * axis.target..]);
            }
        }
    }
}

/// Copies runs along one axis. A run of a known length is a move or two; a call of `memcpy` costs more than it copies.
fn copy_runs(axis: Axis, run: usize, source: &[u8], target: &mut [u8]) {
    match run {
        1 => copy_fixed::<1>(axis, source, target),
        2 => copy_fixed::<2>(axis, source, target),
        4 => copy_fixed::<4>(axis, source, target),
        8 => copy_fixed::<8>(axis, source, target),
        16 => copy_fixed::<16>(axis, source, target),
        32 => copy_fixed::<32>(axis, source, target),
        64 => copy_fixed::<64>(axis, source, target),
        128 => copy_fixed::<128>(axis, source, target),
        _ => {
            for step in 0..axis.length {
                let (from, to) = (step * axis.source, step * axis.target);
                target[to..to + run].copy_from_slice(&source[from..from + run]);
            }
        }
    }
}

fn copy_fixed<const RUN: usize>(axis: Axis, source: &[u8], target: &mut [u8]) {
    let from = source.chunks(axis.source);
    let to = target.chunks_mut(axis.target);
    for (from, to) in from.zip(to).take(axis.length) {
        if let (Some(from), Some(to)) = (from.first_chunk::<RUN>(), to.first_chunk_mut::<RUN>()) {
            *to = *from;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn boxes_meet() {
        let a = Subset::new(vec![0, 10], vec![5, 10]);
        let b = Subset::new(vec![4, 0], vec![9, 11]);
        assert_eq!(a.intersection(&b), Some(Subset::new(vec![4, 10], vec![1, 1])));
        assert_eq!(a.intersection(&Subset::new(vec![5, 10], vec![1, 1])), None);
        assert_eq!(Subset::whole(&[]).intersection(&Subset::whole(&[])), Some(Subset::whole(&[])));
        assert_eq!(Subset::whole(&[0]).intersection(&Subset::whole(&[0])), None);
        assert_eq!(a.chunks(&[2, 4]), Subset::new(vec![0, 2], vec![3, 3]));
        assert_eq!(Subset::whole(&[0, 3]).chunks(&[2, 2]).elements(), 0);
        assert_eq!(a.permuted(&[1, 0]), Subset::new(vec![10, 0], vec![10, 5]));
    }

    #[test]
    fn members_are_numbered_in_c_order() {
        let subset = Subset::new(vec![1, 5], vec![2, 3]);
        let all: Vec<Vec<u64>> = (0..6).map(|number| subset.member(number)).collect();
        assert_eq!((all[0].as_slice(), all[2].as_slice(), all[5].as_slice()), (&[1, 5][..], &[1, 7][..], &[2, 7][..]));
        assert!(all.iter().enumerate().all(|(number, member)| subset.number(member) == number as u64));
        assert_eq!(Subset::whole(&[]).member(0), Vec::<u64>::new());
    }

    /// A box within `0..10` in each dimension.
    fn any_box(rank: usize) -> impl Strategy<Value = Subset> {
        prop::collection::vec((0u64..6, 1u64..6), rank)
            .prop_map(|extents| extents.into_iter().unzip())
            .prop_map(|(start, shape)| Subset::new(start, shape))
    }

    proptest! {
        /// The copy equals a loop over elements, and changes no other bytes.
        #[test]
        fn agrees_with_a_loop_over_elements(
            (from, to) in (0usize..5).prop_flat_map(|rank| (any_box(rank), any_box(rank))),
            itemsize in 1usize..20,
        ) {
            let source: Vec<u8> = (0..from.elements() as usize * itemsize).map(|i| (i % 251) as u8).collect();
            let mut target = vec![255u8; to.elements() as usize * itemsize];
            let mut expected = target.clone();
            if let Some(part) = from.intersection(&to) {
                for member in (0..part.elements()).map(|number| part.member(number)) {
                    let (at, to_at) = (from.number(&member) as usize * itemsize, to.number(&member) as usize * itemsize);
                    expected[to_at..to_at + itemsize].copy_from_slice(&source[at..at + itemsize]);
                }
                copy_subset(&part, &from, &source, &to, &mut target, itemsize);
            }
            prop_assert_eq!(target, expected);
        }
    }
}
