//! The report: duplicates with the result of their comparison, faults of the coordinate, batches, totals.

use std::collections::BTreeSet;

use zcli::{Session, Unit};
use zwire::{BatchRecord, CoordinateRecord, DedupSummary, DuplicateRecord, Exit, Failure, Record};

use crate::batch::Batch;
use crate::choose::ends;
use crate::compare::Comparison;
use crate::coordinate::Coordinate;
use crate::crop::Crop;
use crate::duplicates::{Duplicates, Fault, Stretch, faults, stretches};
use crate::options::Options;

/// What is known of all batches.
pub struct Report<'a> {
    pub batches: &'a [Batch],
    pub coordinate: &'a Coordinate,
    pub sorted: &'a [usize],
    pub duplicates: &'a Duplicates,
    pub options: &'a Options,
    pub dim: &'a str,
    pub crop: &'a Crop,
    /// Whether variables that only one of two stores has are no fault.
    pub only_shared: bool,
}

/// The result of comparing the data of a value: variables that differ, and whether all could be compared.
#[derive(Clone, Copy, Default)]
struct Data {
    conflicting: u64,
    unknown: bool,
}

impl Report<'_> {
    /// Compares the data of duplicates, and emits everything but the batches. Returns the totals, and the numbers of the duplicates whose
    /// data conflict, and of those whose data were not compared.
    ///
    /// # Errors
    /// A batch cannot be opened; the output cannot be written.
    pub fn emit(&self, session: &mut Session) -> Result<(DedupSummary, BTreeSet<usize>, BTreeSet<usize>), Failure> {
        let mut summary = DedupSummary {
            batches: self.batches.len() as u64,
            dim: self.dim.to_owned(),
            values: self.coordinate.len() as u64,
            unique: self.duplicates.unique,
            duplicates: self.duplicates.beyond(),
            ..DedupSummary::default()
        };
        let data = if self.options.compares { Some(self.compare(session)?) } else { None };
        let (mut conflicting, mut not_compared) = (BTreeSet::new(), BTreeSet::new());
        for (number, rows) in self.duplicates.values().enumerate() {
            let data = data.as_ref().map(|data| data[number]);
            if data.is_some_and(|data| data.conflicting > 0) {
                conflicting.insert(number);
            }
            summary.identical += u64::from(data.is_some_and(|data| data.conflicting == 0 && !data.unknown));
            if data.is_none_or(|data| data.conflicting == 0 && data.unknown) {
                not_compared.insert(number);
            }
            session.out.emit(&self.duplicate(rows, data))?;
        }
        for found in faults(self.coordinate, self.sorted) {
            match found.fault {
                Fault::Gap(missing) => {
                    summary.gaps += 1;
                    summary.missing_steps += missing;
                }
                Fault::Unsorted => summary.unsorted += 1,
                Fault::NearDuplicate => summary.near_duplicates += 1,
                Fault::Missing => summary.missing_values += 1,
            }
            let missing = if let Fault::Gap(missing) = found.fault { Some(missing) } else { None };
            let position = self.coordinate.position(found.row);
            session.out.emit(&Record::Coordinate(Box::new(CoordinateRecord {
                kind: found.fault.name().into(),
                dim: self.dim.to_owned(),
                after: found.before.map(|row| self.coordinate.label(row)),
                before: (found.fault != Fault::Missing).then(|| self.coordinate.label(found.row)),
                store: self.batches[position.batch].name.clone(),
                index: position.index,
                missing,
                ..CoordinateRecord::default()
            })))?;
        }
        summary.conflicting = conflicting.len() as u64;
        summary.not_compared = not_compared.len() as u64;
        Ok((summary, conflicting, not_compared))
    }

    /// Compares the data of duplicates; returns the numbers of those whose data conflict, and of those that could not be compared.
    ///
    /// # Errors
    /// As [`Report::emit`].
    pub fn conflicting(&self, session: &mut Session) -> Result<(u64, u64), Failure> {
        let data = self.compare(session)?;
        let conflicting = data.iter().filter(|data| data.conflicting > 0).count();
        let unknown = data.iter().filter(|data| data.conflicting == 0 && data.unknown).count();
        Ok((conflicting as u64, unknown as u64))
    }

    /// Emits the batches, with what is kept of each.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn batches(&self, kept: &[usize], session: &mut Session) -> Result<(), Failure> {
        let mut kept_of = vec![0u64; self.batches.len()];
        kept.iter().for_each(|row| kept_of[self.coordinate.position(*row).batch] += 1);
        let mut beyond = vec![0u64; self.batches.len()];
        let later = self.duplicates.values().flat_map(|rows| &rows[1..]);
        later.for_each(|row| beyond[self.coordinate.position(*row).batch] += 1);
        for (number, batch) in self.batches.iter().enumerate() {
            let ends = ends(self.coordinate, number);
            session.out.emit(&Record::Batch(Box::new(BatchRecord {
                store: batch.name.clone(),
                dim: self.dim.to_owned(),
                length: batch.len(),
                first: ends.map(|(least, _)| self.coordinate.label(least)),
                last: ends.map(|(_, most)| self.coordinate.label(most)),
                duplicates: beyond[number],
                kept: kept_of[number],
                ..BatchRecord::default()
            })))?;
        }
        Ok(())
    }

    /// What was found of each value that occurs more than once.
    fn compare(&self, session: &mut Session) -> Result<Vec<Data>, Failure> {
        let mut data = vec![Data::default(); self.duplicates.len()];
        let stretches = stretches(self.coordinate, self.duplicates);
        if stretches.is_empty() {
            return Ok(data);
        }
        let comparison =
            Comparison::new(self.batches, self.coordinate, self.options, self.dim, self.crop, self.only_shared);
        let total: u64 = stretches.iter().map(|stretch| stretch.length).sum();
        let bar = session.status.bar(total, Unit::Items("values"));
        let number_of = self.numbers();
        for stretch in stretches {
            if let Some(exit) = session.stop.requested() {
                return Err(Failure::stopped(exit));
            }
            let compared = match comparison.stretch(stretch, session) {
                Ok(compared) => compared,
                Err(failure) if failure.is_closed_pipe() || failure.exit == Exit::Output => return Err(failure),
                Err(failure) => {
                    session.item_failed(&failure)?;
                    self.unknown(&stretch, &number_of, &mut data);
                    continue;
                }
            };
            for (step, conflicting) in compared.conflicting.iter().enumerate() {
                let row = self.coordinate.rows(stretch.first.batch).start + stretch.first.index as usize + step;
                let Some(data) = number_of.get(&row).and_then(|number| data.get_mut(*number)) else { continue };
                data.conflicting = data.conflicting.max(*conflicting);
                data.unknown |= !compared.complete;
            }
            bar.advance(stretch.length);
        }
        Ok(data)
    }

    fn unknown(&self, stretch: &Stretch, number_of: &std::collections::HashMap<usize, usize>, data: &mut [Data]) {
        let start = self.coordinate.rows(stretch.first.batch).start + stretch.first.index as usize;
        for row in start..start + stretch.length as usize {
            if let Some(data) = number_of.get(&row).and_then(|number| data.get_mut(*number)) {
                data.unknown = true;
            }
        }
    }

    /// The number of each duplicate, by its first row.
    fn numbers(&self) -> std::collections::HashMap<usize, usize> {
        self.duplicates.values().enumerate().map(|(number, rows)| (rows[0], number)).collect()
    }

    fn duplicate(&self, rows: &[usize], data: Option<Data>) -> Record {
        let positions = || rows.iter().map(|row| self.coordinate.position(*row));
        let word = match data {
            None => "not_compared",
            Some(data) if data.conflicting > 0 => "conflicting",
            Some(data) if data.unknown => "not_compared",
            Some(_) => "identical",
        };
        Record::Duplicate(Box::new(DuplicateRecord {
            dim: self.dim.to_owned(),
            value: self.coordinate.label(rows[0]),
            stores: positions().map(|position| self.batches[position.batch].name.clone()).collect(),
            indices: positions().map(|position| position.index).collect(),
            data: word.into(),
            conflicting_variables: data.map(|data| data.conflicting).filter(|count| *count > 0),
            ..DuplicateRecord::default()
        }))
    }
}
