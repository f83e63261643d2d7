//! Where the bytes of an object go while they arrive: into memory, or on to a file without being kept.

use crate::StoreError;

/// Takes the bytes of an object, or of part of it, in order.
pub trait Sink {
    /// Number of bytes that have arrived.
    fn arrived(&self) -> usize;

    /// Forgets what has arrived: it comes again from the start.
    fn clear(&mut self);

    /// So many bytes are to arrive altogether.
    fn expect(&mut self, _bytes: usize) {}

    /// The next bytes.
    ///
    /// # Errors
    /// [`StoreError::Write`] ends the transfer.
    fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError>;
}

impl Sink for Vec<u8> {
    fn arrived(&self) -> usize {
        self.len()
    }

    fn clear(&mut self) {
        self.clear();
    }

    fn expect(&mut self, bytes: usize) {
        self.reserve(bytes.saturating_sub(self.len()));
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// What came of asking for part of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All its bytes have arrived, of an object like this.
    Arrived(crate::Stat),
    /// The object, which is like this, ends before them. Nothing has arrived.
    Shorter(crate::Stat),
    /// There is no such object.
    Absent,
    /// The server sends whole objects only. Nothing has arrived.
    NoRanges,
}
