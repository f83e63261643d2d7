//! Where the bytes of an object go while they arrive: into memory, or on to a file without being kept.

use bytes::Bytes;

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
    fn add(&mut self, bytes: Bytes) -> Result<(), StoreError>;
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

    fn add(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.extend_from_slice(&bytes);
        Ok(())
    }
}

/// Memory for an object, which is asked for before any of it comes.
pub struct Admitted<'a> {
    buffer: &'a mut Vec<u8>,
    admit: &'a mut dyn FnMut(u64) -> Vec<u8>,
    is_admitted: bool,
}

impl<'a> Admitted<'a> {
    /// `admit` is called once, with the number of bytes; it may wait, and what it returns becomes the buffer.
    pub fn new(buffer: &'a mut Vec<u8>, admit: &'a mut dyn FnMut(u64) -> Vec<u8>) -> Admitted<'a> {
        Admitted { buffer, admit, is_admitted: false }
    }
}

impl Sink for Admitted<'_> {
    fn arrived(&self) -> usize {
        self.buffer.arrived()
    }

    fn clear(&mut self) {
        self.buffer.clear();
    }

    fn expect(&mut self, bytes: usize) {
        if !std::mem::replace(&mut self.is_admitted, true) {
            *self.buffer = (self.admit)(bytes as u64);
            self.buffer.clear();
        }
        self.buffer.expect(bytes);
    }

    fn add(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.buffer.add(bytes)
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
