//! Reads one chunk of an array: a stored object, or an inner chunk of a shard; decoded in full, or only what a
//! subset of it needs.
//!
//! Fetching and decoding are two steps, because one waits for a store and the other for a processor. Subsets are in *stored
//! order*: their dimensions are those of a decoded chunk, slowest first ([`Elements::order`]).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use zcodec::{CodecError, to_usize};
use zstore::{ByteRange, Stat, Store};

use crate::chain::{DecodeScratch, Sharding, most_encoded};
use crate::decoder::Decoder;
use crate::elements::{Elements, Itemsize};
use crate::error::ZarrError;
use crate::grid::Grid;
use crate::metadata::Array;
use crate::shard::{IndexLayout, StoredIndex, find_shard_index};
use crate::subset::Subset;

/// Shapes of chunks whose decoder is kept.
const SHAPES: usize = 256;

/// Cache size for shard indexes, in bytes; at least two are kept.
const INDEX_CACHE: u64 = 16 << 20;

/// The index of a shard; `None` if the shard is missing.
type KeptIndex = Arc<Option<StoredIndex>>;

/// Reads the chunks of one array. Cheap to share between threads.
pub struct ChunkReader<'a> {
    store: &'a Store,
    array: &'a Array,
    /// Of a regular grid, of every chunk; else of the largest.
    decoder: Arc<Decoder>,
    /// Of a rectilinear grid, by the shape of the chunk.
    shapes: Mutex<HashMap<Vec<u64>, Arc<Decoder>>>,
    grid: Grid,
    /// The shards, if their inner chunks are read one by one.
    sharding: Option<Sharding>,
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
        let (decoder, shown) = Decoder::new(array)?;
        let grid = shown.chunk_grid().ok_or("the chunk grid is not known")?.into_owned();
        let sharding = shown.chain.split_shards().cloned();
        let (decoder, indexes) = (Arc::new(decoder), Mutex::default());
        Ok(ChunkReader { store, array, decoder, shapes: Mutex::default(), grid, sharding, indexes, limit: None })
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
        self.decoder.is_frame()
    }

    /// Whether a stored chunk is the decoded one.
    pub(crate) fn is_plain(&self) -> bool {
        self.decoder.is_plain()
    }

    /// How many times a chunk is in memory, in one form or another, while it is decoded.
    pub(crate) fn copies(&self) -> u64 {
        self.decoder.copies()
    }

    /// How decoded chunks hold their elements.
    pub fn elements(&self) -> &Elements {
        &self.decoder.elements
    }

    /// The grid of chunks (with sharding: of inner chunks).
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Chunk `index` in full, in stored order, from the origin.
    pub fn chunk(&self, index: &[u64]) -> Subset {
        Subset::whole(self.grid.chunk(index).shape()).permuted(&self.elements().order)
    }

    /// Bytes of chunk `index`, decoded; estimated where elements have no fixed size.
    pub(crate) fn bytes_of(&self, index: &[u64]) -> u64 {
        let size = self.decoder.chunk_bytes() / self.decoder.chunk.elements().max(1);
        self.grid.chunk(index).elements().saturating_mul(size)
    }

    /// Bytes of a decoded chunk, of a rectilinear grid of the largest; estimated where elements have no fixed size.
    pub fn chunk_bytes(&self) -> u64 {
        self.decoder.chunk_bytes()
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
        let (sharding, shards) = (self.sharding.as_ref()?, self.array.grid.as_ref()?);
        let (mut shard, mut inner) = (Vec::with_capacity(index.len()), 0);
        for (dimension, (chunk, length)) in index.iter().zip(&sharding.chunk_shape).enumerate() {
            let element = chunk * length;
            shard.push(shards.chunk_of(dimension, element));
            let (start, extent) = shards.extent(dimension, shard[dimension]);
            inner = inner * (extent / length) + (element - start) / length;
        }
        Some((shard, inner))
    }

    /// How shard `index` stores its index.
    fn layout(&self, index: &[u64]) -> Option<IndexLayout> {
        let sharding = self.sharding.as_ref()?;
        let shard = self.array.grid.as_ref()?.chunk(index);
        let chunks = shard.shape().iter().zip(&sharding.chunk_shape).map(|(shard, chunk)| shard / chunk).product();
        Some(IndexLayout { chunks, ..sharding.index })
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
        let (most, damaged) = (self.most_stored(), |source| ZarrError::Chunk { place: self.place(index), source });
        let Some(len) = place.len else {
            let stat = self.store.get_up_to(&place.key, most, stored)?;
            stat.map_or(Ok(()), |stat| self.check_stored(stat.size)).map_err(damaged)?;
            // If the object is missing, the buffer still holds old data.
            let bytes = if stat.is_some() { stored.len() as u64 } else { 0 };
            return Ok(Attempt::Done(Fetched { stat, present: stat.is_some(), bytes }));
        };
        self.check_stored(len).map_err(damaged)?;
        let stat = self.store.get_range(&place.key, ByteRange::At { start: place.start, len }, stored)?;
        if !stat.is_some_and(|stat| place.is_of(stat)) {
            return Ok(Attempt::Replaced);
        }
        if stored.len() as u64 != len {
            return Err(damaged(CodecError::Short { format: "inner chunk", needed: len, found: stored.len() as u64 }));
        }
        Ok(Attempt::Done(Fetched { stat, present: true, bytes: len }))
    }

    /// The most bytes that a stored chunk is read of: no codec makes more of the elements, and no more fit the memory.
    fn most_stored(&self) -> u64 {
        self.most_made().min(self.limit.unwrap_or(u64::MAX))
    }

    /// The most bytes that the codecs make of a chunk.
    fn most_made(&self) -> u64 {
        match self.elements().itemsize {
            // The codecs of the fall-back may make larger elements, by up to eight times.
            Itemsize::Fixed(_) => most_encoded(to_usize(self.chunk_bytes().saturating_mul(8))),
            Itemsize::Variable => u64::MAX,
        }
    }

    /// Checks that a stored chunk of `size` bytes can be read.
    ///
    /// # Errors
    /// [`CodecError::Invalid`] where no codec makes so many bytes, [`CodecError::Memory`] where they do not fit the memory.
    pub fn check_stored(&self, size: u64) -> Result<(), CodecError> {
        if size > self.most_made() {
            let detail = format!("{size} bytes are more than any codec makes");
            return Err(CodecError::Invalid { format: "chunk", detail });
        }
        match self.limit.filter(|limit| size > *limit) {
            Some(limit) => Err(CodecError::Memory { limit }),
            None => Ok(()),
        }
    }

    /// The error of chunk `index`: where it does not fit the memory, with the memory that it needs.
    pub fn failure(&self, index: &[u64], source: CodecError) -> ZarrError {
        let CodecError::Memory { limit } = source else { return ZarrError::Chunk { place: self.place(index), source } };
        let stated = self.decoder(index).ok().and_then(|decoder| decoder.stated_bytes());
        let needed = match stated.filter(|bytes| *bytes > limit) {
            Some(bytes) => zwire::human_bytes(bytes),
            None => "more".to_owned(),
        };
        let detail =
            format!("decoding this chunk needs {needed} of memory; the limit is {}", zwire::human_bytes(limit));
        ZarrError::TooLarge { place: self.place(index), detail }
    }

    /// An error of a decoder: a chunk that decodes to more than the metadata says is damaged, whatever the memory.
    fn judged(&self, decoder: &Decoder, error: CodecError) -> CodecError {
        match (error, self.limit, decoder.stated_bytes()) {
            (CodecError::Memory { limit }, Some(most), Some(expected)) if expected <= most => {
                CodecError::Oversized { expected, limit }
            }
            (error, ..) => error,
        }
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
        let shard = self.shard_of(index);
        self.check_fetched(shard.as_ref().map_or(index, |(shard, _)| shard), &key)?;
        let Some((shard, inner)) = shard else {
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

    /// Of a store of which only some objects were fetched, the others are not missing, but unknown.
    fn check_fetched(&self, object: &[u64], key: &str) -> Result<(), ZarrError> {
        match &self.array.fetched {
            Some(fetched) if !fetched.contains(object) => Err(ZarrError::NotFetched { place: self.store.place(key) }),
            _ => Ok(()),
        }
    }

    /// The index of a shard: one that is kept, or read now.
    fn shard(&self, index: Vec<u64>, key: &str, buffer: &mut Vec<u8>) -> Result<KeptIndex, ZarrError> {
        if let Some(shard) = self.kept(&index) {
            return Ok(shard);
        }
        let layout = self.layout(&index);
        let bytes = layout.map_or(0, |layout| layout.chunks.saturating_mul(INDEX_ENTRY));
        if let Some(limit) = self.limit.filter(|limit| bytes > *limit) {
            return Err(ZarrError::Chunk { place: self.store.place(key), source: CodecError::Memory { limit } });
        }
        let shard = layout.map(|layout| find_shard_index(self.store, key, &layout, buffer)).transpose()?.flatten();
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

    /// How chunk `index` is decoded.
    pub(crate) fn decoder(&self, index: &[u64]) -> Result<Arc<Decoder>, CodecError> {
        if self.grid.is_regular() {
            return Ok(Arc::clone(&self.decoder));
        }
        let shape = self.grid.chunk(index).shape().to_vec();
        if let Some(known) = self.shapes.lock().get(&shape) {
            return Ok(Arc::clone(known));
        }
        let unfit = |detail| CodecError::Invalid { format: "chunk", detail };
        let array = self.array.with_chunks(&shape).ok_or_else(|| unfit(format!("no codecs for shape {shape:?}")))?;
        let decoder = Arc::new(Decoder::new(&array).map_err(unfit)?.0);
        let mut shapes = self.shapes.lock();
        if shapes.len() < SHAPES {
            shapes.insert(shape, Arc::clone(&decoder));
        }
        Ok(decoder)
    }

    /// Decodes chunk `index` in full into `scratch.decoded`, with `threads` threads on Blosc blocks.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(
        &self,
        index: &[u64],
        stored: &[u8],
        threads: usize,
        scratch: &mut DecodeScratch,
    ) -> Result<(), CodecError> {
        scratch.workspace.limit = self.limit.or(scratch.workspace.limit);
        let decoder = self.decoder(index)?;
        decoder.decode(stored, threads, scratch).map_err(|error| self.judged(&decoder, error))
    }

    /// As [`ChunkReader::decode`], in pieces of about `piece` bytes, with which `visit` is called in order. Only a Blosc frame has
    /// several; they consist of whole elements.
    ///
    /// # Errors
    /// What is wrong with the bytes, of which some were visited before.
    pub fn decode_pieces(
        &self,
        index: &[u64],
        stored: &[u8],
        piece: usize,
        scratch: &mut DecodeScratch,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<(), CodecError> {
        scratch.workspace.limit = self.limit.or(scratch.workspace.limit);
        let decoder = self.decoder(index)?;
        decoder.decode_pieces(stored, piece, scratch, visit).map_err(|error| self.judged(&decoder, error))
    }

    /// Decodes what `part` of chunk `index` (in stored order, from the chunk's origin) needs, and copies it to `target`, which
    /// is as long as the part. Returns the bytes decoded. Elements must have a fixed size.
    ///
    /// Of a plain Blosc chunk, only the blocks that overlap the part are decoded.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode_subset(
        &self,
        index: &[u64],
        stored: &[u8],
        part: &Subset,
        target: &mut [u8],
        threads: usize,
        scratch: &mut DecodeScratch,
    ) -> Result<u64, CodecError> {
        scratch.workspace.limit = self.limit.or(scratch.workspace.limit);
        let decoder = self.decoder(index)?;
        let done = decoder.decode_subset(stored, part, target, threads, scratch);
        done.map_err(|error| self.judged(&decoder, error))
    }
}

/// Bytes of an index entry in memory.
const INDEX_ENTRY: u64 = size_of::<Option<(u64, u64)>>() as u64;

/// How many shard indexes are kept.
fn kept_indexes(array: &Array) -> usize {
    let chunks = array.chain.sharding.as_ref().map_or(1, |sharding| sharding.index.chunks.max(1));
    to_usize((INDEX_CACHE / (chunks * INDEX_ENTRY)).clamp(2, 4096))
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
