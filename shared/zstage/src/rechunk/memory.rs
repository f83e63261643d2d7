//! Estimates the memory and time of a run.

use zarray::{Array, Chain, ChunkReader, IndexLayout};
use zcodec::{Codec, predict_blocksize};

use super::layout::Layout;
use super::search::Shape;

/// The process itself: code, tables, stacks, and what the allocator keeps to itself.
const PROCESS: u64 = 20 << 20;

/// Of each thread: stack, allocator arena, compressor contexts.
const THREAD: u64 = 2 << 20;

/// Bytes of an inner chunk's entry in the index of a shard that is being written: in memory, and encoded.
const INDEX_ENTRY: f64 = 40.0;

/// Stored bytes for a decoded one, where nothing is known.
pub const ASSUMED_RATIO: f64 = 0.5;

/// Bytes a second of one core, about: what matters is what they are to each other.
const DECODE_BLOSC: f64 = 1.5e9;
const DECODE_STREAM: f64 = 0.4e9;
const ENCODE: f64 = 0.25e9;

/// Bytes a second, and seconds until the first byte, of a local disk and of an object store.
const LOCAL: (f64, f64) = (1.5e9, 50e-6);
const REMOTE: (f64, f64) = (0.3e9, 0.08);

/// Encoded inner chunks of a shard that may be held before it is their turn, so that no worker waits for a slower one.
/// So few in tests that some have to wait all the same.
pub const EARLY_BYTES: u64 = if cfg!(test) { 200 } else { 2 << 20 };

/// What a run may use.
#[derive(Debug, Clone, Copy)]
pub struct Resources {
    /// Bytes of memory.
    pub budget: u64,
    /// Chunks processed in parallel.
    pub workers: usize,
    /// Reads in parallel.
    pub readers: usize,
    /// Regions in parallel: with two, one is read while the other is written.
    pub in_flight: usize,
}

/// What is not in the metadata, but known or guessed by the caller.
#[derive(Debug, Clone, Copy, Default)]
pub struct Assumptions {
    /// Whether reads cross a network.
    pub remote: bool,
    /// The largest stored chunk (with sharding: inner chunk), or `None` if unknown.
    pub stored_chunk_bytes: Option<u64>,
    /// The mean stored chunk, or `None` if unknown.
    pub mean_chunk_bytes: Option<u64>,
    /// Mean bytes of an element of variable length.
    pub element_bytes: u64,
    /// What an encoder keeps, a worker.
    pub encoder_bytes: u64,
    /// What the sink keeps of an object that is being written.
    pub sink_bytes: u64,
    /// Whether every chunk is decoded again.
    pub verify: bool,
}

/// Sizes and rates of one array's run.
#[derive(Debug, Clone)]
pub struct Model {
    pub assumptions: Assumptions,
    /// Bytes of an element in memory.
    itemsize: f64,
    /// More bytes of an element, outside the region's buffer: those of variable length.
    outside: f64,
    /// Decoded bytes of a source chunk, and of an output chunk.
    source: f64,
    output: f64,
    /// The largest stored source chunk.
    stored: f64,
    /// Bytes of a Blosc block, where blocks can be decoded one by one.
    block: Option<f64>,
    /// Indexes of shards: those that the reader keeps, and those of shards that are being written.
    indexes: f64,
    /// Whether decoding a whole chunk takes a second buffer.
    two_steps: bool,
    decode_rate: f64,
    pub threads: Threads,
}

/// Room that is made before the work starts, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Buffers {
    /// Of a worker: a decoded chunk.
    pub decoded: usize,
    /// Of a worker: an encoded chunk.
    pub encoded: usize,
    /// Of a worker: a chunk that was decoded again.
    pub again: usize,
    /// Of a reader: a stored chunk.
    pub stored: usize,
}

/// How many threads a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    pub workers: usize,
    pub loaders: usize,
    pub in_flight: usize,
}

impl Model {
    /// `itemsize` is nothing for elements of variable length.
    pub fn new(
        array: &Array,
        layout: &Layout,
        itemsize: Option<usize>,
        assumptions: Assumptions,
        threads: Threads,
    ) -> Model {
        let chain = array.chain.innermost();
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
            // Elements of variable length are references of 8 bytes, and the bytes themselves.
            itemsize: itemsize.map_or(8.0, |size| size as f64),
            outside: if itemsize.is_some() { 0.0 } else { size },
            source,
            output,
            stored,
            block: itemsize.and_then(|_| block_bytes(chain)),
            two_steps: chain.tail.len() > 1,
            decode_rate: if chain.compressor().is_some_and(Codec::is_single_stream) {
                DECODE_STREAM
            } else {
                DECODE_BLOSC
            },
            threads,
        }
    }

    /// Elements that a cut through a source chunk lets be decoded twice, along a dimension with `row` elements a step.
    pub fn overlap(&self, source: u64, row: f64) -> f64 {
        match self.block {
            Some(block) => (block / (row * self.itemsize)).min(source as f64),
            None => source as f64,
        }
    }

    /// Peak memory in bytes, with regions of `shape`, whose largest part of one source chunk has `part` elements from
    /// its first to its last.
    pub fn peak(&self, shape: &Shape, part: f64) -> u64 {
        let slot = if self.outside > 0.0 { 33.0 } else { 1.0 };
        let region = shape.elements * (self.itemsize + self.outside) + (shape.sources + 1.0) * slot;
        let Threads { workers, loaders, in_flight } = self.threads;
        // No more threads are busy than there are chunks for them.
        let busy = |threads: usize, tasks: f64| (threads as f64).min(in_flight as f64 * tasks.max(1.0).ceil());
        // A chunk that several threads encode is held twice: its blocks, and then the frame.
        let together = if shape.chunks < workers as f64 { shape.chunks * self.output } else { 0.0 };
        let total = PROCESS as f64
            + in_flight as f64 * (region + together)
            + busy(loaders, shape.sources) * self.reader_bytes(part)
            + busy(workers, shape.sources.max(shape.chunks)) * self.worker_bytes(part)
            + loaders as f64 * THREAD as f64 / 4.0
            + workers as f64 * (THREAD + self.assumptions.encoder_bytes) as f64
            + (workers * in_flight) as f64 * self.assumptions.sink_bytes as f64
            + self.indexes;
        // Page tables, and rounding up to pages.
        (total * 1.004) as u64
    }

    /// The buffers of one reader: a stored chunk, and next to it a piece, where only pieces of chunks are read.
    fn reader_bytes(&self, part: f64) -> f64 {
        let piece = (part * self.itemsize).min(self.source) / self.source.max(1.0) * self.stored;
        self.stored + if self.reads_pieces() && piece < self.stored { piece } else { 0.0 }
    }

    /// Whether the parts of a chunk can be read apart from each other.
    fn reads_pieces(&self) -> bool {
        self.block.is_some_and(|block| block > 1.0)
    }

    /// The buffers of one worker: decoding uses the same ones as encoding, at another time.
    fn worker_bytes(&self, part: f64) -> f64 {
        let buffers = self.buffers(part);
        let references = if self.outside > 0.0 { self.source.max(self.output) } else { 0.0 };
        (buffers.decoded + buffers.encoded + buffers.again) as f64 + references
    }

    /// The buffers that each worker, and each reader, needs, where the largest part of a source chunk is `part`.
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

    /// Seconds of reading, decoding and encoding, about.
    pub fn seconds(&self, shape: &Shape, array_bytes: f64) -> f64 {
        let Threads { workers, loaders, .. } = self.threads;
        let (workers, loaders) = (workers as f64, loaders as f64);
        let shared = |tasks: f64, threads: f64| threads.min(tasks.max(1.0));
        // The last tasks of a phase leave threads idle: half of them, half a task long.
        let rest = |tasks: f64| 1.0 + workers / (4.0 * tasks.max(1.0));
        let reading = self.read_seconds(shape) / shared(shape.sources, loaders);
        let decoding = shape.decoded * self.itemsize / self.decode_rate / shared(shape.sources, workers);
        let encoding = array_bytes / ENCODE / shared(shape.chunks, workers);
        (reading + decoding) * rest(shape.sources) + encoding * rest(shape.chunks)
    }

    /// Seconds of reading and decoding by one thread: what the shapes differ in.
    pub fn weight(&self, shape: &Shape) -> f64 {
        let Threads { workers, loaders, .. } = self.threads;
        let decoding = shape.decoded * self.itemsize / self.decode_rate / workers as f64;
        decoding + self.read_seconds(shape) / loaders as f64
    }

    fn read_seconds(&self, shape: &Shape) -> f64 {
        let (rate, latency) = if self.assumptions.remote { REMOTE } else { LOCAL };
        shape.reads * latency + self.read_bytes(shape) / rate
    }

    /// Stored bytes that are read in the whole run. Where nobody knows, compressed data is taken to be half as long.
    pub fn read_bytes(&self, shape: &Shape) -> f64 {
        let share =
            self.assumptions.mean_chunk_bytes.map_or(ASSUMED_RATIO, |bytes| bytes as f64 / self.source.max(1.0));
        match self.reads_pieces() {
            // What is decoded is read, and not much else.
            true => share * shape.decoded * self.itemsize,
            false => share * shape.reads * self.source,
        }
    }

    /// Bytes of stored chunks that wait for a worker, at most.
    pub fn waiting(&self) -> f64 {
        self.threads.loaders as f64 * self.stored
    }
}

/// How many shards of so many inner chunks are written at once: enough that every worker has an inner chunk, and that not
/// all append to one.
pub fn shards_at_once(threads: Threads, chunks: u64) -> u64 {
    let workers = threads.workers as u64;
    workers.div_ceil(4).max((2 * workers).div_ceil(chunks.max(1)))
}

/// Bytes of a Blosc block of chunks that can be decoded block by block. Streams have no blocks; bytes that are not compressed
/// can be cut anywhere.
fn block_bytes(chain: &Chain) -> Option<f64> {
    match (chain.tail.as_slice(), chain.chunk_bytes) {
        ([], _) => Some(1.0),
        ([Codec::Blosc(blosc, _)] | [Codec::Blosc(blosc, _), Codec::Crc32c], Some(bytes)) => {
            Some(predict_blocksize(blosc, chain.typesize(), bytes) as f64)
        }
        _ => None,
    }
}
