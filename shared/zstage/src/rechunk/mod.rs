//! Rechunking: the elements of an array in other chunks and shards, out of core and in bounded memory.
//!
//! The output grid is cut into **regions**, boxes of whole stored objects. For each region every source chunk that touches it
//! is read and decoded once, as far as it lies inside ([`load`]); then every output chunk is gathered from them, encoded and
//! written ([`write`]). The planner ([`planner`]) takes the regions that fit the memory and cost the least decoding twice.
//! Elements are opaque bytes: no data type is looked at, and every value arrives bit for bit.

#[cfg(test)]
mod case;
mod engine;
mod fill;
mod gather;
mod layout;
mod load;
mod memory;
mod outcome;
mod plan;
mod plan_stats;
mod planner;
mod region;
mod rules;
mod search;
mod shards;
mod sink;
#[cfg(test)]
pub(crate) mod testing;
mod vlen;
mod write;

pub use engine::{Coders, Engine, OnBad};
pub use layout::{Layout, Shapes};
pub use memory::{ASSUMED_RATIO, Assumptions, Resources};
pub use outcome::{RegionOutcome, source_hash};
pub use plan::RechunkPlan;
pub use rules::{Rule, Rules};
pub use sink::{ObjectSink, ShardSink};
