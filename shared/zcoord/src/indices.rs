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

    /// Each less `start`, which none is below.
    pub fn counted_from(&self, start: u64) -> Indices {
        match self {
            Indices::Steps { start: first, step, count } => {
                Indices::Steps { start: first.saturating_sub(start), step: *step, count: *count }
            }
            Indices::List(list) => Indices::List(list.iter().map(|index| index.saturating_sub(start)).collect()),
        }
    }

    /// Those that are in both.
    pub fn intersection(self, other: Indices) -> Indices {
        let (few, many) = if self.len() <= other.len() { (self, other) } else { (other, self) };
        if let (Indices::Steps { step, .. }, Indices::Steps { step: other, .. }) = (&few, &many) {
            return common_steps(&few, &many, *step, *other);
        }
        Indices::List(few.iter().filter(|index| many.contains(*index)).collect())
    }
}

/// The indices that two sequences of steps share: again steps, as far apart as the least common multiple.
fn common_steps(a: &Indices, b: &Indices, step_a: u64, step_b: u64) -> Indices {
    let (spans, none) = ([a.span(), b.span()], Indices::stepped(0, 0, 1));
    let (start, end) = (spans[0].start.max(spans[1].start), spans[0].end.min(spans[1].end));
    if a.is_empty() || b.is_empty() || start >= end {
        return none;
    }
    // Of the one with the larger steps, positions repeat their distance to the other after this many steps.
    let (coarse, fine, step, other) = if step_a >= step_b { (a, b, step_a, step_b) } else { (b, a, step_b, step_a) };
    let period = other / gcd(step, other);
    let first = coarse.get(0) + start.saturating_sub(coarse.get(0)).div_ceil(step) * step;
    let mut candidates = (0..period).map_while(|number| first.checked_add(number.checked_mul(step)?));
    match candidates.find(|index| *index >= end || fine.contains(*index)).filter(|index| *index < end) {
        Some(index) => Indices::stepped(index, end, step.saturating_mul(period)),
        None => none,
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
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

    #[test]
    fn steps_meet_in_steps_however_many_they_are() {
        let (half, even) = (Indices::stepped(0, 8_000_000_000, 1), Indices::stepped(0, 1 << 33, 2));
        assert_eq!(half.intersection(even), Indices::stepped(0, 8_000_000_000, 2));
        let (a, b) = (Indices::stepped(5, 1 << 40, 6), Indices::stepped(3, 1 << 41, 4));
        assert_eq!(a.intersection(b), Indices::stepped(11, 1 << 40, 12));
        assert!(Indices::stepped(0, 1 << 40, 2).intersection(Indices::stepped(1, 1 << 40, 2)).is_empty());
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
