//! `zrecompress`: rewrite the chunks of a Zarr store with multithreaded Blosc.

mod bench;
mod choices;
mod cli;
mod documents;
mod finish;
mod format;
mod gate;
mod human;
mod journal;
mod ledger;
mod machines;
mod many;
mod metadata;
mod parts;
mod plan;
mod rechunk;
mod regions;
mod run;
mod saved;
mod shard;
mod source;
mod survey;
mod transcode;
mod trial;
mod work;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
