//! `zpoint`: the series of a place, out of Zarr archives that were not made for it.

mod batch;

fn main() {}
