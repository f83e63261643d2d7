//! A few stored chunks of an array, decoded as far as the compressor goes, spread over the array.

use zarray::{Array, Chain, Grid, KeyKind, ShardIndex, Sharding, ZarrError};
use zcodec::{CodecError, Workspace};
use zstore::{ByteRange, Stat, Store, StoreError};
use zwire::Failure;

/// Keys that are tried before the store is asked for a list.
const PROBES: u64 = 16;

/// Listed keys that are looked through for chunks.
const LISTED: usize = 10_000;

/// Decoded chunks. A large chunk is cut to its beginning: what is held is bounded, and so is the time that a trial takes.
#[derive(Debug, Default)]
pub struct Samples {
    /// The chunks, or their beginnings: the bytes that a compressor is given.
    pub chunks: Vec<Vec<u8>>,
    /// Decoded bytes of the whole chunks.
    pub decoded_bytes: u64,
    /// Bytes that they have now, stored.
    pub stored_bytes: u64,
    /// Which part of the array's chunks seems to be there: of the stored objects that were looked for, those that were found.
    pub present: f64,
}

/// Decodes up to `count` stored chunks of `array` (with sharding: inner chunks), and keeps at most `most_bytes` of each. One
/// whole chunk is held at a time.
///
/// # Errors
/// The store's, or that of a chunk that does not decode. That there is none is not an error, and gives no samples.
pub fn samples(store: &Store, array: &Array, count: usize, most_bytes: usize) -> Result<Samples, Failure> {
    let Some(grid) = array.grid.as_ref().filter(|grid| !grid.is_empty()) else { return Ok(Samples::default()) };
    let mut sampler = Sampler { store, array, count, most_bytes, work: Work::default(), samples: Samples::default() };
    let (mut tried, mut found) = (0u64, 0u64);
    for number in grid.spread().take(count.saturating_add(PROBES as usize)) {
        let before = sampler.samples.chunks.len();
        sampler.object(&array.key(&array.keys.encode(&grid.index(number))))?;
        tried += 1;
        found += u64::from(sampler.samples.chunks.len() > before);
        if sampler.is_full() {
            break;
        }
    }
    sampler.samples.present = found as f64 / tried.max(1) as f64;
    if found == 0 {
        sampler.listed(grid)?;
    }
    Ok(sampler.samples)
}

struct Sampler<'a> {
    store: &'a Store,
    array: &'a Array,
    count: usize,
    most_bytes: usize,
    work: Work,
    samples: Samples,
}

#[derive(Default)]
struct Work {
    stored: Vec<u8>,
    decoded: Vec<u8>,
    spare: Vec<u8>,
    workspace: Workspace,
}

impl Sampler<'_> {
    fn is_full(&self) -> bool {
        self.samples.chunks.len() >= self.count
    }

    /// Takes the object called `key`, where there is one.
    fn object(&mut self, key: &str) -> Result<(), Failure> {
        match &self.array.chain.sharding {
            Some(sharding) => self.shard(sharding, key),
            None => match self.store.get(key, &mut self.work.stored)? {
                Some(_) => self.take(&self.array.chain, self.store.place(key)),
                None => Ok(()),
            },
        }
    }

    /// Takes as many inner chunks of a shard as are its share, from the middle of it.
    fn shard(&mut self, sharding: &Sharding, key: &str) -> Result<(), Failure> {
        let objects = self.array.grid.as_ref().map_or(1, Grid::len);
        let share = (self.count as u64).div_ceil(objects.clamp(1, self.count as u64)) as usize;
        let Some(index) = read_index(self.store, sharding, key, &mut self.work.stored)? else { return Ok(()) };
        let present: Vec<(usize, (u64, u64))> =
            index.0.iter().enumerate().filter_map(|(number, place)| Some((number, (*place)?))).collect();
        for turn in 0..share.min(present.len()) {
            if self.is_full() {
                break;
            }
            let (number, (start, len)) = present[present.len() * (2 * turn + 1) / (2 * share.min(present.len()))];
            self.store.get_range(key, ByteRange::At { start, len }, &mut self.work.stored)?;
            self.take(&sharding.inner, format!("{} inner chunk {number}", self.store.place(key)))?;
        }
        Ok(())
    }

    /// Decodes what was read and keeps the beginning of it.
    fn take(&mut self, chain: &Chain, place: String) -> Result<(), Failure> {
        let Work { stored, decoded, spare, workspace } = &mut self.work;
        chain
            .decode_tail(stored, decoded, spare, 1, workspace)
            .map_err(|source: CodecError| ZarrError::Chunk { place, source })?;
        let typesize = chain.typesize().max(1) as usize;
        let kept = decoded.len().min(self.most_bytes / typesize * typesize);
        self.samples.chunks.push(decoded[..kept].to_vec());
        self.samples.decoded_bytes += decoded.len() as u64;
        self.samples.stored_bytes += stored.len() as u64;
        Ok(())
    }

    /// Takes chunks from a list of what is stored: of a sparse array, probing finds none.
    fn listed(&mut self, grid: &Grid) -> Result<(), Failure> {
        let start = self.array.key("").len();
        let objects = match self.store.list(self.array.key_prefix()) {
            Ok(objects) => objects,
            Err(StoreError::NotListable { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut keys = Vec::new();
        for object in objects.take(LISTED) {
            let key = object?.key;
            match key.get(start..).map(|relative| self.array.keys.parse(relative, self.array.shape.len())) {
                Some(KeyKind::Chunk(index)) if grid.contains(&index) => keys.push(key),
                _ => {}
            }
        }
        keys.sort_unstable();
        let wanted = self.count.min(keys.len());
        for turn in 0..wanted {
            self.object(&keys[keys.len() * (2 * turn + 1) / (2 * wanted)])?;
        }
        self.samples.present = (keys.len() as f64 / grid.len() as f64).min(1.0);
        Ok(())
    }
}

/// The index of a shard. Nothing: there is no such shard.
fn read_index(
    store: &Store,
    sharding: &Sharding,
    key: &str,
    buffer: &mut Vec<u8>,
) -> Result<Option<ShardIndex>, Failure> {
    let layout = &sharding.index;
    let len = layout.len().unwrap_or(u64::MAX);
    let range = if layout.at_end { ByteRange::Last { len } } else { ByteRange::At { start: 0, len } };
    let Some(Stat { size, .. }) = store.get_range(key, range, buffer)? else { return Ok(None) };
    match ShardIndex::parse(layout, buffer, size) {
        Ok(index) => Ok(Some(index)),
        Err(source) => Err(ZarrError::Chunk { place: store.place(key), source }.into()),
    }
}
