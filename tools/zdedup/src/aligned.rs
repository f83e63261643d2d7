//! Batches that agree with the first of them, and how their arrays are put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use zarray::{Array, Grid};
use zstage::{Attributes, JoinRun, JoinedArray, View, ViewError};
use zwire::{Exit, Failure};

use crate::alike::is_stored_like;
use crate::crop::{Crop, Window};
use crate::variables::axis;

/// The batches, as far as they differ from the first.
pub struct Aligned {
    /// The dimension.
    pub dim: String,
    /// The arrays of the first of these batches that go into the output, unless it is the first of all.
    pub arrays: Vec<Array>,
    /// The number of that batch.
    pub first: usize,
    /// What the output has of the other dimensions.
    pub crop: Crop,
    /// Different lengths along the dimension, that of the first batch first.
    pub lengths: Vec<u64>,
    /// Which of them each batch has.
    pub length_of: Arc<[u32]>,
    /// Arrays that differ from the first batch's in more than their length, by path.
    pub others: BTreeMap<String, OtherArrays>,
    /// New attributes of nodes.
    pub attributes: Attributes,
    /// Paths of the arrays that go into the output.
    pub wanted: BTreeSet<String>,
    /// A note on attributes that were dropped.
    pub note: Option<String>,
    /// The last list of kinds, which the next array mostly has, too.
    pub last_kinds: Mutex<Arc<[u32]>>,
}

/// The arrays of one path in other batches. Most are alike, and held once.
#[derive(Default)]
pub struct OtherArrays {
    kinds: Vec<JoinedArray>,
    /// Numbers of batches, and which of the kinds each has.
    kind_of: Vec<(u32, u32)>,
}

impl OtherArrays {
    /// Adds the array of a batch.
    pub fn add(&mut self, batch: usize, array: JoinedArray) {
        let kind = self.kinds.iter().rposition(|kind| is_same(kind, &array)).unwrap_or_else(|| {
            self.kinds.push(array);
            self.kinds.len() - 1
        });
        self.kind_of.push((batch as u32, kind as u32));
    }
}

/// Whether both are read alike.
fn is_same(a: &JoinedArray, b: &JoinedArray) -> bool {
    let recode = |array: &JoinedArray| array.recode.as_ref().map(|recode| recode.describe());
    recode(a) == recode(b)
        && a.start == b.start
        && a.array.shape == b.array.shape
        && a.array.grid == b.array.grid
        && is_stored_like(&a.array, &b.array)
}

impl Aligned {
    /// Whether an array of some batch is stored otherwise than that of the first.
    pub fn differs(&self, array: &Array) -> bool {
        self.others.contains_key(&array.path)
    }

    /// A list of kinds, held once by arrays that follow each other.
    fn shared(&self, kinds: Vec<u32>) -> Arc<[u32]> {
        let mut last = self.last_kinds.lock();
        if **last != *kinds {
            *last = kinds.into();
        }
        Arc::clone(&last)
    }

    /// The view of an array of the first batch; `None` for the whole of one that does not lie along the dimension.
    ///
    /// # Errors
    /// Arrays that cannot be joined.
    pub fn view(&self, array: &Array, runs: &Arc<[JoinRun]>) -> Result<Option<View>, Failure> {
        let refused = |error: ViewError| Failure::new(Exit::Unreadable, error.to_string());
        let window = self.crop.window(array, self.first);
        let Some(dimension) = axis(array, &self.dim) else {
            if window == Window::whole(array) && self.first == 0 {
                return Ok(None);
            }
            let ranges: Vec<Vec<_>> = window.ranges().map(|range| vec![range]).collect();
            let mut array = array.clone();
            array.attributes = serde_json::Map::new();
            return View::crop(self.first, &Arc::new(array), &ranges).map(Some).map_err(refused);
        };
        let with_length = |length: &u64| {
            let mut array = array.clone();
            array.attributes = serde_json::Map::new();
            array.shape[dimension] = *length;
            let grid = array.numbered().and_then(|grid| Grid::new(array.shape.clone(), grid.chunk_shape().to_vec()));
            array.grid = grid;
            JoinedArray { array: Arc::new(array), recode: None, start: window.start.clone() }
        };
        let mut arrays: Vec<JoinedArray> = self.lengths.iter().map(with_length).collect();
        let mut array_of = Arc::clone(&self.length_of);
        if let Some(others) = self.others.get(&array.path) {
            let mut own = array_of.to_vec();
            for (batch, kind) in &others.kind_of {
                own[*batch as usize] = arrays.len() as u32 + kind;
            }
            arrays.extend(others.kinds.iter().cloned());
            array_of = self.shared(own);
        }
        let join = zstage::Join::new(arrays, array_of, dimension, window.shape, Arc::clone(runs)).map_err(refused)?;
        Ok(Some(View::Join(Box::new(join))))
    }
}
