//! Ranges of several arrays, one after the other along a dimension.
//!
//! The arrays of 10^4 batches mostly differ in nothing but their length along the dimension, so that a few arrays stand for all,
//! and the ranges are shared by all variables.

use std::ops::Range;
use std::sync::Arc;

use zarray::{Array, ChunkSet, Grid, Subset, fill_element};
use zcodec::crc32c_append;

use crate::piece::{Piece, Recode, ViewError};

mod resized;

use resized::LastResized;

/// A range of a source array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Index of the source store.
    pub store: usize,
    /// First index along the dimension.
    pub start: u64,
    /// Number of indices.
    pub length: u64,
    /// Where it begins in the output.
    pub offset: u64,
}

/// An array that is joined, and how its elements become those of the output.
#[derive(Debug, Clone)]
pub struct JoinedArray {
    /// The array, whatever its length along the joined dimension.
    pub array: Arc<Array>,
    /// `None`: the elements are the same.
    pub recode: Option<Arc<dyn Recode>>,
    /// The first index of each dimension other than the joined one.
    pub start: Vec<u64>,
}

impl JoinedArray {
    /// An array from its first index.
    pub fn new(array: Arc<Array>, recode: Option<Arc<dyn Recode>>) -> JoinedArray {
        let start = vec![0; array.shape.len()];
        JoinedArray { array, recode, start }
    }
}

/// Ranges of arrays.
#[derive(Debug, Clone)]
pub struct Join {
    /// The arrays that differ; the first defines the elements of the output.
    arrays: Vec<JoinedArray>,
    /// For each source store, which of them it has.
    array_of: Arc<[u32]>,
    /// The length of each source store along the joined dimension.
    lengths: Arc<[u64]>,
    last: LastResized,
    dimension: usize,
    /// The shape of the output; along the joined dimension, that of the first array.
    extent: Vec<u64>,
    runs: Arc<[Run]>,
    /// The chunks of the output that are written; `None`: all.
    chosen: Option<Arc<ChunkSet>>,
}

/// Elements that stay what they are, of arrays whose chunks cannot be used as they are stored: missing ones are read as another fill
/// value, or they are other shards.
#[derive(Debug)]
struct SameElements;

impl Recode for SameElements {
    fn recode(&self, source: &[u8], target: &mut Vec<u8>) -> Result<(), String> {
        target.extend_from_slice(source);
        Ok(())
    }

    fn may_fail(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "same elements".into()
    }
}

impl Join {
    /// A join of `runs` along `dimension`; `array_of` tells for each source store which of `arrays` is its own, and `lengths` its length
    /// along the dimension. Of the other dimensions, each array gives as many indices as `extent` has.
    ///
    /// # Errors
    /// [`ViewError::Irregular`], [`ViewError::Different`], [`ViewError::Outside`] and [`ViewError::Empty`].
    pub fn new(
        mut arrays: Vec<JoinedArray>,
        array_of: Arc<[u32]>,
        lengths: Arc<[u64]>,
        dimension: usize,
        extent: Vec<u64>,
        runs: Arc<[Run]>,
    ) -> Result<Join, ViewError> {
        let first = Arc::clone(&arrays.first().ok_or(ViewError::Empty)?.array);
        if runs.is_empty() {
            return Err(ViewError::Empty);
        }
        let has_extent = |array: &Array, start: &[u64]| {
            let ends = start.iter().zip(&extent).map(|(start, length)| start + length);
            let inside =
                ends.zip(&array.shape).enumerate().all(|(axis, (end, length))| axis == dimension || end <= *length);
            array.shape.len() == extent.len() && start.len() == extent.len() && inside
        };
        let fill = fill_element(&first).ok();
        for JoinedArray { array, recode, start } in &mut arrays {
            if !array.numbered().is_some_and(Grid::is_regular) {
                return Err(ViewError::Irregular(array.path.clone()));
            }
            if dimension >= array.shape.len() || !has_extent(array, start) {
                return Err(ViewError::Different { path: first.path.clone(), other: array.path.clone() });
            }
            if recode.is_none() && !is_stored_alike(array, &first) {
                return Err(ViewError::Different { path: first.path.clone(), other: array.path.clone() });
            }
            let other_fill = array.fill_value != first.fill_value && fill_element(array).ok() != fill;
            if recode.is_none() && (other_fill || !has_same_shards(array, &first)) {
                *recode = Some(Arc::new(SameElements));
            }
        }
        let is_inside = |run: &Run| {
            let has_array = array_of.get(run.store).is_some_and(|number| (*number as usize) < arrays.len());
            has_array && lengths.get(run.store).is_some_and(|length| run.start + run.length <= *length)
        };
        match runs.iter().all(is_inside) {
            true => Ok(Join {
                arrays,
                array_of,
                lengths,
                last: LastResized::default(),
                dimension,
                extent,
                runs,
                chosen: None,
            }),
            false => Err(ViewError::Outside(first.path.clone())),
        }
    }

    /// Whole arrays, each with the index of its store.
    ///
    /// # Errors
    /// As [`Join::new`].
    pub fn whole(arrays: Vec<(usize, Arc<Array>)>, dimension: usize) -> Result<Join, ViewError> {
        let stores = arrays.iter().map(|(store, _)| store + 1).max().unwrap_or(0);
        let (mut array_of, mut lengths) = (vec![0; stores], vec![0; stores]);
        let (mut runs, mut offset) = (Vec::with_capacity(arrays.len()), 0);
        for (number, (store, array)) in arrays.iter().enumerate() {
            let is_another = |(earlier, other): &&(usize, Arc<Array>)| earlier == store && !Arc::ptr_eq(other, array);
            if let Some((_, other)) = arrays[..number].iter().find(is_another) {
                return Err(ViewError::Different { path: other.path.clone(), other: array.path.clone() });
            }
            let length = array.shape.get(dimension).copied().unwrap_or(0);
            (array_of[*store], lengths[*store]) = (number as u32, length);
            runs.push(Run { store: *store, start: 0, length, offset });
            offset += length;
        }
        let extent = arrays.first().map(|(_, array)| array.shape.clone()).unwrap_or_default();
        let differs = |(_, array): &&(usize, Arc<Array>)| {
            let lengths = array.shape.iter().zip(&extent).enumerate();
            array.shape.len() != extent.len()
                || lengths.filter(|(axis, _)| *axis != dimension).any(|(_, (a, b))| a != b)
        };
        if let (Some((_, first)), Some((_, other))) = (arrays.first(), arrays.iter().find(differs)) {
            return Err(ViewError::Different { path: first.path.clone(), other: other.path.clone() });
        }
        let arrays = arrays.into_iter().map(|(_, array)| JoinedArray::new(array, None)).collect();
        Join::new(arrays, array_of.into(), lengths.into(), dimension, extent, runs.into())
    }

    /// Writes only the chunks that hold elements of other stores than the first: those that are appended to it.
    pub fn appended_chunks(mut self) -> Join {
        let shape = self.shape();
        let chunk = self.arrays[0].array.numbered().map(|grid| grid.chunk_shape().to_vec()).unwrap_or_default();
        let own: u64 = self.runs.iter().filter(|run| run.store == 0).map(|run| run.length).sum();
        let range = |axis: usize| {
            let count = shape[axis].div_ceil(chunk[axis].max(1));
            if axis == self.dimension { own / chunk[axis].max(1)..count } else { 0..count }
        };
        self.chosen = Some(Arc::new(ChunkSet::from(vec![(0..chunk.len()).map(range).collect::<Vec<_>>()])));
        self
    }

    /// The same with no object that is copied or transcoded: those of the output hold other parts of the array.
    pub fn assembled(mut self) -> Join {
        for JoinedArray { recode, .. } in &mut self.arrays {
            recode.get_or_insert_with(|| Arc::new(SameElements));
        }
        self
    }

    /// Decoded bytes of the largest chunk of the arrays.
    pub fn largest_chunk(&self) -> u64 {
        let bytes = self.arrays.iter().filter_map(|joined| joined.array.chain.innermost().chunk_bytes);
        bytes.max().unwrap_or(0)
    }

    /// The chunks that are written, if not all are.
    pub fn chosen(&self) -> Option<&Arc<ChunkSet>> {
        self.chosen.as_ref()
    }

    /// CRC-32C over everything that decides which elements of which store are where.
    pub fn fingerprint(&self) -> u32 {
        let mut crc = 0;
        for run in self.runs.iter() {
            let (array, own) = (u64::from(self.array_of[run.store]), self.lengths[run.store]);
            for number in [run.store as u64, run.start, run.length, run.offset, array, own] {
                crc = crc32c_append(crc, &number.to_le_bytes());
            }
        }
        for JoinedArray { array, recode, start } in &self.arrays {
            let recode = recode.as_ref().map(|recode| recode.describe());
            let text = format!(
                "{} {:?} {:?} {recode:?} {start:?} {:?}",
                array.path, array.shape, array.chain.specs, self.extent
            );
            crc = crc32c_append(crc, text.as_bytes());
        }
        crc
    }

    /// What tells these ranges from others: arrays may share them.
    pub fn ranges_id(&self) -> usize {
        self.runs.as_ptr() as usize
    }

    /// The source stores of the ranges.
    pub fn stores(&self) -> impl Iterator<Item = usize> {
        self.runs.iter().map(|run| run.store)
    }

    /// The joined dimension.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of ranges.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// A range as a box of its array.
    pub fn piece(&self, number: usize) -> Piece {
        let run = self.runs[number];
        let number = self.array_of[run.store];
        let JoinedArray { array, recode, start } = &self.arrays[number as usize];
        let array = self.last.get(number, array, self.dimension, self.lengths[run.store]);
        let (mut start, mut shape, mut offset) = (start.clone(), self.extent.clone(), vec![0; array.shape.len()]);
        start[self.dimension] = run.start;
        shape[self.dimension] = run.length;
        offset[self.dimension] = run.offset;
        let region = Subset::new(start, shape);
        Piece { store: run.store, array, region, offset, recode: recode.clone() }
    }

    /// Whether there may be elements of some array that the output cannot hold.
    pub fn may_fail(&self) -> bool {
        self.arrays.iter().any(|joined| joined.recode.as_ref().is_some_and(|recode| recode.may_fail()))
    }

    /// The shape of the output.
    pub fn shape(&self) -> Vec<u64> {
        let mut shape = self.extent.clone();
        shape[self.dimension] = self.runs.last().map_or(0, |run| run.offset + run.length);
        shape
    }

    /// The ranges that overlap a box of the output.
    pub fn touched(&self, object: &Subset) -> Range<usize> {
        let (start, length) = (object.start()[self.dimension], object.shape()[self.dimension]);
        let first = self.runs.partition_point(|run| run.offset + run.length <= start);
        first..first + self.runs[first..].partition_point(|run| run.offset < start + length)
    }
}

/// Whether stored objects of both are laid out alike: plain chunks, or shards of the same inner chunks.
fn has_same_shards(a: &Array, b: &Array) -> bool {
    match (&a.chain.sharding, &b.chain.sharding) {
        (None, None) => true,
        (Some(a), Some(b)) => a.chunk_shape == b.chunk_shape && a.index == b.index,
        _ => false,
    }
}

/// Whether elements of both are stored alike: the same bytes of a decoded chunk are the same values.
pub fn is_stored_alike(a: &Array, b: &Array) -> bool {
    let kept = |array: &Array| {
        let chain = array.chain.innermost();
        chain.specs[..chain.kept].to_vec()
    };
    a.format == b.format && a.dtype == b.dtype && a.order == b.order && kept(a) == kept(b)
}
