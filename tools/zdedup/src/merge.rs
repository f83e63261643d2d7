//! `--merge`: stores with other variables for the same coordinate values.

use std::cmp::Ordering;

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
        let is_like = |group: &&mut Vec<Batch>| !merges || group.iter().all(|other| other.variables == batch.variables);
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
) -> Result<(), Failure> {
    let Some((first, others)) = surveys.split_first_mut() else { return Ok(()) };
    let own = first.rows();
    for other in others {
        let matching = Matching::new((first, &own), (other, &other.rows()))?;
        let unmatched = matching.rows.iter().filter(|row| row.is_none()).count() as u64;
        for (count, has, has_not, row) in [
            (unmatched, &*first, &*other, matching.rows.iter().position(Option::is_none).map(|row| own[row])),
            (matching.more.1, &*other, &*first, matching.more.0),
        ] {
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
        let pairs: Vec<(usize, usize)> =
            own.iter().zip(&matching.rows).filter_map(|(row, matched)| Some((*row, (*matched)?))).collect();
        let conflicting = shared(first, other, &pairs, crop, options, dim, session)?;
        summary.conflicting += conflicting;
        other.order = Some(pairs.into_iter().map(|(_, row)| row).collect());
    }
    Ok(())
}

/// Compares the variables that two groups share along the dimension; returns the number of values with different data.
fn shared(
    first: &Survey,
    other: &Survey,
    pairs: &[(usize, usize)],
    crop: &Crop,
    options: &Options,
    dim: &str,
    session: &mut Session,
) -> Result<u64, Failure> {
    let names = &first.batches[0].variables;
    if !options.compares || other.batches[0].variables.is_disjoint(names) {
        return Ok(0);
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
    report.conflicting(session)
}
