//! Shards: reads and writes the shard index, which holds the position of each inner chunk.
//!
//! Format: the `sharding_indexed` page of the Zarr v3 specification: for each inner chunk in C order an offset and a length
//! as 64-bit integers, both 2^64−1 for a chunk that is not there, at the start or the end of the shard, usually followed by
//! the CRC-32C of the index.

use zcodec::{CodecError, crc32c, to_usize};
use zstore::{ByteRange, Stat, Store, StoreError};

use crate::error::ZarrError;

const ABSENT: u64 = u64::MAX;

/// How a shard stores its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexLayout {
    /// Whether it is at the end of the shard; otherwise at the start.
    pub at_end: bool,
    /// Whether a CRC-32C follows it.
    pub checksum: bool,
    /// Whether its integers are big-endian.
    pub big_endian: bool,
    /// Inner chunks of a shard.
    pub chunks: u64,
}

impl IndexLayout {
    /// Bytes of the stored index; `None` on overflow.
    pub fn len(&self) -> Option<u64> {
        self.chunks.checked_mul(16)?.checked_add(if self.checksum { 4 } else { 0 })
    }

    /// Whether a shard has no inner chunks at all.
    pub fn is_empty(&self) -> bool {
        self.chunks == 0
    }

    /// The byte range of the index in the shard.
    pub fn range(&self) -> ByteRange {
        let len = self.len().unwrap_or(u64::MAX);
        if self.at_end { ByteRange::Last { len } } else { ByteRange::At { start: 0, len } }
    }

    /// Bytes that a shard keeps free at its start, for its index.
    pub fn reserved(&self) -> u64 {
        if self.at_end { 0 } else { self.len().unwrap_or_default() }
    }
}

/// Where the inner chunks of one shard lie: offset and length, in C order of the chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardIndex(pub Vec<Option<(u64, u64)>>);

impl ShardIndex {
    /// Reads an index out of its bytes and holds it against the size of the shard.
    ///
    /// # Errors
    /// [`CodecError`] if it is truncated, its checksum does not match, or a chunk lies outside the shard.
    pub fn parse(layout: &IndexLayout, bytes: &[u8], shard_size: u64) -> Result<ShardIndex, CodecError> {
        let needed = layout.len().unwrap_or(u64::MAX);
        if (bytes.len() as u64) < needed {
            return Err(CodecError::Short { format: "shard index", needed, found: bytes.len() as u64 });
        }
        let (entries, checksum) = bytes.split_at(to_usize(layout.chunks) * 16);
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
                detail: format!(
                    "inner chunk {number} ({len} bytes at {offset}) lies outside the shard of {shard_size} bytes"
                ),
            }),
        };
        entries.chunks_exact(16).enumerate().map(entry).collect::<Result<_, _>>().map(ShardIndex)
    }

    /// Checks that no two inner chunks share bytes, unless they are the same bytes, nor any the index, in a shard of `size` bytes.
    ///
    /// # Errors
    /// [`CodecError::Invalid`] with the inner chunk.
    pub fn check_overlaps(&self, layout: &IndexLayout, size: u64) -> Result<(), CodecError> {
        let len = layout.len().unwrap_or(u64::MAX);
        let index = if layout.at_end { size.saturating_sub(len)..size } else { 0..len };
        let stored = |(number, entry): (usize, &Option<(u64, u64)>)| entry.map(|(start, len)| (start, len, number));
        let mut stored: Vec<(u64, u64, usize)> = self.0.iter().enumerate().filter_map(stored).collect();
        stored.retain(|(_, len, _)| *len > 0);
        stored.sort_unstable();
        let overlaps = |number: usize, what: String| {
            Err(CodecError::Invalid { format: "shard", detail: format!("inner chunk {number} overlaps {what}") })
        };
        if let Some((.., number)) =
            stored.iter().find(|(start, len, _)| *start < index.end && start + len > index.start)
        {
            return overlaps(*number, "the index".into());
        }
        match stored
            .windows(2)
            .find(|pair| pair[1].0 < pair[0].0 + pair[0].1 && (pair[0].0, pair[0].1) != (pair[1].0, pair[1].1))
        {
            Some(pair) => overlaps(pair[1].2, format!("inner chunk {}", pair[0].2)),
            None => Ok(()),
        }
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

/// A shard, described by its index.
pub struct StoredIndex {
    /// The shard.
    pub stat: Stat,
    /// Its index, or the error in it.
    pub index: Result<ShardIndex, CodecError>,
}

/// Reads the index of shard `key`, damaged or not; `None` if the shard is missing. `buffer` is scratch space.
///
/// # Errors
/// The store's.
pub fn find_shard_index(
    store: &Store,
    key: &str,
    layout: &IndexLayout,
    buffer: &mut Vec<u8>,
) -> Result<Option<StoredIndex>, StoreError> {
    let stat = store.get_range(key, layout.range(), buffer)?;
    Ok(stat.map(|stat| StoredIndex { stat, index: ShardIndex::parse(layout, buffer, stat.size) }))
}

/// The index of a shard that is in memory.
///
/// # Errors
/// As [`ShardIndex::parse`].
pub fn index_of_shard(layout: &IndexLayout, shard: &[u8]) -> Result<ShardIndex, CodecError> {
    let size = shard.len() as u64;
    let len = to_usize(layout.len().unwrap_or(u64::MAX)).min(shard.len());
    let bytes = if layout.at_end { &shard[shard.len() - len..] } else { &shard[..len] };
    ShardIndex::parse(layout, bytes, size)
}

/// As [`find_shard_index`], but a damaged index is an error.
///
/// # Errors
/// [`ZarrError::Store`]; [`ZarrError::Chunk`] if the index is damaged.
pub fn read_shard_index(
    store: &Store,
    key: &str,
    layout: &IndexLayout,
    buffer: &mut Vec<u8>,
) -> Result<Option<(ShardIndex, Stat)>, ZarrError> {
    let Some(StoredIndex { stat, index }) = find_shard_index(store, key, layout, buffer)? else { return Ok(None) };
    let index = index.map_err(|source| ZarrError::Chunk { place: store.place(key), source })?;
    Ok(Some((index, stat)))
}

/// The index of a shard that is being written: inner chunks are appended one after the other, after the
/// [reserved](IndexLayout::reserved) bytes, and the index is known at the end. Where the bytes go is the caller's business.
#[derive(Debug, Clone)]
pub struct ShardBuilder {
    layout: IndexLayout,
    index: ShardIndex,
    len: u64,
}

/// What completes a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardEnd {
    /// The index, as it is going to be read back.
    pub index: ShardIndex,
    /// Bytes to append; empty if the index is at the start.
    pub append: Vec<u8>,
    /// Bytes for the reserved space; empty if the index is at the end.
    pub start: Vec<u8>,
    /// Bytes of the whole shard.
    pub len: u64,
}

impl ShardBuilder {
    /// A shard without any inner chunk.
    pub fn new(layout: IndexLayout) -> ShardBuilder {
        let index = ShardIndex(vec![None; to_usize(layout.chunks)]);
        ShardBuilder { layout, index, len: layout.reserved() }
    }

    /// Enters inner chunk `number` (C order in the shard), whose `len` bytes follow all that were appended before.
    pub fn append(&mut self, number: usize, len: usize) {
        debug_assert!(number < self.index.0.len());
        if let Some(entry) = self.index.0.get_mut(number) {
            *entry = Some((self.len, len as u64));
        }
        self.len += len as u64;
    }

    /// The index, in bytes.
    pub fn finish(self) -> ShardEnd {
        let encoded = self.index.encode(&self.layout);
        let (append, start) = if self.layout.at_end { (encoded, Vec::new()) } else { (Vec::new(), encoded) };
        ShardEnd { len: self.len + append.len() as u64, index: self.index, append, start }
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
    fn inner_chunks_share_no_bytes() {
        let layout = IndexLayout { at_end: false, checksum: true, big_endian: false, chunks: 3 };
        let check = |entries: [Option<(u64, u64)>; 3]| ShardIndex(entries.to_vec()).check_overlaps(&layout, 100);
        assert_eq!(check([Some((62, 10)), None, Some((52, 10))]), Ok(()));
        assert_eq!(check([Some((62, 10)), Some((70, 0)), Some((62, 10))]), Ok(()), "equal ones may be stored once");
        assert!(check([Some((60, 10)), None, Some((52, 10))]).is_err());
        assert!(check([Some((51, 10)), None, None]).is_err(), "the index is at the start");
        let at_end = IndexLayout { at_end: true, ..layout };
        assert!(ShardIndex(vec![Some((40, 10)), None, None]).check_overlaps(&at_end, 100).is_err());
        assert!(ShardIndex(vec![Some((0, 48)), None, None]).check_overlaps(&at_end, 100).is_ok());
    }

    #[test]
    fn damage_is_noticed() {
        let layout = IndexLayout { at_end: true, checksum: true, big_endian: false, chunks: 1 };
        let mut bytes = ShardIndex(vec![Some((0, 10))]).encode(&layout);
        bytes[0] ^= 1;
        assert!(matches!(ShardIndex::parse(&layout, &bytes, 100), Err(CodecError::Checksum { .. })));
    }

    #[test]
    fn a_built_shard_has_its_chunks_where_the_index_says() {
        for at_end in [true, false] {
            let layout = IndexLayout { at_end, checksum: true, big_endian: false, chunks: 3 };
            let mut builder = ShardBuilder::new(layout);
            let mut body = vec![0; layout.reserved() as usize];
            for (number, bytes) in [(2, &b"two"[..]), (0, b"zero")] {
                body.extend(bytes);
                builder.append(number, bytes.len());
            }
            let end = builder.finish();
            body.extend(&end.append);
            body[..end.start.len()].copy_from_slice(&end.start);
            assert_eq!((body.len() as u64, end.append.is_empty()), (end.len, !at_end));
            let stored = match layout.range() {
                ByteRange::At { start, len } => &body[start as usize..(start + len) as usize],
                ByteRange::Last { len } => &body[body.len() - len as usize..],
            };
            let index = ShardIndex::parse(&layout, stored, end.len).expect("intact");
            assert_eq!(index, end.index);
            let bytes = |number: usize| index.0[number].map(|(at, len)| &body[at as usize..(at + len) as usize]);
            assert_eq!([bytes(0), bytes(1), bytes(2)], [Some(&b"zero"[..]), None, Some(b"two")]);
        }
    }
}
