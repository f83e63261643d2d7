//! Where output objects go. The engine knows their index in the grid; what they are called, and where they are, is the
//! sink's business.

use zwire::Failure;

/// Takes output objects, from several threads at once.
pub trait ObjectSink: Sync {
    /// Stores the object `index` (array order) whole.
    ///
    /// # Errors
    /// What the store says.
    fn put(&self, index: &[u64], bytes: &[u8]) -> Result<(), Failure>;

    /// Starts the shard `index`. Its first `reserved` bytes are left free, for an index that is known only at the end.
    ///
    /// # Errors
    /// What the store says.
    fn shard(&self, index: &[u64], reserved: usize) -> Result<Box<dyn ShardSink + '_>, Failure>;
}

/// A shard that is written piece by piece. One that is dropped unfinished must leave nothing.
pub trait ShardSink: Send {
    /// Appends.
    ///
    /// # Errors
    /// What the store says.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure>;

    /// Ends the shard; `start` (as long as was reserved) goes to its first bytes.
    ///
    /// # Errors
    /// What the store says.
    fn finish(self: Box<Self>, start: &[u8]) -> Result<(), Failure>;
}
