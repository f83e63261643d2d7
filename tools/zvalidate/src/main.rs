//! `zvalidate`: checks that Zarr stores are complete, intact and consistent.

mod against;
mod checks;
mod cli;
mod commands;
mod comparison;
mod division;
mod expect;
mod finding;
mod groups;
mod human;
mod kernel;
mod kinds;
mod labels;
mod level;
mod lists;
mod manifest;
mod manifest_file;
mod map;
mod open;
mod options;
mod policy;
mod rules;
mod run;
mod side;
mod sink;
mod validate;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
