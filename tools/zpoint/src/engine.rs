//! Reads the cells of batches: each chunk that holds one of them is read once, and chunks of all batches flow through the workers.

use std::borrow::Cow;
use std::cell::RefCell;

use zarray::{
    CellDecoder, CellScratch, Cells, CellsRead, ChunkReader, OrderedMap, PartialDecode, Pool, ScratchPool, Semaphore,
    Timer, ZarrError,
};
use zcli::Phases;
use zcoord::Column;
use zstore::StoreError;
use zwire::{Exit, Failure};

use crate::columns::{Raw, Rows, arranged, columns};
use crate::held;
use crate::lookup::{Lookup, Stencil};
use crate::roles::Role;
use crate::source::{Source, Variable};
use crate::spans::Span;
use crate::tasks::{PointGroup, Task, Tasks, group_points, own_samples};

/// Read statistics.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadStats {
    /// Chunks read.
    pub chunks: u64,
    /// Chunks that are not stored.
    pub chunks_missing: u64,
    /// Chunks that are damaged or cannot be read.
    pub chunks_failed: u64,
    /// Chunks decoded in full.
    pub chunks_whole: u64,
    /// Blosc blocks decoded individually.
    pub blocks: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Values set to missing because they are outside the valid range.
    pub out_of_range: u64,
}

impl ReadStats {
    /// Adds another one.
    pub fn add(&mut self, other: &ReadStats) {
        self.chunks += other.chunks;
        self.chunks_missing += other.chunks_missing;
        self.chunks_failed += other.chunks_failed;
        self.chunks_whole += other.chunks_whole;
        self.blocks += other.blocks;
        self.bytes += other.bytes;
        self.out_of_range += other.out_of_range;
    }

    fn count(&mut self, read: &CellsRead) {
        self.bytes += read.bytes;
        self.blocks += read.blocks;
        match read.present {
            true => self.chunks += 1,
            false => self.chunks_missing += 1,
        }
        self.chunks_whole += u64::from(read.whole);
    }
}

/// The features of a batch, and its failures.
pub struct Features {
    /// One column for each feature, variable by variable.
    pub columns: Vec<Column>,
    /// Chunks that are damaged or cannot be read.
    pub failures: Vec<Failure>,
    /// Read statistics.
    pub stats: ReadStats,
}

/// Shared resources for reading: threads, memory, and timers.
pub struct ReadContext<'a> {
    /// Threads; more than workers if reads wait for a network.
    pub pool: &'a Pool,
    /// What decodes cells, one for each worker.
    pub decoders: ScratchPool<CellDecoder>,
    /// Bytes of chunks in flight.
    pub memory: Semaphore,
    /// The most bytes of one of them.
    pub limit: u64,
    /// Whether chunks are read in part.
    pub partial: PartialDecode,
    /// Time by phase.
    pub phases: &'a Phases,
}

/// A reader of one store at the points.
pub struct Engine<'a> {
    source: &'a Source,
    lookups: &'a [Lookup],
    context: &'a ReadContext<'a>,
    series: Vec<Series<'a>>,
}

/// One variable being read.
struct Series<'a> {
    variable: &'a Variable,
    reader: ChunkReader<'a>,
    itemsize: usize,
    groups: Vec<PointGroup>,
    cells: usize,
}

/// The result of reading one chunk.
struct Done {
    task: Task,
    outcome: Result<(CellsRead, Vec<u8>), ZarrError>,
}

/// What flows through the workers.
enum Item<T> {
    /// A chunk of a variable.
    Chunk { series: usize, chunk: T },
    /// All chunks of a batch are before it.
    BatchEnd(usize),
}

thread_local! {
    /// Buffers of a worker.
    static SCRATCH: RefCell<CellScratch> = RefCell::default();
}

impl<'a> Engine<'a> {
    /// A reader of `source` at the points of each of its grids.
    ///
    /// # Errors
    /// A variable whose chunks cannot be decoded.
    pub fn new(source: &'a Source, lookups: &'a [Lookup], context: &'a ReadContext<'a>) -> Result<Engine<'a>, Failure> {
        let series = source.variables.iter().map(|variable| Series::new(source, variable, lookups, context.limit));
        let series = series.collect::<Result<Vec<_>, Failure>>()?;
        Ok(Engine { source, lookups, context, series })
    }

    /// A reader of one variable alone.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn of_one(
        source: &'a Source,
        number: usize,
        lookups: &'a [Lookup],
        context: &'a ReadContext<'a>,
    ) -> Result<Engine<'a>, Failure> {
        let series = vec![Series::new(source, &source.variables[number], lookups, context.limit)?];
        Ok(Engine { source, lookups, context, series })
    }

    /// Number of chunks to read for the samples in `span`.
    pub fn chunks(&self, span: &Span) -> u64 {
        self.series.iter().map(|series| self.tasks(series, span).len() as u64).sum()
    }

    /// Peak memory of one chunk, in bytes.
    pub fn largest_chunk(&self) -> u64 {
        self.series.iter().map(|series| series.reader.cell_bytes(self.context.partial)).max().unwrap_or(0)
    }

    fn tasks<'t>(&self, series: &'t Series, span: &Span) -> Tasks<'t> {
        Tasks::new(&series.reader, series.variable, &self.source.samples, span, &series.groups)
    }

    /// Reads the samples in `span`.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn batch(&self, span: &Span) -> Result<Features, Failure> {
        let mut read = Features { columns: Vec::new(), failures: Vec::new(), stats: ReadStats::default() };
        self.run(std::slice::from_ref(span), &|| false, |_, features| {
            read = features;
            Ok(())
        })?;
        Ok(read)
    }

    /// Reads the samples in each of `spans`, and delivers them in order, while those that follow are read. Ends early once `stop`
    /// returns true.
    ///
    /// # Errors
    /// Read errors of the store, and those of `deliver`. A chunk that is damaged or cannot be read is a failure in the batch, and its cells are missing.
    pub fn run(
        &self,
        spans: &[Span],
        stop: &dyn Fn() -> bool,
        mut deliver: impl FnMut(&Span, Features) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let items = spans.iter().enumerate().flat_map(|(batch, span)| {
            let chunks = (0..self.series.len()).flat_map(|series| {
                let tasks = self.tasks(&self.series[series], span);
                (0..tasks.len()).map(move |number| Item::Chunk { series, chunk: tasks.get(number) })
            });
            chunks.chain([Item::BatchEnd(batch)])
        });
        // One batch is read ahead while another one is written.
        let window = spans.iter().map(|span| self.chunks(span) as usize + 1).max().unwrap_or(1);
        let read = |item| match item {
            Item::Chunk { series, chunk } => Item::Chunk { series, chunk: self.read(&self.series[series], chunk) },
            Item::BatchEnd(batch) => Item::BatchEnd(batch),
        };
        let mut batch = self.empty_batch();
        let mut timer = Timer::start();
        OrderedMap::new(self.context.pool, window).stop(stop).run(items, read, |item| match item {
            Item::Chunk { series, chunk } => {
                batch[series].push(chunk);
                Ok(())
            }
            Item::BatchEnd(number) => {
                self.context.phases.add("read", timer.lap());
                let features = self.features(&spans[number], std::mem::replace(&mut batch, self.empty_batch()))?;
                self.context.phases.add("decode", timer.lap());
                deliver(&spans[number], features)?;
                timer.lap();
                Ok(())
            }
        })
    }

    fn empty_batch(&self) -> Vec<Vec<Done>> {
        self.series.iter().map(|_| Vec::new()).collect()
    }

    /// The columns of a batch from its chunks, by variable.
    fn features(&self, span: &Span, batch: Vec<Vec<Done>>) -> Result<Features, Failure> {
        let mut stats = ReadStats::default();
        let mut failures = Vec::new();
        for done in batch.iter().flatten() {
            match &done.outcome {
                Ok((read, _)) => stats.count(read),
                Err(error) if is_of_one_chunk(error, self.source.store.is_remote()) => {
                    stats.chunks_failed += 1;
                    failures.push(error.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let parts = self.series.iter().zip(batch).collect();
        let mut columns = Vec::new();
        for (found, out_of_range) in self.context.pool.map(parts, |(series, done)| self.columns(series, span, &done)) {
            columns.extend(found);
            stats.out_of_range += out_of_range;
        }
        Ok(Features { columns, failures, stats })
    }

    fn read(&self, series: &Series, task: Task) -> Done {
        let ReadContext { decoders, memory, partial, .. } = self.context;
        let offsets = series.groups[task.group].offsets(&task.steps.strides);
        let cells = Cells { steps: &task.steps.offsets, points: &offsets };
        let _permit = memory.acquire(series.reader.cell_bytes(*partial));
        let mut out = Vec::new();
        let read = SCRATCH.with_borrow_mut(|scratch| {
            series.reader.read_cells(&task.steps.chunk, &cells, *partial, decoders, &mut out, scratch)
        });
        Done { task, outcome: read.map(|read| (read, out)) }
    }

    /// The columns of one variable, and the number of values outside its valid range.
    fn columns(&self, series: &Series, span: &Span, done: &[Done]) -> (Vec<Column>, u64) {
        let variable = series.variable;
        let own = own_samples(variable, span);
        let own_count = own.iter().product::<u64>() as usize;
        let features = variable.feature_count();
        let stencils = match variable.grid {
            Some(grid) => Cow::Borrowed(self.lookups[grid].stencils.as_slice()),
            // A variable without a grid has one value for all points.
            None => vec![Stencil::One(0); self.lookups.first().map_or(1, |lookup| lookup.stencils.len())].into(),
        };
        let rows = Rows {
            cells: series.cells,
            own_samples: own_count,
            sample_of: sample_of(variable, span, &own),
            stencils: &stencils,
            samples: span.iter().map(ExactSizeIterator::len).product(),
        };
        match &variable.held {
            Some(held) => {
                let numbers = held::numbers(variable, &self.source.samples, span);
                (arranged(held.gather(&numbers), &rows, features), 0)
            }
            None => columns(&variable.decoder, &series.raw(features * own_count, done), &rows, features),
        }
    }
}

impl<'a> Series<'a> {
    fn new(source: &'a Source, variable: &'a Variable, lookups: &[Lookup], limit: u64) -> Result<Series<'a>, Failure> {
        let path = || format!("{}: {}", source.name, variable.array.path);
        let unreadable = |what: String| Failure::new(zwire::Exit::Unreadable, what).at(path());
        let reader = ChunkReader::new(&source.store, &variable.array).map_err(unreadable)?.with_limit(limit);
        let itemsize = variable.decoder.itemsize().unwrap_or(1);
        let (groups, cells) = match variable.grid {
            Some(grid) => (group_points(&reader, variable, &lookups[grid].cells), lookups[grid].cells.len()),
            None if variable.held.is_some() => (Vec::new(), 1),
            None => (vec![PointGroup::single()], 1),
        };
        Ok(Series { variable, reader, itemsize, groups, cells })
    }

    /// The elements of `rows` rows of cells, taken from the chunks.
    fn raw(&self, rows: usize, done: &[Done]) -> Raw {
        let size = self.itemsize;
        let count = rows * self.cells;
        let mut raw = match &self.variable.fill {
            Some(fill) => Raw { bytes: fill.repeat(count), failed: Vec::new(), absent: Vec::new() },
            None => Raw { bytes: vec![0; count * size], failed: Vec::new(), absent: vec![true; count] },
        };
        for Done { task, outcome } in done {
            let cells = &self.groups[task.group].cells;
            let targets = task
                .steps
                .targets
                .iter()
                .flat_map(|target| cells.iter().map(move |cell| *target as usize * self.cells + *cell as usize));
            match outcome {
                Ok((read, _)) if !read.present => {}
                Ok((_, elements)) => {
                    for (at, element) in targets.zip(elements.chunks_exact(size)) {
                        raw.bytes[at * size..(at + 1) * size].copy_from_slice(element);
                        if let Some(absent) = raw.absent.get_mut(at) {
                            *absent = false;
                        }
                    }
                }
                Err(_) => {
                    raw.failed.resize(rows * self.cells, false);
                    targets.for_each(|at| raw.failed[at] = true);
                }
            }
        }
        raw
    }
}

/// Whether an error concerns one chunk alone: it is damaged, or its file cannot be read. What a server refuses concerns the run.
fn is_of_one_chunk(error: &ZarrError, is_remote: bool) -> bool {
    let is_denied = matches!(error, ZarrError::Store(StoreError::Denied { .. }));
    error.exit() == Exit::Unreadable || (is_denied && !is_remote)
}

/// For each sample of a batch, its sample of the variable; `None` if they are identical.
fn sample_of(variable: &Variable, span: &Span, own: &[u64]) -> Option<Vec<usize>> {
    let has = |number: usize| variable.roles.contains(&Role::Sample(number));
    if (0..span.len()).all(has) {
        return None;
    }
    let mut numbers = vec![0usize];
    for (axis, range) in span.iter().enumerate() {
        let (length, own) = (range.len(), own[axis] as usize);
        let step = |position: usize| if has(axis) { position } else { 0 };
        numbers = numbers.iter().flat_map(|number| (0..length).map(move |at| number * own + step(at))).collect();
    }
    Some(numbers)
}

/// A sampled chunk, for estimates.
pub struct Probe {
    /// Chunks of its variable that will be read.
    pub chunks: u64,
    /// Bytes read for its cells.
    pub read_bytes: u64,
    /// Bytes of the whole stored chunk.
    pub whole_bytes: u64,
}

impl Engine<'_> {
    /// Number of threads that read.
    pub fn workers(&self) -> usize {
        self.context.pool.workers()
    }

    /// Samples one chunk in the middle of each of up to `most` variables, as the batches `spans` would read it.
    ///
    /// # Errors
    /// Read errors of the store. Damaged chunks are skipped.
    pub fn probe(&self, most: usize, spans: &[Span]) -> Result<Vec<Probe>, Failure> {
        let Some(middle) = spans.get(spans.len() / 2) else { return Ok(Vec::new()) };
        let step = self.series.len().div_ceil(most.max(1)).max(1);
        let picked: Vec<&Series> = self.series.iter().step_by(step).collect();
        let found = self.context.pool.map(picked, |series| {
            let tasks = self.tasks(series, middle);
            if tasks.len() == 0 {
                return Ok(None);
            }
            let chunks = spans.iter().map(|span| self.tasks(series, span).len() as u64).sum();
            let Done { task, outcome } = self.read(series, tasks.get(tasks.len() / 2));
            match outcome {
                Ok((read, _)) => {
                    let whole_bytes = series.reader.stored_bytes(&task.steps.chunk)?.unwrap_or(0);
                    Ok(Some(Probe { chunks, read_bytes: read.bytes, whole_bytes }))
                }
                Err(error) if is_of_one_chunk(&error, self.source.store.is_remote()) => Ok(None),
                Err(error) => Err(Failure::from(error)),
            }
        });
        let found: Result<Vec<Option<Probe>>, Failure> = found.into_iter().collect();
        Ok(found?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_permission_concerns_its_chunk_and_a_refusal_of_a_server_the_run() {
        let denied = ZarrError::Store(StoreError::Denied { place: "t/0".into(), source: "permission denied".into() });
        assert!(is_of_one_chunk(&denied, false));
        assert!(!is_of_one_chunk(&denied, true));
        let silent = ZarrError::Store(StoreError::TimedOut { place: "t/0".into(), detail: String::new() });
        assert!(!is_of_one_chunk(&silent, true));
    }
}
