//! `zinspect`: shows what is in a Zarr store, and why reading it is slow.

mod bench;
mod check;
mod cli;
mod describe;
mod human;
mod inspect;
mod options;
mod run;
mod sample;
mod sizes;
mod totals;
mod verdict;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
