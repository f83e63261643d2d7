//! Rechunking: the elements of an array in other chunks and shards, out of core and in bounded memory.
//!
//! The output grid is divided into **regions**, boxes of whole stored objects. For each region, every overlapping
//! source chunk is read once and the required part decoded ([`load`]); then the output chunks are gathered, encoded and
//! written ([`write`]). The planner ([`planner`]) chooses the regions that fit in memory with the least repeated
//! decoding; where even that repeats much, a first pass divides the source among regions in a scratch file ([`scratch`]).
//! Elements are opaque bytes: data types are not interpreted, and values are preserved bit for bit.

#[cfg(test)]
mod case;
mod engine;
mod fill;
mod gather;
mod groups;
mod layout;
mod load;
mod memory;
mod outcome;
mod plan;
mod plan_stats;
mod planner;
mod region;
mod rules;
mod run;
mod scratch;
mod search;
mod shapes;
mod shards;
mod sink;
#[cfg(test)]
pub(crate) mod testing;
mod vlen;
mod write;

pub use engine::{Coders, Engine, OnBad};
pub use layout::Layout;
pub use memory::{ASSUMED_RATIO, Assumptions, Resources};
pub use outcome::{RegionOutcome, source_hash};
pub use plan::RechunkPlan;
pub use rules::{Rule, Rules, Unused};
pub use scratch::Scratch;
pub use shapes::Shapes;
pub use sink::{ObjectSink, ShardSink};
