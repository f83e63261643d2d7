//! The engine: what all regions of a plan share.

use std::sync::atomic::{AtomicBool, Ordering};

use zarray::{Array, ChunkReader, DecodeScratch, Itemsize, ScratchPool, Subset, fill_element};
use zcodec::{CodecError, Workspace};
use zstore::{Store, StoreError};
use zwire::{Exit, Failure};

use super::fill::Fill;
use super::outcome::RegionOutcome;
use super::plan::RechunkPlan;
use super::region::Window;
use super::sink::ObjectSink;
use super::vlen::REFERENCE;

/// Encodes or decodes one chunk: source, destination (overwritten), threads, workspace.
pub type Coder<'a> = dyn Fn(&[u8], &mut Vec<u8>, usize, &mut Workspace) -> Result<(), CodecError> + Sync + 'a;

/// The codecs of the output.
#[derive(Clone, Copy)]
pub struct Coders<'a> {
    /// Encodes a decoded chunk.
    pub encode: &'a Coder<'a>,
    /// Decodes an encoded chunk again; `Some` if every chunk is verified.
    pub decode: Option<&'a Coder<'a>>,
}

/// How to treat output chunks that depend on a source chunk that cannot be decoded. The bad chunk is reported and these
/// output chunks are not written in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBad {
    /// The shard that contains such an output chunk is not written.
    Error,
    /// Only the output chunk stays absent; the rest of its shard is written.
    Skip,
}

/// Executes one plan. Regions may run in any order, on up to `in_flight` threads.
pub struct Engine<'a> {
    pub(super) store: &'a Store,
    pub(super) array: &'a Array,
    pub(super) plan: &'a RechunkPlan,
    pub(super) reader: ChunkReader<'a>,
    pub(super) sink: &'a dyn ObjectSink,
    pub(super) coders: Coders<'a>,
    pub(super) on_bad: OnBad,
    pub(super) fill: Fill,
    /// Decode and encode buffers, one per worker.
    pub(super) buffers: ScratchPool<WorkerBuffers>,
    /// Buffers for stored chunks, one per concurrent read.
    pub(super) stored: ScratchPool<StoredBuffer>,
    /// Buffers for source elements, one per region in flight.
    pub(super) regions: ScratchPool<Vec<u8>>,
    stop: &'a (dyn Fn() -> bool + Sync),
}

/// Buffers to decode or encode a chunk. `scratch.decoded` holds the decoded chunk, `scratch.spare` the encoded one.
#[derive(Default)]
pub struct WorkerBuffers {
    pub scratch: DecodeScratch,
    /// References to variable-length elements, or the chunk decoded again for verification.
    pub references: Vec<u8>,
}

/// Buffers of a reader: a stored chunk, and a byte range of one before it is appended.
pub struct StoredBuffer {
    pub chunk: Vec<u8>,
    pub spare: Vec<u8>,
}

impl StoredBuffer {
    fn with_room(bytes: usize) -> StoredBuffer {
        StoredBuffer { chunk: Vec::with_capacity(bytes), spare: Vec::new() }
    }
}

impl<'a> Engine<'a> {
    /// Creates an engine for `plan`, which was made for `array` in `store`. `stop` is polled between chunks.
    ///
    /// # Errors
    /// [`Exit::Unreadable`] if a codec of the array is not supported; the message names the codec.
    pub fn new(
        store: &'a Store,
        array: &'a Array,
        plan: &'a RechunkPlan,
        sink: &'a dyn ObjectSink,
        coders: Coders<'a>,
        on_bad: OnBad,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Engine<'a>, Failure> {
        let failed = |what| Failure::new(Exit::Unreadable, what).at(&array.path);
        let reader = ChunkReader::new(store, array).map_err(failed)?;
        let fill = Fill::new(fill_element(array), plan.elements.itemsize);
        let threads = plan.threads;
        Ok(Engine {
            store,
            array,
            plan,
            reader,
            sink,
            coders,
            on_bad,
            fill,
            buffers: ScratchPool::new(threads.workers, || {
                WorkerBuffers::with_room(plan.elements.itemsize, plan.buffers)
            }),
            stored: ScratchPool::new(threads.loaders, || StoredBuffer::with_room(plan.buffers.stored)),
            regions: ScratchPool::new(threads.in_flight, Vec::new),
            stop,
        })
    }

    /// The plan being executed.
    pub fn plan(&self) -> &'a RechunkPlan {
        self.plan
    }

    /// The source elements needed by a slice of output chunks.
    pub(super) fn window(&self, slice: &Subset) -> Window {
        let lengths = self.plan.chunks.chunk_shape();
        let scale = |counts: &[u64]| counts.iter().zip(lengths).map(|(n, length)| n * length).collect();
        let all = Subset::new(scale(slice.start()), scale(slice.shape()));
        let inside = all.intersection(&Subset::whole(self.plan.chunks.shape()));
        let inside = inside.unwrap_or_else(|| Subset::new(all.start().to_vec(), vec![0; all.shape().len()]));
        let order = &self.plan.elements.order;
        Window::new(inside.permuted(order), self.reader.grid().permuted(order), self.stride())
    }

    pub(super) fn itemsize(&self) -> Itemsize {
        self.plan.elements.itemsize
    }

    /// Bytes per element in the region buffer.
    pub(super) fn stride(&self) -> usize {
        match self.itemsize() {
            Itemsize::Fixed(size) => size,
            Itemsize::Variable => REFERENCE,
        }
    }

    /// Converts an index from stored order to array order.
    pub(super) fn array_order(&self, stored: &[u64]) -> Vec<u64> {
        let mut index = vec![0; stored.len()];
        for (position, dimension) in stored.iter().zip(&self.plan.elements.order) {
            index[*dimension] = *position;
        }
        index
    }

    /// Fails if the run was stopped or another worker has failed.
    pub(super) fn check_stop(&self, failed: &AtomicBool) -> Result<(), Failure> {
        match failed.load(Ordering::Relaxed) || (self.stop)() {
            true => Err(StoreError::Stopped { place: self.array.path.clone() }.into()),
            false => Ok(()),
        }
    }
}

/// Runs `work` on up to `count` threads, but not more than `tasks`, and sums the outcomes. The first failure sets
/// `failed` and is returned.
pub fn run_workers(
    count: usize,
    tasks: u64,
    failed: &AtomicBool,
    work: impl Fn(&mut RegionOutcome) -> Result<(), Failure> + Sync,
) -> Result<RegionOutcome, Failure> {
    let run = || {
        let mut done = RegionOutcome::default();
        let result = work(&mut done);
        // The first failure is the cause; the other workers only stopped because of it.
        let first = result.is_err() && !failed.swap(true, Ordering::Relaxed);
        (done, result.err().map(|failure| (first, failure)))
    };
    let count = (count as u64).clamp(1, tasks.max(1)) as usize;
    let all = match count {
        1 => vec![run()],
        _ => std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(run)).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        }),
    };
    let mut total = RegionOutcome::default();
    let mut failures = Vec::new();
    for (done, failure) in all {
        total.add(done);
        failures.extend(failure);
    }
    failures.sort_by_key(|(first, _)| !first);
    failures.into_iter().next().map_or(Ok(total), |(_, failure)| Err(failure))
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
