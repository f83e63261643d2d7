//! `--sel` and `--isel`: selection of indices of a dimension.
//!
//! xarray's terms: `sel` selects by coordinate value, both ends of a range included, and a time label of lower resolution
//! selects the whole period (pandas' partial string indexing); `isel` selects by index, the end excluded, negative indices
//! counted from the end.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::indices::Indices;
use crate::labels::{available, labelled};
use crate::nearest::{Nearest, NearestMethod};
use crate::values::Column;

/// A selection of one dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Its name.
    pub dimension: String,
    /// By value or by index.
    pub by: By,
}

/// How indices are selected.
#[derive(Debug, Clone, PartialEq)]
pub enum By {
    /// The text after `--sel DIM=`.
    Label(String),
    /// The same; of a label that is no coordinate value, the one that `nearest` finds.
    Near(String, Nearest),
    /// These, ascending.
    Indices(Indices),
    /// Start, end and step after `--isel DIM=`.
    Index {
        /// First index; negative from the end.
        start: Option<i64>,
        /// Last index, excluded; negative from the end.
        end: Option<i64>,
        /// Stride.
        step: u64,
    },
    /// One index.
    One(i64),
}

/// Why a selection matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectionError {
    /// An index beyond the dimension.
    OutOfBounds {
        /// The dimension.
        dimension: String,
        /// Its length.
        length: u64,
        /// The requested index.
        index: i64,
    },
    /// A label for a dimension without a coordinate.
    NoCoordinate(String),
    /// An invalid label, with a message.
    BadLabel(String),
    /// No index matches.
    Empty {
        /// The dimension.
        dimension: String,
        /// The coordinate values that there are, if there is a coordinate: all, or the first and the last.
        available: Option<String>,
        /// The one that is nearest to the label, if it is one.
        nearest: Option<String>,
        /// How a label that is no coordinate value was looked for; `None`: it was not.
        method: Option<NearestMethod>,
    },
    /// Several selections of one dimension have no index in common.
    Disjoint,
}

impl fmt::Display for SelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectionError::OutOfBounds { dimension, length, index } => {
                write!(f, "index {index} is out of bounds for {dimension}, which has length {length}")
            }
            SelectionError::NoCoordinate(dimension) => write!(f, "{dimension} has no coordinate: use --isel"),
            SelectionError::BadLabel(what) => f.write_str(what),
            SelectionError::Empty { dimension, available: None, .. } => {
                write!(f, "the selection matches no {dimension}")
            }
            SelectionError::Empty { dimension, available: Some(available), .. } => {
                write!(f, "the selection matches no {dimension}; available: {available}")
            }
            SelectionError::Disjoint => f.write_str("the selections do not overlap"),
        }
    }
}

impl std::error::Error for SelectionError {}

impl SelectionError {
    /// What to do, if it is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            SelectionError::Empty { dimension, nearest: Some(label), method, .. } => {
                let or = match method {
                    None => ", or --sel-method nearest",
                    Some(NearestMethod::Nearest) => ", or a larger --sel-tolerance",
                    Some(NearestMethod::Pad | NearestMethod::Backfill) => "",
                };
                Some(format!("the nearest is {label}: use --sel {dimension}={label}{or}"))
            }
            SelectionError::Disjoint => Some("use one selection per dimension, such as a,b or a:b".into()),
            _ => None,
        }
    }
}

/// The indices of a dimension of `length` that all of its selections select, ascending; without selections every index.
///
/// # Errors
/// The first selection that matches nothing, or [`SelectionError::Disjoint`].
pub fn select<'a>(
    selections: impl IntoIterator<Item = &'a Selection>,
    dimension: &str,
    length: u64,
    coordinate: Option<&Column>,
) -> Result<Indices, SelectionError> {
    let mut indices: Option<Indices> = None;
    for selection in selections.into_iter().filter(|selection| selection.dimension == dimension) {
        let selected = selection.resolve(length, coordinate)?;
        indices = Some(match indices {
            None => selected,
            Some(others) => others.intersection(selected),
        });
    }
    let indices = indices.unwrap_or_else(|| Indices::all(length));
    if indices.is_empty() && length > 0 { Err(SelectionError::Disjoint) } else { Ok(indices) }
}

/// Parses `--sel`.
///
/// # Errors
/// A message with the expected form.
pub fn parse_sel(text: &str) -> Result<Selection, String> {
    let (dimension, label) = text.split_once('=').ok_or("expected DIM=VALUE or DIM=FROM:TO")?;
    Ok(Selection { dimension: dimension.trim().to_owned(), by: By::Label(label.trim().to_owned()) })
}

/// Parses `--isel`.
///
/// # Errors
/// A message with the expected form.
pub fn parse_isel(text: &str) -> Result<Selection, String> {
    let wrong = || "expected DIM=I, DIM=I:J or DIM=I:J:STEP".to_owned();
    let (dimension, indices) = text.split_once('=').ok_or_else(wrong)?;
    let parts: Vec<&str> = indices.split(':').map(str::trim).collect();
    let bound = |text: &str| match text {
        "" => Ok(None),
        text => i64::from_str(text).map(Some).map_err(|_| wrong()),
    };
    let by = match parts.as_slice() {
        [one] => By::One(one.parse().map_err(|_| wrong())?),
        [start, end] => By::Index { start: bound(start)?, end: bound(end)?, step: 1 },
        [start, end, step] => {
            let step = step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?;
            By::Index { start: bound(start)?, end: bound(end)?, step }
        }
        _ => return Err(wrong()),
    };
    Ok(Selection { dimension: dimension.trim().to_owned(), by })
}

impl Selection {
    /// Whether it needs no coordinate.
    pub fn is_by_index(&self) -> bool {
        !matches!(self.by, By::Label(_) | By::Near(..))
    }

    /// What it selects of some consecutive `part` of a dimension, counted from the beginning of the part; `indices` are those
    /// that it selects of the whole dimension. `None` if nothing.
    pub fn within(&self, indices: &Indices, part: Range<u64>) -> Option<Selection> {
        let inside = indices.clone().intersection(Indices::stepped(part.start, part.end, 1));
        let by = By::Indices(inside.counted_from(part.start));
        (!inside.is_empty()).then(|| Selection { dimension: self.dimension.clone(), by })
    }

    /// The indices that are selected of a dimension of `length` with this coordinate, ascending.
    ///
    /// # Errors
    /// Any [`SelectionError`] but [`SelectionError::Disjoint`].
    pub fn resolve(&self, length: u64, coordinate: Option<&Column>) -> Result<Indices, SelectionError> {
        let dimension = || self.dimension.clone();
        let needed = || coordinate.ok_or_else(|| SelectionError::NoCoordinate(dimension()));
        let from_end = |index: i64| match index {
            0.. => index.unsigned_abs().into(),
            _ => i128::from(length) + i128::from(index),
        };
        let indices = match &self.by {
            By::One(index) => {
                let found = u64::try_from(from_end(*index)).ok().filter(|index| *index < length);
                let outside = || SelectionError::OutOfBounds { dimension: dimension(), length, index: *index };
                let found = found.ok_or_else(outside)?;
                Indices::stepped(found, found + 1, 1)
            }
            By::Index { start, end, step } => {
                let at = |bound: i64| u64::try_from(from_end(bound).max(0)).unwrap_or(u64::MAX).min(length);
                Indices::stepped(start.map_or(0, at), end.map_or(length, at), *step)
            }
            By::Indices(indices) => indices.clone(),
            By::Label(label) => Indices::List(labelled(needed()?, label).map_err(SelectionError::BadLabel)?),
            By::Near(label, nearest) => {
                Indices::List(nearest.labelled(needed()?, label).map_err(SelectionError::BadLabel)?)
            }
        };
        match indices.is_empty() {
            true => Err(SelectionError::Empty {
                dimension: dimension(),
                available: coordinate.and_then(available),
                nearest: coordinate.zip(self.label()).and_then(|(column, label)| Nearest::ANY.label(column, label)),
                method: self.method(),
            }),
            false => Ok(indices),
        }
    }

    /// How a label that is no coordinate value is looked for.
    pub(crate) fn method(&self) -> Option<NearestMethod> {
        if let By::Near(_, nearest) = &self.by { Some(nearest.method) } else { None }
    }

    pub(crate) fn label(&self) -> Option<&str> {
        match &self.by {
            By::Label(label) | By::Near(label, _) => Some(label),
            By::Index { .. } | By::One(_) | By::Indices(_) => None,
        }
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
