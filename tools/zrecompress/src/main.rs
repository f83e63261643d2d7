//! `zrecompress`: rewrite the chunks of a Zarr store with multithreaded Blosc.

mod action;
mod apart;
mod begin;
mod choices;
mod chunk;
mod cli;
mod documents;
mod finish;
mod format;
mod human;
mod journal;
mod ledger;
mod machines;
mod many;
mod metadata;
mod order;
mod plan;
mod preview;
mod rechunk;
mod regions;
mod run;
mod saved;
mod shard;
mod share;
mod source;
mod survey;
mod target;
mod transcode;
mod trial;
mod trial_flags;
mod work;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
