//! `zpoint`: the series of a place, out of Zarr archives that were not made for it.

mod agree;
mod batch;
mod cli;
mod columns;
mod emit;
mod engine;
mod human;
mod labels;
mod locate;
mod naming;
mod places;
mod plan;
mod run;
mod schema;
mod sink;
mod source;
mod spans;
mod tasks;
mod valid;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
