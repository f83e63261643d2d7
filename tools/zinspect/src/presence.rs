//! Where the objects of an array are missing: their share in equal stretches along its first dimension with several chunks.

use zarray::Grid;
use zwire::round3;

/// Stretches that are counted, so that a strip of them fits a terminal.
const STRETCHES: u64 = 60;

/// How the numbers of objects are divided into stretches.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Objects along the dimension.
    length: u64,
    /// Objects of the dimensions after it; those before it have one each.
    inner: u64,
    stretches: u64,
}

impl Layout {
    /// The stretches of a grid.
    pub fn of(grid: &Grid) -> Layout {
        let counts = grid.counts();
        let dimension = first_divided(&counts);
        let length = counts.get(dimension).copied().unwrap_or(1).max(1);
        Layout { length, inner: counts.iter().skip(dimension + 1).product(), stretches: length.min(STRETCHES) }
    }

    /// Counts an object in its stretch.
    pub fn count(&self, number: u64, counts: &mut Vec<u64>) {
        counts.resize(self.stretches as usize, 0);
        let index = (number / self.inner.max(1)).min(self.length - 1);
        counts[(u128::from(index) * u128::from(self.stretches) / u128::from(self.length)) as usize] += 1;
    }

    /// The share of each stretch that is present.
    pub fn shares(&self, counts: &[u64]) -> Vec<f64> {
        // The first index of a stretch is the first one that the division above maps to it.
        let start = |stretch: usize| (stretch as u128 * u128::from(self.length)).div_ceil(u128::from(self.stretches));
        let expected = |stretch: usize| (start(stretch + 1) - start(stretch)) as f64 * self.inner as f64;
        counts.iter().enumerate().map(|(stretch, count)| round3(*count as f64 / expected(stretch).max(1.0))).collect()
    }
}

/// The first dimension with several chunks; the first one, if none has.
pub fn first_divided(counts: &[u64]) -> usize {
    counts.iter().position(|count| *count > 1).unwrap_or(0)
}

/// A character for each stretch.
pub fn strip(shares: &[f64]) -> String {
    let character = |share: &f64| match *share {
        share if share >= 1.0 => '█',
        share if share > 0.0 => '▒',
        _ => '·',
    };
    shares.iter().map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(shape: &[u64], chunk: &[u64], present: impl Fn(u64) -> bool) -> Vec<f64> {
        let grid = Grid::new(shape.to_vec(), chunk.to_vec()).expect("a grid");
        let layout = Layout::of(&grid);
        let mut counts = Vec::new();
        (0..grid.len()).filter(|number| present(*number)).for_each(|number| layout.count(number, &mut counts));
        layout.shares(&counts)
    }

    #[test]
    fn stretches_lie_along_the_first_divided_dimension() {
        assert_eq!(shares(&[4, 6], &[1, 3], |number| number < 5), [1.0, 1.0, 0.5, 0.0]);
        assert_eq!(shares(&[1, 4, 2], &[1, 1, 2], |number| number != 1), [1.0, 0.0, 1.0, 1.0]);
        assert_eq!(strip(&[1.0, 0.5, 0.0, 0.999]), "█▒·▒");
    }

    #[test]
    fn complete_stretches_are_complete_whatever_their_number() {
        for length in [2, 59, 60, 61, 97, 1000] {
            let found = shares(&[length, 3], &[1, 1], |_| true);
            assert_eq!(found.len() as u64, length.min(STRETCHES));
            assert!(found.iter().all(|share| *share == 1.0), "{length}: {found:?}");
        }
        let half = shares(&[1000], &[1], |number| number < 500);
        assert_eq!(strip(&half), "█".repeat(30) + &"·".repeat(30));
    }
}
