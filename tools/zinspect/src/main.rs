//! `zinspect`: what is in a Zarr store, and why reading it is slow.

mod bench;
mod check;
mod cli;
mod describe;
mod human;
mod run;
mod sample;
mod sizes;
mod verdict;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
