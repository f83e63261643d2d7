//! What counts as a finding, and how bad it is: `--check`, `--skip`, and what is allowed of each variable.

use std::collections::{BTreeMap, BTreeSet};

use zarray::VarFilter;
use zwire::Severity;

use crate::finding::Finding;
use crate::kinds::Kind;

/// A share of NaN that is allowed in the arrays that match.
pub struct NanLimit {
    /// The arrays.
    pub arrays: VarFilter,
    /// The largest share, from 0 to 1.
    pub share: f64,
}

/// The policy of a run.
#[derive(Default)]
pub struct Policy {
    /// If not empty, only these kinds are reported.
    pub only: BTreeSet<Kind>,
    /// Kinds that are not reported.
    pub skip: BTreeSet<Kind>,
    /// Severities that replace those of the table.
    pub severities: BTreeMap<Kind, Severity>,
    /// Arrays that may be NaN in any part.
    pub allow_nan: Vec<VarFilter>,
    /// Limits, the last that matches counts.
    pub max_nan: Vec<NanLimit>,
}

/// Kinds about NaN, which `--allow-nan` takes back.
const NAN: [Kind; 6] =
    [Kind::NanValues, Kind::TooManyNan, Kind::AllNan, Kind::NanSteps, Kind::NanChunks, Kind::NanRectangles];

impl Policy {
    /// Whether findings of this kind are wanted at all.
    pub fn wants(&self, kind: Kind) -> bool {
        (self.only.is_empty() || self.only.contains(&kind)) && !self.skip.contains(&kind)
    }

    /// Whether a finding is reported.
    pub fn reports(&self, finding: &Finding) -> bool {
        let path = finding.record.path.as_deref().unwrap_or_default();
        self.wants(finding.kind) && !(NAN.contains(&finding.kind) && self.allows_nan(path))
    }

    /// How bad it is by this policy.
    pub fn severity(&self, finding: &Finding) -> Severity {
        self.severities.get(&finding.kind).copied().unwrap_or(finding.record.severity)
    }

    /// Whether the array at `path` may be NaN in any part.
    pub fn allows_nan(&self, path: &str) -> bool {
        self.allow_nan.iter().any(|arrays| arrays.matches(path))
    }

    /// The largest share of NaN that the array at `path` may have.
    pub fn max_nan(&self, path: &str) -> Option<f64> {
        self.max_nan.iter().rev().find(|limit| limit.arrays.matches(path)).map(|limit| limit.share)
    }
}
