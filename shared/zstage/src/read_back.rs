//! Reads stored objects back.

use zcodec::crc32c_append;
use zstore::{ByteRange, Store, StoreError};

use crate::memory::COPY_PIECE;

/// What may be at fault where an output does not hold what was written.
pub fn at_fault(output: &Store) -> &'static str {
    match output.is_remote() {
        true => "the object store returned other bytes than it was sent; run the command again with --resume",
        false => "the disk or memory of this machine may be faulty",
    }
}

/// CRC-32C of an object; `None` if there is none.
///
/// # Errors
/// The store's.
pub fn checksum_of(store: &Store, key: &str, buffer: &mut Vec<u8>) -> Result<Option<u32>, StoreError> {
    let (mut done, mut checksum) = (0, 0);
    loop {
        let range = ByteRange::At { start: done, len: COPY_PIECE };
        let Some(stat) = store.get_range(key, range, buffer)? else { return Ok(None) };
        checksum = crc32c_append(checksum, buffer);
        done += buffer.len() as u64;
        if done >= stat.size || buffer.is_empty() {
            return Ok(Some(checksum));
        }
    }
}
