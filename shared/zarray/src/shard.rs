//! The index of a shard: where each inner chunk lies.
//!
//! Format: the `sharding_indexed` page of the Zarr v3 specification: for each inner chunk in C order an offset and a length
//! as 64-bit integers, both 2^64−1 for a chunk that is not there, at the start or the end of the shard, usually followed by
//! the CRC-32C of the index.

use zcodec::{CodecError, crc32c};

const ABSENT: u64 = u64::MAX;

/// How a shard stores its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexLayout {
    /// Whether it stands at the end of the shard; else at the start.
    pub at_end: bool,
    /// Whether a CRC-32C follows it.
    pub checksum: bool,
    /// Whether its integers are big-endian.
    pub big_endian: bool,
    /// Inner chunks of a shard.
    pub chunks: u64,
}

impl IndexLayout {
    /// Bytes of the stored index; nothing where it would be larger than any object.
    pub fn len(&self) -> Option<u64> {
        self.chunks.checked_mul(16)?.checked_add(if self.checksum { 4 } else { 0 })
    }

    /// Whether a shard has no inner chunks at all.
    pub fn is_empty(&self) -> bool {
        self.chunks == 0
    }
}

/// Where the inner chunks of one shard lie: offset and length, in C order of the chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardIndex(pub Vec<Option<(u64, u64)>>);

impl ShardIndex {
    /// Reads an index out of its bytes and holds it against the size of the shard.
    ///
    /// # Errors
    /// [`CodecError`] where it is cut, its checksum does not match, or a chunk lies outside the shard.
    pub fn parse(layout: &IndexLayout, bytes: &[u8], shard_size: u64) -> Result<ShardIndex, CodecError> {
        let needed = layout.len().unwrap_or(u64::MAX);
        if (bytes.len() as u64) < needed {
            return Err(CodecError::Short { format: "shard index", needed, found: bytes.len() as u64 });
        }
        let (entries, checksum) = bytes.split_at(layout.chunks as usize * 16);
        if let (true, Some(stored)) = (layout.checksum, checksum.first_chunk::<4>()) {
            let (stored, computed) = (u32::from_le_bytes(*stored), crc32c(entries));
            if stored != computed {
                return Err(CodecError::Checksum { stored, computed });
            }
        }
        let word = |bytes: &[u8]| {
            let bytes = bytes.first_chunk::<8>().copied().unwrap_or_default();
            if layout.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
        };
        let entry = |(number, bytes): (usize, &[u8])| match (word(bytes), word(&bytes[8..])) {
            (ABSENT, ABSENT) => Ok(None),
            (offset, len) if offset.checked_add(len).is_some_and(|end| end <= shard_size) => Ok(Some((offset, len))),
            (offset, len) => Err(CodecError::Invalid {
                format: "shard",
                detail: format!("inner chunk {number} of {len} bytes at {offset} lies outside its {shard_size} bytes"),
            }),
        };
        entries.chunks_exact(16).enumerate().map(entry).collect::<Result<_, _>>().map(ShardIndex)
    }

    /// The bytes of the index.
    pub fn encode(&self, layout: &IndexLayout) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 16 + 4);
        for (offset, len) in self.0.iter().map(|entry| entry.unwrap_or((ABSENT, ABSENT))) {
            for word in [offset, len] {
                bytes.extend(if layout.big_endian { word.to_be_bytes() } else { word.to_le_bytes() });
            }
        }
        if layout.checksum {
            let checksum = crc32c(&bytes);
            bytes.extend(checksum.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_comes_back() {
        let index = ShardIndex(vec![Some((0, 10)), None, Some((10, 30))]);
        for checksum in [true, false] {
            for big_endian in [true, false] {
                let layout = IndexLayout { at_end: true, checksum, big_endian, chunks: 3 };
                let bytes = index.encode(&layout);
                assert_eq!(layout.len(), Some(bytes.len() as u64));
                assert_eq!(ShardIndex::parse(&layout, &bytes, 40), Ok(index.clone()));
                assert!(ShardIndex::parse(&layout, &bytes, 39).is_err(), "outside");
                assert!(ShardIndex::parse(&layout, &bytes[1..], 40).is_err(), "cut");
            }
        }
    }

    #[test]
    fn damage_is_noticed() {
        let layout = IndexLayout { at_end: true, checksum: true, big_endian: false, chunks: 1 };
        let mut bytes = ShardIndex(vec![Some((0, 10))]).encode(&layout);
        bytes[0] ^= 1;
        assert!(matches!(ShardIndex::parse(&layout, &bytes, 100), Err(CodecError::Checksum { .. })));
    }
}
