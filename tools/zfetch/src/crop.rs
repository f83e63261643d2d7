//! What the plan file keeps: the range of each dimension, and the dimensions of each array.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zarray::Array;
use zstage::{Action, ArrayPlan, View};
use zwire::Failure;

use crate::axes::Axes;
use crate::select::can_be_cut;

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
}

impl Crop {
    /// What is fetched of `arrays`.
    pub fn of<'a>(axes: &Axes, arrays: impl Iterator<Item = &'a Array>) -> Crop {
        let mut grown = BTreeMap::new();
        for array in arrays.filter(|array| axes.of.contains_key(&array.path)) {
            let (wanted, all) = axes.elements(&array.path);
            if wanted != all {
                let bytes = |elements: u64| elements.saturating_mul(array.itemsize.unwrap_or(1));
                grown.insert(array.path.clone(), (bytes(wanted), bytes(all)));
            }
        }
        let axes_fetched = axes.axes.iter().map(|axis| axis.fetched.clone()).collect();
        Crop { axes: axes_fetched, arrays: axes.of.clone(), bytes: grown }
    }

    /// Decoded bytes of an array that are fetched for each byte that was asked for.
    pub fn amplification(&self, array: &str) -> f64 {
        let ratio = self.bytes.get(array).and_then(|(wanted, all)| zwire::ratio(*all, *wanted));
        ratio.unwrap_or(1.0)
    }

    /// What is fetched of an array; `None` if it is left out.
    ///
    /// # Errors
    /// A part of an array whose chunk grid is not regular.
    pub fn plan(&self, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        let Some(own) = self.arrays.get(&array.path) else { return Ok(None) };
        let ranges: Vec<Vec<Range<u64>>> = own.iter().map(|axis| self.axes[*axis].clone()).collect();
        let is_whole = ranges.iter().zip(&array.shape).all(|(ranges, length)| *ranges == [0..*length]);
        if is_whole {
            return Ok(Some(ArrayPlan::new(array, COPY, false)));
        }
        let array = Arc::new(array);
        if !is_aligned(&array, &ranges) && !can_be_cut(&array) {
            let text = "cannot be cut inside its chunks: its elements have no fixed size, or it has a codec that cannot be written";
            let failure = Failure::new(zwire::Exit::Unreadable, text);
            return Err(failure.hint("leave it out with --var, or select all of it"));
        }
        let view = View::crop(0, &array, &ranges).map_err(|error| {
            let failure = Failure::new(zwire::Exit::Unreadable, error.to_string());
            failure.hint("leave it out with --var, or select all of it")
        })?;
        Ok(Some(ArrayPlan::of_view(&array, view, COPY)))
    }
}

/// Whether the ranges are those of whole chunks, so that objects are copied.
fn is_aligned(array: &Array, ranges: &[Vec<Range<u64>>]) -> bool {
    let Some(grid) = array.numbered() else { return true };
    ranges.iter().zip(grid.chunk_shape()).zip(&array.shape).all(|((ranges, chunk), length)| {
        let starts = ranges.iter().all(|range| range.start % chunk == 0);
        // Only the last range may end inside a chunk: at the end of the dimension.
        let mut ends = ranges.iter().rev();
        let last = ends.next().is_none_or(|range| range.end % chunk == 0 || range.end == *length);
        starts && last && ends.all(|range| range.end % chunk == 0)
    })
}

/// Stored bytes are copied.
const COPY: Action = Action::Copy("stored bytes are copied");
