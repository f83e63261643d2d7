//! Flags that would be ignored with others: given together, they are refused.

use zcli::clap::Arg;

/// Of a step of an output that was prepared, the plan has all of these.
const IN_THE_PLAN: [&str; 36] = [
    "members",
    "steps",
    "dt",
    "seed",
    "rng",
    "center",
    "spread",
    "ics",
    "sigma",
    "rho",
    "beta",
    "integrator",
    "method",
    "every",
    "to",
    "on_divergence",
    "check",
    "compare",
    "scaling",
    "stats",
    "plot",
    "grid",
    "file_ids",
    "times",
    "variables",
    "faults",
    "zarr_format",
    "chunks",
    "codec",
    "cname",
    "clevel",
    "shuffle",
    "split",
    "blocksize",
    "overwrite",
    "dry_run",
];

/// How Zarr stores of trajectories are written.
const ENCODING: [&str; 9] =
    ["chunks", "codec", "cname", "clevel", "shuffle", "split", "blocksize", "verify", "checkpoint"];

/// What only the common writer does.
const PLANNED: [&str; 3] = ["dry_run", "resume", "prepare"];

/// What is measured or checked is not written.
const WRITTEN: [&str; 5] = ["output", "to", "every", "on_divergence", "method"];

/// What a flag is refused with.
fn refused(flag: &str) -> Vec<&'static str> {
    let mut all: Vec<&'static str> = Vec::new();
    let mut add = |names: &[&'static str]| all.extend_from_slice(names);
    match flag {
        "part" | "part_index" | "status" | "finish" => add(&IN_THE_PLAN),
        // They require --status, which a flag that conflicts with it would lift.
        "missing" | "from_zero" => add(&IN_THE_PLAN),
        "grid" => {
            add(&["members", "steps", "rng", "ics", "method", "to", "on_divergence"]);
            add(&["check", "compare", "scaling", "stats", "plot"]);
        }
        "ics" => add(&["members", "seed", "rng", "center", "spread"]),
        "check" => {
            add(&WRITTEN);
            add(&["compare", "scaling", "stats", "plot", "overwrite"]);
        }
        "compare" => {
            add(&WRITTEN);
            add(&["scaling", "stats"]);
        }
        "scaling" => {
            add(&WRITTEN);
            add(&["stats", "jobs"]);
        }
        "stats" => {
            add(&ENCODING);
            add(&PLANNED);
        }
        // It is drawn when all is done.
        "plot" => add(&["dry_run", "prepare"]),
        _ => {}
    }
    all
}

/// A flag with those that it is refused with.
pub fn with_conflicts(arg: Arg) -> Arg {
    let refused = refused(arg.get_id().as_str());
    if refused.is_empty() { arg } else { arg.conflicts_with_all(refused) }
}
