//! A few stored chunks of an array, spread over it, decoded as far as its compressor.

use zarray::{Array, Chain, Grid, KeyKind, ShardIndex, Sharding, ZarrError};
use zcodec::Workspace;
use zstore::{ByteRange, Store, StoreError};
use zwire::Failure;

/// Keys that are tried before the store is asked for a list.
const PROBES: usize = 16;

/// Listed keys that are searched for chunks.
const LISTED: usize = 10_000;

/// Decoded chunks. A large chunk is cut: what is held is bounded, and so is the time that a trial takes.
#[derive(Debug, Default)]
pub struct Samples {
    /// The chunks, or their beginnings: the bytes that a compressor is given.
    pub chunks: Vec<Vec<u8>>,
    /// Decoded bytes of the whole chunks.
    pub decoded_bytes: u64,
    /// Stored bytes of the whole chunks.
    pub stored_bytes: u64,
    /// The estimated share of the array's chunks that are stored.
    pub present: f64,
}

/// Decodes up to `count` stored chunks of `array` (with sharding: inner chunks), and keeps at most `max_bytes` of each. One
/// whole chunk is held at a time.
///
/// # Errors
/// The store fails, or a chunk cannot be decoded. An array without chunks is not an error, and gives no samples.
pub fn samples(store: &Store, array: &Array, count: usize, max_bytes: usize) -> Result<Samples, Failure> {
    let Some(grid) = array.grid.as_ref().filter(|grid| !grid.is_empty()) else { return Ok(Samples::default()) };
    let mut sampler = Sampler {
        store,
        array,
        count,
        max_bytes,
        stored: Vec::new(),
        buffers: Default::default(),
        workspace: Workspace::default(),
        samples: Samples::default(),
    };
    let (mut tried, mut found) = (0u64, 0u64);
    for number in grid.spread().take(count.saturating_add(PROBES)) {
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
    max_bytes: usize,
    stored: Vec<u8>,
    buffers: [Vec<u8>; 2],
    workspace: Workspace,
    samples: Samples,
}

impl Sampler<'_> {
    fn is_full(&self) -> bool {
        self.samples.chunks.len() >= self.count
    }

    /// Samples the object at `key` if it exists.
    fn object(&mut self, key: &str) -> Result<(), Failure> {
        match &self.array.chain.sharding {
            Some(sharding) => self.shard(sharding, key),
            None => match self.store.get(key, &mut self.stored)? {
                Some(_) => self.decode(&self.array.chain, self.store.place(key)),
                None => Ok(()),
            },
        }
    }

    /// Samples inner chunks of a shard, spread over it: as many as it takes from each to get all.
    fn shard(&mut self, sharding: &Sharding, key: &str) -> Result<(), Failure> {
        let objects = self.array.grid.as_ref().map_or(1, Grid::len);
        let share = (self.count as u64).div_ceil(objects.clamp(1, self.count as u64)) as usize;
        let layout = &sharding.index;
        let len = layout.len().unwrap_or(u64::MAX);
        let range = if layout.at_end { ByteRange::Last { len } } else { ByteRange::At { start: 0, len } };
        let Some(stat) = self.store.get_range(key, range, &mut self.stored)? else { return Ok(()) };
        let index = ShardIndex::parse(layout, &self.stored, stat.size)
            .map_err(|source| ZarrError::Chunk { place: self.store.place(key), source })?;
        let present = index.0.iter().enumerate().filter_map(|(number, range)| Some((number, (*range)?)));
        for (number, (start, len)) in spread(&present.collect::<Vec<_>>(), share) {
            if self.is_full() {
                break;
            }
            self.store.get_range(key, ByteRange::At { start, len }, &mut self.stored)?;
            self.decode(&sharding.inner, format!("{} inner chunk {number}", self.store.place(key)))?;
        }
        Ok(())
    }

    /// Decodes what was read and keeps the beginning of it.
    fn decode(&mut self, chain: &Chain, place: String) -> Result<(), Failure> {
        let [decoded, spare] = &mut self.buffers;
        chain
            .decode_tail(&self.stored, decoded, spare, 1, &mut self.workspace)
            .map_err(|source| ZarrError::Chunk { place, source })?;
        let typesize = chain.typesize().max(1) as usize;
        let kept = decoded.len().min(self.max_bytes / typesize * typesize);
        self.samples.chunks.push(decoded[..kept].to_vec());
        self.samples.decoded_bytes += decoded.len() as u64;
        self.samples.stored_bytes += self.stored.len() as u64;
        Ok(())
    }

    /// Samples chunks from a list of what is stored: probing finds none in a sparse array.
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
            let kind = key.get(start..).map(|relative| self.array.keys.parse(relative, self.array.shape.len()));
            if matches!(kind, Some(KeyKind::Chunk(index)) if grid.contains(&index)) {
                keys.push(key);
            }
        }
        keys.sort_unstable();
        self.samples.present = (keys.len() as f64 / grid.len() as f64).min(1.0);
        spread(&keys, self.count).try_for_each(|key| self.object(&key))
    }
}

/// Up to `count` of `items`, from the middle of as many equal parts.
fn spread<T: Clone>(items: &[T], count: usize) -> impl Iterator<Item = T> {
    let count = count.min(items.len());
    (0..count).map(move |turn| items[items.len() * (2 * turn + 1) / (2 * count)].clone())
}
