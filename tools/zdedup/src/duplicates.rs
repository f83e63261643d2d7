//! Coordinate values that occur more than once, and what else is wrong with a coordinate.

use std::cmp::Ordering;

use zcoord::{Series, Step};

use crate::coordinate::{Coordinate, Position};

/// The values that occur more than once.
pub struct Duplicates {
    /// Rows of all values that occur more than once, value by value.
    rows: Vec<usize>,
    /// The end of each value in `rows`.
    ends: Vec<usize>,
    /// Different values.
    pub unique: u64,
}

impl Duplicates {
    /// Finds them among `sorted`, the rows by value.
    pub fn find(coordinate: &Coordinate, sorted: &[usize]) -> Duplicates {
        let (mut rows, mut ends, mut unique) = (Vec::new(), Vec::new(), 0);
        for group in sorted.chunk_by(|a, b| coordinate.compare(*a, *b) == Ordering::Equal) {
            unique += 1;
            if group.len() > 1 {
                rows.extend_from_slice(group);
                ends.push(rows.len());
            }
        }
        Duplicates { rows, ends, unique }
    }

    /// Values that occur more than once.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The rows of a value, in order.
    pub fn value(&self, number: usize) -> &[usize] {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.rows[start..self.ends[number]]
    }

    /// The rows of each value, in order.
    pub fn values(&self) -> impl Iterator<Item = &[usize]> {
        (0..self.len()).map(|number| self.value(number))
    }

    /// Rows beyond the first of each value.
    pub fn beyond(&self) -> u64 {
        (self.rows.len() - self.ends.len()) as u64
    }
}

/// What is wrong with a coordinate, besides duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Steps are missing between two neighbouring values.
    Gap(u64),
    /// The value comes after a larger one (of values that go down, after a smaller one).
    Unsorted,
    /// The value is much closer to its neighbour than a step.
    NearDuplicate,
    /// There is no value.
    Missing,
}

impl Fault {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Gap(_) => "gap",
            Fault::Unsorted => "unsorted",
            Fault::NearDuplicate => "near_duplicate",
            Fault::Missing => "missing_value",
        }
    }
}

/// A fault, the row at which it is, and the row before it, if that plays a part.
pub struct Found {
    pub fault: Fault,
    pub row: usize,
    pub before: Option<usize>,
}

/// Looks at the coordinate: missing values, then values out of order, then neighbours by value. `sorted` are the rows by value.
pub fn faults(coordinate: &Coordinate, sorted: &[usize]) -> Vec<Found> {
    let missing = (0..coordinate.len()).filter(|row| coordinate.is_missing(*row));
    let mut found: Vec<Found> = missing.map(|row| Found { fault: Fault::Missing, row, before: None }).collect();
    let mut firsts: Vec<usize> = sorted
        .chunk_by(|a, b| coordinate.compare(*a, *b) == Ordering::Equal)
        .filter_map(|group| group.first().copied())
        .collect();
    neighbours(coordinate, &firsts, &mut found);
    let backwards = if coordinate.is_decreasing() { Ordering::Less } else { Ordering::Greater };
    firsts.sort_unstable();
    let pairs = firsts.windows(2).filter(|pair| coordinate.compare(pair[0], pair[1]) == backwards);
    found.extend(pairs.map(|pair| Found { fault: Fault::Unsorted, row: pair[1], before: Some(pair[0]) }));
    found
}

/// Gaps and near duplicates between neighbours of `firsts`, a row of each value, by value.
fn neighbours(coordinate: &Coordinate, firsts: &[usize], found: &mut Vec<Found>) {
    let column = coordinate.column().gather(firsts);
    let Some((series, step)) = Series::new(&column).and_then(|series| series.step().map(|step| (series, step))) else {
        return;
    };
    for (number, difference) in series.differences().enumerate() {
        if let Some(fault) = fault_of(step, difference) {
            found.push(Found { fault, row: firsts[number + 1], before: Some(firsts[number]) });
        }
    }
}

fn fault_of(step: Step, difference: f64) -> Option<Fault> {
    match step.missing(difference) {
        0 => step.is_tiny(difference).then_some(Fault::NearDuplicate),
        missing => Some(Fault::Gap(missing)),
    }
}

/// Duplicates that follow each other in both of two batches: what is under one is compared with what is under the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The first occurrence.
    pub first: Position,
    /// The other one.
    pub other: Position,
    /// Number of values.
    pub length: u64,
}

/// The stretches of all duplicates, by their first batch; of values that occur n times, n - 1 comparisons with the first.
pub fn stretches(coordinate: &Coordinate, duplicates: &Duplicates) -> Vec<Stretch> {
    let mut pairs: Vec<(Position, Position)> = Vec::new();
    for rows in duplicates.values() {
        let first = coordinate.position(rows[0]);
        pairs.extend(rows[1..].iter().map(|row| (first, coordinate.position(*row))));
    }
    pairs.sort_by_key(|(first, other)| (first.batch, other.batch, other.index));
    let mut stretches: Vec<Stretch> = Vec::new();
    for (first, other) in pairs {
        let follows = |last: &Stretch| {
            let after = |position: Position| Position { index: position.index + last.length, ..position };
            after(last.first) == first && after(last.other) == other
        };
        match stretches.last_mut().filter(|last| follows(last)) {
            Some(last) => last.length += 1,
            None => stretches.push(Stretch { first, other, length: 1 }),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use zcoord::{Column, Kind, Values};

    use super::*;
    use crate::batch::Batch;

    fn coordinate(batches: &[&[i64]]) -> Coordinate {
        let batch = |values: &&[i64]| Batch::of_column(Column::new(Kind::Int(64), Values::I64(values.to_vec())));
        Coordinate::new(&batches.iter().map(batch).collect::<Vec<_>>()).expect("numbers")
    }

    #[test]
    fn duplicates_are_found_and_their_stretches() {
        let coordinate = coordinate(&[&[0, 1, 2, 3], &[0, 1, 2, 3], &[4, 5, 6], &[2, 3, 9]]);
        let sorted = coordinate.sorted();
        let duplicates = Duplicates::find(&coordinate, &sorted);
        assert_eq!((duplicates.len(), duplicates.unique, duplicates.beyond()), (4, 8, 6));
        assert_eq!(duplicates.value(2), [2, 6, 11]);
        let at = |batch, index| Position { batch, index };
        let expected = [
            Stretch { first: at(0, 0), other: at(1, 0), length: 4 },
            Stretch { first: at(0, 2), other: at(3, 0), length: 2 },
        ];
        assert_eq!(stretches(&coordinate, &duplicates), expected);
    }

    #[test]
    fn gaps_and_values_out_of_order_are_found() {
        let coordinate = coordinate(&[&[4, 5, 6], &[0, 1, 2, 3], &[10, 11]]);
        let found = faults(&coordinate, &coordinate.sorted());
        let found: Vec<_> = found.iter().map(|found| (found.fault, found.row, found.before)).collect();
        assert_eq!(found, [(Fault::Gap(3), 7, Some(2)), (Fault::Unsorted, 3, Some(2))]);
    }
}
