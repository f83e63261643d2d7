//! One view of Zarr v2 and v3: nodes, arrays, chunk keys and codec chains of a store.
//!
//! The metadata is read here, as JSON, and not through a library: an array whose data type or codec no library can open is
//! still described, copied and recompressed. Codecs that [`zcodec`] does not know are decoded by [`zarrs`].

#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]

mod budget;
mod cells;
mod chain;
mod checksum;
mod chunk_set;
mod consolidate;
mod consolidated;
mod consolidated_check;
mod coverage;
mod decoder;
mod document_cache;
mod dtype;
mod elements;
mod error;
mod fallback;
mod file_block;
mod fill;
mod foreign;
mod frame_reader;
mod grid;
mod hierarchy;
mod inventory;
pub mod json;
mod members;
mod metadata;
mod node_v3;
mod not_zarr;
mod number;
mod opens;
mod parallel;
mod partial;
mod pcodec;
mod reader;
mod sample;
mod scalar_filter;
mod shard;
mod sizes;
mod stored_form;
mod subset;
mod sums;
mod touched;
mod var_filter;
mod whole;

pub use budget::{Memory, available_cores, available_memory, parse_size};
pub use cells::{CellDecoder, CellScratch, Cells, CellsRead, PartialDecode};
pub use chain::{Chain, DecodeScratch, MOST_INNER_CHUNKS, Sharding};
pub use chunk_set::ChunkSet;
pub use consolidate::{consolidated_v2, consolidated_v3};
pub use consolidated::{Consolidated, Span, inline_copies};
pub use consolidated_check::{Difference, differences};
pub use coverage::{COVERAGE, Coverage};
pub use elements::{Elements, Itemsize};
pub use error::ZarrError;
pub use fill::fill_element;
pub use grid::{ChunkKeys, Grid, Key};
pub use hierarchy::{Hierarchy, Visit};
pub use inventory::{Found, Owners, Tally};
pub use members::Members;
pub use metadata::{Array, Group, Node, ZarrFormat, array_v2};
pub use node_v3::node_v3;
pub use number::{Number, NumberType};
pub use opens::zarrs_error;
pub use parallel::{OrderedMap, Part, Permit, Pool, Scratch, ScratchPool, Semaphore, Timer};
pub use reader::{ChunkReader, Fetched};
pub use sample::{Listed, Sampled, sample};
pub use shard::{
    IndexLayout, ShardBuilder, ShardEnd, ShardIndex, StoredIndex, find_shard_index, index_of_shard, read_shard_index,
};
pub use sizes::Sizes;
pub use stored_form::HEAD_BYTES;
pub use subset::{Subset, copy_subset};
pub use touched::{Selected, TouchedChunk, TouchedChunks};
pub use var_filter::{VarFilter, glob_escape};
pub use whole::{ArrayValues, read_region, read_whole};
pub use zcodec::codec_name;
