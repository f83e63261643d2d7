//! Batches that agree with the first of them, and how their arrays are put together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use zarray::Array;
use zstage::{Attributes, JoinRun, JoinedArray, View, ViewError};
use zwire::{Exit, Failure};

use crate::crop::{Crop, Window};
use crate::kinds::{Histories, OtherArrays};
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
    /// The length of each batch along the dimension.
    pub lengths: Arc<[u64]>,
    /// Which batches have arrays of other kinds.
    pub histories: Histories,
    /// Arrays that differ from the first batch's in more than their length, by path.
    pub others: BTreeMap<String, OtherArrays>,
    /// New attributes of nodes.
    pub attributes: Attributes,
    /// Paths of the arrays that go into the output.
    pub wanted: BTreeSet<String>,
    /// A note on attributes that were dropped.
    pub note: Option<String>,
    /// Lists of the kinds of all batches, by history: arrays mostly have the same.
    pub kinds: Mutex<HashMap<u32, Arc<[u32]>>>,
}

impl Aligned {
    /// Whether an array of some batch is stored otherwise than that of the first.
    pub fn differs(&self, array: &Array) -> bool {
        self.others.contains_key(&array.path)
    }

    /// The kind that each batch has after this history; 0 is that of the first batch.
    fn kinds_of(&self, history: u32) -> Arc<[u32]> {
        let list = || self.histories.kinds(history, self.lengths.len()).into();
        Arc::clone(self.kinds.lock().entry(history).or_insert_with(list))
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
        let mut own = array.clone();
        own.attributes = serde_json::Map::new();
        let others = self.others.get(&array.path);
        let first = JoinedArray { array: Arc::new(own), recode: None, start: window.start.clone() };
        let arrays = std::iter::once(first).chain(others.into_iter().flat_map(OtherArrays::kinds).cloned()).collect();
        let array_of = self.kinds_of(others.map_or(0, |others| others.history));
        let (lengths, extent, runs) = (Arc::clone(&self.lengths), window.shape, Arc::clone(runs));
        let join = zstage::Join::new(arrays, array_of, lengths, dimension, extent, runs).map_err(refused)?;
        Ok(Some(View::Join(Box::new(join))))
    }
}
