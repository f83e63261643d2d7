//! `zpoint` from the command line to the bytes of its outputs: the cell of a point, invalid input, what a run reads
//! and writes, and what it leaves behind when it stops early.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod carried;
mod chunks;
mod columns;
mod declared;
mod ends;
mod grids;
mod made;
mod outputs;
mod outside;
mod plans;
mod points;
mod positions;
mod remote;
mod scene;
mod stores;
