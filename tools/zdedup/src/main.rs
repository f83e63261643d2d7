//! `zdedup`: concatenates Zarr stores along a dimension, and reports every coordinate value that occurs more than once.

mod align;
mod aligned;
mod alike;
mod attributes;
mod batch;
mod byte_order;
mod choose;
mod cli;
mod compare;
mod concat;
mod coordinate;
mod crop;
mod duplicates;
mod human;
mod kinds;
mod layout;
mod merge;
mod options;
mod overlap;
mod plan_body;
mod report;
mod rules;
mod run;
mod survey;
mod time_check;
mod time_shift;
mod variables;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
