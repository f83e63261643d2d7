//! Destination of output objects. The engine passes grid indices; the sink maps them to keys and stores the bytes.

use zwire::Failure;

/// Stores output objects; called from several threads.
pub trait ObjectSink: Sync {
    /// Stores the complete object `index` (array order).
    ///
    /// # Errors
    /// The write fails.
    fn put(&self, index: &[u64], bytes: &[u8]) -> Result<(), Failure>;

    /// Starts shard `index`. The first `reserved` bytes are left free for an index written at the end.
    ///
    /// # Errors
    /// The shard cannot be created.
    fn shard(&self, index: &[u64], reserved: usize) -> Result<Box<dyn ShardSink + '_>, Failure>;
}

/// A shard written incrementally. Dropping it unfinished must leave no object behind.
pub trait ShardSink: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// The write fails.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure>;

    /// Completes the shard; `start` (of the reserved length) is written to its first bytes.
    ///
    /// # Errors
    /// The write fails.
    fn finish(self: Box<Self>, start: &[u8]) -> Result<(), Failure>;
}
