//! Stores that a process may write only while it holds a lock, which another may take when this one was cut off or stopped.

use crate::StoreError;

/// A lock on a remote store.
pub trait Guard: Send + Sync {
    /// Checks before a request that the lock is held, and renews it where that is due.
    ///
    /// # Errors
    /// [`StoreError::LockLost`]; errors of the store that holds the lock.
    fn check(&self) -> Result<(), StoreError>;

    /// Whether a request under way may go on and be repeated without another check. Asked often, and never waits.
    fn holds(&self) -> bool;
}
