//! Indices of a dimension, ascending: steps that take no memory, however many they are, or a list.

use std::borrow::Cow;
use std::ops::Range;

/// Ascending indices of a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indices {
    /// Every `step`-th index.
    Steps {
        /// The first.
        start: u64,
        /// From one to the next.
        step: u64,
        /// How many.
        count: u64,
    },
    /// These.
    List(Vec<u64>),
}

impl Indices {
    /// All of a dimension of `length`.
    pub fn all(length: u64) -> Indices {
        Indices::Steps { start: 0, step: 1, count: length }
    }

    /// From `start` to before `end`, every `step`-th.
    pub fn stepped(start: u64, end: u64, step: u64) -> Indices {
        let step = step.max(1);
        Indices::Steps { start, step, count: end.saturating_sub(start).div_ceil(step) }
    }

    /// How many.
    pub fn len(&self) -> u64 {
        match self {
            Indices::Steps { count, .. } => *count,
            Indices::List(list) => list.len() as u64,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Index at a position below [`Indices::len`].
    pub fn get(&self, position: u64) -> u64 {
        match self {
            Indices::Steps { start, step, .. } => start + position * step,
            Indices::List(list) => list[position as usize],
        }
    }

    /// The indices at some positions.
    pub fn slice(&self, positions: Range<u64>) -> Cow<'_, [u64]> {
        match self {
            Indices::Steps { .. } => positions.map(|position| self.get(position)).collect(),
            Indices::List(list) => Cow::Borrowed(&list[positions.start as usize..positions.end as usize]),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        (0..self.len()).map(|position| self.get(position))
    }

    /// The first index and the one after the last.
    pub fn span(&self) -> Range<u64> {
        if self.is_empty() { 0..0 } else { self.get(0)..self.get(self.len() - 1) + 1 }
    }

    fn contains(&self, index: u64) -> bool {
        match self {
            Indices::Steps { start, step, count } => {
                index.checked_sub(*start).is_some_and(|away| away.is_multiple_of(*step) && away / step < *count)
            }
            Indices::List(list) => list.binary_search(&index).is_ok(),
        }
    }

    /// Those that are in both.
    pub fn intersection(self, other: Indices) -> Indices {
        let (few, many) = if self.len() <= other.len() { (self, other) } else { (other, self) };
        Indices::List(few.iter().filter(|index| many.contains(*index)).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_indices() -> impl Strategy<Value = Indices> {
        let steps = (0u64..50, 0u64..80, 1u64..7).prop_map(|(start, end, step)| Indices::stepped(start, end, step));
        let list =
            prop::collection::btree_set(0u64..80, 0..20).prop_map(|set| Indices::List(set.into_iter().collect()));
        prop_oneof![steps, list]
    }

    proptest! {
        #[test]
        fn steps_are_a_list(start in 0u64..50, end in 0u64..80, step in 1u64..7) {
            let (steps, list) = (Indices::stepped(start, end, step), (start..end.max(start)).step_by(step as usize).collect::<Vec<_>>());
            prop_assert_eq!(steps.iter().collect::<Vec<_>>(), list.clone());
            prop_assert_eq!(steps.slice(0..steps.len()).into_owned(), list);
        }

        #[test]
        fn intersections_are_in_both(a in any_indices(), b in any_indices()) {
            let expected: Vec<u64> = a.iter().filter(|index| b.iter().any(|other| other == *index)).collect();
            prop_assert_eq!(a.intersection(b).iter().collect::<Vec<_>>(), expected);
        }
    }
}
