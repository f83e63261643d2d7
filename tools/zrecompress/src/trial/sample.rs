//! Samples a few stored chunks spread over an array, decoded up to the compressor's input.

use zarray::{Array, Chain, Grid, ZarrError, read_shard_index};
use zcodec::Workspace;
use zstore::{ByteRange, Store};
use zwire::Failure;

/// Decoded chunks. Large chunks are truncated, to bound the memory and the time of a trial.
#[derive(Debug, Default)]
pub struct Samples {
    /// The chunks, or the middle of each: the input for the compressors.
    pub chunks: Vec<Vec<u8>>,
    /// Decoded size of the complete chunks.
    pub decoded_bytes: u64,
    /// Stored size of the complete chunks.
    pub stored_bytes: u64,
    /// Estimated fraction of the array's chunks that are stored.
    pub present: f64,
}

/// Decodes up to `count` stored chunks of `array` (with sharding: inner chunks), and keeps up to `max_bytes` of each.
/// One complete chunk is held at a time.
///
/// # Errors
/// The store fails, or a chunk cannot be decoded. An array without stored chunks is not an error and gives no samples.
pub fn samples(store: &Store, array: &Array, count: usize, max_bytes: usize) -> Result<Samples, Failure> {
    let (stored, buffers, workspace) = (Vec::new(), Default::default(), Workspace::default());
    let samples = Samples::default();
    let mut sampler = Sampler { store, array, count, max_bytes, stored, buffers, workspace, samples };
    let sampled = zarray::sample(store, array, count as u64, |key| sampler.object(key))?;
    sampler.samples.present = sampled.found as f64 / sampled.tried.max(1) as f64;
    // Keys spread over the grid of a sparse array rarely exist.
    if let Some(listed) = sampled.listed {
        let keys = listed?.keys;
        let objects = array.grid.as_ref().map_or(1, Grid::len);
        sampler.samples.present = (keys.len() as f64 / objects as f64).min(1.0);
        spread(&keys, count).try_for_each(|key| sampler.object(&key).map(drop))?;
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
    /// Samples the object at `key` if it exists; returns the number of chunks. In a shard, samples inner chunks spread
    /// over it, as many as each shard has to contribute.
    fn object(&mut self, key: &str) -> Result<u64, Failure> {
        let Sampler { store, array, count, .. } = *self;
        let array = &*array.at_key(key);
        let Some(sharding) = array.chain.split_shards() else {
            let found = store.get(key, &mut self.stored)?.is_some();
            return if found { self.decode(&array.chain, store.place(key)).map(|()| 1) } else { Ok(0) };
        };
        let Some((index, _)) = read_shard_index(store, key, &sharding.index, &mut self.stored)? else { return Ok(0) };
        let objects = array.grid.as_ref().map_or(1, Grid::len);
        let share = (count as u64).div_ceil(objects.clamp(1, count as u64)) as usize;
        let present = index.0.iter().enumerate().filter_map(|(number, range)| Some((number, (*range)?)));
        let present: Vec<_> = present.collect();
        let chosen = spread(&present, share).take(count - self.samples.chunks.len());
        let mut taken = 0;
        for (number, (start, len)) in chosen {
            store.get_range(key, ByteRange::At { start, len }, &mut self.stored)?;
            self.decode(&sharding.inner, format!("{} inner chunk {number}", store.place(key)))?;
            taken += 1;
        }
        Ok(taken)
    }

    /// Decodes the chunk read last and keeps its middle: the edges of maps are often unlike the rest.
    fn decode(&mut self, chain: &Chain, place: String) -> Result<(), Failure> {
        let [decoded, spare] = &mut self.buffers;
        chain
            .decode_tail(&self.stored, decoded, spare, 1, &mut self.workspace)
            .map_err(|source| ZarrError::Chunk { place, source })?;
        let typesize = chain.typesize().max(1) as usize;
        let kept = decoded.len().min(self.max_bytes / typesize * typesize);
        let start = (decoded.len() - kept) / 2 / typesize * typesize;
        self.samples.chunks.push(decoded[start..start + kept].to_vec());
        self.samples.decoded_bytes += decoded.len() as u64;
        self.samples.stored_bytes += self.stored.len() as u64;
        Ok(())
    }
}

/// Up to `count` of `items`, each from the middle of one of `count` equal parts.
fn spread<T: Clone>(items: &[T], count: usize) -> impl Iterator<Item = T> {
    let count = count.min(items.len());
    (0..count).map(move |turn| items[items.len() * (2 * turn + 1) / (2 * count)].clone())
}
