//! The key of a chunk, sharded or not.

use zarray::{Array, Grid};

/// The key of the object that holds chunk `index` of the grid of chunks, and the number of the chunk in it where it is a shard.
pub fn key_of(array: &Array, chunks: &Grid, index: &[u64]) -> (String, Option<u64>) {
    let shards = array.chain.split_shards().zip(array.numbered());
    let Some((_, shards)) = shards else { return (array.key(&array.keys.encode(index)), None) };
    let (mut shard, mut inner) = (Vec::with_capacity(index.len()), 0);
    for (dimension, chunk) in index.iter().enumerate() {
        let (element, length) = chunks.extent(dimension, *chunk);
        let object = shards.chunk_of(dimension, element);
        let (start, extent) = shards.extent(dimension, object);
        inner = inner * (extent / length.max(1)) + (element - start) / length.max(1);
        shard.push(object);
    }
    (array.key(&array.keys.encode(&shard)), Some(inner))
}
