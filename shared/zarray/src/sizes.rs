//! The median of many sizes, in bounded memory.

/// Number of different sizes up to which the median is exact.
const EXACT_SIZES: usize = 4096;

/// How often each size occurs, with the smallest and the largest. With more than [`EXACT_SIZES`] different sizes, they are
/// rounded to within 0.1 %, so that the counts of ten million chunks need only a few kilobytes.
#[derive(Default)]
pub struct Sizes {
    /// Sizes in order, and how often each occurs. There may be very many of these, mostly with one size.
    counts: Vec<(u64, u64)>,
    /// The smallest size.
    pub smallest: Option<u64>,
    /// The largest size.
    pub largest: Option<u64>,
    coarse: bool,
}

impl Sizes {
    /// Adds a size.
    pub fn add(&mut self, size: u64) {
        self.smallest = Some(self.smallest.map_or(size, |smallest| smallest.min(size)));
        self.largest = self.largest.max(Some(size));
        self.count(size, 1);
    }

    fn count(&mut self, size: u64, times: u64) {
        let size = if self.coarse { rounded(size) } else { size };
        match self.counts.binary_search_by_key(&size, |(size, _)| *size) {
            Ok(at) => self.counts[at].1 += times,
            Err(at) => {
                if self.counts.is_empty() {
                    self.counts.reserve_exact(1);
                }
                self.counts.insert(at, (size, times));
            }
        }
        if !self.coarse && self.counts.len() > EXACT_SIZES {
            self.coarse = true;
            for (size, count) in std::mem::take(&mut self.counts) {
                self.count(size, count);
            }
        }
    }

    /// Adds the sizes that another part of the same array has.
    pub fn merge(&mut self, other: Sizes) {
        for size in other.smallest.into_iter().chain(other.largest) {
            self.smallest = Some(self.smallest.map_or(size, |smallest| smallest.min(size)));
            self.largest = self.largest.max(Some(size));
        }
        for (size, times) in other.counts {
            self.count(size, times);
        }
    }

    /// The median; `None` if there is no size.
    pub fn median(&self) -> Option<u64> {
        let half = self.counts.iter().map(|(_, count)| count).sum::<u64>().div_ceil(2);
        let mut seen = 0;
        let middle = self.counts.iter().find(|(_, count)| {
            seen += *count;
            seen >= half
        });
        middle.map(|(size, _)| *size)
    }
}

/// The ten highest bits of a size.
fn rounded(size: u64) -> u64 {
    let drop = (64 - size.leading_zeros()).saturating_sub(10);
    size >> drop << drop
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_few_sizes_is_exact_and_of_many_close() {
        let mut sizes = Sizes::default();
        for size in [5, 1, 9, 7, 3] {
            sizes.add(size);
        }
        assert_eq!((sizes.median(), sizes.smallest, sizes.largest), (Some(5), Some(1), Some(9)));
        let mut sizes = Sizes::default();
        for size in 0..200_000u64 {
            sizes.add(size);
        }
        let median = sizes.median().expect("not empty") as f64;
        assert!((median / 100_000.0 - 1.0).abs() < 0.002, "{median}");
        assert!(sizes.counts.len() <= 2 * EXACT_SIZES);
        assert_eq!((sizes.smallest, sizes.largest), (Some(0), Some(199_999)));
    }
}
