//! What the plan file keeps of a concatenation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zarray::Array;
use zstage::{ArrayPlan, Attributes, JoinRun};
use zwire::Failure;

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
