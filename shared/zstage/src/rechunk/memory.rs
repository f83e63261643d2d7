//! Estimates the memory and time of a run.

use zarray::{Array, Chain, ChunkReader, Elements, IndexLayout};
use zcodec::{Codec, predict_blocksize};

use super::layout::Layout;
use super::search::Shape;

/// The process itself: code, tables, stacks, and allocator overhead.
const PROCESS: u64 = 20 << 20;

/// Per thread: stack, allocator arena, compressor contexts.
const THREAD: u64 = 2 << 20;

/// Bytes per inner chunk in the index of an open shard: in memory, and encoded.
const INDEX_ENTRY: f64 = 40.0;

/// Compression ratio assumed if unknown: stored bytes per decoded byte.
pub const ASSUMED_RATIO: f64 = 0.5;

/// Approximate bytes per second of one core; only their ratios matter.
const DECODE_BLOSC: f64 = 1.5e9;
const DECODE_STREAM: f64 = 0.4e9;
const ENCODE: f64 = 0.25e9;

/// Bytes per second and seconds to the first byte, of a local disk and of an object store.
const LOCAL: (f64, f64) = (1.5e9, 50e-6);
const REMOTE: (f64, f64) = (0.3e9, 0.08);

/// Bytes per second that all readers together get from a local disk and from an object store.
const LOCAL_SHARED: f64 = 3e9;
const REMOTE_SHARED: f64 = 1.2e9;

/// Bytes per second to write a scratch file, and to read it back.
const SCRATCH: (f64, f64) = (0.6e9, 1.5e9);

/// Encoded inner chunks of a shard that may be buffered out of order, so that fast workers need not wait for slow ones.
/// Small in tests, so that some workers do wait.
pub const EARLY_BYTES: u64 = if cfg!(test) { 200 } else { 2 << 20 };

/// Resources available to a run.
#[derive(Debug, Clone, Copy)]
pub struct Resources {
    /// Memory budget in bytes.
    pub budget: u64,
    /// Chunks processed in parallel.
    pub workers: usize,
    /// Reads in parallel.
    pub readers: usize,
    /// Regions in parallel; with two, one is read while the other is written.
    pub in_flight: usize,
    /// Disk space for a scratch file; 0 if there is to be none.
    pub scratch_bytes: u64,
}

/// Properties that are not in the metadata and are measured or assumed by the caller.
#[derive(Debug, Clone, Copy, Default)]
pub struct Assumptions {
    /// Whether reads cross a network.
    pub remote: bool,
    /// The largest stored chunk (with sharding: inner chunk), or `None` if unknown.
    pub stored_chunk_bytes: Option<u64>,
    /// The mean stored chunk, or `None` if unknown.
    pub mean_chunk_bytes: Option<u64>,
    /// Mean size of a variable-length element in bytes.
    pub element_bytes: u64,
    /// Memory kept by the encoder, per worker.
    pub encoder_bytes: u64,
    /// Memory kept by the sink per open object.
    pub sink_bytes: u64,
    /// Whether every encoded chunk is decoded again for verification.
    pub verify: bool,
}

/// Cost model of rechunking one array.
#[derive(Debug, Clone)]
pub struct Model {
    pub assumptions: Assumptions,
    /// Bytes per element in the region buffer.
    itemsize: f64,
    /// Additional bytes per element outside the region buffer: the contents of variable-length elements.
    outside: f64,
    /// Decoded size of a source chunk and of an output chunk.
    source: f64,
    output: f64,
    /// Size of the largest stored source chunk.
    stored: f64,
    /// Size of a Blosc block, if blocks can be decoded individually.
    block: Option<f64>,
    /// Shard indexes: those cached by the reader and those of open shards.
    indexes: f64,
    /// Whether decoding a whole chunk needs a second buffer.
    two_steps: bool,
    decode_rate: f64,
    pub threads: Threads,
}

/// Initial buffer capacities, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Buffers {
    /// Per worker: a decoded chunk.
    pub decoded: usize,
    /// Per worker: an encoded chunk.
    pub encoded: usize,
    /// Per worker: a chunk decoded again for verification.
    pub again: usize,
    /// Per reader: a stored chunk.
    pub stored: usize,
}

/// Thread counts of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    pub workers: usize,
    pub loaders: usize,
    pub in_flight: usize,
}

impl Model {
    /// `itemsize` is `None` for variable-length elements.
    pub fn new(
        array: &Array,
        layout: &Layout,
        itemsize: Option<usize>,
        assumptions: Assumptions,
        threads: Threads,
    ) -> Model {
        let chain = array.chain.innermost();
        // What is decoded in several steps is decoded in full.
        let one_step = Elements::of(array).is_ok();
        let elements = |shape: &[u64]| shape.iter().map(|length| *length as f64).product::<f64>();
        let size = itemsize.map_or(assumptions.element_bytes as f64 + 4.0, |size| size as f64);
        let source = elements(array.chunk_shape().unwrap_or_default()) * size;
        let stored = assumptions.stored_chunk_bytes.map_or(source * 1.01 + 1024.0, |bytes| bytes as f64);
        let output = elements(&layout.chunks) * size;
        let open = |index: &IndexLayout| {
            (index.chunks as f64 * INDEX_ENTRY + EARLY_BYTES as f64) * shards_at_once(threads, index.chunks) as f64
        };
        let written = layout.shards.as_ref().map_or(0.0, |(_, index)| open(index));
        Model {
            assumptions,
            indexes: ChunkReader::cache_bytes(array) as f64 + written,
            // A variable-length element is an 8-byte reference plus its contents.
            itemsize: itemsize.map_or(8.0, |size| size as f64),
            outside: if itemsize.is_some() { 0.0 } else { size },
            source,
            output,
            stored,
            block: itemsize.filter(|_| one_step).and_then(|_| block_bytes(chain)),
            two_steps: chain.tail.len() > 1 || !one_step,
            decode_rate: if chain.compressor().is_some_and(Codec::is_single_stream) {
                DECODE_STREAM
            } else {
                DECODE_BLOSC
            },
            threads,
        }
    }

    /// Elements decoded twice if a region boundary cuts a source chunk, along a dimension with `row` elements per step.
    pub fn overlap(&self, source: u64, row: f64) -> f64 {
        match self.block {
            Some(block) => (block / (row * self.itemsize)).min(source as f64),
            None => source as f64,
        }
    }

    /// Peak memory in bytes for regions of `shape`, where the largest part of a source chunk spans `part` elements.
    pub fn peak(&self, shape: &Shape, part: f64) -> u64 {
        let slot = if self.outside > 0.0 { 33.0 } else { 1.0 };
        let region = shape.elements * (self.itemsize + self.outside) + (shape.sources + 1.0) * slot;
        let Threads { workers, loaders, in_flight } = self.threads;
        // A thread is only busy if there is a chunk for it.
        let busy = |threads: usize, tasks: f64| (threads as f64).min(in_flight as f64 * tasks.max(1.0).ceil());
        // Threads that encode one chunk together have buffers for blocks of their own: no more than the chunk.
        let together = if shape.chunks < workers as f64 { shape.chunks * self.output } else { 0.0 };
        let total = PROCESS as f64
            + in_flight as f64 * (region + together)
            + busy(loaders, shape.sources) * self.reader_bytes(part)
            + busy(workers, shape.sources.max(shape.chunks)) * self.worker_bytes(part)
            + loaders as f64 * THREAD as f64 / 4.0
            + workers as f64 * (THREAD + self.assumptions.encoder_bytes) as f64
            + (workers * in_flight) as f64 * self.assumptions.sink_bytes as f64
            + self.indexes;
        // Page tables, and rounding up to whole pages.
        (total * 1.004) as u64
    }

    /// Buffers of one reader: a stored chunk, plus a byte range if chunks are read in ranges.
    fn reader_bytes(&self, part: f64) -> f64 {
        let piece = (part * self.itemsize).min(self.source) / self.source.max(1.0) * self.stored;
        self.stored + if self.reads_pieces() && piece < self.stored { piece } else { 0.0 }
    }

    /// Whether a part of a chunk can be read without reading the whole chunk.
    fn reads_pieces(&self) -> bool {
        self.block.is_some_and(|block| block > 1.0)
    }

    /// Buffers of one worker; decoding and encoding share them.
    fn worker_bytes(&self, part: f64) -> f64 {
        let buffers = self.buffers(part);
        let references = if self.outside > 0.0 { self.source.max(self.output) } else { 0.0 };
        (buffers.decoded + buffers.encoded + buffers.again) as f64 + references
    }

    /// Buffer sizes per worker and per reader, if the largest part of a source chunk spans `part` elements.
    pub fn buffers(&self, part: f64) -> Buffers {
        let span = part * self.itemsize;
        let decoding = match self.block {
            Some(block) if span < self.source => (span + 2.0 * block).min(self.source),
            _ => self.source,
        };
        let between = if self.two_steps { self.source } else { 0.0 };
        Buffers {
            decoded: decoding.max(self.output) as usize,
            encoded: (self.output * 1.02 + 4096.0).max(between) as usize,
            again: if self.assumptions.verify { self.output as usize } else { 0 },
            stored: self.stored as usize,
        }
    }

    /// Approximate seconds to read, decode and encode.
    pub fn seconds(&self, shape: &Shape, array_bytes: f64) -> f64 {
        let Threads { workers, loaders, .. } = self.threads;
        let (workers, loaders) = (workers as f64, loaders as f64);
        let shared = |tasks: f64, threads: f64| threads.min(tasks.max(1.0));
        // The last tasks of a phase leave on average half of the threads idle for half a task.
        let rest = |tasks: f64| 1.0 + workers / (4.0 * tasks.max(1.0));
        let reading = self.read_seconds(shape) / shared(shape.sources, loaders);
        let decoding = shape.decoded * self.itemsize / self.decode_rate / shared(shape.sources, workers);
        let encoding = array_bytes / ENCODE / shared(shape.chunks, workers);
        (reading + decoding) * rest(shape.sources) + encoding * rest(shape.chunks)
    }

    /// Seconds to read and decode, divided by the threads: the part of the cost that depends on the region shape.
    pub fn weight(&self, shape: &Shape) -> f64 {
        let Threads { workers, loaders, .. } = self.threads;
        let decoding = shape.decoded * self.itemsize / self.decode_rate / workers as f64;
        decoding + self.read_seconds(shape) / loaders as f64
    }

    /// [`Model::weight`], limited by what all readers together get from the disk or the object store.
    pub fn pass_seconds(&self, shape: &Shape) -> f64 {
        let shared = if self.assumptions.remote { REMOTE_SHARED } else { LOCAL_SHARED };
        self.weight(shape).max(self.read_bytes(shape) / shared)
    }

    /// Seconds to write `bytes` to a scratch file and to read them back.
    pub fn scratch_seconds(&self, bytes: f64) -> f64 {
        bytes / SCRATCH.0 + bytes / SCRATCH.1
    }

    /// Peak memory in bytes of a first pass, in which every worker holds a whole source chunk, decoded and in parts.
    pub fn first_pass_bytes(&self) -> u64 {
        let steps = if self.two_steps { 3.0 } else { 2.0 };
        let worker = steps * self.source + THREAD as f64;
        let total = PROCESS as f64
            + self.threads.loaders as f64 * (self.stored + THREAD as f64 / 4.0)
            + self.threads.workers as f64 * worker
            + self.indexes;
        total as u64
    }

    /// Bytes per element in the region buffer.
    pub fn itemsize(&self) -> f64 {
        self.itemsize
    }

    fn read_seconds(&self, shape: &Shape) -> f64 {
        let (rate, latency) = if self.assumptions.remote { REMOTE } else { LOCAL };
        shape.reads * latency + self.read_bytes(shape) / rate
    }

    /// Stored bytes read in the whole run. Uses `ASSUMED_RATIO` if the mean chunk size is unknown.
    pub fn read_bytes(&self, shape: &Shape) -> f64 {
        let share =
            self.assumptions.mean_chunk_bytes.map_or(ASSUMED_RATIO, |bytes| bytes as f64 / self.source.max(1.0));
        match self.reads_pieces() {
            // Only the byte ranges that are decoded are read.
            true => share * shape.decoded * self.itemsize,
            false => share * shape.reads * self.source,
        }
    }

    /// Maximum bytes of stored chunks that wait for a worker.
    pub fn waiting(&self) -> f64 {
        self.threads.loaders as f64 * self.stored
    }
}

/// How many shards of `chunks` inner chunks are open at once: enough to give every worker an inner chunk without all of
/// them appending to the same shard.
pub fn shards_at_once(threads: Threads, chunks: u64) -> u64 {
    let workers = threads.workers as u64;
    workers.div_ceil(4).max((2 * workers).div_ceil(chunks.max(1)))
}

/// Size of a block, if chunks can be decoded block by block: a Blosc block, or 1 byte for uncompressed chunks; `None`
/// for single-stream codecs.
fn block_bytes(chain: &Chain) -> Option<f64> {
    match (chain.tail.as_slice(), chain.chunk_bytes) {
        ([], _) => Some(1.0),
        ([Codec::Blosc(blosc, _)] | [Codec::Blosc(blosc, _), Codec::Crc32c], Some(bytes)) => {
            Some(predict_blocksize(blosc, chain.typesize(), bytes) as f64)
        }
        _ => None,
    }
}
