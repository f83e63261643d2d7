//! Which step of writing an output a process does.

use zarray::Part;
use zstore::{Location, Target};

/// A step. The plain command does them all in one process.
#[derive(Debug, Clone)]
pub enum Command {
    /// Everything, or only the plan.
    Run {
        /// The source stores.
        sources: Vec<Target>,
        /// The output.
        output: Location,
    },
    /// One part of a prepared output.
    Part {
        /// The sources with their credentials, which the plan does not hold; none: as the plan names them.
        sources: Vec<Target>,
        /// The output.
        output: Location,
        /// Which part.
        part: Part,
    },
    /// Which parts of a prepared output are done.
    Status(Location),
    /// Publish a prepared output whose parts are all done.
    Finish {
        /// As for a part.
        sources: Vec<Target>,
        /// The output.
        output: Location,
    },
}

impl Command {
    /// The location of an output that is changed in place: the store is meant, not a link to it, because its folder must lie
    /// on the same file system.
    pub fn resolved(output: Location) -> Location {
        match &output {
            Location::Local(path) => path.canonicalize().map_or(output, Location::Local),
            Location::Remote(_) | Location::Zip(_) | Location::Generated(_) => output,
        }
    }

    /// The location of an output that was prepared. A link to a store that is changed in place has no plan beside it; the
    /// store has.
    pub fn prepared(output: Location) -> Location {
        let plan = output.with_suffix(".plan").ok();
        let is_here = plan.is_some_and(|plan| plan.local().is_some_and(std::path::Path::exists));
        if is_here { output } else { Command::resolved(output) }
    }
}
