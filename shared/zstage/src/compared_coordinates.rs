//! Compares the coordinates of a finished output with those that its plan makes of the sources: what was selected, and from which
//! source, shows in them.

use std::collections::HashSet;

use zarray::Subset;
use zcoord::{dimensions, name};
use zwire::{Exit, Failure};

use crate::both_sides::{BothSides, Compared};
use crate::sampled_values::evenly;
use crate::stored_bytes::Extent;

/// Elements that are read at once.
const BLOCK: u64 = 1 << 20;

/// Of arrays of one dimension that are no coordinates, those with no more decoded bytes are compared like them.
const SMALL: u64 = 1 << 20;

/// Where reading costs requests, a coordinate that would take more of them is compared in so many places.
const MOST_REMOTE: u64 = 64;

impl BothSides<'_> {
    /// Whether it is a coordinate: named as its dimension, or a scalar.
    pub fn is_coordinate(&self) -> bool {
        match dimensions(&self.output).as_deref() {
            Some([]) => true,
            Some([only]) => *only == name(&self.output.path),
            _ => false,
        }
    }

    /// Whether all its values are compared.
    pub fn is_compared_whole(&self) -> bool {
        let is_small = || self.output.uncompressed_bytes().is_some_and(|bytes| bytes <= SMALL);
        !self.plan.view.is_partial() && (self.is_coordinate() || (self.output.shape.len() == 1 && is_small()))
    }

    /// Compares all values. Of an output that is to be repaired, the objects `damaged` are not looked at, and others that cannot be read
    /// are passed over.
    ///
    /// # Errors
    /// [`Exit::Output`] with the first value that differs; the stores'.
    pub fn check_values(&self, damaged: Option<&HashSet<&str>>) -> Result<(), Failure> {
        for block in self.blocks() {
            if !matches!(self.compare(&block), Ok(Compared::Same)) {
                self.check_objects(&block, damaged)?;
            }
        }
        Ok(())
    }

    /// The boxes that are compared: they cover the array, but for a large one where each chunk costs a request.
    fn blocks(&self) -> Vec<Subset> {
        let Some(length) = self.output.shape.first() else { return vec![Subset::whole(&[])] };
        let is_remote = self.written.is_remote() || self.stores.iter().any(|store| store.is_remote());
        let chunks = self.output.chunks().unwrap_or(1).max(self.plan.array.chunks().unwrap_or(1));
        if is_remote && chunks.saturating_add(self.plan.view.len() as u64) > MOST_REMOTE {
            return evenly(*length, MOST_REMOTE).into_iter().filter_map(|at| self.cell(&[at])).collect();
        }
        let chunk = self.objects().map_or(1, |grid| grid.chunk_shape()[0].max(1));
        let step = chunk.saturating_mul((BLOCK / chunk).max(1));
        let starts = (0..length.div_ceil(step)).map(|block| block * step);
        starts.map(|start| Subset::new(vec![start], vec![step.min(length - start)])).collect()
    }

    /// Compares a box again, object by object, to find the first that differs.
    fn check_objects(&self, block: &Subset, damaged: Option<&HashSet<&str>>) -> Result<(), Failure> {
        let Some(grid) = self.objects() else { return Ok(()) };
        let objects = grid.touched(block);
        for index in (0..objects.elements()).map(|number| objects.member(number)) {
            let key = self.key(&index);
            let Some(part) = grid.chunk(&index).intersection(block) else { continue };
            if damaged.is_some_and(|damaged| damaged.contains(key.as_str())) {
                continue;
            }
            match self.compare(&part) {
                Ok(Compared::Same) => {}
                // That an object is missing is found where they are counted.
                Ok(Compared::Differs(_)) if self.written.stat(&key)?.is_none() => {}
                Ok(Compared::Differs(difference)) => {
                    let values = self.labels(&difference).map(|labels| format!(" ({labels})")).unwrap_or_default();
                    return Err(self.other(&format!("{} differs{values}", self.output.key_prefix())));
                }
                Ok(Compared::Unknown) if self.has_same_bytes(&index, Extent::Some)? == Some(false) => {
                    return Err(self.other(&format!("the bytes of {key} differ")));
                }
                Ok(Compared::Unknown) => {}
                Err(failure) if damaged.is_some() && failure.exit == Exit::Output => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}
