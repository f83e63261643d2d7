//! A sample of the chunks of a finished output, compared with what its plan makes of the sources: those that are copied by their
//! stored bytes, others by their values.

use std::collections::{BTreeSet, HashSet};

use zarray::{Array, Subset};
use zwire::{Exit, Failure};

use crate::both_sides::{BothSides, Compared};
use crate::stored_bytes::Extent;

impl BothSides<'_> {
    /// Compares up to `most` objects that are spread over the array, and returns how many could be. Those that `may_lack` in the output are
    /// left out.
    ///
    /// # Errors
    /// [`Exit::Output`] with the first that differs; the stores'.
    pub fn check_sample(&self, most: u64, may_lack: bool) -> Result<u64, Failure> {
        let mut compared = 0;
        for (number, index) in self.sample(most) {
            let key = self.key(&index);
            match self.is_same(number, &index)? {
                Some(true) => compared += 1,
                Some(false) if may_lack && self.written.stat(&key)?.is_none() => {}
                Some(false) => return Err(self.other(&format!("{key} differs"))),
                None => {}
            }
        }
        Ok(compared)
    }

    /// Of up to `most` objects that are spread over the array and not `damaged`, how many are as the plan makes them, and how many are not.
    ///
    /// # Errors
    /// The stores'.
    pub fn count_same(&self, most: u64, damaged: &HashSet<&str>) -> Result<(u64, u64), Failure> {
        let (mut same, mut other) = (0, 0);
        for (number, index) in self.sample(most) {
            let key = self.key(&index);
            if damaged.contains(key.as_str()) || self.written.stat(&key)?.is_none() {
                continue;
            }
            match self.is_same(number, &index) {
                Ok(Some(true)) => same += 1,
                Ok(Some(false)) => other += 1,
                Ok(None) => {}
                // It is damaged, and was not named.
                Err(failure) if failure.exit == Exit::Output => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok((same, other))
    }

    /// Whether an object is as the plan makes it: of one that is decoded, the elements of one chunk around the point that its `number` picks.
    /// `None` if it cannot be compared.
    fn is_same(&self, number: u64, index: &[u64]) -> Result<Option<bool>, Failure> {
        if let Some(is_same) = self.has_same_bytes(index, Extent::Some)? {
            return Ok(Some(is_same));
        }
        let object = self.objects().and_then(|grid| grid.chunk(index).intersection(&Subset::whole(&self.output.shape)));
        let Some(cell) = object.and_then(|object| self.cell(&point_in(&object, number))) else { return Ok(None) };
        Ok(match self.compare(&cell)? {
            Compared::Same => Some(true),
            Compared::Differs(_) => Some(false),
            Compared::Unknown => None,
        })
    }

    /// Objects that are spread over those of the array: the number and the index of each.
    fn sample(&self, most: u64) -> Vec<(u64, Vec<u64>)> {
        let Some(grid) = self.objects() else { return Vec::new() };
        match self.plan.view.chosen().filter(|_| self.plan.rechunk().is_none()) {
            Some(chunks) => {
                evenly(chunks.len(), most).into_iter().map(|number| (number, chunks.index(number))).collect()
            }
            None => evenly(grid.len(), most).into_iter().map(|number| (number, grid.index(number))).collect(),
        }
    }

    /// The elements around a point that lie in one chunk of the output and in one of the sources.
    pub fn cell(&self, point: &[u64]) -> Option<Subset> {
        let whole = Subset::whole(&self.output.shape);
        let own = chunk_at(&self.output, point)?;
        self.source_chunk(point)?.intersection(&own)?.intersection(&whole)
    }

    /// The chunk of the source under a point of the output, in indices of the output.
    fn source_chunk(&self, point: &[u64]) -> Option<Subset> {
        if self.plan.view.is_whole() {
            return chunk_at(&self.plan.array, point);
        }
        let only = Subset::new(point.to_vec(), vec![1; point.len()]);
        let (number, region) = self.plan.view.regions_of(&only).into_iter().next()?;
        let piece = self.plan.view.piece(number);
        let chunk = chunk_at(&piece.array, piece.in_source(&region).start())?;
        let inside = chunk.intersection(&piece.region)?;
        let starts = inside.start().iter().zip(piece.region.start()).zip(&piece.offset);
        Some(Subset::new(starts.map(|((at, start), offset)| at - start + offset).collect(), inside.shape().to_vec()))
    }

    /// The failure of an output that holds something else.
    pub fn other(&self, what: &str) -> Failure {
        other_output(what).at(self.written.location())
    }
}

/// The failure of an output that holds something else.
pub fn other_output(what: &str) -> Failure {
    Failure::new(Exit::Output, format!("was made from another selection or source: {what}"))
        .hint("use another output, or --overwrite to replace it")
}

/// The chunk of an array that holds an element.
fn chunk_at(array: &Array, point: &[u64]) -> Option<Subset> {
    let grid = array.chunk_grid()?;
    let index: Vec<u64> = point.iter().enumerate().map(|(at, element)| grid.chunk_of(at, *element)).collect();
    Some(grid.chunk(&index))
}

/// Up to `most` of the first `count` numbers: both ends, and others between them.
pub fn evenly(count: u64, most: u64) -> BTreeSet<u64> {
    let (last, steps) = (count.saturating_sub(1), most.saturating_sub(1).max(1));
    let at = |step: u64| u64::try_from(u128::from(step) * u128::from(last) / u128::from(steps)).unwrap_or(last);
    (0..most.min(count)).map(|step| if count <= most { step } else { at(step) }).collect()
}

/// An element of a box, another one for each number, so that a sample does not only meet the first chunks of shards.
fn point_in(part: &Subset, number: u64) -> Vec<u64> {
    let mut state = number;
    let pick = |(start, length): (&u64, &u64)| {
        // The mixing step of SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        start + (mixed ^ (mixed >> 27)) % length.max(&1)
    };
    part.start().iter().zip(part.shape()).map(pick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_both_ends_and_is_spread() {
        assert_eq!(evenly(10, 4).into_iter().collect::<Vec<_>>(), [0, 3, 6, 9]);
        assert_eq!(evenly(3, 4).into_iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(evenly(9, 1).into_iter().collect::<Vec<_>>(), [0]);
        assert!(evenly(0, 4).is_empty() && evenly(u64::MAX, 16).len() == 16);
    }

    #[test]
    fn points_lie_inside_and_vary() {
        let part = Subset::new(vec![5, 100], vec![1, 50]);
        let points: BTreeSet<Vec<u64>> = (0..16).map(|number| point_in(&part, number)).collect();
        assert!(points.len() > 8 && points.iter().all(|point| point[0] == 5 && (100..150).contains(&point[1])));
        assert!(point_in(&Subset::new(vec![], vec![]), 3).is_empty());
    }
}
