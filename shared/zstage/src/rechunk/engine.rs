//! The engine: carries out a plan, region by region.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use zarray::{Array, ChunkReader, DecodeScratch, Itemsize, Subset, fill_element};
use zcodec::{CodecError, Workspace};
use zstore::{Store, StoreError};
use zwire::{Exit, Failure};

use super::fill::Fill;
use super::memory::shards_at_once;
use super::outcome::{RegionOutcome, source_hash};
use super::plan::{RechunkPlan, Region};
use super::region::Window;
use super::sink::ObjectSink;
use super::vlen::REFERENCE;
use zarray::ScratchPool;

/// Encodes or decodes one chunk: from, to (its previous contents are overwritten), threads, workspace.
pub type Coder<'a> = dyn Fn(&[u8], &mut Vec<u8>, usize, &mut Workspace) -> Result<(), CodecError> + Sync + 'a;

/// The codecs of the output.
#[derive(Clone, Copy)]
pub struct Coders<'a> {
    /// Encodes a decoded chunk.
    pub encode: &'a Coder<'a>,
    /// Decodes it again, where every chunk shall be verified.
    pub decode: Option<&'a Coder<'a>>,
}

/// What happens when a source chunk cannot be decoded. It is told in any case, and no output chunk that it is part of is
/// written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBad {
    /// A shard with such an output chunk is not written at all.
    Error,
    /// Such an output chunk stays absent, in its shard, too.
    Skip,
}

/// Carries out one plan. Regions may be run in any order, and from as many threads as the plan has regions in flight.
pub struct Engine<'a> {
    store: &'a Store,
    pub(super) array: &'a Array,
    pub(super) plan: &'a RechunkPlan,
    pub(super) reader: ChunkReader<'a>,
    pub(super) sink: &'a dyn ObjectSink,
    pub(super) coders: Coders<'a>,
    pub(super) on_bad: OnBad,
    pub(super) fill: Fill,
    /// Where decoding and encoding is done: as many as workers.
    pub(super) buffers: ScratchPool<WorkerBuffers>,
    /// Buffers for stored chunks: as many as reads under way.
    pub(super) stored: ScratchPool<StoredBuffer>,
    /// Buffers for source elements: as many as regions in flight.
    regions: ScratchPool<Vec<u8>>,
    stop: &'a (dyn Fn() -> bool + Sync),
}

/// What decoding or encoding a chunk needs. The decoded chunk is in `scratch.decoded`, the encoded one in `scratch.spare`.
#[derive(Default)]
pub struct WorkerBuffers {
    pub scratch: DecodeScratch,
    /// References to elements of variable length; else what was decoded again.
    pub references: Vec<u8>,
}

/// What a reader needs: a stored chunk, and a piece of one on its way there.
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
    /// An engine for `plan`, which was made for `array` in `store`. `stop` is looked at between chunks.
    ///
    /// # Errors
    /// Which codec stands in the way.
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

    /// Does region `number`: reads what it needs, and writes its objects.
    ///
    /// # Errors
    /// What the source's or the output's store says, or that it was asked to stop. A source chunk that cannot be decoded is
    /// no error, but in the outcome.
    pub fn run(&self, number: u64) -> Result<RegionOutcome, Failure> {
        let region = self.plan.region(number);
        let mut buffer = self.regions.take();
        let mut outcome = RegionOutcome::default();
        match self.plan.layout.shards {
            Some(_) => self.run_shards(&region, &mut buffer, &mut outcome)?,
            None => {
                for slice in self.plan.slices(&region) {
                    let loaded = self.load(self.window(&slice), std::mem::take(&mut *buffer), &mut outcome)?;
                    self.write_chunks(&loaded, &slice, &mut outcome)?;
                    *buffer = loaded.bytes;
                }
            }
        }
        outcome.bad.sort_unstable();
        outcome.bad.dedup();
        Ok(outcome)
    }

    /// The plan that is carried out.
    pub fn plan(&self) -> &'a RechunkPlan {
        self.plan
    }

    /// What identifies the source objects of region `number` as they are now: [`RegionOutcome::sources`] of a run that read
    /// them so.
    ///
    /// # Errors
    /// What the source's store says.
    pub fn sources(&self, number: u64) -> Result<u64, Failure> {
        let region = self.plan.region(number);
        let mut hash = 0u64;
        for slice in self.plan.slices(&region) {
            let window = self.window(&slice);
            let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
            let done = run_workers(self.plan.threads.loaders, window.parts(), &failed, |done| {
                loop {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= window.parts() {
                        return Ok(());
                    }
                    self.check_stop(&failed)?;
                    let (index, _) = window.part(part);
                    let (key, _) = self.reader.key(&self.array_order(&index));
                    done.sources = done.sources.wrapping_add(source_hash(&key, self.store.stat(&key)?));
                }
            })?;
            hash = hash.wrapping_add(done.sources);
        }
        Ok(hash)
    }

    /// Does the region's shards, each of them open until its last slice is in it.
    fn run_shards(&self, region: &Region, buffer: &mut Vec<u8>, outcome: &mut RegionOutcome) -> Result<(), Failure> {
        let (slices, count) = (self.plan.slices(region), region.objects.elements());
        // One slice is all the shards, few at a time; several slices are all of the one shard.
        let inner = self.plan.layout.shards.as_ref().map_or(1, |(_, index)| index.chunks);
        let few = shards_at_once(self.plan.threads, inner) as usize;
        let at_once = if slices.len() == 1 { few } else { count.max(1) as usize };
        let mut open = Vec::new();
        for slice in &slices {
            let loaded = self.load(self.window(slice), std::mem::take(buffer), outcome)?;
            for first in (0..count).step_by(at_once) {
                if open.is_empty() {
                    open = self.open_shards(&region.objects, first..count.min(first + at_once as u64));
                }
                self.write_inner_chunks(&loaded, slice, &open, outcome)?;
                if slices.len() == 1 {
                    self.finish_shards(std::mem::take(&mut open), outcome)?;
                }
            }
            *buffer = loaded.bytes;
        }
        self.finish_shards(open, outcome)
    }

    /// The source elements of a slice of output chunks.
    pub(super) fn window(&self, slice: &Subset) -> Window {
        let lengths = self.plan.chunks.chunk_shape();
        let scale = |counts: &[u64]| counts.iter().zip(lengths).map(|(n, length)| n * length).collect();
        let all = Subset::new(scale(slice.start()), scale(slice.shape()));
        let inside = all.intersection(&Subset::whole(self.plan.chunks.shape()));
        let inside = inside.unwrap_or_else(|| Subset::new(all.start().to_vec(), vec![0; all.shape().len()]));
        let order = &self.plan.elements.order;
        Window::new(inside.permuted(order), self.reader.chunk().shape().to_vec(), self.stride())
    }

    pub(super) fn itemsize(&self) -> Itemsize {
        self.plan.elements.itemsize
    }

    /// Bytes of an element in the buffer.
    pub(super) fn stride(&self) -> usize {
        match self.itemsize() {
            Itemsize::Fixed(size) => size,
            Itemsize::Variable => REFERENCE,
        }
    }

    /// An index in the array's order, from one in stored order.
    pub(super) fn array_order(&self, stored: &[u64]) -> Vec<u64> {
        let mut index = vec![0; stored.len()];
        for (position, dimension) in stored.iter().zip(&self.plan.elements.order) {
            index[*dimension] = *position;
        }
        index
    }

    /// Ends the work where it is no longer wanted, or another worker has failed.
    pub(super) fn check_stop(&self, failed: &AtomicBool) -> Result<(), Failure> {
        match failed.load(Ordering::Relaxed) || (self.stop)() {
            true => Err(StoreError::Stopped { place: self.array.path.clone() }.into()),
            false => Ok(()),
        }
    }
}

/// Lets up to `count` threads do `work`, but no more than there are tasks, and adds up what they did. Once one has failed,
/// `failed` is set; the first failure is the result.
pub fn run_workers(
    count: usize,
    tasks: u64,
    failed: &AtomicBool,
    work: impl Fn(&mut RegionOutcome) -> Result<(), Failure> + Sync,
) -> Result<RegionOutcome, Failure> {
    let run = || {
        let mut done = RegionOutcome::default();
        let result = work(&mut done);
        // The first failure is the cause; the others only stopped.
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
