//! A stored chunk without a compressor: it is read and looked at a piece at a time, so that its size is no matter of memory.

use std::borrow::Cow;

use zarray::{Array, Chain, ChunkReader, Itemsize, ZarrError};
use zcodec::{Codec, CodecError, crc32c_append, to_usize};
use zstore::{ByteRange, Store, StoreError};

use crate::checks::values::PIECE;

/// Bytes that are read at once. Chunks of up to twice as many are read whole.
pub const READ: u64 = 4 << 20;

/// Bytes of a checksum.
const CHECKSUM: u64 = 4;

/// Where an uncompressed chunk lies.
pub struct Raw<'a> {
    /// The store.
    pub store: &'a Store,
    /// The object that it is, or is part of.
    pub key: &'a str,
    /// Its first byte in the object.
    pub start: u64,
    /// Its bytes, without those of the checksum.
    pub len: u64,
    /// Bytes of an element.
    pub itemsize: usize,
    /// Whether a CRC-32C follows.
    pub has_checksum: bool,
}

/// Whether a chunk of `array` that goes through `chain` is read in pieces: it is large, and stored as it is.
pub fn is_raw(array: &Array, chain: &Chain, reader: &ChunkReader) -> bool {
    matches!(chain.tail.as_slice(), [] | [Codec::Crc32c])
        && chain.unknown.is_none()
        && chain.chunk_bytes.is_some_and(|bytes| bytes > 2 * READ)
        && matches!(array.as_decoded(), Cow::Borrowed(_))
        && matches!(reader.elements().itemsize, Itemsize::Fixed(_))
}

impl Raw<'_> {
    /// Calls `visit` with the bytes of the chunk, in order and in pieces of whole elements.
    ///
    /// # Errors
    /// The store's, [`ZarrError::Chunk`] if the checksum does not match; the bytes were visited before.
    pub fn each(&self, buffer: &mut Vec<u8>, visit: &mut dyn FnMut(&[u8])) -> Result<(), ZarrError> {
        let whole = |bytes: usize| bytes - bytes % self.itemsize.max(1);
        let (at_once, piece) = (whole(to_usize(READ)).max(self.itemsize) as u64, whole(PIECE).max(self.itemsize));
        let (mut at, mut sum, mut stat) = (0, 0, None);
        let mut read = |at: u64, len: u64, buffer: &mut Vec<u8>| {
            let range = ByteRange::At { start: self.start + at, len };
            let found = self.store.get_range(self.key, range, buffer)?;
            match found.filter(|found| *stat.get_or_insert(*found) == *found && buffer.len() as u64 == len) {
                Some(_) => Ok(()),
                None => Err(ZarrError::Store(StoreError::Changed { place: self.store.place(self.key) })),
            }
        };
        while at < self.len {
            let len = at_once.min(self.len - at);
            read(at, len, buffer)?;
            if self.has_checksum {
                sum = crc32c_append(sum, buffer);
            }
            buffer.chunks(piece).for_each(&mut *visit);
            at += len;
        }
        if !self.has_checksum {
            return Ok(());
        }
        read(at, CHECKSUM, buffer)?;
        let stored = buffer.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        match stored == sum {
            true => Ok(()),
            false => {
                let source = CodecError::Checksum { stored, computed: sum };
                Err(ZarrError::Chunk { place: self.store.place(self.key), source })
            }
        }
    }
}
