//! How a run ended, and what its summary says.

use serde::Serialize;
use serde_json::{Map, Value};
use zwire::Exit;

use crate::parts::Status;
use crate::stats::Totals;

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code.
    pub exit: Exit,
    /// For the summary.
    pub summary: Summary,
}

/// What the summary of a run says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Summary {
    /// Work was done.
    Totals(Totals),
    /// The plan was written.
    Prepared {
        /// Number of parts.
        parts: u32,
    },
    /// The part had been done before.
    PartDone {
        /// Always `true`.
        already_done: bool,
    },
    /// Which parts are done.
    Status(Status),
    /// The output had been published before.
    Complete {
        /// Always `true`.
        already_complete: bool,
    },
    /// A dry run.
    Described(Map<String, Value>),
    /// Nothing was left to do, or nothing was done.
    Nothing {},
}

impl Outcome {
    /// An ending.
    pub fn new(exit: Exit, summary: Summary) -> Outcome {
        Outcome { exit, summary }
    }
}
