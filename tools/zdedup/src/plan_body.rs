//! What the plan file keeps of a concatenation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zarray::{Array, Pool};
use zcodec::crc32c_append;
use zcoord::{Column, Mode, Values, read_coordinate};
use zstage::{ArrayPlan, Attributes, JoinRun};
use zstore::Store;
use zwire::{Exit, Failure};

use crate::choose::runs;
use crate::crop::Crop;
use crate::options::OutputOptions;
use crate::survey::Survey;
use crate::variables::{axis, is_coordinate};

/// Batches with the same variables, by number, and what is kept of each: its number, start and length.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupRuns {
    /// Their numbers.
    pub batches: Vec<usize>,
    /// Number of a batch, first index, number of indices.
    pub ranges: Vec<(usize, u64, u64)>,
    /// Checksum of the coordinate values of these ranges.
    #[serde(default)]
    pub values: u32,
}

impl GroupRuns {
    /// What is kept of a group.
    pub fn of(survey: &Survey) -> GroupRuns {
        let rows = survey.order.clone().unwrap_or_else(|| survey.rows());
        let number = |batch: usize| survey.batches[batch].number;
        let range = |run: &JoinRun| (number(run.store), run.start, run.length);
        GroupRuns {
            batches: survey.batches.iter().map(|batch| batch.number).collect(),
            ranges: runs(&survey.coordinate, &rows).iter().map(range).collect(),
            values: checksum(survey.coordinate.column(), rows.iter().copied()),
        }
    }

    /// The ranges, one after the other in the output.
    pub fn runs(&self) -> Arc<[JoinRun]> {
        let run = |offset: &mut u64, (store, start, length): &(usize, u64, u64)| {
            let run = JoinRun { store: *store, start: *start, length: *length, offset: *offset };
            *offset += length;
            Some(run)
        };
        self.ranges.iter().scan(0, run).collect()
    }
}

/// CRC-32C of some values of a coordinate, in this order.
fn checksum(column: &Column, rows: impl Iterator<Item = usize>) -> u32 {
    rows.fold(0, |sum, row| match &column.values {
        Values::F32(values) => crc32c_append(sum, &values[row].to_le_bytes()),
        Values::F64(values) => crc32c_append(sum, &values[row].to_le_bytes()),
        Values::I64(values) | Values::Time(values, _) => crc32c_append(sum, &values[row].to_le_bytes()),
        Values::U64(values) => crc32c_append(sum, &values[row].to_le_bytes()),
        Values::Bool(values) => crc32c_append(sum, &[u8::from(values[row])]),
        Values::Text(values) => {
            crc32c_append(crc32c_append(sum, &values[row].len().to_le_bytes()), values[row].as_bytes())
        }
    })
}

/// What the plan file keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The dimension.
    pub dim: String,
    /// Batches with the same variables, and what is kept of them.
    pub groups: Vec<GroupRuns>,
    /// What decides the output besides them.
    #[serde(flatten)]
    pub output: OutputOptions,
    /// What the output has of other dimensions.
    #[serde(default, skip_serializing_if = "Crop::is_empty")]
    pub crop: Crop,
    /// Whether the first store is the output.
    #[serde(default)]
    pub append: bool,
    /// New attributes of nodes.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

impl Body {
    /// Reads the coordinate `array` as it was written and compares it with what was chosen: no other program changed it in between, and no value
    /// that was left out came back. Of a store that is appended to, that are the values it had and the new ones.
    ///
    /// # Errors
    /// [`Exit::Output`] if they differ; a chunk that cannot be read.
    pub fn check_coordinate(&self, array: &Array, written: &Store, pool: &Pool, memory: u64) -> Result<(), Failure> {
        let Some(expected) = self.groups.first().map(|group| group.values) else { return Ok(()) };
        let (column, _) = read_coordinate(written, array, Mode::Cf, pool, memory)?;
        if checksum(&column, 0..column.len()) == expected {
            return Ok(());
        }
        let text = "the values that were written are not those that were chosen: a source was changed by another program; \
                    the output is not published";
        Err(Failure::new(Exit::Output, text)
            .at(written.place(array.key_prefix()))
            .hint("remove the .plan directory next to the output, then run the command again"))
    }

    /// Checks the shapes that were asked for, and returns a note on arrays that keep theirs.
    pub fn check_shapes(&self, plans: &[ArrayPlan]) -> Result<Option<String>, Failure> {
        if !self.output.chunk.is_given() {
            return Ok(None);
        }
        let is_data = |array: &&Array| axis(array, &self.dim).is_some() && !is_coordinate(array, &self.dim);
        let all: Vec<&Array> = plans.iter().map(|plan| &plan.array).collect();
        let data: Vec<&Array> = all.iter().copied().filter(is_data).collect();
        self.output.chunk.shapes()?.check(&all, &data)
    }
}
