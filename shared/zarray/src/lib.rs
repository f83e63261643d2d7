//! Zarr v2 and v3 seen alike: a store becomes nodes, arrays, chunk keys and codec chains.
//!
//! The metadata is read here, as JSON, and not through a library: an array whose data type or codec no library can open is
//! still described, copied and recompressed. What needs values goes through [`zarrs`], which this crate re-exports.

mod budget;
mod chain;
mod consolidated;
mod dtype;
mod error;
mod grid;
mod hierarchy;
pub mod json;
mod metadata;
mod opens;
mod pool;
mod shard;

pub use budget::{Memory, available_cores, available_memory, parse_size};
pub use chain::{Chain, Sharding};
pub use consolidated::{Consolidated, Span};
pub use error::ZarrError;
pub use grid::{ChunkKeys, Grid, KeyKind};
pub use hierarchy::{Hierarchy, Visit};
pub use metadata::{Array, Group, Node, ZarrFormat, array_v2, node_v3};
pub use opens::zarrs_error;
pub use pool::Pool;
pub use shard::{IndexLayout, ShardIndex};
pub use zarrs;
