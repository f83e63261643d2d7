//! Searches for the region shape.
//!
//! The cost of a region shape is a product over dimensions: for each, how many source chunks the boundaries between
//! regions cut. Dimensions are therefore added one by one, and among partial shapes of similar size only the cheapest
//! is kept. This leaves a few hundred shapes to compare, independent of the array size.

/// Partial shapes compete if their sizes differ by less than this fraction of a doubling.
const BUCKETS_PER_DOUBLING: f64 = 32.0;

/// Along one dimension, all lengths up to here are tried, then a geometric series.
const ALL_UP_TO: u64 = 48;

/// One dimension of source and output grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// Length of the array.
    pub length: u64,
    /// Length of a source chunk.
    pub source: u64,
    /// Length of the smallest unit of a region.
    pub unit: u64,
    /// Length of an output chunk.
    pub chunk: u64,
    /// Regions also end at multiples of this: the length of a shard that is written in slices; 0 if there is none.
    pub border: u64,
    /// Elements decoded again if a boundary cuts a source chunk: those in the same Blosc block, or the whole chunk if
    /// it has no blocks.
    pub overlap: f64,
}

/// Cost of a region shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Units along each dimension.
    pub units: Vec<u64>,
    /// Elements of a full region.
    pub elements: f64,
    /// Source chunk reads in the whole run, counting repeated reads.
    pub reads: f64,
    /// Elements decoded in the whole run, counting repeated decoding.
    pub decoded: f64,
    /// Maximum number of source chunks that a region overlaps.
    pub sources: f64,
    /// Output chunks in a full region.
    pub chunks: f64,
}

impl Axis {
    /// Region length in elements, and the number of regions along the dimension.
    fn cut(self, units: u64) -> (u64, u64) {
        let step = units.saturating_mul(self.unit);
        match self.border {
            0 => (step.min(self.length), self.length.div_ceil(step)),
            border => {
                let full = border.div_ceil(step) * (self.length / border);
                (step.min(border).min(self.length), full + (self.length % border).div_ceil(step))
            }
        }
    }

    /// Number of regions of `units` units.
    pub fn regions(self, units: u64) -> u64 {
        self.cut(units).1
    }

    /// Number of units.
    pub fn units(self) -> u64 {
        self.length.div_ceil(self.unit.max(1)).max(1)
    }

    /// Boundaries at `step`, `2 * step`, … below `end` that cut a source chunk.
    fn cut_chunks(self, step: u64, end: u64) -> u64 {
        let cuts = end.div_ceil(step).saturating_sub(1);
        let period = self.source / gcd(step, self.source);
        cuts - cuts / period
    }

    /// Source chunk reads along this axis: one per overlapping pair of region and source chunk.
    pub fn reads(self, units: u64) -> u64 {
        let step = units.saturating_mul(self.unit);
        let chunks = self.length.div_ceil(self.source);
        chunks
            + match self.border {
                0 => self.cut_chunks(step, self.length),
                border => {
                    let whole = self.length / border;
                    let within = if border.is_multiple_of(self.source) {
                        self.cut_chunks(step, border)
                    } else {
                        border.div_ceil(step) - 1
                    };
                    let rest = self.length % border;
                    self.cut_chunks(border, self.length) + whole * within + self.cut_chunks(step, rest)
                }
            }
    }

    /// Maximum number of regions that overlap one source chunk.
    pub fn max_reads(self, units: u64) -> u64 {
        let (step, _) = self.cut(units);
        let chunks = self.length.div_ceil(self.source);
        let period = step / gcd(step, self.source);
        let border = if self.border == 0 { self.length } else { self.border };
        let pieces = |chunk: u64| {
            let (first, last) = (chunk * self.source, ((chunk + 1) * self.source).min(self.length) - 1);
            let number = |at: u64| at / border * border.div_ceil(step) + at % border / step;
            number(last) - number(first) + 1
        };
        // Chunk and region boundaries are periodic, so only a few thousand chunks need to be checked.
        let seen = if self.border == 0 { chunks.min(period) } else { chunks };
        (0..seen.min(4096)).map(pieces).max().unwrap_or(0)
    }

    fn shape(self, units: u64) -> Shape {
        let (length, _) = self.cut(units);
        let aligned = units.saturating_mul(self.unit).is_multiple_of(self.source);
        let aligned = aligned && self.border.is_multiple_of(self.source);
        let met = if aligned { length.div_ceil(self.source) } else { length.saturating_sub(1) / self.source + 2 };
        let reads = self.reads(units) as f64;
        let cuts = reads - self.length.div_ceil(self.source) as f64;
        let most = reads * self.source.min(self.length) as f64;
        Shape {
            units: vec![units],
            elements: length as f64,
            reads,
            decoded: (self.length as f64 + cuts * self.overlap).min(most),
            sources: met.min(self.length.div_ceil(self.source)) as f64,
            chunks: length.div_ceil(self.chunk) as f64,
        }
    }

    /// Candidate unit counts: balanced, to avoid a small last region, and those aligned with source chunks.
    fn candidates(self) -> Vec<u64> {
        let length = if self.border == 0 { self.length } else { self.border.min(self.length) };
        let all = length.div_ceil(self.unit).max(1);
        let aligned = self.source / gcd(self.unit, self.source);
        let mut units: Vec<u64> = series(all).flat_map(|n| [n, all.div_ceil(n)]).collect();
        units.extend(series(all / aligned).map(|n| {
            let parts = all.div_ceil(n * aligned);
            all.div_ceil(parts).next_multiple_of(aligned).min(all)
        }));
        units.sort_unstable();
        units.dedup();
        units
    }
}

/// 1, 2, 3, …, then in steps of 10 %, up to `last`.
fn series(last: u64) -> impl Iterator<Item = u64> {
    let next = |n: &u64| if *n < ALL_UP_TO { Some(n + 1) } else { n.checked_add(n / 10) };
    std::iter::successors(Some(1), next).take_while(move |n| *n < last).chain((last > 0).then_some(last))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// Candidate region shapes of up to `limit` elements: for each size the cheapest, or close to it, by `weight`, a
/// function of the reads and decoded elements of a shape.
pub fn shapes(axes: &[Axis], limit: f64, weight: impl Fn(&Shape) -> f64) -> Vec<Shape> {
    axes.iter().fold(vec![Shape::scalar()], |partial, axis| {
        let options: Vec<Shape> = axis.candidates().into_iter().map(|units| axis.shape(units)).collect();
        let combined = partial.iter().flat_map(|shape| options.iter().map(|option| shape.times(option)));
        cheapest(combined.filter(|shape| shape.elements <= limit), &weight)
    })
}

impl Shape {
    /// The shape of a region without dimensions.
    fn scalar() -> Shape {
        Shape { units: Vec::new(), elements: 1.0, reads: 1.0, decoded: 1.0, sources: 1.0, chunks: 1.0 }
    }

    /// The shape with these units.
    pub fn of(axes: &[Axis], units: &[u64]) -> Shape {
        axes.iter().zip(units).fold(Shape::scalar(), |shape, (axis, units)| shape.times(&axis.shape(*units)))
    }

    fn times(&self, option: &Shape) -> Shape {
        Shape {
            units: [self.units.as_slice(), &option.units].concat(),
            elements: self.elements * option.elements,
            reads: self.reads * option.reads,
            decoded: self.decoded * option.decoded,
            sources: self.sources * option.sources,
            chunks: self.chunks * option.chunks,
        }
    }
}

/// The cheapest shape of each size class.
fn cheapest(shapes: impl Iterator<Item = Shape>, weight: impl Fn(&Shape) -> f64) -> Vec<Shape> {
    let mut best: std::collections::BTreeMap<i64, (f64, Shape)> = std::collections::BTreeMap::new();
    for shape in shapes {
        let bucket = (shape.elements.max(1.0).log2() * BUCKETS_PER_DOUBLING) as i64;
        let cost = weight(&shape);
        match best.get(&bucket) {
            Some((least, known)) if (*least, known.elements) <= (cost, shape.elements) => {}
            _ => drop(best.insert(bucket, (cost, shape))),
        }
    }
    best.into_values().map(|(_, shape)| shape).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The regions along an axis, enumerated one by one.
    fn pieces(axis: Axis, units: u64) -> Vec<(u64, u64)> {
        let step = units * axis.unit;
        let border = if axis.border == 0 { axis.length.max(1) } else { axis.border };
        let starts = (0..axis.length).step_by(border as usize).flat_map(|start| {
            let end = (start + border).min(axis.length);
            (start..end).step_by(step as usize).map(move |at| (at, (at + step).min(end)))
        });
        starts.collect()
    }

    proptest! {
        #[test]
        fn reads_match_brute_force(length in 1u64..200, source in 1u64..40, unit in 1u64..30, units in 1u64..20, shard in 0u64..4) {
            let axis = Axis { length, source, unit, chunk: unit, border: shard * unit, overlap: 0.0 };
            let all = pieces(axis, units);
            let met: u64 = all.iter().map(|(start, end)| (end - 1) / source - start / source + 1).sum();
            let most = (0..length.div_ceil(source))
                .map(|chunk| (chunk * source, ((chunk + 1) * source).min(length)))
                .map(|(from, to)| all.iter().filter(|(start, end)| *start < to && from < *end).count() as u64)
                .max();
            prop_assert_eq!(Some(axis.max_reads(units)), most);
            let (longest, count) = axis.cut(units);
            prop_assert_eq!(count, all.len() as u64);
            let met_at_once = all.iter().map(|(start, end)| (end - 1) / source - start / source + 1).max();
            prop_assert!(axis.shape(units).sources as u64 >= met_at_once.unwrap_or(0));
            prop_assert_eq!(longest, all.iter().map(|(start, end)| end - start).max().unwrap_or(0));
            // If shards do not hold whole source chunks, the count is an upper bound.
            if axis.border.is_multiple_of(source) {
                prop_assert_eq!(axis.reads(units), met);
            } else {
                prop_assert!(axis.reads(units) >= met);
            }
        }

        #[test]
        fn candidates_are_valid(length in 1u64..100_000, source in 1u64..5000, unit in 1u64..5000) {
            let axis = Axis { length, source, unit, chunk: unit, border: 0, overlap: 0.0 };
            let candidates = axis.candidates();
            let all = length.div_ceil(unit);
            prop_assert!(candidates.iter().all(|units| (1..=all).contains(units)));
            prop_assert!(candidates.contains(&1) && candidates.contains(&all));
            prop_assert!(candidates.len() < 600, "{}", candidates.len());
        }
    }

    #[test]
    fn maps_to_series_choose_bands_of_rows() {
        let axis = |length, source, unit, overlap| Axis { length, source, unit, chunk: unit, border: 0, overlap };
        // A Blosc block is 91 rows.
        let axes = [axis(500, 1, 240, 1.0), axis(721, 721, 16, 91.0), axis(1440, 1440, 16, 1440.0)];
        let limit = 115e6;
        let best = shapes(&axes, limit, |shape| shape.reads + shape.decoded)
            .into_iter()
            .min_by(|a, b| a.decoded.total_cmp(&b.decoded))
            .expect("a shape");
        assert!(best.elements <= limit);
        assert_eq!((best.units[0], best.units[2]), (1, 90), "{best:?}");
        assert_eq!(best.reads, 1500.0, "three bands");
    }
}
