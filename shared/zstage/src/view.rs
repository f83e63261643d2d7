//! The source elements that make up an output array.
//!
//! A view is a whole array, a crop of one, or several arrays joined along a dimension. Together with the
//! output's chunk grid it gives the source of each output object, computed from the object's index alone, so that 10^7
//! objects need no list.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use zarray::{Array, ChunkSet, Grid, Subset};

use crate::join::Join;
use crate::piece::{Piece, ViewError};

/// So many pieces, such as those of a crop, are all looked at for each object.
const FEW_PIECES: usize = 16;

/// The source elements of an output array.
#[derive(Debug, Clone, Default)]
pub enum View {
    /// The whole array named by the plan, from the first source store.
    #[default]
    Whole,
    /// Pieces that do not overlap.
    Pieces(Vec<Piece>),
    /// Ranges of several arrays, one after the other along a dimension.
    Join(Box<Join>),
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
            recode: None,
        };
        Ok(View::Pieces(boxes.into_iter().map(piece).collect()))
    }

    /// Joins whole arrays (each with the index of its store) along `dimension`.
    ///
    /// # Errors
    /// As [`Join::new`].
    pub fn join(arrays: Vec<(usize, Arc<Array>)>, dimension: usize) -> Result<View, ViewError> {
        Ok(View::Join(Box::new(Join::whole(arrays, dimension)?)))
    }

    /// Some chunks of an array in source store `store`, in their places; the others are absent.
    pub fn chunks(store: usize, array: &Arc<Array>, chunks: Arc<ChunkSet>) -> View {
        let (region, offset) = (Subset::whole(&array.shape), vec![0; array.shape.len()]);
        View::Chunks(Box::new((Piece { store, array: Arc::clone(array), region, offset, recode: None }, chunks)))
    }

    /// The chunks, if only some are wanted.
    pub fn chosen(&self) -> Option<&Arc<ChunkSet>> {
        match self {
            View::Chunks(part) => Some(&part.1),
            View::Join(join) => join.chosen(),
            View::Whole | View::Pieces(_) => None,
        }
    }

    /// Decoded bytes of the largest chunk of the joined arrays; 0 of other views.
    pub fn largest_chunk(&self) -> u64 {
        match self {
            View::Join(join) => join.largest_chunk(),
            _ => 0,
        }
    }

    /// Whether other chunks of the output are not there, and must not be taken for missing ones.
    pub fn is_partial(&self) -> bool {
        matches!(self, View::Chunks(_))
    }

    /// Whether this is the whole of the plan's own array.
    pub fn is_whole(&self) -> bool {
        matches!(self, View::Whole)
    }

    /// Number of pieces; 0 for a whole array.
    pub fn len(&self) -> usize {
        match self {
            View::Whole => 0,
            View::Pieces(pieces) => pieces.len(),
            View::Join(join) => join.len(),
            View::Chunks(_) => 1,
        }
    }

    /// Whether there are no pieces.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A piece.
    ///
    /// # Panics
    /// Of a whole array, and if there are not so many.
    pub fn piece(&self, number: usize) -> Cow<'_, Piece> {
        match self {
            View::Pieces(pieces) => Cow::Borrowed(&pieces[number]),
            View::Join(join) => Cow::Owned(join.piece(number)),
            View::Whole | View::Chunks(_) => Cow::Borrowed(self.only()),
        }
    }

    /// All pieces; none of a whole array.
    pub fn pieces(&self) -> impl Iterator<Item = Cow<'_, Piece>> {
        (0..self.len()).map(|number| self.piece(number))
    }

    /// The piece of which some chunks are viewed.
    #[allow(clippy::panic)] // A caller that asks a whole array for a piece is wrong.
    fn only(&self) -> &Piece {
        match self {
            View::Chunks(part) => &part.0,
            _ => panic!("a whole array has no pieces"),
        }
    }

    /// The shape of the output; `None` if it is that of the source.
    pub fn shape(&self) -> Option<Vec<u64>> {
        match self {
            View::Whole | View::Chunks(_) => return None,
            View::Join(join) => return Some(join.shape()),
            View::Pieces(_) => {}
        }
        let ends = self.pieces().map(|piece| {
            let extents = piece.offset.iter().zip(piece.region.shape());
            extents.map(|(offset, length)| offset + length).collect::<Vec<u64>>()
        });
        ends.reduce(|a, b| a.iter().zip(&b).map(|(a, b)| *a.max(b)).collect())
    }

    /// The source of the object `index` of the output grid.
    pub fn under(&self, output: &Grid, index: &[u64]) -> ObjectSource {
        let clipped = output.chunk(index).intersection(&Subset::whole(output.shape()));
        let Some(object) = clipped else { return ObjectSource::Regions(Vec::new()) };
        let regions = self.regions_of(&object);
        match regions.as_slice() {
            [(number, region)] if *region == object => match self.object(*number, output, index) {
                Some(index) => ObjectSource::Object { piece: *number, index },
                None => ObjectSource::Regions(regions),
            },
            _ => ObjectSource::Regions(regions),
        }
    }

    /// The parts of a box of the output that the pieces fill, in output indices; none of a whole array.
    pub fn regions_of(&self, part: &Subset) -> Vec<(usize, Subset)> {
        let region = |number| Some((number, self.piece(number).placed().intersection(part)?));
        self.touched(part).filter_map(region).collect()
    }

    /// The stored object of a piece that is the output object `index`.
    fn object(&self, number: usize, output: &Grid, index: &[u64]) -> Option<Vec<u64>> {
        self.piece(number).object(output, index)
    }

    /// The pieces that may overlap a box of the output, by binary search because a join may have thousands.
    fn touched(&self, object: &Subset) -> std::ops::Range<usize> {
        let pieces = match self {
            View::Join(join) => return join.touched(object),
            View::Pieces(pieces) if pieces.len() > FEW_PIECES => pieces,
            _ => return 0..self.len(),
        };
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

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
