//! Reads one chunk of an array: a stored object, or an inner chunk of a shard; decoded in full, or only what a
//! subset of it needs.
//!
//! Fetching and decoding are two steps, because one waits for a store and the other for a processor. Subsets are in *stored
//! order*: their dimensions are those of a decoded chunk, slowest first ([`Elements::order`]).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;
use zcodec::{Codec, CodecError, Header, decompress_range, to_usize};
use zstore::{ByteRange, Stat, Store};

use crate::chain::DecodeScratch;
use crate::elements::{Elements, Itemsize};
use crate::error::ZarrError;
use crate::fallback::Fallback;
use crate::grid::Grid;
use crate::metadata::Array;
use crate::shard::{StoredIndex, find_shard_index};
use crate::subset::{Subset, copy_from_window, copy_subset};

/// Cache size for shard indexes, in bytes; at least two are kept.
const INDEX_CACHE: u64 = 16 << 20;

/// The index of a shard; `None` if the shard is missing.
type KeptIndex = Arc<Option<StoredIndex>>;

/// Reads the chunks of one array. Cheap to share between threads.
pub struct ChunkReader<'a> {
    store: &'a Store,
    array: &'a Array,
    elements: Elements,
    /// How chunks are decoded that the fast path cannot.
    fallback: Option<Fallback>,
    grid: Grid,
    indexes: Mutex<VecDeque<(Vec<u64>, KeptIndex)>>,
    /// The most bytes of memory that a chunk or the index of a shard may take.
    limit: Option<u64>,
}

/// How often a shard is read that is replaced each time.
const SHARD_ATTEMPTS: usize = 4;

/// What a fetch found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// The stored object (with sharding, the shard); `None` if missing.
    pub stat: Option<Stat>,
    /// Whether the chunk is there.
    pub present: bool,
    /// Bytes read of it.
    pub bytes: u64,
}

impl Fetched {
    /// Nothing at all.
    pub(crate) const ABSENT: Fetched = Fetched { stat: None, present: false, bytes: 0 };
}

/// Where a chunk is stored.
pub(crate) struct Stored {
    /// The object.
    pub key: String,
    /// Its first byte in the object.
    pub start: u64,
    /// Its byte range; `None` for the whole object.
    pub len: Option<u64>,
    /// The shard whose index says so.
    pub shard: Option<Stat>,
}

impl Stored {
    /// Whether an object read just now is the one that it was located in: not another one that has taken the place of the shard.
    pub fn is_of(&self, stat: Stat) -> bool {
        self.shard.is_none_or(|shard| shard == stat)
    }
}

/// Whether a shard was replaced between the reading of its index and that of its chunk.
pub(crate) enum Attempt<T> {
    /// It was not.
    Done(T),
    /// It was: what the index says does not hold any more.
    Replaced,
}

impl<'a> ChunkReader<'a> {
    /// A reader of the chunks (with sharding: the inner chunks) of `array`.
    ///
    /// # Errors
    /// A message that names the unsupported codec.
    pub fn new(store: &'a Store, array: &'a Array) -> Result<ChunkReader<'a>, String> {
        let (elements, fallback) = match (Elements::of(array), Fallback::of(array)) {
            (Ok(elements), _) => (elements, None),
            (Err(_), Ok(Some((decoded, fallback)))) => (Elements::of(&decoded)?, Some(fallback)),
            (Err(why), _) => return Err(why),
        };
        let grid = array.chunk_shape().and_then(|shape| Grid::new(array.shape.clone(), shape.to_vec()));
        let grid = grid.ok_or("the chunk grid is not regular")?;
        Ok(ChunkReader { store, array, elements, fallback, grid, indexes: Mutex::default(), limit: None })
    }

    /// The same, with at most `bytes` of memory for a decoded chunk, whatever its metadata and the chunk itself say.
    pub fn with_limit(self, bytes: u64) -> ChunkReader<'a> {
        ChunkReader { limit: Some(bytes), ..self }
    }

    pub(crate) fn store(&self) -> &Store {
        self.store
    }

    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Whether a stored chunk is a Blosc frame without further codecs.
    pub(crate) fn is_frame(&self) -> bool {
        self.fallback.is_none() && matches!(self.array.chain.innermost().tail.as_slice(), [Codec::Blosc(..)])
    }

    /// Whether a stored chunk is the decoded one.
    pub(crate) fn is_plain(&self) -> bool {
        self.fallback.is_none() && self.array.chain.innermost().tail.is_empty()
    }

    /// How many times a chunk is in memory, in one form or another, while it is decoded.
    pub(crate) fn copies(&self) -> u64 {
        match &self.fallback {
            Some(_) => 3,
            None => 1 + u64::from(!self.is_plain()),
        }
    }

    /// How decoded chunks hold their elements.
    pub fn elements(&self) -> &Elements {
        &self.elements
    }

    /// The grid of chunks (with sharding: of inner chunks).
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// A full chunk in stored order, from the origin.
    pub fn chunk(&self) -> Subset {
        Subset::whole(self.grid.chunk_shape()).permuted(&self.elements.order)
    }

    /// The most bytes that kept shard indexes of `array` take.
    pub fn cache_bytes(array: &Array) -> u64 {
        let Some(sharding) = &array.chain.sharding else { return 0 };
        (sharding.index.chunks * INDEX_ENTRY).saturating_mul(kept_indexes(array) as u64)
    }

    /// The key of the object that holds chunk `index`, and the number of the chunk in it where it is a shard.
    pub fn key(&self, index: &[u64]) -> (String, Option<u64>) {
        let (object, inner) = match self.shard_of(index) {
            None => (index.to_vec(), None),
            Some((shard, inner)) => (shard, Some(inner)),
        };
        (self.array.key(&self.array.keys.encode(&object)), inner)
    }

    /// The path of chunk `index`, for messages.
    pub fn place(&self, index: &[u64]) -> String {
        let (key, inner) = self.key(index);
        let inner = inner.map(|number| format!(" inner chunk {number}")).unwrap_or_default();
        format!("{}{inner}", self.store.place(&key))
    }

    /// Index of the shard, and number of the inner chunk in it.
    fn shard_of(&self, index: &[u64]) -> Option<(Vec<u64>, u64)> {
        let sharding = self.array.chain.sharding.as_ref()?;
        let counts: Vec<u64> =
            self.array.grid.as_ref()?.chunk_shape().iter().zip(&sharding.chunk_shape).map(|(s, c)| s / c).collect();
        let shard: Vec<u64> = index.iter().zip(&counts).map(|(index, count)| index / count).collect();
        let inner = index.iter().zip(&counts).fold(0, |number, (index, count)| number * count + index % count);
        Some((shard, inner))
    }

    /// Reads the stored bytes of chunk `index` into `stored`, whose old content is lost.
    ///
    /// # Errors
    /// [`ZarrError::Store`] from the store, [`ZarrError::Chunk`] if the index of a shard is damaged. A missing chunk is not an
    /// error.
    pub fn fetch(&self, index: &[u64], stored: &mut Vec<u8>) -> Result<Fetched, ZarrError> {
        self.at(index, stored, Ok, |place, stored| self.fetch_at(index, place, stored))
    }

    fn fetch_at(&self, index: &[u64], place: &Stored, stored: &mut Vec<u8>) -> Result<Attempt<Fetched>, ZarrError> {
        let Some(len) = place.len else {
            let stat = self.store.get(&place.key, stored)?;
            // If the object is missing, the buffer still holds old data.
            let bytes = if stat.is_some() { stored.len() as u64 } else { 0 };
            return Ok(Attempt::Done(Fetched { stat, present: stat.is_some(), bytes }));
        };
        let stat = self.store.get_range(&place.key, ByteRange::At { start: place.start, len }, stored)?;
        if !stat.is_some_and(|stat| place.is_of(stat)) {
            return Ok(Attempt::Replaced);
        }
        if stored.len() as u64 != len {
            let source = CodecError::Short { format: "inner chunk", needed: len, found: stored.len() as u64 };
            return Err(ZarrError::Chunk { place: self.place(index), source });
        }
        Ok(Attempt::Done(Fetched { stat, present: true, bytes: len }))
    }

    /// Locates chunk `index` and reads it there: again where its shard was replaced since its index was read. `absent` makes
    /// the result of a chunk that is not there, `buffer` is scratch space.
    pub(crate) fn at<T>(
        &self,
        index: &[u64],
        buffer: &mut Vec<u8>,
        absent: impl Fn(Fetched) -> Result<T, ZarrError>,
        mut read: impl FnMut(&Stored, &mut Vec<u8>) -> Result<Attempt<T>, ZarrError>,
    ) -> Result<T, ZarrError> {
        for _ in 0..SHARD_ATTEMPTS {
            let place = match self.locate(index, buffer)? {
                Ok(place) => place,
                Err(nothing) => return absent(nothing),
            };
            match read(&place, buffer)? {
                Attempt::Done(done) => return Ok(done),
                Attempt::Replaced => self.forget(index),
            }
        }
        let source = CodecError::Invalid { format: "shard", detail: "it was replaced while it was being read".into() };
        Err(ZarrError::Chunk { place: self.place(index), source })
    }

    /// Forgets the index of the shard that holds chunk `index`.
    fn forget(&self, index: &[u64]) {
        if let Some((shard, _)) = self.shard_of(index) {
            self.indexes.lock().retain(|(kept, _)| *kept != shard);
        }
    }

    /// Where chunk `index` is stored, or the result if it is missing from the index of its shard.
    pub(crate) fn locate(&self, index: &[u64], buffer: &mut Vec<u8>) -> Result<Result<Stored, Fetched>, ZarrError> {
        let (key, _) = self.key(index);
        let Some((shard, inner)) = self.shard_of(index) else {
            return Ok(Ok(Stored { key, start: 0, len: None, shard: None }));
        };
        let shard = self.shard(shard, &key, buffer)?;
        let Some(StoredIndex { stat, index }) = &*shard else { return Ok(Err(Fetched::ABSENT)) };
        match index {
            Ok(index) => Ok(match index.0.get(to_usize(inner)).copied().flatten() {
                Some((start, len)) => Ok(Stored { key, start, len: Some(len), shard: Some(*stat) }),
                None => Err(Fetched { stat: Some(*stat), ..Fetched::ABSENT }),
            }),
            Err(error) => Err(ZarrError::Chunk { place: self.store.place(&key), source: error.clone() }),
        }
    }

    /// The index of a shard: one that is kept, or read now.
    fn shard(&self, index: Vec<u64>, key: &str, buffer: &mut Vec<u8>) -> Result<KeptIndex, ZarrError> {
        if let Some(shard) = self.kept(&index) {
            return Ok(shard);
        }
        let layout = self.array.chain.sharding.as_ref().map(|sharding| &sharding.index);
        let bytes = layout.map_or(0, |layout| layout.chunks.saturating_mul(INDEX_ENTRY));
        if let Some(limit) = self.limit.filter(|limit| bytes > *limit) {
            return Err(ZarrError::Chunk { place: self.store.place(key), source: CodecError::Memory { limit } });
        }
        let shard = layout.map(|layout| find_shard_index(self.store, key, layout, buffer)).transpose()?.flatten();
        let shard = Arc::new(shard);
        let mut indexes = self.indexes.lock();
        if indexes.len() >= kept_indexes(self.array) {
            indexes.pop_front();
        }
        indexes.push_back((index, Arc::clone(&shard)));
        Ok(shard)
    }

    /// A cached index, which becomes the most recently used.
    fn kept(&self, index: &[u64]) -> Option<KeptIndex> {
        let mut indexes = self.indexes.lock();
        // The requested index is nearly always the most recent one.
        let position = indexes.iter().rposition(|(kept, _)| kept == index)?;
        let entry = indexes.remove(position)?;
        let shard = Arc::clone(&entry.1);
        indexes.push_back(entry);
        Some(shard)
    }

    /// Decodes a full chunk into `scratch.decoded`, with `threads` threads on Blosc blocks.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(&self, stored: &[u8], threads: usize, scratch: &mut DecodeScratch) -> Result<(), CodecError> {
        scratch.workspace.limit = self.limit.or(scratch.workspace.limit);
        if let Some(fallback) = &self.fallback {
            return fallback.decode(stored, threads, scratch);
        }
        let DecodeScratch { decoded, spare, workspace } = scratch;
        self.array.chain.innermost().decode_tail(stored, decoded, spare, threads, workspace)
    }

    /// Decodes what `part` of a chunk (in stored order, from the chunk's origin) needs, and copies it to `target`, which is
    /// as long as the part. Returns the bytes decoded. Elements must have a fixed size.
    ///
    /// Of a plain Blosc chunk, only the blocks that overlap the part are decoded.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode_subset(
        &self,
        stored: &[u8],
        part: &Subset,
        target: &mut [u8],
        threads: usize,
        scratch: &mut DecodeScratch,
    ) -> Result<u64, CodecError> {
        let Itemsize::Fixed(itemsize) = self.elements.itemsize else { return Ok(0) };
        let chunk = self.chunk();
        let whole = *part == chunk;
        match self.frame(stored)? {
            Some((frame, header)) if !whole => {
                let DecodeScratch { decoded, workspace, .. } = scratch;
                let mut bytes = 0;
                for span in spans(part, &chunk, itemsize, 2 * header.blocksize as usize) {
                    let held = decompress_range(frame, byte_range(&span, &chunk, itemsize), decoded, workspace)?;
                    bytes += held.len() as u64;
                    copy_from_window(&span, &chunk, (decoded, held.start), part, target, itemsize);
                }
                return Ok(bytes);
            }
            _ => {}
        }
        let chain = self.array.chain.innermost();
        let decoded = match chain.chunk_bytes {
            // Chunks without a compressor are copied once, not twice.
            Some(bytes) if self.is_plain() && bytes == stored.len() as u64 => stored,
            _ => {
                self.decode(stored, threads, scratch)?;
                &scratch.decoded
            }
        };
        copy_subset(part, &chunk, decoded, part, target, itemsize);
        Ok(decoded.len() as u64)
    }

    /// The Blosc frame that a stored chunk is, with or without a checksum behind it, and its header, checked against the size
    /// that the chunk has. Nothing where the chunk is something else.
    fn frame<'b>(&self, stored: &'b [u8]) -> Result<Option<(&'b [u8], Header)>, CodecError> {
        let chain = self.array.chain.innermost();
        let frame = match chain.tail.as_slice() {
            _ if self.fallback.is_some() => return Ok(None),
            [Codec::Blosc(..)] => stored,
            [Codec::Blosc(..), Codec::Crc32c] => checked(stored)?,
            _ => return Ok(None),
        };
        let header = Header::parse(frame)?;
        match chain.chunk_bytes {
            Some(expected) if expected != u64::from(header.nbytes) => {
                Err(CodecError::WrongSize { expected, found: header.nbytes.into() })
            }
            _ => Ok(Some((frame, header))),
        }
    }
}

/// Bytes of an index entry in memory.
const INDEX_ENTRY: u64 = size_of::<Option<(u64, u64)>>() as u64;

/// How many shard indexes are kept.
fn kept_indexes(array: &Array) -> usize {
    let chunks = array.chain.sharding.as_ref().map_or(1, |sharding| sharding.index.chunks.max(1));
    to_usize((INDEX_CACHE / (chunks * INDEX_ENTRY)).clamp(2, 4096))
}

/// The bytes before a CRC-32C that matches them.
fn checked(stored: &[u8]) -> Result<&[u8], CodecError> {
    let Some((bytes, checksum)) = stored.split_last_chunk::<4>() else {
        return Err(CodecError::Short { format: "crc32c", needed: 4, found: stored.len() as u64 });
    };
    match (u32::from_le_bytes(*checksum), zcodec::crc32c(bytes)) {
        (stored, computed) if stored != computed => Err(CodecError::Checksum { stored, computed }),
        _ => Ok(bytes),
    }
}

/// The bytes of a decoded chunk from the first element of `part` to its last.
pub(crate) fn byte_range(part: &Subset, chunk: &Subset, itemsize: usize) -> Range<usize> {
    let last: Vec<u64> =
        part.start().iter().zip(part.shape()).map(|(start, length)| start + length.max(&1) - 1).collect();
    let first = to_usize(chunk.number(part.start()));
    first * itemsize..(to_usize(chunk.number(&last)) + 1) * itemsize
}

/// Splits `part` along its slowest dimensions where consecutive steps are `gap` bytes or more apart.
pub(crate) fn spans(part: &Subset, chunk: &Subset, itemsize: usize, gap: usize) -> impl Iterator<Item = Subset> {
    let (mut depth, mut shape) = (0, part.shape().to_vec());
    for dimension in 0..shape.len() {
        let length = std::mem::replace(&mut shape[dimension], 1);
        let one = Subset::new(part.start().to_vec(), shape.clone());
        let stride: u64 = chunk.shape()[dimension + 1..].iter().product();
        let between = to_usize(stride).saturating_mul(itemsize).saturating_sub(byte_range(&one, chunk, itemsize).len());
        if length > 1 && between < gap {
            shape[dimension] = length;
            break;
        }
        depth = dimension + 1;
    }
    let outer = Subset::new(part.start()[..depth].to_vec(), part.shape()[..depth].to_vec());
    let inner = part.start()[depth..].to_vec();
    (0..outer.elements()).map(move |number| Subset::new([outer.member(number), inner.clone()].concat(), shape.clone()))
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
