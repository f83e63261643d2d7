//! Which chunks of an array are damaged.

use roaring::RoaringTreemap;
use zarray::{Array, Grid};

use crate::checks::headers::Problem;

/// The damaged chunks of an array.
#[derive(Default)]
pub struct Damage {
    /// Stored objects.
    pub objects: RoaringTreemap,
    /// Chunks; with sharding, inner chunks.
    pub chunks: RoaringTreemap,
}

impl Damage {
    /// Counts what is wrong with object `number` of `grid`: single inner chunks, or all of it.
    pub fn add(&mut self, array: &Array, grid: &Grid, number: u64, problems: &[Problem]) {
        self.objects.insert(number);
        let Some(chunks) = array.chunk_grid().filter(|_| array.chain.split_shards().is_some()) else {
            self.chunks.insert(number);
            return;
        };
        let index = grid.index(number);
        let first: Vec<u64> =
            index.iter().enumerate().map(|(at, object)| chunks.chunk_of(at, grid.extent(at, *object).0)).collect();
        let counts: Vec<u64> =
            grid.chunk_shape().iter().zip(chunks.chunk_shape()).map(|(all, each)| all / each).collect();
        let damaged = problems.iter().filter(|problem| problem.is_damage()).map(|problem| problem.inner);
        let inner: Option<Vec<u64>> = damaged.collect();
        match inner.filter(|inner| !inner.is_empty()) {
            Some(inner) => inner.into_iter().for_each(|number| self.inner(&chunks, &first, &counts, number, 1)),
            None => {
                // All of them, row by row.
                let row = counts.last().copied().unwrap_or(1).max(1);
                let all = counts.iter().fold(1u64, |product, count| product.saturating_mul(*count));
                (0..all / row).for_each(|at| self.inner(&chunks, &first, &counts, at * row, row));
            }
        }
    }

    /// Counts `length` inner chunks in a row, from inner chunk `number` of the shard whose first chunk is `first`.
    fn inner(&mut self, chunks: &Grid, first: &[u64], counts: &[u64], mut number: u64, length: u64) {
        let mut index = first.to_vec();
        for (at, count) in counts.iter().enumerate().rev() {
            index[at] += number % count.max(&1);
            number /= count.max(&1);
        }
        let all = chunks.counts();
        let is_inside = index.iter().zip(&all).all(|(index, count)| index < count);
        if is_inside {
            let left = all.last().zip(index.last()).map_or(1, |(count, index)| count - index);
            let start = chunks.number(&index);
            self.chunks.insert_range(start..start + length.min(left));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zarray::node_v3;

    use super::*;
    use crate::kinds::Kind;

    fn sharded() -> Array {
        let inner = json!({"chunk_shape": [2, 2], "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]});
        let document = json!({"zarr_format": 3, "node_type": "array", "shape": [8, 6], "data_type": "float32",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
            "chunk_key_encoding": {"name": "default"}, "fill_value": 0.0,
            "codecs": [{"name": "sharding_indexed", "configuration": inner}]});
        match node_v3("/a", document.to_string().as_bytes()).expect("metadata") {
            zarray::Node::Array(array) => *array,
            zarray::Node::Group(_) => unreachable!("an array"),
        }
    }

    fn chunks(number: u64, inner: &[Option<u64>]) -> Vec<u64> {
        let array = sharded();
        let problems: Vec<Problem> =
            inner.iter().map(|inner| Problem { inner: *inner, ..Problem::new(Kind::Undecodable, "") }).collect();
        let mut damage = Damage::default();
        damage.add(&array, array.numbered().expect("a grid"), number, &problems);
        assert_eq!(damage.objects.iter().collect::<Vec<_>>(), [number]);
        damage.chunks.iter().collect()
    }

    #[test]
    fn inner_chunks_are_numbered_in_the_grid_of_all() {
        // 4 × 3 inner chunks in 2 × 2 shards; those of the second column reach beyond the array.
        assert_eq!(chunks(0, &[Some(3)]), [4]);
        assert_eq!(chunks(2, &[Some(0), Some(1)]), [6, 7]);
        assert_eq!(chunks(1, &[None]), [2, 5]);
        assert_eq!(chunks(0, &[]), [0, 1, 3, 4]);
    }
}
