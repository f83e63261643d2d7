//! Which values go into the concatenation, and from which batch.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use zstage::JoinRun;
use zwire::{Exit, Failure, human_counted};

use crate::coordinate::Coordinate;
use crate::duplicates::Duplicates;
use crate::options::Rule;
use crate::rules::{Keep, OverlapRule};

/// The rows that are kept, in the order of the output. `conflicting` are the numbers of the duplicates with different data.
///
/// # Errors
/// `Exit::No` if the rule is to stop at duplicates or overlaps, or leaves a conflict undecided.
pub fn choose(
    coordinate: &Coordinate,
    duplicates: &Duplicates,
    conflicting: &BTreeSet<usize>,
    rule: &Rule,
    names: &[&str],
) -> Result<Vec<usize>, Failure> {
    let mut is_kept = vec![true; coordinate.len()];
    let keep_only = |is_kept: &mut Vec<bool>, rows: &[usize], kept: Option<usize>| {
        rows.iter().filter(|row| kept != Some(**row)).for_each(|row| is_kept[*row] = false);
    };
    match rule {
        Rule::Keep(Keep::Error) if duplicates.len() > 0 => return Err(has_duplicates(duplicates)),
        Rule::Overlap(OverlapRule::Error) => check_overlaps(coordinate, names)?,
        Rule::Overlap(OverlapRule::Newer) => keep_only(&mut is_kept, &older(coordinate), None),
        Rule::Keep(Keep::Last) | Rule::Overlap(OverlapRule::Replace) => {
            duplicates.values().for_each(|rows| keep_only(&mut is_kept, rows, rows.last().copied()));
        }
        Rule::Keep(Keep::None) => duplicates.values().for_each(|rows| keep_only(&mut is_kept, rows, None)),
        Rule::Prefer(preferred) => {
            for (number, rows) in duplicates.values().enumerate() {
                let rank = |row: &usize| preferred.rank(names[coordinate.position(*row).batch]);
                let best = rows.iter().copied().min_by_key(rank);
                let is_preferred = best.is_some_and(|best| rank(&best) < preferred.len());
                if !is_preferred && conflicting.contains(&number) {
                    let text =
                        format!("no --prefer names a store with {}, whose data conflict", coordinate.label(rows[0]));
                    return Err(Failure::new(Exit::No, text));
                }
                keep_only(&mut is_kept, rows, best);
            }
        }
        Rule::Identical | Rule::Keep(Keep::First | Keep::Error) | Rule::Overlap(OverlapRule::Retain) => {}
    }
    // Whatever the rule, no value is kept twice.
    for rows in duplicates.values() {
        let first = rows.iter().copied().find(|row| is_kept[*row]);
        keep_only(&mut is_kept, rows, first);
    }
    Ok((0..coordinate.len()).filter(|row| is_kept[*row]).collect())
}

/// The same rows by value, in the direction of the coordinate.
pub fn by_value(coordinate: &Coordinate, mut rows: Vec<usize>) -> Vec<usize> {
    rows.sort_by(|a, b| coordinate.compare(*a, *b));
    if coordinate.is_decreasing() {
        rows.reverse();
    }
    rows
}

/// The rows as ranges of the batches.
pub fn runs(coordinate: &Coordinate, rows: &[usize]) -> Vec<JoinRun> {
    let mut runs: Vec<JoinRun> = Vec::new();
    for (offset, row) in rows.iter().enumerate() {
        let position = coordinate.position(*row);
        match runs.last_mut() {
            Some(last) if last.store == position.batch && last.start + last.length == position.index => {
                last.length += 1
            }
            _ => runs.push(JoinRun { store: position.batch, start: position.index, length: 1, offset: offset as u64 }),
        }
    }
    runs
}

fn has_duplicates(duplicates: &Duplicates) -> Failure {
    let text = format!("{} more than once", occur(duplicates.len() as u64));
    Failure::new(Exit::No, text).hint("use --keep first, --keep last or --keep none to decide")
}

/// "1 value occurs", "3 values occur".
pub fn occur(values: u64) -> String {
    format!("{} {}", human_counted(values, "value"), if values == 1 { "occurs" } else { "occur" })
}

/// The first and the last row of a batch along the coordinate.
pub fn ends(coordinate: &Coordinate, batch: usize) -> Option<(usize, usize)> {
    let rows = || coordinate.rows(batch).filter(|row| !coordinate.is_missing(*row));
    let first = rows().min_by(|a, b| coordinate.along(*a, *b))?;
    let last = rows().max_by(|a, b| coordinate.along(*a, *b))?;
    Some((first, last))
}

/// Stops if the range of a batch begins before the end of one given before it.
fn check_overlaps(coordinate: &Coordinate, names: &[&str]) -> Result<(), Failure> {
    let mut farthest: Option<usize> = None;
    for (batch, name) in names.iter().enumerate() {
        let Some((first, last)) = ends(coordinate, batch) else { continue };
        if let Some(before) = farthest.filter(|before| coordinate.along(first, *before) != Ordering::Greater) {
            let other = names[coordinate.position(before).batch];
            let (begins, ends) = (coordinate.label(first), coordinate.label(before));
            let failure = Failure::new(Exit::No, format!("begins at {begins}, and {other} before it ends at {ends}"));
            return Err(failure.at(name).hint("use --overlap newer, replace or retain to decide"));
        }
        farthest = Some(last);
    }
    Ok(())
}

/// Rows that are not beyond all values of the batches before theirs.
fn older(coordinate: &Coordinate) -> Vec<usize> {
    let (mut older, mut farthest): (Vec<usize>, Option<usize>) = (Vec::new(), None);
    for batch in 0..coordinate.batches() {
        let is_older = |row: &usize| {
            farthest.is_some_and(|before| coordinate.along(*row, before) != Ordering::Greater)
                && !coordinate.is_missing(*row)
        };
        older.extend(coordinate.rows(batch).filter(is_older));
        let last = ends(coordinate, batch).map(|(_, last)| last);
        farthest = match (farthest, last) {
            (Some(before), Some(last)) if coordinate.along(last, before) != Ordering::Greater => Some(before),
            (before, last) => last.or(before),
        };
    }
    older
}

#[cfg(test)]
mod tests {
    use zcoord::{Column, Kind, Values};

    use super::*;
    use crate::batch::Batch;
    use crate::options::Preferred;

    const NAMES: [&str; 3] = ["a.zarr", "b.zarr", "dir/c.zarr"];

    fn chosen(batches: [&[i64]; 3], rule: &Rule) -> Result<Vec<usize>, Failure> {
        let batch = |values: &&[i64]| Batch::of_column(Column::new(Kind::Int(64), Values::I64(values.to_vec())));
        let coordinate = Coordinate::new(&batches.iter().map(batch).collect::<Vec<_>>()).expect("numbers");
        let sorted = coordinate.sorted();
        let duplicates = Duplicates::find(&coordinate, &sorted);
        choose(&coordinate, &duplicates, &BTreeSet::from([0]), rule, &NAMES)
    }

    #[test]
    fn rules_decide_which_occurrence_is_kept() {
        // Rows 0 to 2, 3 to 5, 6 to 8.
        let batches: [&[i64]; 3] = [&[0, 1, 2], &[2, 3, 4], &[2, 5, 0]];
        let kept = |rule: Rule| chosen(batches, &rule).expect("decided");
        assert_eq!(kept(Rule::Identical), [0, 1, 2, 4, 5, 7]);
        assert_eq!(kept(Rule::Overlap(OverlapRule::Retain)), [0, 1, 2, 4, 5, 7]);
        assert_eq!(kept(Rule::Keep(Keep::Last)), [1, 4, 5, 6, 7, 8]);
        assert_eq!(kept(Rule::Overlap(OverlapRule::Replace)), [1, 4, 5, 6, 7, 8]);
        assert_eq!(kept(Rule::Keep(Keep::None)), [1, 4, 5, 7]);
        assert_eq!(kept(Rule::Overlap(OverlapRule::Newer)), [0, 1, 2, 4, 5, 7]);
        let prefer = |globs: &[&str]| {
            let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
            Rule::Prefer(Preferred::new(&globs).expect("patterns"))
        };
        assert_eq!(kept(prefer(&["c*", "b*"])), [1, 4, 5, 6, 7, 8]);
        assert_eq!(kept(prefer(&["a*", "b*"])), [0, 1, 2, 4, 5, 7]);
        // The data of the first duplicate, 0, conflict in a and c.
        for rule in [Rule::Keep(Keep::Error), Rule::Overlap(OverlapRule::Error), prefer(&["b*"])] {
            assert_eq!(chosen(batches, &rule).expect_err("refused").exit, Exit::No);
        }
        let twice: [&[i64]; 3] = [&[0, 1], &[2, 2, 3], &[]];
        assert_eq!(chosen(twice, &Rule::Overlap(OverlapRule::Newer)).expect("newer"), [0, 1, 2, 4]);
        let down: [&[i64]; 3] = [&[9, 8, 7], &[7, 6, 5], &[]];
        assert_eq!(chosen(down, &Rule::Overlap(OverlapRule::Newer)).expect("newer"), [0, 1, 2, 4, 5]);
        let apart: [&[i64]; 3] = [&[9, 8], &[7, 6], &[]];
        assert_eq!(chosen(apart, &Rule::Overlap(OverlapRule::Error)).expect("apart").len(), 4);
        let apart: [&[i64]; 3] = [&[0, 1], &[2], &[]];
        assert_eq!(chosen(apart, &Rule::Overlap(OverlapRule::Error)).expect("apart"), [0, 1, 2]);
    }

    #[test]
    fn rows_that_follow_each_other_are_one_range() {
        let column = |values: &[i64]| Column::new(Kind::Int(64), Values::I64(values.to_vec()));
        let batch = |values: &[i64]| Batch::of_column(column(values));
        let coordinate = Coordinate::new(&[batch(&[0, 1, 2]), batch(&[5, 4])]).expect("numbers");
        let run = |store, start, length, offset| JoinRun { store, start, length, offset };
        assert_eq!(runs(&coordinate, &[0, 2, 3, 4]), [run(0, 0, 1, 0), run(0, 2, 1, 1), run(1, 0, 2, 2)]);
        let sorted = by_value(&coordinate, vec![0, 2, 3, 4]);
        assert_eq!(sorted, [0, 2, 4, 3]);
        assert_eq!(runs(&coordinate, &sorted).len(), 4);
    }
}
