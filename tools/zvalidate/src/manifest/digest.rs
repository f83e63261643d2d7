//! Hashes one stored object: its bytes, and the values in it.

use ring::digest::{Context, SHA256};
use zarray::{Array, Itemsize, Pool, Subset, ZarrError, read_region};
use zstore::{ByteRange, Store};

use crate::manifest::hash::{ValueHash, text};
use crate::manifest::line::ObjectLine;
use crate::side::Side;
use zvalue::{PartBuffers, Parts};

/// Bytes that are read at once.
const PIECE: u64 = 4 << 20;

/// Hashes the objects of an array.
pub struct Digester<'a> {
    store: &'a Store,
    array: &'a Array,
    /// How values are decoded and hashed; `None` if that is not possible.
    values: Option<(Parts<'a>, ValueHash)>,
    limit: u64,
}

/// Buffers of a worker.
#[derive(Default)]
pub struct DigestBuffers {
    part: PartBuffers,
    /// Stored bytes, or elements.
    pub bytes: Vec<u8>,
}

/// A hashed object.
pub struct Digested {
    /// Its line in a manifest.
    pub line: ObjectLine,
    /// The hash of its values.
    pub sum: Option<u128>,
    /// Why its values could not be decoded: it is damaged, or there is no memory for it.
    pub undecoded: Option<ZarrError>,
}

impl<'a> Digester<'a> {
    /// Hashes the objects of `array`; a chunk may take `limit` bytes of memory.
    pub fn new(side: &'a Side, array: &'a Array, limit: u64) -> Digester<'a> {
        let values = Parts::new(&side.store, array, limit).ok().and_then(|parts| {
            let fill = parts.fill(&vec![0; array.shape.len()]).ok()?.to_vec();
            let hash = ValueHash::new(parts.value.class, parts.value.size, &parts.value.values(&fill));
            Some((parts, hash))
        });
        Digester { store: &side.store, array, values, limit }
    }

    /// Whether values can be decoded and hashed.
    pub fn hashes_values(&self) -> bool {
        self.values.is_some()
    }

    /// Bytes of memory that an object takes.
    pub fn cost(&self) -> u64 {
        let chunk = self.values.as_ref().map_or(0, |(parts, _)| parts.reader.chunk_bytes().saturating_mul(3));
        chunk.saturating_add(PIECE)
    }

    /// The key of an object of the array.
    pub fn key(&self, index: &[u64]) -> String {
        self.array.key(&self.array.keys.encode(index))
    }

    /// Hashes object `index`; `None` if it is missing.
    ///
    /// # Errors
    /// The store's.
    pub fn object(&self, index: &[u64], buffers: &mut DigestBuffers) -> Result<Option<Digested>, ZarrError> {
        let Some(line) = stored(self.store, self.key(index), &mut buffers.bytes)? else { return Ok(None) };
        let mut found = Digested { line, sum: None, undecoded: None };
        match self.sum(index, buffers) {
            Ok(sum) => found.sum = sum,
            Err(error @ (ZarrError::Chunk { .. } | ZarrError::TooLarge { .. })) => found.undecoded = Some(error),
            Err(error) => return Err(error),
        }
        found.line.values = found.sum.map(text);
        Ok(Some(found))
    }

    /// The hash of the values of object `index`; `None` if they cannot be decoded by anybody.
    ///
    /// # Errors
    /// A chunk is damaged; the store's.
    pub fn sum(&self, index: &[u64], buffers: &mut DigestBuffers) -> Result<Option<u128>, ZarrError> {
        let (Some((parts, hash)), Some(objects)) = (&self.values, self.array.numbered()) else { return Ok(None) };
        let whole = Subset::whole(&self.array.shape);
        let Some(elements) = objects.chunk(index).intersection(&whole) else { return Ok(Some(0)) };
        let chunks = parts.reader.grid().touched(&elements);
        let mut sum = 0u128;
        for chunk in (0..chunks.elements()).map(|member| chunks.member(member)) {
            if !parts.fetch(&chunk, &mut buffers.part)? {
                continue;
            }
            let part = parts.inside(&chunk);
            let more = match parts.reader.elements().itemsize {
                Itemsize::Fixed(_) => {
                    parts.part(&chunk, &part, &mut buffers.part, &mut buffers.bytes)?;
                    hash.part(&self.array.shape, &part, &parts.value.values(&buffers.bytes))
                }
                Itemsize::Variable => match read_region(self.store, self.array, &part, &Pool::new(1), self.limit)? {
                    zarray::ArrayValues::Variable(texts) => hash.texts(&self.array.shape, &part, &texts),
                    zarray::ArrayValues::Fixed { .. } => 0,
                },
            };
            sum = sum.wrapping_add(more);
        }
        Ok(Some(sum))
    }
}

/// The line of the object at `key`, without its values; `None` if it is missing. It is read piece by piece.
///
/// # Errors
/// The store's.
pub fn stored(store: &Store, key: String, buffer: &mut Vec<u8>) -> Result<Option<ObjectLine>, ZarrError> {
    let mut context = Context::new(&SHA256);
    let mut size = 0;
    loop {
        let range = ByteRange::At { start: size, len: PIECE };
        let Some(stat) = store.get_range(&key, range, buffer)? else { return Ok(None) };
        context.update(buffer);
        size += buffer.len() as u64;
        if size >= stat.size || buffer.is_empty() {
            break;
        }
    }
    let hex = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(ObjectLine { key, size, sha256: hex, values: None }))
}
