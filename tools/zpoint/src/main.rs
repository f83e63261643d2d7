//! `zpoint`: time series at points, extracted from Zarr archives.

mod agree;
mod axes;
mod batch;
mod cli;
mod columns;
mod emit;
mod engine;
mod grids;
mod held;
mod human;
mod job;
mod joined;
mod left_out;
mod locate;
mod lookup;
mod naming;
mod opened;
mod options;
mod plan;
mod points;
mod roles;
mod run;
mod schema;
mod sink;
mod source;
mod spans;
mod tasks;
mod valid;
mod variables;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
