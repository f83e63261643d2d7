//! Whether a finished output holds what its plan makes of the sources: another selection of equal shape has equal documents and as
//! many objects.

use std::collections::HashSet;
use std::ops::Range;

use zarray::{Hierarchy, Node, Pool};
use zstore::Store;
use zwire::{Exit, Failure, human_counted};

use crate::array_plan::ArrayPlan;
use crate::both_sides::BothSides;
use crate::options::{OnBadChunk, WriteOptions};
use crate::output_plan::OutputPlan;
use crate::prepare::Format;
use crate::sampled_values::other_output;

/// Objects of an array that are compared.
const SAMPLE: u64 = 16;

/// Decoded bytes of all samples, about: of many arrays, fewer objects each are compared, and one at least.
const SAMPLE_BYTES: u64 = 1 << 30;

/// Where each object costs requests, so many of an array are compared, and of so many arrays.
const REMOTE_SAMPLE: u64 = 2;
const REMOTE_ARRAYS: usize = 32;

/// Objects of an array that are compared before one is repaired.
const REPAIR_SAMPLE: u64 = 8;

/// What of an output was compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Matched {
    pub objects: u64,
    /// Coordinates whose values were compared.
    pub coordinates: u64,
    /// Objects of other arrays that were.
    pub sample: u64,
}

impl Matched {
    /// What was compared, for the message that nothing is left to do.
    pub fn describe(&self, arrays: usize) -> String {
        let arrays = human_counted(arrays as u64, "array");
        let objects = human_counted(self.objects, "stored object");
        let values = match (self.coordinates, self.sample) {
            (0, 0) => ", values not".to_owned(),
            (0, sample) => format!(", and the values of {}", human_counted(sample, "sampled object")),
            (coordinates, 0) => format!(", and the values of {}", human_counted(coordinates, "coordinate")),
            (coordinates, sample) => {
                let coordinates = human_counted(coordinates, "coordinate");
                format!(", and the values of {coordinates} and {}", human_counted(sample, "sampled object"))
            }
        };
        format!("the metadata of {arrays} and {objects} compared{values}")
    }
}

/// The indices along the joined dimension of a plan at which a choice between sources that differ decided.
pub type Decided<'d> = dyn Fn(&ArrayPlan) -> Vec<Range<u64>> + 'd;

impl OutputPlan<'_> {
    /// Checks that `written` is what this plan writes, whatever attributes it was given since. Without `decided`, values are not compared.
    ///
    /// # Errors
    /// [`Exit::Output`] with the first document that is missing or differs, the first array that lacks objects, or the first value that
    /// differs; as [`OutputPlan::prepare`].
    pub fn check_finished(
        &self,
        format: Format,
        written: &Store,
        options: &WriteOptions,
        decided: Option<&Decided>,
    ) -> Result<Matched, Failure> {
        self.check_described(format, written)?;
        let counts = self.count_finished(written, options)?;
        let objects = counts.iter().map(|counted| counted.objects).sum();
        let Some(decided) = decided else { return Ok(Matched { objects, ..Matched::default() }) };
        let sides = self.both_sides(written, options)?;
        let pool = Pool::new(options.jobs);
        let (coordinates, others): (Vec<_>, Vec<_>) =
            sides.iter().zip(&counts).partition(|(sides, _)| sides.is_compared_whole());
        let compared = coordinates.iter().filter(|(sides, _)| sides.is_coordinate()).count() as u64;
        all(pool.map(coordinates, |(sides, _)| sides.check_values(None)))?;
        if let Some((sides, _)) = sides.iter().zip(&counts).find(|(_, counted)| !counted.has_same_sizes) {
            let what = format!("the objects of {} have other sizes", sides.output.key_prefix());
            return Err(sides.other(&what));
        }
        for (sides, _) in &others {
            sides.check_decided(&decided(sides.plan), &pool)?;
        }
        let may_lack = options.on_bad_chunk == OnBadChunk::Skip;
        let sample = self.sample_of(written, others.iter().map(|(sides, _)| *sides).collect());
        let samples = pool.map(sample, |(sides, most)| sides.check_sample(most, may_lack));
        let sample = samples.into_iter().sum::<Result<u64, Failure>>()?;
        Ok(Matched { objects, coordinates: compared, sample })
    }

    /// Checks that `written`, of which the objects `damaged` are to be written again, was made from this selection and source: by its
    /// coordinates, and where reading costs no requests, by a sample of its objects. Some of these may differ, because the source was
    /// mended since.
    ///
    /// # Errors
    /// [`Exit::Output`] with the first coordinate that differs, or if no object is as in the source; the stores'.
    pub fn check_repairable(
        &self,
        written: &Store,
        options: &WriteOptions,
        damaged: &HashSet<&str>,
    ) -> Result<(), Failure> {
        let sides = self.both_sides(written, options)?;
        let pool = Pool::new(options.jobs);
        let (coordinates, others): (Vec<_>, Vec<_>) = sides.iter().partition(|sides| sides.is_compared_whole());
        all(pool.map(coordinates, |sides| sides.check_values(Some(damaged))))?;
        if self.is_remote(written) {
            return Ok(());
        }
        let counts = pool.map(others, |sides| sides.count_same(REPAIR_SAMPLE, damaged));
        let add = |(same, other): (u64, u64), count: Result<(u64, u64), Failure>| -> Result<(u64, u64), Failure> {
            count.map(|(more, others)| (same + more, other + others))
        };
        let (same, other) = counts.into_iter().try_fold((0, 0), add)?;
        // One alone may have been mended in the source.
        if same == 0 && other > 1 {
            let what = format!("all of {} differ", human_counted(other, "sampled object"));
            return Err(other_output(&what).at(written.location()));
        }
        Ok(())
    }

    fn is_remote(&self, written: &Store) -> bool {
        written.is_remote() || self.stores.iter().any(Store::is_remote)
    }

    /// The arrays of which a sample is compared, and of how many objects.
    fn sample_of<'s, 'a>(&self, written: &Store, sides: Vec<&'s BothSides<'a>>) -> Vec<(&'s BothSides<'a>, u64)> {
        if self.is_remote(written) {
            let step = sides.len().div_ceil(REMOTE_ARRAYS).max(1);
            return sides.into_iter().step_by(step).map(|sides| (sides, REMOTE_SAMPLE)).collect();
        }
        let each = SAMPLE_BYTES / sides.len().max(1) as u64;
        let most = |sides: &BothSides| {
            let bytes = sides.output.chain.innermost().chunk_bytes.or(sides.plan.object_bytes()).unwrap_or(1);
            (each / bytes.max(1)).clamp(1, SAMPLE)
        };
        sides.into_iter().map(|sides| (sides, most(sides))).collect()
    }

    /// The arrays of the output beside their plans.
    fn both_sides<'s>(&'s self, written: &'s Store, options: &WriteOptions) -> Result<Vec<BothSides<'s>>, Failure> {
        let hierarchy = Hierarchy::open(written, &self.pool, written.is_remote())?;
        let memory = options.memory_bytes / options.jobs.max(1) as u64;
        let read = |plan: &'s ArrayPlan| match hierarchy.node(&plan.array.path)? {
            Some(Node::Array(array)) => Ok(BothSides { plan, output: *array, stores: self.stores, written, memory }),
            _ => Err(Failure::new(Exit::Output, "the output exists, but this array is missing")
                .at(written.place(plan.array.key_prefix()))
                .hint("use --overwrite to write it again")),
        };
        self.pool.map(self.plans.iter().collect(), read).into_iter().collect()
    }
}

fn all(results: Vec<Result<(), Failure>>) -> Result<(), Failure> {
    results.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_what_was_compared() {
        let text = |coordinates, sample| Matched { objects: 12, coordinates, sample }.describe(2);
        assert_eq!(text(0, 0), "the metadata of 2 arrays and 12 stored objects compared, values not");
        assert!(text(3, 32).ends_with("compared, and the values of 3 coordinates and 32 sampled objects"));
        assert!(text(1, 0).ends_with("and the values of 1 coordinate") && text(0, 1).ends_with("1 sampled object"));
    }
}
