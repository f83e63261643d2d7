//! What a command line asks for.

use std::ffi::OsString;
use std::path::Path;
use zarray::Part;
use zstore::{Begin, Location};
use zwire::Failure;

use crate::cli::{Args, OnBadChunk};

/// What the command line asks for.
pub enum Order {
    /// Everything, or with `--prepare` only the plan.
    Whole {
        source: OsString,
        output: Location,
        begin: Begin,
    },
    Part(Location, Part),
    Status(Location),
    Finish(Location),
}

impl Order {
    pub fn of(args: &Args) -> Result<Order, Failure> {
        let machines = &args.machines;
        let of_output = machines.status || machines.finish || machines.part.is_some();
        let (source, target) = match (&args.source, &args.target) {
            (Some(output), None) if of_output => (None, output),
            (Some(_), Some(_)) if of_output => {
                return Err(Failure::usage("a plan knows its source: name the output alone"));
            }
            (Some(source), Some(output)) => (Some(source), output),
            (Some(source), None) if args.in_place => (Some(source), source),
            _ => return Err(Failure::usage(wanted(args))),
        };
        let mut output = Location::parse(target)?;
        if of_output {
            output = planned(output);
        }
        if machines.status {
            return Ok(Order::Status(output));
        }
        if machines.finish {
            return Ok(Order::Finish(output));
        }
        if let Some(part) = machines.part {
            return Ok(Order::Part(output, part));
        }
        if args.in_place && args.target.is_some() {
            return Err(Failure::usage("--in-place changes SRC, and has no DST"));
        }
        check_bad_chunks(args, args.in_place)?;
        let begin = match (args.in_place, args.overwrite) {
            (true, _) => Begin::InPlace,
            (false, true) => Begin::Overwrite,
            (false, false) => Begin::New,
        };
        let source = source.cloned().unwrap_or_default();
        Ok(Order::Whole { source, output: resolved(output, begin), begin })
    }
}

fn wanted(args: &Args) -> &'static str {
    let machines = &args.machines;
    match machines.status || machines.finish || machines.part.is_some() {
        true => "the output that was prepared is needed",
        false if args.in_place => "SRC is needed",
        false => "SRC and DST are needed",
    }
}

pub fn check_bad_chunks(args: &Args, in_place: bool) -> Result<(), Failure> {
    if in_place && args.on_bad_chunk == OnBadChunk::Skip {
        return Err(Failure::usage("--on-bad-chunk skip would erase chunks of the only copy")
            .hint("--on-bad-chunk copy leaves them as they are"));
    }
    Ok(())
}

/// A store that is changed in place is meant, not a link to it: its folder must lie on the same file system.
fn resolved(output: Location, begin: Begin) -> Location {
    match &output {
        Location::Local(path) if begin == Begin::InPlace => path.canonicalize().map_or(output, Location::Local),
        _ => output,
    }
}

/// A link to a store that is changed in place has no plan beside it; the store has.
fn planned(output: Location) -> Location {
    let plan = output.with_suffix(".plan").ok();
    match &output {
        Location::Local(path) if !plan.is_some_and(|plan| plan.local().is_some_and(Path::exists)) => {
            path.canonicalize().map_or(output, Location::Local)
        }
        _ => output,
    }
}
