//! A box of a source array in an output array.

use std::fmt;
use std::sync::Arc;

use zarray::{Array, Grid, Subset};

/// Makes the elements of the output from those of a source array.
pub trait Recode: fmt::Debug + Send + Sync {
    /// Appends the converted elements of `source`, both as decoded chunks hold them, to `target`.
    ///
    /// # Errors
    /// A message that names a value that the output cannot hold.
    fn recode(&self, source: &[u8], target: &mut Vec<u8>) -> Result<(), String>;

    /// Whether there may be elements that the output cannot hold.
    fn may_fail(&self) -> bool;

    /// The conversion as text, for the plan.
    fn describe(&self) -> String;
}

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
    /// How its elements become those of the output; `None`: they are the same.
    pub recode: Option<Arc<dyn Recode>>,
}

/// Why arrays cannot be viewed as requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewError {
    /// The chunk grid of this array is not regular.
    Irregular(String),
    /// The crop extends outside the array or has a different rank.
    Outside(String),
    /// The arrays differ in rank, in the length of a dimension other than the joined one, or in how elements are stored.
    Different {
        /// The first array.
        path: String,
        /// The one that differs.
        other: String,
    },
    /// No arrays to concatenate.
    Empty,
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ViewError::Irregular(path) => write!(f, "{path}: its chunk grid is not regular"),
            ViewError::Outside(path) => write!(f, "{path}: the region lies outside the array"),
            ViewError::Different { path, other } => {
                write!(
                    f,
                    "{other}: cannot be concatenated with {path}, which has another shape, byte order, order of dimensions or filters"
                )
            }
            ViewError::Empty => f.write_str("no arrays to concatenate"),
        }
    }
}

impl std::error::Error for ViewError {}

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
    pub fn object(&self, output: &Grid, index: &[u64]) -> Option<Vec<u64>> {
        if self.recode.is_some() {
            return None;
        }
        let source = self.array.numbered().filter(|source| source.chunk_shape() == output.chunk_shape())?;
        let starts = index.iter().zip(output.chunk_shape()).zip(&self.offset).zip(self.region.start());
        let own = starts.zip(source.chunk_shape()).map(|((((index, length), offset), start), chunk)| {
            let at = (index * length).checked_sub(*offset)? + start;
            at.is_multiple_of(*chunk).then_some(at / chunk)
        });
        own.collect()
    }
}
