//! `zrecompress`: rewrite the chunks of a Zarr store with multithreaded Blosc.

mod cli;
mod convert;
mod format;
mod human;
mod many;
mod options;
mod per_store;
mod recompress;
mod request;
mod run;
mod trial;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
