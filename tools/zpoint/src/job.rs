//! A planned extraction: the record of the plan, or the rows.

use zarray::{CellDecoder, Pool, ScratchPool, Semaphore};
use zcli::{Ending, Phases, Session, Unit};
use zcoord::{Column, Points};
use zwire::{Exit, ExtractPlanSummary, ExtractSummary, Failure, Record};

use crate::agree;
use crate::batch::{Batch, Schema};
use crate::emit::Emitter;
use crate::engine::{Engine, Features, ReadContext, ReadStats};
use crate::lookup::Lookup;
use crate::options::Options;
use crate::plan::{self, Batches};
use crate::schema::{cast, check_same, key_columns, schema};
use crate::sink::{self, Format, Shape};
use crate::source::Source;
use crate::spans::Span;

/// Everything known before data is read.
pub struct Job<'a> {
    options: &'a Options,
    sources: &'a [Source],
    points: Points,
    /// By store and grid.
    lookups: Vec<Vec<Lookup>>,
    schema: Schema,
    /// By store.
    batches: Vec<Batches>,
    /// For chunks in flight.
    chunk_budget: u64,
}

impl<'a> Job<'a> {
    /// Plans the batches of all stores; their columns must be the same.
    ///
    /// # Errors
    /// Usage failures: columns that differ or share a name, and too little memory.
    pub fn plan(
        options: &'a Options,
        sources: &'a [Source],
        points: Points,
        lookups: Vec<Vec<Lookup>>,
    ) -> Result<Job<'a>, Failure> {
        let first = schema(options, &sources[0], &points)?;
        for source in &sources[1..] {
            check_same(&first, &schema(options, source, &points)?, source)?;
        }
        let (part, budget) = (options.read.part, options.read.memory / 2);
        let shares = plan::shares(sources, part.number, part.of);
        let count = points.len() as u64;
        let batches = sources.iter().zip(shares).map(|(source, share)| plan::batches(source, count, share, budget));
        let batches = batches.collect::<Result<Vec<_>, Failure>>()?;
        Ok(Job { options, sources, points, lookups, schema: first, batches, chunk_budget: budget })
    }

    fn context<'c>(&self, pool: &'c Pool, phases: &'c Phases) -> ReadContext<'c> {
        let decoders = ScratchPool::new(self.options.read.jobs, CellDecoder::default);
        let memory = Semaphore::new(self.chunk_budget);
        ReadContext { pool, decoders, memory, limit: self.chunk_budget, partial: self.options.read.partial, phases }
    }

    /// The reader of a store. A chunk that does not fit in memory is an error before the run starts.
    fn engine<'e>(&'e self, number: usize, context: &'e ReadContext<'e>) -> Result<Engine<'e>, Failure> {
        let source = &self.sources[number];
        let engine = Engine::new(source, &self.lookups[number], context)?;
        let needed = engine.largest_chunk();
        if needed <= self.chunk_budget {
            return Ok(engine);
        }
        let (needed, hint) = (zwire::human_bytes(needed), plan::memory_word(needed.saturating_mul(2)));
        let what = format!("decoding one chunk needs {needed}, more than half of --max-memory");
        Err(Failure::usage(what).at(&source.name).hint(format!("use --max-memory {hint}")))
    }

    /// Dry run: emits the plan of each store as a record.
    ///
    /// # Errors
    /// Read errors of the store, and too little memory for one chunk.
    pub fn describe(&self, session: &mut Session) -> Result<Ending, Failure> {
        let mut totals = ExtractPlanSummary { stores: self.sources.len() as u64, ..ExtractPlanSummary::default() };
        let output = &self.options.output;
        for (number, (source, batches)) in self.sources.iter().zip(&self.batches).enumerate() {
            let pool = self.options.read.pool(&source.store);
            let context = self.context(&pool, &session.phases);
            let engine = self.engine(number, &context)?;
            let mut record = plan::estimate(source, &engine, batches, self.points.len() as u64)?;
            record.output_bytes = sink::estimate(output.format, &self.schema, record.rows, output.sink.layout);
            totals.rows += record.rows;
            totals.read_bytes += record.read_bytes;
            totals.wanted_bytes += record.wanted_bytes;
            session.out.emit(&Record::Extraction(Box::new(record)))?;
        }
        let exit = if session.out.errors() > 0 { Exit::Partial } else { Exit::Done };
        Ok(Ending::new(exit, &totals))
    }

    /// Reads the rows of all stores, and writes them.
    ///
    /// # Errors
    /// Read and write errors, and too little memory for one chunk.
    pub fn extract(&self, session: &mut Session) -> Result<Ending, Failure> {
        let samples = self.batches.iter().flat_map(|batches| &batches.spans).map(samples_of).sum();
        let shape = Shape { points: self.points.len() as u64, samples };
        if samples == 0 && self.options.output.format == Format::Zarr {
            // The coordinates of the time series come with its rows.
            let failure = Failure::usage("no samples selected; a Zarr output needs at least one");
            return Err(failure.at(&self.sources[0].name));
        }
        let mut emitter = Emitter::open(self.options, &self.schema, shape)?;
        if emitter.takes_matches() {
            self.emit_matches(session)?;
        }
        let bar = session.status.bar(shape.rows(), Unit::Rows);
        let mut stats = ReadStats::default();
        for number in 0..self.sources.len() {
            self.extract_from(number, session, |batch, read, session| {
                stats.add(read);
                emitter.write(&batch, session)?;
                bar.advance(batch.rows as u64);
                Ok(())
            })?;
        }
        drop(bar);
        if session.stop.requested().is_some() {
            // Dropping the emitter removes the partial output.
            return Ok(Ending::without_totals(Exit::Interrupted));
        }
        self.finish(emitter, &stats, shape.rows(), session)
    }

    /// Reads the batches of one store, and writes each while the next one is read. A signal stops it early.
    fn extract_from(
        &self,
        number: usize,
        session: &mut Session,
        mut write: impl FnMut(Batch, &ReadStats, &mut Session) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if session.stop.requested().is_some() {
            return Ok(());
        }
        let pool = self.options.read.pool(&self.sources[number].store);
        let phases = std::mem::take(&mut session.phases);
        let context = self.context(&pool, &phases);
        let engine = self.engine(number, &context)?;
        let stop = session.stop.clone();
        let stopped = || stop.requested().is_some();
        let done = engine.run(&self.batches[number].spans, &stopped, |span, features| {
            let Features { columns, failures, stats } = features;
            for failure in &failures {
                session.item_failed(failure)?;
            }
            write(self.batch(number, span, columns), &stats, session)
        });
        session.phases = phases;
        done
    }

    fn batch(&self, number: usize, span: &Span, columns: Vec<Column>) -> Batch {
        Batch {
            rows: samples_of(span) as usize * self.points.len(),
            keys: key_columns(&self.schema, &self.sources[number], &self.points, &self.lookups[number][0], span),
            features: if self.options.output.sink.cast_f32 { cast(columns) } else { columns },
        }
    }

    fn columns(&self) -> u64 {
        self.schema.variables.iter().map(|variable| variable.features.len() as u64).sum()
    }

    /// Emits the cells of the points, for each store and grid whose cells differ from the first.
    fn emit_matches(&self, session: &mut Session) -> Result<(), Failure> {
        let mut first: Option<&Lookup> = None;
        for (source, lookups) in self.sources.iter().zip(&self.lookups) {
            for (grid, lookup) in source.grids.iter().zip(lookups) {
                if first.is_some_and(|first| agree::same(first, lookup)) {
                    continue;
                }
                for number in 0..self.points.len() {
                    let record = lookup.record(&source.name, grid, &self.points, number);
                    session.out.emit(&Record::Match(Box::new(record)))?;
                }
                first = first.or(Some(lookup));
            }
        }
        Ok(())
    }

    fn finish(&self, emitter: Emitter, stats: &ReadStats, rows: u64, session: &mut Session) -> Result<Ending, Failure> {
        let written = emitter.finish(session)?;
        // No warnings if the reader has closed the output.
        session.out.flush()?;
        if stats.chunks_missing > 0 {
            let missing = zwire::human_counted(stats.chunks_missing, "chunk");
            session.status.warn(&format!("{missing} not stored: the cells have the fill value"));
        }
        if stats.out_of_range > 0 {
            let values = zwire::human_counted(stats.out_of_range, "value");
            session.status.warn(&format!("{values} outside the valid range set to missing"));
        }
        let totals = ExtractSummary {
            stores: self.sources.len() as u64,
            variables: self.schema.variables.len() as u64,
            columns: self.columns(),
            points: self.points.len() as u64,
            rows,
            chunks_read: stats.chunks,
            chunks_missing: stats.chunks_missing,
            chunks_failed: stats.chunks_failed,
            chunks_whole: stats.chunks_whole,
            blocks_decoded: stats.blocks,
            bytes_read: stats.bytes,
            values_out_of_range: stats.out_of_range,
            output_bytes: written.as_ref().map(|written| written.bytes),
            outputs: written.map(|written| written.paths.iter().rev().map(|path| path.display().to_string()).collect()),
        };
        let exit = if session.out.errors() > 0 { Exit::Partial } else { Exit::Done };
        Ok(Ending::new(exit, &totals))
    }
}

fn samples_of(span: &Span) -> u64 {
    span.iter().map(|range| range.len() as u64).product()
}
