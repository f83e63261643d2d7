//! `zrecompress`: rewrite the chunks of a Zarr store with multithreaded Blosc.

mod bench;
mod cli;
mod gate;
mod human;
mod ledger;
mod metadata;
mod plan;
mod run;
mod shard;
mod source;
mod transcode;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
