//! What is checked, one file a check. Each is a function from an opened store to findings in the sink.

pub mod across;
pub mod applied;
pub mod arrays;
pub mod bounds;
pub mod chunks;
pub mod completeness;
pub mod coordinates;
pub mod damage;
pub mod drawn;
pub mod expected;
pub mod fill;
pub mod headers;
pub mod holes;
pub mod keys;
pub mod listing;
pub mod metadata;
pub mod nan;
pub mod object;
pub mod presence;
pub mod raw;
pub mod scan;
pub mod shards;
pub mod sizes;
pub mod values;
