//! `zrecompress` with other chunks, shards, compressors that are tried first, many stores at once, and the other Zarr format.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod auto;
mod bad_chunks;
mod budgets;
mod formats;
mod kills;
mod maps;
mod parts;
mod plans;
mod refusals;
mod resume;
mod scene;
mod shapes;
mod stores_from;
mod trial;
mod two_passes;
