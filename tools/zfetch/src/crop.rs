//! What the plan file keeps: the range of each dimension, and the dimensions of each array; or the chunks of each array.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zarray::{Array, ChunkSet, Elements, Itemsize, fill_element};
use zcoord::Dataset;
use zstage::{Action, ArrayPlan, Encoding, Shards, View, inner_chunks};
use zwire::Failure;

use crate::axes::Axes;
use crate::mirror::Mirror;
use crate::recoded::{Reads, reads};

/// The part of the source that is fetched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Crop {
    /// Ranges of indices of each dimension.
    axes: Vec<Vec<Range<u64>>>,
    /// The dimensions of each array, by its path.
    arrays: BTreeMap<String, Vec<usize>>,
    /// Decoded bytes that were asked for and that are fetched, of each array in which they differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    bytes: BTreeMap<String, (u64, u64)>,
    /// With the layout of the source: sets of chunks.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "shared")]
    chunks: Vec<Arc<ChunkSet>>,
    /// The set of each array of which not all chunks are fetched.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sets: BTreeMap<String, usize>,
    /// How shards are fetched.
    #[serde(default)]
    shards: Shards,
}

impl Crop {
    /// What is fetched of `arrays`.
    pub fn of<'a>(axes: &Axes, arrays: impl Iterator<Item = &'a Array>, shards: Shards) -> Crop {
        let mut grown = BTreeMap::new();
        for array in arrays.filter(|array| axes.of.contains_key(&array.path)) {
            let (wanted, all) = axes.elements(&array.path);
            if wanted != all {
                let bytes = |elements: u64| elements.saturating_mul(array.itemsize.unwrap_or(1));
                grown.insert(array.path.clone(), (bytes(wanted), bytes(all)));
            }
        }
        let axes_fetched = axes.axes.iter().map(|axis| axis.fetched.clone()).collect();
        Crop { axes: axes_fetched, arrays: axes.of.clone(), bytes: grown, shards, ..Crop::default() }
    }

    /// The chunks of `mirror`, in their places.
    pub fn in_place(axes: &Axes, mirror: Mirror, dataset: &Dataset) -> Crop {
        let whole = axes.axes.iter().map(|axis| vec![0..axis.length]).collect();
        let mut crop = Crop { axes: whole, arrays: axes.of.clone(), ..Crop::default() };
        for (path, set, wanted) in mirror.arrays {
            let chunk =
                dataset.array(&path).and_then(|array| array.uncompressed_bytes()?.checked_div(array.numbered()?.len()));
            let all = chunk.unwrap_or(0).saturating_mul(mirror.sets[set].len());
            crop.bytes.insert(path.clone(), (wanted, all));
            crop.sets.insert(path, set);
        }
        crop.chunks = mirror.sets.into_iter().map(Arc::new).collect();
        crop
    }

    /// The paths of the arrays.
    pub fn paths(&self) -> Vec<String> {
        self.arrays.keys().cloned().collect()
    }

    /// Decoded bytes of an array that are read for each byte that was asked for.
    pub fn amplification(&self, plan: &ArrayPlan) -> f64 {
        let known = self.bytes.get(&plan.array.path).copied();
        let (wanted, fetched) = known.or(plan.uncompressed_bytes().map(|all| (all, all))).unwrap_or((1, 1));
        let read = self.reads(plan).map_or(fetched, |reads| bytes_of(&plan.array, reads.elements));
        zwire::ratio(read, wanted).unwrap_or(1.0)
    }

    /// What is read of an array that is cut inside its chunks; `None` of others, whose chunks are copied.
    pub fn reads(&self, plan: &ArrayPlan) -> Option<Reads> {
        if self.sets.contains_key(&plan.array.path) || plan.view.is_empty() {
            return None;
        }
        let ranges = self.ranges(self.arrays.get(&plan.array.path)?);
        let source = plan.view.piece(0);
        let grid = source.array.numbered().filter(|_| !self.is_aligned(&source.array, &ranges))?;
        Some(reads(&ranges, &source.array.shape, grid.chunk_shape()))
    }

    fn ranges(&self, own: &[usize]) -> Vec<Vec<Range<u64>>> {
        own.iter().map(|axis| self.axes[*axis].clone()).collect()
    }

    /// What is fetched of an array; `None` if it is left out.
    ///
    /// # Errors
    /// A part of an array whose chunk grid is not regular.
    pub fn plan(&self, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        let Some(own) = self.arrays.get(&array.path) else { return Ok(None) };
        let ranges = self.ranges(own);
        if let Some(chunks) = self.sets.get(&array.path).and_then(|set| self.chunks.get(*set)) {
            let array = Arc::new(array);
            return Ok(Some(ArrayPlan::of_view(&array, View::chunks(0, &array, Arc::clone(chunks)), COPY)));
        }
        let is_whole = ranges.iter().zip(&array.shape).all(|(ranges, length)| *ranges == [0..*length]);
        if is_whole {
            return Ok(Some(ArrayPlan::new(array, COPY, false)));
        }
        let array = Arc::new(array);
        if !self.is_aligned(&array, &ranges) && !can_be_cut(&array) {
            let text = "cannot be cut inside its chunks: its elements have no fixed size, or it has a codec that cannot be written";
            let failure = Failure::new(zwire::Exit::Unreadable, text);
            return Err(failure.hint("leave it out with --var, or select all of it"));
        }
        let view = View::crop(0, &array, &ranges).map_err(|error| {
            let failure = Failure::new(zwire::Exit::Unreadable, error.to_string());
            failure.hint("leave it out with --var, or select all of it")
        })?;
        Ok(Some(ArrayPlan { shards: self.shards, ..ArrayPlan::of_view(&array, view, COPY) }))
    }

    /// Whether the ranges are those of whole chunks or inner chunks, which are copied.
    fn is_aligned(&self, array: &Array, ranges: &[Vec<Range<u64>>]) -> bool {
        let inner = inner_chunks(array).filter(|_| self.shards != Shards::Whole);
        let Some(unit) = inner.or_else(|| Some(array.numbered()?.chunk_shape())) else { return true };
        are_aligned(ranges, unit, &array.shape)
    }
}

/// Sets that many arrays share, in the plan file each once.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};
    use zarray::ChunkSet;

    pub fn serialize<S: Serializer>(sets: &[Arc<ChunkSet>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(sets.iter().map(|set| &**set))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Arc<ChunkSet>>, D::Error> {
        Ok(Vec::<ChunkSet>::deserialize(deserializer)?.into_iter().map(Arc::new).collect())
    }
}

fn bytes_of(array: &Array, elements: u64) -> u64 {
    elements.saturating_mul(array.itemsize.unwrap_or(1))
}

fn are_aligned(ranges: &[Vec<Range<u64>>], unit: &[u64], shape: &[u64]) -> bool {
    ranges.iter().zip(unit).zip(shape).all(|((ranges, chunk), length)| {
        let starts = ranges.iter().all(|range| range.start % chunk == 0);
        // Only the last range may end inside a chunk: at the end of the dimension.
        let mut ends = ranges.iter().rev();
        let last = ends.next().is_none_or(|range| range.end % chunk == 0 || range.end == *length);
        starts && last && ends.all(|range| range.end % chunk == 0)
    })
}

/// Whether an array can be cut between chunk boundaries: its chunks are decoded and encoded again.
pub fn can_be_cut(array: &Array) -> bool {
    let is_fixed = Elements::of(array).is_ok_and(|elements| matches!(elements.itemsize, Itemsize::Fixed(_)));
    is_fixed && fill_element(array).is_ok() && Encoding::of(array.chain.innermost(), array.format).is_some()
}

/// Stored bytes are copied.
const COPY: Action = Action::Copy("stored bytes are copied");
