//! The source elements that make up an output array.
//!
//! A view is a whole array, a crop of one, or several arrays joined along a dimension. Together with the
//! output's chunk grid it gives the source of each output object, computed from the object's index alone, so that 10^7
//! objects need no list.

use std::ops::Range;
use std::sync::Arc;

use zarray::{Array, ChunkSet, Grid, Subset};

/// So many pieces, such as those of a crop, are all looked at for each object.
const FEW_PIECES: usize = 16;

/// A box of a source array and its position in the output.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Index of the array's store among the sources of a run.
    pub store: usize,
    /// The source array.
    pub array: Arc<Array>,
    /// The box, in source array indices.
    pub region: Subset,
    /// Position of its first element in the output.
    pub offset: Vec<u64>,
}

/// The source elements of an output array.
#[derive(Debug, Clone, Default)]
pub enum View {
    /// The whole array named by the plan, from the first source store.
    #[default]
    Whole,
    /// Pieces that do not overlap, in ascending order along the joined dimension, if there is one.
    Pieces(Vec<Piece>),
    /// Some chunks of a whole array, in their places.
    Chunks(Box<(Piece, Arc<ChunkSet>)>),
}

/// The source of one output object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectSource {
    /// Exactly one stored source object: of this piece, with this index in its grid.
    Object {
        /// Number of the piece.
        piece: usize,
        /// Index of the object in the grid of the piece's array.
        index: Vec<u64>,
    },
    /// Anything else: a box in output indices for each overlapping piece; empty if there is none.
    Regions(Vec<(usize, Subset)>),
}

/// Why arrays cannot be viewed as requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewError {
    /// The chunk grid of this array is not regular.
    Irregular(String),
    /// The crop extends outside the array or has a different rank.
    Outside(String),
    /// The arrays differ in rank, data type, or the length of a dimension other than the joined one.
    Different {
        /// The first array.
        path: String,
        /// The one that differs.
        other: String,
    },
    /// No arrays to concatenate.
    Empty,
}

impl std::fmt::Display for ViewError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ViewError::Irregular(path) => write!(f, "{path}: its chunk grid is not regular"),
            ViewError::Outside(path) => write!(f, "{path}: the region lies outside the array"),
            ViewError::Different { path, other } => {
                write!(f, "{other}: shape or data type does not match {path}, with which it is concatenated")
            }
            ViewError::Empty => f.write_str("no arrays to concatenate"),
        }
    }
}

impl std::error::Error for ViewError {}

impl View {
    /// A crop of an array in source store `store`: of each dimension these ranges of indices, joined in the order given. Where
    /// they start and end on chunk boundaries, stored objects are copied.
    ///
    /// # Errors
    /// [`ViewError::Irregular`], and [`ViewError::Outside`] for another number of dimensions and ranges that are empty or end
    /// outside the array.
    pub fn crop(store: usize, array: &Arc<Array>, ranges: &[Vec<Range<u64>>]) -> Result<View, ViewError> {
        let path = || array.path.clone();
        let grid = array.numbered().filter(|grid| grid.is_regular()).ok_or_else(|| ViewError::Irregular(path()))?;
        let inside = |(ranges, length): (&Vec<Range<u64>>, &u64)| {
            let is_inside = |range: &Range<u64>| range.start < range.end && range.end <= *length;
            !ranges.is_empty() && (*ranges == [0..*length] || ranges.iter().all(is_inside))
        };
        if ranges.len() != grid.shape().len() || !ranges.iter().zip(grid.shape()).all(inside) {
            return Err(ViewError::Outside(path()));
        }
        // Starts in the source, lengths and offsets in the output: one box for each combination of ranges.
        let mut boxes = vec![(Vec::new(), Vec::new(), Vec::new())];
        for ranges in ranges {
            let mut offset = 0;
            let mut longer = Vec::with_capacity(boxes.len() * ranges.len());
            for range in ranges {
                for (starts, lengths, offsets) in &boxes {
                    let with = |list: &Vec<u64>, value| list.iter().copied().chain([value]).collect::<Vec<u64>>();
                    let length = range.end - range.start;
                    longer.push((with(starts, range.start), with(lengths, length), with(offsets, offset)));
                }
                offset += range.end - range.start;
            }
            boxes = longer;
        }
        let piece = |(start, shape, offset)| Piece {
            store,
            array: Arc::clone(array),
            region: Subset::new(start, shape),
            offset,
        };
        Ok(View::Pieces(boxes.into_iter().map(piece).collect()))
    }

    /// Joins the arrays (each with the index of its store) along `dimension`.
    ///
    /// # Errors
    /// [`ViewError::Irregular`], [`ViewError::Different`] and [`ViewError::Empty`].
    pub fn join(arrays: Vec<(usize, Arc<Array>)>, dimension: usize) -> Result<View, ViewError> {
        let first = arrays.first().map(|(_, array)| Arc::clone(array)).ok_or(ViewError::Empty)?;
        let mut pieces = Vec::with_capacity(arrays.len());
        let mut at = 0;
        for (store, array) in arrays {
            if !array.numbered().is_some_and(Grid::is_regular) {
                return Err(ViewError::Irregular(array.path.clone()));
            }
            let others = |array: &Array| {
                let lengths = array.shape.iter().enumerate().filter(|(axis, _)| *axis != dimension);
                lengths.map(|(_, length)| *length).collect::<Vec<u64>>()
            };
            let fits = array.shape.len() == first.shape.len()
                && dimension < first.shape.len()
                && others(&array) == others(&first)
                && array.dtype == first.dtype;
            if !fits {
                return Err(ViewError::Different { path: first.path.clone(), other: array.path.clone() });
            }
            let mut offset = vec![0; array.shape.len()];
            offset[dimension] = at;
            at += array.shape[dimension];
            let region = Subset::whole(&array.shape);
            pieces.push(Piece { store, array, region, offset });
        }
        Ok(View::Pieces(pieces))
    }

    /// Some chunks of an array in source store `store`, in their places; the others are absent.
    pub fn chunks(store: usize, array: &Arc<Array>, chunks: Arc<ChunkSet>) -> View {
        let (region, offset) = (Subset::whole(&array.shape), vec![0; array.shape.len()]);
        View::Chunks(Box::new((Piece { store, array: Arc::clone(array), region, offset }, chunks)))
    }

    /// The chunks, if only some are wanted.
    pub fn chosen(&self) -> Option<&Arc<ChunkSet>> {
        match self {
            View::Chunks(part) => Some(&part.1),
            View::Whole | View::Pieces(_) => None,
        }
    }

    /// Whether this is the whole of the plan's own array.
    pub fn is_whole(&self) -> bool {
        matches!(self, View::Whole)
    }

    /// The pieces; empty for a whole array.
    pub fn pieces(&self) -> &[Piece] {
        match self {
            View::Whole => &[],
            View::Pieces(pieces) => pieces,
            View::Chunks(part) => std::slice::from_ref(&part.0),
        }
    }

    /// The shape of the output; `None` if it is that of the source.
    pub fn shape(&self) -> Option<Vec<u64>> {
        if self.chosen().is_some() {
            return None;
        }
        let ends = self.pieces().iter().map(|piece| {
            let extents = piece.offset.iter().zip(piece.region.shape());
            extents.map(|(offset, length)| offset + length).collect::<Vec<u64>>()
        });
        ends.reduce(|a, b| a.iter().zip(&b).map(|(a, b)| *a.max(b)).collect())
    }

    /// The source of the object `index` of the output grid.
    pub fn under(&self, output: &Grid, index: &[u64]) -> ObjectSource {
        let clipped = output.chunk(index).intersection(&Subset::whole(output.shape()));
        let Some(object) = clipped else { return ObjectSource::Regions(Vec::new()) };
        let regions: Vec<(usize, Subset)> = self
            .touched(&object)
            .filter_map(|number| Some((number, self.pieces()[number].placed().intersection(&object)?)))
            .collect();
        match regions.as_slice() {
            [(number, region)] if *region == object => match self.pieces()[*number].object(output, index) {
                Some(index) => ObjectSource::Object { piece: *number, index },
                None => ObjectSource::Regions(regions),
            },
            _ => ObjectSource::Regions(regions),
        }
    }

    /// The pieces that may overlap a box of the output, by binary search because a join may have thousands.
    fn touched(&self, object: &Subset) -> std::ops::Range<usize> {
        let pieces = self.pieces();
        if pieces.len() <= FEW_PIECES {
            return 0..pieces.len();
        }
        let ends_before = |piece: &Piece| {
            let ends = piece.offset.iter().zip(piece.region.shape()).map(|(offset, length)| offset + length);
            ends.zip(object.start()).any(|(end, start)| end <= *start)
        };
        let starts_within = |piece: &Piece| {
            let ends = object.start().iter().zip(object.shape()).map(|(start, length)| start + length);
            piece.offset.iter().zip(ends).all(|(offset, end)| *offset < end)
        };
        let first = pieces.partition_point(ends_before);
        first..first + pieces[first..].partition_point(starts_within)
    }
}

impl Piece {
    /// The box that the piece fills in the output.
    pub fn placed(&self) -> Subset {
        Subset::new(self.offset.clone(), self.region.shape().to_vec())
    }

    /// Converts a box of the output within the piece to source array indices.
    pub fn in_source(&self, region: &Subset) -> Subset {
        let start = region.start().iter().zip(&self.offset).zip(self.region.start());
        Subset::new(start.map(|((at, offset), start)| at - offset + start).collect(), region.shape().to_vec())
    }

    /// The stored source object with the same elements as the output object `index`, if any: both grids must have the
    /// same chunk there, containing the same elements of their arrays.
    fn object(&self, output: &Grid, index: &[u64]) -> Option<Vec<u64>> {
        let source = self.array.numbered().filter(|source| source.chunk_shape() == output.chunk_shape())?;
        let starts = index.iter().zip(output.chunk_shape()).zip(&self.offset).zip(self.region.start());
        let own = starts.zip(source.chunk_shape()).map(|((((index, length), offset), start), chunk)| {
            let at = (index * length).checked_sub(*offset)? + start;
            at.is_multiple_of(*chunk).then_some(at / chunk)
        });
        own.collect()
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
