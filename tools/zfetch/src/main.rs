//! `zfetch`: the part of a Zarr store that is needed, fetched from an object store and verified.

mod axes;
mod buffered;
mod cache;
mod cached;
mod cli;
mod crop;
mod estimate;
mod fetch;
mod human;
mod mirror;
mod options;
mod recoded;
mod run;
mod select;
mod unlisted;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
