//! The arrays of batches that are stored otherwise than those of the first: each kind is held once, and which batch has which is shared by
//! all variables for which that is the same. Memory does not grow with batches × variables.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use zstage::JoinedArray;

use crate::alike::is_stored_like;

/// The arrays of one path in other batches.
#[derive(Default)]
pub struct OtherArrays {
    kinds: Vec<JoinedArray>,
    /// Numbers of kinds by a hash of what tells them apart: times may count from another date in each batch.
    by_hash: HashMap<u64, Vec<u32>>,
    /// Which batches have which kinds.
    pub history: u32,
}

impl OtherArrays {
    /// Adds the array of a batch, which comes after those that were added before.
    pub fn add(&mut self, batch: usize, array: JoinedArray, dimension: Option<usize>, histories: &mut Histories) {
        let kind = self.kind(array, dimension);
        self.history = histories.after(self.history, batch as u32, kind + 1);
    }

    /// The kinds, of which the first has number 1.
    pub fn kinds(&self) -> &[JoinedArray] {
        &self.kinds
    }

    fn kind(&mut self, array: JoinedArray, dimension: Option<usize>) -> u32 {
        let mut hasher = DefaultHasher::new();
        (recode(&array), &array.start).hash(&mut hasher);
        let alike = self.by_hash.entry(hasher.finish()).or_default();
        let is_known = |kind: &&u32| is_same(&self.kinds[**kind as usize], &array, dimension);
        if let Some(known) = alike.iter().find(is_known) {
            return *known;
        }
        let kind = self.kinds.len() as u32;
        alike.push(kind);
        self.kinds.push(array);
        kind
    }
}

fn recode(array: &JoinedArray) -> Option<String> {
    array.recode.as_ref().map(|recode| recode.describe())
}

/// Whether both are read alike, whatever their lengths along the joined dimension.
fn is_same(a: &JoinedArray, b: &JoinedArray, dimension: Option<usize>) -> bool {
    let lengths = |joined: &JoinedArray| {
        let others = joined.array.shape.iter().enumerate().filter(|(axis, _)| Some(*axis) != dimension);
        others.map(|(_, length)| *length).collect::<Vec<u64>>()
    };
    recode(a) == recode(b)
        && a.start == b.start
        && lengths(a) == lengths(b)
        && a.array.numbered().is_some() == b.array.numbered().is_some()
        && is_stored_like(&a.array, &b.array)
}

/// A batch with a kind, after another history.
struct Step {
    before: u32,
    batch: u32,
    kind: u32,
}

/// All lists of batches with kinds: each is one step longer than another, and 0 is the empty one.
#[derive(Default)]
pub struct Histories {
    steps: Vec<Step>,
    /// Those that end with the batch that was added last.
    last: HashMap<(u32, u32), u32>,
}

impl Histories {
    /// The history `before` with one more batch. Batches are added in order.
    fn after(&mut self, before: u32, batch: u32, kind: u32) -> u32 {
        if self.steps.last().is_some_and(|last| last.batch != batch) {
            self.last.clear();
        }
        *self.last.entry((before, kind)).or_insert_with(|| {
            self.steps.push(Step { before, batch, kind });
            self.steps.len() as u32
        })
    }

    /// The kind of each of so many batches; 0 for those that the history does not have.
    pub fn kinds(&self, history: u32, batches: usize) -> Vec<u32> {
        let mut kinds = vec![0; batches];
        let mut next = history;
        while let Some(step) = next.checked_sub(1).and_then(|number| self.steps.get(number as usize)) {
            kinds[step.batch as usize] = step.kind;
            next = step.before;
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_histories_are_one() {
        let mut histories = Histories::default();
        let (mut ends, mut other) = (vec![0; 1000], 0);
        for batch in 1..100 {
            for end in &mut ends {
                *end = histories.after(*end, batch, batch % 2 + 1);
            }
            if batch % 3 == 0 {
                other = histories.after(other, batch, 1);
            }
        }
        assert!(ends.iter().all(|end| *end == ends[0]));
        assert_eq!(histories.steps.len(), 99 + 33);
        let alternating: Vec<u32> = (0..100).map(|batch| if batch == 0 { 0 } else { batch % 2 + 1 }).collect();
        assert_eq!(histories.kinds(ends[0], 100), alternating);
        let thirds: Vec<u32> = (0..100).map(|batch| u32::from(batch > 0 && batch % 3 == 0)).collect();
        assert_eq!(histories.kinds(other, 100), thirds);
        assert_eq!(histories.kinds(0, 3), [0, 0, 0]);
    }
}
