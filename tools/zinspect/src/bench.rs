//! Measures decoding speed: several threads per chunk against several chunks in parallel.

use std::time::{Duration, Instant};

use zarray::{Array, Chain, Pool, ZarrError, read_shard_index};
use zcli::Stop;
use zcodec::Workspace;
use zstore::{ByteRange, Store};
use zwire::{BenchRecord, ChunkRecord, Failure, round3, three_digits};

/// Each measurement is the best round within this time.
const LONG_ENOUGH: Duration = Duration::from_millis(100);

/// Measures an array on its sampled chunks, with 1, 2, 4 … `cores` threads.
///
/// # Errors
/// Fails if a chunk cannot be read or decoded.
pub fn bench(
    store: &Store,
    array: &Array,
    chunks: &[ChunkRecord],
    cores: usize,
    stop: &Stop,
) -> Result<Vec<BenchRecord>, Failure> {
    // The chunks of a rectilinear grid differ; the first one stands for all.
    let array = &*array.at_key(chunks.first().map_or("", |chunk| &chunk.key));
    let chain = array.chain.split_shards().map_or(&*array.chain, |sharding| &sharding.inner);
    let mut stored = Vec::new();
    let alike = |chunk: &&ChunkRecord| chunk.uncompressed_bytes == chunks[0].uncompressed_bytes;
    for chunk in chunks.iter().filter(alike).take(cores) {
        stored.extend(read(store, array, chunk)?);
    }
    let Some(first) = stored.first() else { return Ok(Vec::new()) };
    let nbytes = decode(chain, first, 1, &mut Scratch::default())
        .map_err(|source| ZarrError::Chunk { place: store.place(&chunks[0].key), source })?;

    let mut records = Vec::new();
    let mut single = None;
    let counts = std::iter::successors(Some(1), |count| Some(count * 2)).take_while(|count| *count < cores);
    for threads in counts.chain([cores]) {
        if stop.requested().is_some() {
            break;
        }
        let inside = best(|| {
            let mut scratch = Scratch::default();
            let _ = decode(chain, first, threads, &mut scratch);
            move || drop(decode(chain, first, threads, &mut scratch))
        });
        let pool = Pool::new(threads);
        let across = best(|| {
            || {
                pool.broadcast(|worker| {
                    // New buffers each time, as in a reader that reuses none.
                    drop(decode(chain, &stored[worker % stored.len()], 1, &mut Scratch::default()));
                });
            }
        });
        for (mode, seconds, decoded) in [("inside", inside, 1), ("across", across, threads)] {
            let speed = (nbytes * decoded) as f64 / seconds / 1e9;
            let base = *single.get_or_insert(speed);
            records.push(BenchRecord {
                store: String::new(),
                path: array.path.clone(),
                mode: mode.to_owned(),
                threads: threads as u64,
                chunks: decoded as u64,
                gb_per_second: three_digits(speed),
                speedup: round3(speed / base),
                ..BenchRecord::default()
            });
        }
    }
    Ok(records)
}

#[derive(Default)]
struct Scratch {
    decoded: Vec<u8>,
    spare: Vec<u8>,
    workspace: Workspace,
}

fn decode(chain: &Chain, stored: &[u8], threads: usize, scratch: &mut Scratch) -> Result<usize, zcodec::CodecError> {
    let Scratch { decoded, spare, workspace } = scratch;
    chain.decode_tail(stored, decoded, spare, threads, workspace)?;
    Ok(decoded.len())
}

/// The shortest time of one call of the closure made by `prepare`.
fn best<F: FnMut()>(prepare: impl FnOnce() -> F) -> f64 {
    let mut work = prepare();
    let started = Instant::now();
    let mut best = f64::INFINITY;
    while started.elapsed() < LONG_ENOUGH {
        let begin = Instant::now();
        work();
        best = best.min(begin.elapsed().as_secs_f64());
    }
    best
}

/// The bytes of a sampled chunk or inner chunk.
fn read(store: &Store, array: &Array, chunk: &ChunkRecord) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Vec::new();
    let (Some(sharding), Some(number)) = (array.chain.split_shards(), chunk.inner_chunk) else {
        return Ok(store.get(&chunk.key, &mut bytes)?.map(|_| bytes));
    };
    let index = read_shard_index(store, &chunk.key, &sharding.index, &mut bytes)?;
    let Some((index, _)) = index else { return Ok(None) };
    let Some(Some((start, len))) = index.0.get(number as usize).copied() else { return Ok(None) };
    store.get_range(&chunk.key, ByteRange::At { start, len }, &mut bytes)?;
    Ok(Some(bytes))
}
