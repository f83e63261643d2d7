//! What is found in batches with the same variables: duplicates, the result of their comparison, and which rows are kept.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use zcli::Session;
use zwire::{DedupSummary, Failure};

use crate::batch::Batch;
use crate::choose::{by_value, choose};
use crate::coordinate::Coordinate;
use crate::crop::Crop;
use crate::duplicates::Duplicates;
use crate::options::Options;
use crate::report::Report;

/// A group of batches, and what was found.
pub struct Survey {
    /// The batches.
    pub batches: Vec<Batch>,
    /// Their values.
    pub coordinate: Coordinate,
    sorted: Vec<usize>,
    duplicates: Duplicates,
    /// The numbers of the duplicates whose data are not known to be identical.
    differing: BTreeSet<usize>,
    /// The rows that are kept, in the order of the output, or why that is not decided.
    pub kept: Result<Vec<usize>, Failure>,
    /// The rows in the order of the group that this one is merged with.
    pub order: Option<Vec<usize>>,
    /// The totals.
    pub summary: DedupSummary,
}

impl Survey {
    /// Finds and compares duplicates, and reports them.
    ///
    /// # Errors
    /// Batches whose values are not comparable; a batch that cannot be opened; an output that cannot be
    /// written.
    pub fn new(
        batches: Vec<Batch>,
        options: &Options,
        dim: &str,
        crop: &Crop,
        session: &mut Session,
    ) -> Result<Survey, Failure> {
        let coordinate = Coordinate::new(&batches)?;
        let sorted = coordinate.sorted();
        let duplicates = Duplicates::find(&coordinate, &sorted);
        let names: Vec<&str> = batches.iter().map(|batch| batch.name.as_str()).collect();
        let mut survey = Survey {
            batches: Vec::new(),
            coordinate,
            sorted,
            duplicates,
            differing: BTreeSet::new(),
            kept: Ok(Vec::new()),
            order: None,
            summary: DedupSummary::default(),
        };
        let (summary, conflicting, not_compared) = survey.report_of(&batches, options, dim, crop).emit(session)?;
        let kept = choose(&survey.coordinate, &survey.duplicates, &conflicting, &options.rule, &names);
        survey.differing = &conflicting | &not_compared;
        survey.kept = match options.sorts {
            true => kept.map(|rows| by_value(&survey.coordinate, rows)),
            false => kept,
        };
        Ok(Survey { batches, summary, ..survey })
    }

    /// Reports the batches, with what is kept of each.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn emit_batches(
        &self,
        kept: &[usize],
        options: &Options,
        dim: &str,
        crop: &Crop,
        session: &mut Session,
    ) -> Result<(), Failure> {
        self.report_of(&self.batches, options, dim, crop).batches(kept, session)
    }

    /// The rows that are kept; if that is not decided, the first of each value.
    pub fn rows(&self) -> Vec<usize> {
        let firsts = || {
            let is_same = |a: &usize, b: &usize| self.coordinate.compare(*a, *b) == std::cmp::Ordering::Equal;
            self.sorted.chunk_by(is_same).filter_map(|rows| rows.first().copied()).collect()
        };
        self.kept.clone().unwrap_or_else(|_| firsts())
    }

    /// Where in the output the values are whose data differ between batches, so that the choice decides which it holds.
    pub fn decided(&self) -> Vec<Range<u64>> {
        let differing: HashSet<usize> =
            self.differing.iter().flat_map(|number| self.duplicates.value(*number)).copied().collect();
        let rows = self.order.clone().unwrap_or_else(|| self.rows());
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for at in (0u64..).zip(&rows).filter(|(_, row)| differing.contains(*row)).map(|(at, _)| at) {
            match ranges.last_mut().filter(|last| last.end == at) {
                Some(last) => last.end += 1,
                None => ranges.push(at..at + 1),
            }
        }
        ranges
    }

    fn report_of<'a>(&'a self, batches: &'a [Batch], options: &'a Options, dim: &'a str, crop: &'a Crop) -> Report<'a> {
        Report {
            batches,
            coordinate: &self.coordinate,
            sorted: &self.sorted,
            duplicates: &self.duplicates,
            options,
            dim,
            crop,
            only_shared: false,
        }
    }
}

/// The totals of all groups. Different values are those of the first, which the others have, too.
pub fn totals(surveys: &[Survey]) -> DedupSummary {
    let Some((first, others)) = surveys.split_first() else { return DedupSummary::default() };
    let mut all = first.summary.clone();
    for DedupSummary {
        batches,
        values,
        duplicates,
        identical,
        conflicting,
        not_compared,
        gaps,
        missing_steps,
        unsorted,
        near_duplicates,
        missing_values,
        ..
    } in others.iter().map(|other| &other.summary)
    {
        all.batches += batches;
        all.values += values;
        all.duplicates += duplicates;
        all.identical += identical;
        all.conflicting += conflicting;
        all.not_compared += not_compared;
        all.gaps += gaps;
        all.missing_steps += missing_steps;
        all.unsorted += unsorted;
        all.near_duplicates += near_duplicates;
        all.missing_values += missing_values;
    }
    all.merged = (!others.is_empty()).then_some(surveys.len() as u64);
    all
}
