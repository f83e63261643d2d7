//! Cuts two arrays of one shape into regions: boxes that fit the memory, so that each chunk of both is decoded as few times as
//! possible, whatever the two chunkings.

use zarray::{Grid, Subset};

/// The most shapes that are looked at.
const MOST_SHAPES: usize = 200_000;

/// A grid of regions.
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    grid: Grid,
    /// How many times a byte is decoded, on average of both sides.
    pub amplification: f64,
}

/// What regions may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a value.
    pub itemsize: u64,
    /// Bytes that a region of one array may take.
    pub bytes: u64,
    /// Workers, which each have a region.
    pub workers: u64,
}

impl Regions {
    /// The regions of two arrays with these grids of chunks, which have the same shape.
    pub fn new(ours: &Grid, theirs: &Grid, limits: Limits) -> Option<Regions> {
        let shape = ours.shape().to_vec();
        let axis = |dimension: usize| Axis {
            length: shape[dimension].max(1),
            chunks: [ours.chunk_shape()[dimension], theirs.chunk_shape()[dimension]],
        };
        let axes: Vec<Axis> = (0..shape.len()).map(axis).collect();
        let mut candidates: Vec<Vec<u64>> = axes.iter().map(|axis| axis.candidates(u32::MAX)).collect();
        for doublings in [8, 4, 1, 0] {
            if candidates.iter().fold(1usize, |all, some| all.saturating_mul(some.len())) > MOST_SHAPES {
                candidates = axes.iter().map(|axis| axis.candidates(doublings)).collect();
            }
        }
        while candidates.iter().fold(1usize, |all, some| all.saturating_mul(some.len())) > MOST_SHAPES {
            // So many dimensions: of the longest lists, only the ends are left.
            let longest = candidates.iter_mut().max_by_key(|some| some.len())?;
            let keep = longest.len() / 2;
            longest.truncate(keep.max(1));
        }
        let best = Search { axes: &axes, candidates: &candidates, limits }.best();
        let amplification = Search::amplification(&axes, &best);
        Some(Regions { grid: Grid::new(shape, best)?, amplification })
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.grid.len()
    }

    /// The elements of a region.
    pub fn region(&self, number: u64) -> Subset {
        let region = self.grid.chunk(&self.grid.index(number));
        let array = Subset::whole(self.grid.shape());
        region.intersection(&array).unwrap_or_else(|| Subset::whole(&vec![0; self.grid.shape().len()]))
    }

    /// Elements of the largest region.
    pub fn elements(&self) -> u64 {
        let lengths = self.grid.chunk_shape().iter().zip(self.grid.shape());
        lengths.fold(1, |product: u64, (region, array)| product.saturating_mul((*region).min((*array).max(1))))
    }
}

/// A dimension.
struct Axis {
    length: u64,
    chunks: [u64; 2],
}

impl Axis {
    /// Lengths of a region that are worth looking at, the shortest first: doubled multiples of the chunk lengths and of their
    /// least common multiple, and the whole dimension.
    fn candidates(&self, doublings: u32) -> Vec<u64> {
        let [a, b] = self.chunks.map(|chunk| chunk.clamp(1, self.length));
        let common = (a / gcd(a, b)).saturating_mul(b);
        let mut lengths = vec![self.length];
        for base in [a, b, common] {
            let multiples = (0..=doublings.min(63)).map(|power| base.saturating_mul(1 << power));
            lengths.extend(multiples.take_while(|length| *length < self.length));
        }
        lengths.sort_unstable();
        lengths.dedup();
        lengths
    }

    /// How often a chunk of one side is decoded on average for regions of `region` elements.
    fn repeats(&self, chunk: u64, region: u64) -> f64 {
        let chunk = chunk.clamp(1, self.length);
        let (chunks, regions) = (self.length.div_ceil(chunk), self.length.div_ceil(region));
        let common = (chunk / gcd(chunk, region)).saturating_mul(region);
        let shared = (self.length - 1) / common;
        (chunks + regions - 1 - shared) as f64 / chunks as f64
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// A search over all combinations of candidates.
struct Search<'a> {
    axes: &'a [Axis],
    candidates: &'a [Vec<u64>],
    limits: Limits,
}

impl Search<'_> {
    /// The shape of the lowest cost; the smallest where none fits.
    fn best(&self) -> Vec<u64> {
        let mut at = vec![0; self.axes.len()];
        let shape = |at: &[usize]| -> Vec<u64> { at.iter().zip(self.candidates).map(|(at, some)| some[*at]).collect() };
        let mut best: Option<(f64, Vec<u64>)> = None;
        loop {
            let shape = shape(&at);
            if let Some(cost) = self.cost(&shape)
                && best.as_ref().is_none_or(|(least, _)| cost < *least)
            {
                best = Some((cost, shape));
            }
            let Some(next) = (0..at.len()).rev().find(|axis| at[*axis] + 1 < self.candidates[*axis].len()) else {
                break;
            };
            at[next] += 1;
            at[next + 1..].fill(0);
        }
        best.map_or_else(|| self.candidates.iter().map(|some| some[0]).collect(), |(_, shape)| shape)
    }

    /// The work of the slowest worker; a little less for smaller regions. `None` if it does not fit the memory.
    fn cost(&self, shape: &[u64]) -> Option<f64> {
        let elements = shape.iter().fold(1u64, |product, length| product.saturating_mul(*length));
        let bytes = elements.saturating_mul(self.limits.itemsize);
        if bytes > self.limits.bytes {
            return None;
        }
        let regions: f64 =
            self.axes.iter().zip(shape).map(|(axis, region)| axis.length.div_ceil(*region) as f64).product();
        let workers = self.limits.workers.max(1) as f64;
        let idle = (regions / workers).ceil() * workers / regions;
        let size = 0.1 * bytes as f64 / self.limits.bytes.max(1) as f64;
        // A region costs as much as some thousands of values, besides them.
        let overhead = 4096.0 / elements as f64;
        // What is decoded twice is also read twice: a worker that waits is the lesser evil.
        Some(Search::amplification(self.axes, shape).powf(1.2) * idle * (1.0 + size) + overhead)
    }

    fn amplification(axes: &[Axis], shape: &[u64]) -> f64 {
        let side = |side: usize| -> f64 {
            axes.iter().zip(shape).map(|(axis, region)| axis.repeats(axis.chunks[side], *region)).product()
        };
        f64::midpoint(side(0), side(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid(shape: &[u64], chunk: &[u64]) -> Grid {
        Grid::new(shape.to_vec(), chunk.to_vec()).expect("a grid")
    }

    fn limits(bytes: u64, workers: u64) -> Limits {
        Limits { itemsize: 4, bytes, workers }
    }

    #[test]
    fn maps_against_series_decode_each_chunk_once_where_memory_allows() {
        let (maps, series) = (grid(&[2400, 180, 360], &[1, 180, 360]), grid(&[2400, 180, 360], &[600, 30, 30]));
        let regions = Regions::new(&maps, &series, limits(200 << 20, 2)).expect("regions");
        assert!((regions.amplification - 1.0).abs() < 1e-9 && regions.len() == 4, "{regions:?}");
        // Half of that: the series are read twice.
        let regions = Regions::new(&maps, &series, limits(100 << 20, 2)).expect("regions");
        assert!(regions.amplification <= 1.5 && regions.elements() * 4 <= 100 << 20, "{regions:?}");
    }

    #[test]
    fn a_region_that_no_memory_holds_is_the_smallest() {
        let (one, other) = (grid(&[1 << 20, 64], &[1 << 20, 1]), grid(&[1 << 20, 64], &[1, 64]));
        let regions = Regions::new(&one, &other, limits(3, 4)).expect("regions");
        assert_eq!(regions.elements(), 1);
        assert_eq!(Regions::new(&grid(&[], &[]), &grid(&[], &[]), limits(16, 4)).expect("regions").len(), 1);
        assert_eq!(
            Regions::new(&grid(&[0, 4], &[2, 2]), &grid(&[0, 4], &[1, 4]), limits(16, 4)).expect("regions").len(),
            0
        );
        let many = [4; 12];
        let regions =
            Regions::new(&grid(&many, &[1; 12]), &grid(&many, &[3; 12]), limits(1 << 20, 4)).expect("regions");
        assert!(regions.elements() * 4 <= 1 << 20);
    }

    proptest! {
        /// The estimate of decoded chunks is exact, and the regions cover each element once.
        #[test]
        fn decoded_chunks_are_counted(
            axes in prop::collection::vec((1u64..40, 1u64..12, 1u64..12), 1..4), bytes in 4u64..4000, workers in 1u64..5,
        ) {
            let shape: Vec<u64> = axes.iter().map(|axis| axis.0).collect();
            let chunks = [axes.iter().map(|axis| axis.1).collect::<Vec<_>>(), axes.iter().map(|axis| axis.2).collect()];
            let grids = chunks.map(|chunk| grid(&shape, &chunk));
            let regions = Regions::new(&grids[0], &grids[1], limits(bytes, workers)).expect("regions");
            let elements: u64 = (0..regions.len()).map(|number| regions.region(number).elements()).sum();
            prop_assert_eq!(elements, shape.iter().product::<u64>());
            let repeats = grids.map(|grid| {
                let touched: u64 = (0..regions.len()).map(|number| grid.touched(&regions.region(number)).elements()).sum();
                touched as f64 / grid.len() as f64
            });
            prop_assert!((f64::midpoint(repeats[0], repeats[1]) - regions.amplification).abs() < 1e-9);
        }
    }
}
