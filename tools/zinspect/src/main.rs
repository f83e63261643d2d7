//! `zinspect`: shows what is in a Zarr store, and why reading it is slow.

mod alike;
mod bench;
mod cli;
mod describe;
mod human;
mod inspect;
mod missing;
mod options;
mod presence;
mod run;
mod sample;
mod sizes;
mod totals;
mod verdict;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
