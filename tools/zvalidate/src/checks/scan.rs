//! The statistics of a chunk whose decoded bytes come piece by piece, without the padding of chunks at the edge.

use zcodec::to_usize;

use crate::kernel::{Scanner, Stats};

/// One pass over a chunk.
pub struct Scan<'s> {
    scanner: &'s Scanner,
    /// Elements that lie side by side, inside of the array and in one step: a run.
    run: u64,
    /// For each dimension before those of a run, its length inside of the array, and the elements from one index to the next.
    outer: Vec<(u64, u64)>,
    /// Where the next run is.
    index: Vec<u64>,
    /// Its first element; `None` after the last run.
    base: Option<u64>,
    /// Elements seen.
    seen: u64,
    /// The dimension whose steps are looked at one by one, and the values of each.
    step: Option<usize>,
    steps: Vec<Stats>,
    all: Stats,
}

impl<'s> Scan<'s> {
    /// A pass over a chunk with the lengths `stored`, of which `valid` lie inside of the array. `step` is the dimension whose
    /// steps are looked at one by one.
    pub fn new(scanner: &'s Scanner, stored: &[u64], valid: &[u64], step: Option<usize>) -> Scan<'s> {
        let least = step.map_or(0, |step| step + 1);
        let (mut depth, mut run) = (stored.len(), 1);
        while depth > least {
            depth -= 1;
            run *= valid[depth];
            if valid[depth] != stored[depth] {
                break;
            }
        }
        let stride = |dimension: usize| stored[dimension + 1..].iter().product();
        let outer: Vec<(u64, u64)> = (0..depth).map(|dimension| (valid[dimension], stride(dimension))).collect();
        let steps = vec![Stats::default(); step.map_or(0, |step| to_usize(valid[step]))];
        let base = valid.iter().all(|length| *length > 0).then_some(0);
        Scan { scanner, run, index: vec![0; depth], outer, base, seen: 0, step, steps, all: Stats::default() }
    }

    /// Looks at the next bytes of the chunk, which are whole elements.
    pub fn add(&mut self, bytes: &[u8]) {
        let size = self.scanner.itemsize();
        let (start, end) = (self.seen, self.seen + (bytes.len() / size) as u64);
        while let Some(base) = self.base.filter(|base| *base < end) {
            let at = |element: u64| to_usize(element - start) * size;
            let stats = self.scanner.scan(&bytes[at(base.max(start))..at((base + self.run).min(end))]);
            match self.step {
                Some(step) => self.steps[to_usize(self.index[step])].merge(&stats),
                None => self.all.merge(&stats),
            }
            if base + self.run > end {
                break;
            }
            self.base = self.next(base);
        }
        self.seen = end;
    }

    /// The first element of the run behind the one that begins at `base`.
    fn next(&mut self, mut base: u64) -> Option<u64> {
        for (index, (length, stride)) in self.index.iter_mut().zip(&self.outer).rev() {
            *index += 1;
            if *index < *length {
                return Some(base + stride);
            }
            base -= stride * (*length - 1);
            *index = 0;
        }
        None
    }

    /// The statistics of all values, and those of each step.
    pub fn finish(mut self) -> (Stats, Vec<Stats>) {
        self.steps.iter().for_each(|stats| self.all.merge(stats));
        (self.all, self.steps)
    }
}

#[cfg(test)]
mod tests {
    use zarray::NumberType;

    use super::*;

    const F32: NumberType = NumberType { kind: 'f', size: 4, big_endian: false };

    /// Whatever the pieces are, every value inside counts once, in its step.
    #[test]
    fn pieces_do_not_matter() {
        let scanner = Scanner::new(F32, None).expect("a kernel");
        let stored = [2, 3, 4, 5];
        let bytes: Vec<u8> = (0..120).flat_map(|number| (number as f32).to_le_bytes()).collect();
        for valid in [[2, 3, 4, 5], [2, 3, 4, 4], [1, 3, 2, 5], [2, 1, 1, 1]] {
            let inside = |number: &u64| {
                let index = [number / 60, number / 20 % 3, number / 5 % 4, number % 5];
                index.iter().zip(&valid).all(|(index, length)| index < length)
            };
            for step in [None, Some(0), Some(1), Some(2), Some(3)] {
                let stride: u64 = step.map_or(1, |step| stored[step + 1..].iter().product());
                for piece in [1, 3, 7, 20, 33, 120] {
                    let mut scan = Scan::new(&scanner, &stored, &valid, step);
                    bytes.chunks(piece * 4).for_each(|bytes| scan.add(bytes));
                    let (all, steps) = scan.finish();
                    assert_eq!(all.values, valid.iter().product::<u64>());
                    let last = (0..120).rev().find(inside).expect("some");
                    assert_eq!((all.min, all.max), (0.0, last as f64), "{valid:?} {step:?} {piece}");
                    for (at, stats) in steps.iter().enumerate() {
                        let step = step.expect("there are steps");
                        let of = |number: &u64| inside(number) && number / stride % stored[step] == at as u64;
                        let numbers: Vec<u64> = (0..120).filter(of).collect();
                        assert_eq!(stats.values, numbers.len() as u64);
                        assert_eq!((stats.min, stats.max), (numbers[0] as f64, numbers[numbers.len() - 1] as f64));
                    }
                }
            }
        }
        let mut scalar = Scan::new(&scanner, &[], &[], None);
        scalar.add(&1f32.to_le_bytes());
        assert_eq!(scalar.finish().0.values, 1);
    }
}
