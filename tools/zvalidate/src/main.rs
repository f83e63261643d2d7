//! `zvalidate`: checks that Zarr stores are complete, intact and consistent.

mod checks;
mod cli;
mod commands;
mod expect;
mod finding;
mod human;
mod kernel;
mod kinds;
mod labels;
mod level;
mod map;
mod open;
mod options;
mod policy;
mod rules;
mod run;
mod series;
mod sink;
mod validate;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
