//! `--merge`: stores with other variables for the same coordinate values.

use std::cmp::Ordering;
use std::sync::Arc;

use zcli::Session;
use zwire::{DedupSummary, Exit, Failure, human_counted};

use crate::batch::Batch;
use crate::coordinate::Coordinate;
use crate::crop::Crop;
use crate::duplicates::Duplicates;
use crate::options::Options;
use crate::report::Report;
use crate::survey::Survey;

/// The batches in groups with the same variables, in the order of their first batches; all in one if nothing is merged.
pub fn groups(batches: Vec<Batch>, merges: bool) -> Vec<Vec<Batch>> {
    let mut groups: Vec<Vec<Batch>> = Vec::new();
    for batch in batches {
        let is_like = |group: &&mut Vec<Batch>| {
            !merges || group.first().is_some_and(|other| Arc::ptr_eq(&other.variables, &batch.variables))
        };
        match groups.iter_mut().find(is_like) {
            Some(group) => group.push(batch),
            None => groups.push(vec![batch]),
        }
    }
    groups
}

/// The rows of two groups with the same values.
struct Matching {
    /// For each row of the first group, that of the other group with its value.
    rows: Vec<Option<usize>>,
    /// A row of the other group that the first group does not have, and how many there are.
    more: (Option<usize>, u64),
}

impl Matching {
    /// Matches rows with different values.
    ///
    /// # Errors
    /// `Exit::Unreadable` if the values are of different kinds or calendars.
    fn new(first: (&Survey, &[usize]), other: (&Survey, &[usize])) -> Result<Matching, Failure> {
        let columns = [first, other].map(|(survey, rows)| survey.coordinate.column().gather(rows));
        let both = Coordinate::of_columns(&columns).ok_or_else(|| {
            let failure = Failure::new(Exit::Unreadable, "coordinate values are of another type or calendar");
            failure.at(&other.0.batches[0].name)
        })?;
        let own = first.1.len();
        let mut matching = Matching { rows: vec![None; own], more: (None, 0) };
        for rows in both.sorted().chunk_by(|a, b| both.compare(*a, *b) == Ordering::Equal) {
            match rows {
                [row, matched] => matching.rows[*row] = Some(other.1[matched - own]),
                [row] if *row >= own => {
                    matching.more = (matching.more.0.or(Some(other.1[row - own])), matching.more.1 + 1);
                }
                _ => {}
            }
        }
        Ok(matching)
    }
}

/// Values whose data differ between groups, in variables that several have, and those that could not be compared.
#[derive(Default)]
pub struct Between {
    conflicting: u64,
    unknown: u64,
}

impl Between {
    /// Refuses to write: which group's data are right, no rule for duplicates says.
    ///
    /// # Errors
    /// `Exit::No`.
    pub fn check(&self, dim: &str) -> Result<(), Failure> {
        let (count, what) = match (self.conflicting, self.unknown) {
            (0, 0) => return Ok(()),
            (0, unknown) => (unknown, "data that could not be compared"),
            (conflicting, _) => (conflicting, "different data"),
        };
        let values = human_counted(count, "value");
        let text = format!("--merge: {values} of {dim} with {what}, in variables that several stores have");
        Err(Failure::new(Exit::No, text).hint("leave these variables out with --var"))
    }
}

/// Checks that all groups have the values of the first one and, for variables that several have, the same data. Brings the kept rows of the
/// other groups into the order of the first. Without rows that are kept, the first of each value are compared.
///
/// # Errors
/// A batch cannot be read; the output cannot be written.
pub fn match_groups(
    surveys: &mut [Survey],
    crop: &Crop,
    options: &Options,
    dim: &str,
    session: &mut Session,
    summary: &mut DedupSummary,
) -> Result<Between, Failure> {
    let Some((first, others)) = surveys.split_first_mut() else { return Ok(Between::default()) };
    let own = first.rows();
    let mut between = Between::default();
    for number in 0..others.len() {
        let (earlier, later) = others.split_at_mut(number);
        let other = &mut later[0];
        let matching = Matching::new((first, &own), (other, &other.rows()))?;
        report_unmatched(&matching, (first, &own), other, dim, session, summary);
        let pairs: Vec<(usize, usize)> =
            own.iter().zip(&matching.rows).filter_map(|(row, matched)| Some((*row, (*matched)?))).collect();
        between.compare(first, other, &pairs, (crop, options, dim), session)?;
        let order: Vec<usize> = pairs.into_iter().map(|(_, row)| row).collect();
        for earlier in earlier.iter() {
            // Where values are missing, rows are not those of the same values; this is refused anyway.
            if let Some(rows) = earlier.order.as_ref().filter(|rows| rows.len() == order.len()) {
                let pairs: Vec<(usize, usize)> = rows.iter().copied().zip(order.iter().copied()).collect();
                between.compare(earlier, other, &pairs, (crop, options, dim), session)?;
            }
        }
        other.order = Some(order);
    }
    summary.conflicting += between.conflicting;
    summary.not_compared += between.unknown;
    Ok(between)
}

/// Reports values that one of two groups does not have.
fn report_unmatched(
    matching: &Matching,
    (first, own): (&Survey, &[usize]),
    other: &Survey,
    dim: &str,
    session: &mut Session,
    summary: &mut DedupSummary,
) {
    let unmatched = matching.rows.iter().filter(|row| row.is_none()).count() as u64;
    let lacking = matching.rows.iter().position(Option::is_none).map(|row| own[row]);
    for (count, has, has_not, row) in
        [(unmatched, first, other, lacking), (matching.more.1, other, first, matching.more.0)]
    {
        let Some(row) = row else { continue };
        summary.unmatched += count;
        let values = human_counted(count, "value");
        let variables = has_not.batches[0].variables.difference(&has.batches[0].variables);
        let variables = variables.take(3).cloned().collect::<Vec<_>>().join(", ");
        session.status.warn(&format!(
            "{values} of {dim} in {} but not in the stores with {variables}, such as {}",
            has.batches[has.coordinate.position(row).batch].name,
            has.coordinate.label(row),
        ));
    }
}

impl Between {
    /// Compares the variables that two groups share along the dimension, in the rows `pairs`.
    fn compare(
        &mut self,
        first: &Survey,
        other: &Survey,
        pairs: &[(usize, usize)],
        (crop, options, dim): (&Crop, &Options, &str),
        session: &mut Session,
    ) -> Result<(), Failure> {
        if other.batches[0].variables.is_disjoint(&first.batches[0].variables) {
            return Ok(());
        }
        if !options.compares {
            self.unknown += pairs.len() as u64;
            return Ok(());
        }
        let batches: Vec<Batch> = first.batches.iter().chain(&other.batches).cloned().collect();
        let coordinate = Coordinate::new(&batches)?;
        let start = first.coordinate.len();
        let sorted: Vec<usize> = pairs.iter().flat_map(|(row, matched)| [*row, start + matched]).collect();
        let duplicates = Duplicates::find(&coordinate, &sorted);
        let report = Report {
            batches: &batches,
            coordinate: &coordinate,
            sorted: &sorted,
            duplicates: &duplicates,
            options,
            dim,
            crop,
            only_shared: true,
        };
        let (conflicting, unknown) = report.conflicting(session)?;
        self.conflicting += conflicting;
        self.unknown += unknown;
        Ok(())
    }
}
