//! The job of `zpoint`: open → locate → plan → read → emit.

use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::thread;

use serde_json::{Map, Value};
use zarray::{Pool, Semaphore};
use zcli::{Ending, Session, stores};
use zwire::{Exit, Failure, Record};

use crate::batch::{Batch, Schema};
use crate::cli::{Args, Cast};
use crate::emit::{Emitter, format_of};
use crate::engine::{Effort, Engine, Features, Means};
use crate::locate::{self, Known, Located};
use crate::places::Places;
use crate::plan::{self, Batches};
use crate::schema::{cast, check_same, key_columns, schema};
use crate::source::Source;
use crate::spans::Span;
use crate::{agree, sink, valid};

pub fn run(args: &Args, session: &mut Session) -> Result<Ending, Failure> {
    args.check()?;
    if args.rows_file().is_none() && !args.rows_are_records() && !args.read.dry_run {
        // From here on, standard output has rows of another format, and nothing else.
        session.out.bytes(&[])?;
    }
    let names = stores(&args.stores, args.stores_from.as_deref())?;
    let places = Places::gather(&args.place.lat, &args.place.lon, args.place.points.as_deref())?;
    let sources = names.iter().map(|name| Source::open(args, name, session)).collect::<Result<Vec<_>, Failure>>()?;
    let job = Job::plan(args, sources, places, session)?;
    if args.read.dry_run { job.describe(session) } else { job.extract(session) }
}

/// All that is known before anything is read.
struct Job<'a> {
    args: &'a Args,
    sources: Vec<Source>,
    places: Places,
    /// By store and grid.
    located: Vec<Vec<Located>>,
    schema: Schema,
    batches: Vec<Batches>,
    /// For chunks in flight.
    chunk_budget: u64,
}

impl<'a> Job<'a> {
    fn plan(
        args: &'a Args,
        sources: Vec<Source>,
        mut places: Places,
        session: &mut Session,
    ) -> Result<Job<'a>, Failure> {
        let mut located = Vec::new();
        let mut stays = vec![true; places.len()];
        for source in &sources {
            let pool = pool(args, source);
            let found = locate_all(args, source, &places, &pool)?;
            for found in &found {
                let settled = locate::settle(args, found, source, &places, session)?;
                stays.iter_mut().zip(settled).for_each(|(stays, stay)| *stays &= stay);
            }
            located.push(found);
        }
        if stays.contains(&false) {
            places = places.filtered(&stays);
            if places.len() == 0 {
                return Err(Failure::new(Exit::Absent, "every place is outside of the grid").at(&sources[0].name));
            }
            for (source, located) in sources.iter().zip(&mut located) {
                *located = locate_all(args, source, &places, &pool(args, source))?;
            }
        }
        agree::check(args, &sources, &located, &places, session)?;
        let first = schema(args, &sources[0], &places)?;
        for source in &sources[1..] {
            check_same(&first, &schema(args, source, &places)?, source)?;
        }
        let budget = args.memory.max_memory.bytes();
        let part = args.read.part.unwrap_or(zarray::Part::WHOLE);
        let shares: Vec<Range<u64>> = plan::shares(&sources, part.number, part.of);
        let stations = places.len() as u64;
        let batches =
            sources.iter().zip(shares).map(|(source, share)| plan::batches(source, stations, share, budget / 2));
        let batches = batches.collect::<Result<Vec<_>, Failure>>()?;
        for source in &sources {
            tell_left_out(source, session);
        }
        Ok(Job { args, schema: first, places, located, batches, sources, chunk_budget: budget / 2 })
    }

    /// With --dry-run: the plan of each store as a record.
    fn describe(&self, session: &mut Session) -> Result<Ending, Failure> {
        let mut totals = Map::new();
        let (mut rows, mut read, mut wanted) = (0, 0, 0);
        for (source, (located, batches)) in self.sources.iter().zip(self.located.iter().zip(&self.batches)) {
            let pool = pool(self.args, source);
            let (processor, memory) = (Semaphore::new(self.args.work.jobs() as u64), Semaphore::new(self.chunk_budget));
            let partial = self.args.read.partial_decode.into();
            let means = Means { pool: &pool, processor: &processor, memory: &memory, partial, phases: &session.phases };
            let engine = Engine::new(source, located, &means)?;
            self.check_chunk(source, &engine)?;
            let mut record = plan::estimate(source, &engine, batches, self.places.len() as u64, &pool)?;
            let layout = self.args.sink_layout();
            record.output_bytes = sink::estimate(format_of(self.args), &self.schema, record.rows, layout);
            rows += record.rows;
            read += record.read_bytes;
            wanted += record.wanted_bytes;
            session.out.emit(&Record::Extraction(Box::new(record)))?;
        }
        for (key, value) in [("stores", self.sources.len() as u64), ("rows", rows)] {
            totals.insert(key.into(), value.into());
        }
        totals.insert("read_bytes".into(), read.into());
        totals.insert("wanted_bytes".into(), wanted.into());
        Ok(Ending { exit: Exit::Done, totals })
    }

    /// A chunk that does not fit the memory is refused before the run, not killed in it.
    fn check_chunk(&self, source: &Source, engine: &Engine) -> Result<(), Failure> {
        let needed = engine.largest_chunk();
        if needed <= self.chunk_budget {
            return Ok(());
        }
        let (needed, hint) = (zwire::human_bytes(needed), plan::memory_word(2 * needed));
        let what = format!("one chunk takes {needed} while it is decoded, more than half of --max-memory");
        Err(Failure::usage(what).at(&source.name).hint(format!("--max-memory {hint} would do")))
    }

    fn extract(&self, session: &mut Session) -> Result<Ending, Failure> {
        let samples = self.batches.iter().flat_map(|batches| &batches.spans).map(samples_of).sum();
        let stations = self.places.len() as u64;
        if samples == 0 && format_of(self.args) == sink::Format::Zarr {
            // The series' coordinates come with its rows.
            return Err(
                Failure::usage("there are no samples to write, and no Zarr store without").at(&self.sources[0].name)
            );
        }
        let mut emitter = Emitter::open(self.args, &self.schema, stations, samples)?;
        if emitter.tells_matches() {
            self.tell_matches(session)?;
        }
        let bar = session.status.bar(samples * stations * self.row_bytes());
        let mut effort = Effort::default();
        for (number, source) in self.sources.iter().enumerate() {
            let pool = pool(self.args, source);
            let (processor, memory) = (Semaphore::new(self.args.work.jobs() as u64), Semaphore::new(self.chunk_budget));
            let partial = self.args.read.partial_decode.into();
            let phases = std::mem::take(&mut session.phases);
            let means = Means { pool: &pool, processor: &processor, memory: &memory, partial, phases: &phases };
            let engine = Engine::new(source, &self.located[number], &means)?;
            self.check_chunk(source, &engine)?;
            let spans = &self.batches[number].spans;
            let done: Result<(), Failure> = thread::scope(|scope| {
                let (send, receive) = sync_channel(1);
                let stop = session.stop.clone();
                scope.spawn(move || {
                    for span in spans {
                        let read = engine.batch(span);
                        let failed = read.is_err();
                        if send.send((span, read)).is_err() || failed || stop.requested().is_some() {
                            return;
                        }
                    }
                });
                for (span, read) in receive {
                    if session.stop.requested().is_some() {
                        return Ok(());
                    }
                    let read = read?;
                    effort.add(&read.effort);
                    for failure in &read.failures {
                        session.item_failed(failure)?;
                    }
                    let batch = self.batch(number, span, read);
                    emitter.write(&batch, session)?;
                    bar.advance(batch.rows as u64 * self.row_bytes());
                }
                Ok(())
            });
            session.phases = phases;
            done?;
            if session.stop.requested().is_some() {
                break;
            }
        }
        bar.finish();
        self.finish(emitter, effort, samples * stations, session)
    }

    fn batch(&self, number: usize, span: &Span, read: Features) -> Batch {
        let features = match self.args.rows.cast {
            Some(Cast::F32) => cast(read.columns),
            None => read.columns,
        };
        let located = &self.located[number];
        Batch {
            rows: samples_of(span) as usize * self.places.len(),
            keys: key_columns(&self.sources[number], &self.places, &located[0], span),
            features,
        }
    }

    fn row_bytes(&self) -> u64 {
        self.schema.variables.iter().map(|variable| variable.features.len() as u64 * 4).sum::<u64>().max(1)
    }

    /// The cells of the places: of each store and grid where they are not those that were told already.
    fn tell_matches(&self, session: &mut Session) -> Result<(), Failure> {
        let mut told: Option<&Located> = None;
        for (source, located) in self.sources.iter().zip(&self.located) {
            for (grid, located) in source.grids.iter().zip(located) {
                if told.is_some_and(|told| agree::same(told, located)) {
                    continue;
                }
                for number in 0..self.places.len() {
                    let record = located.record(source, grid, &self.places, number);
                    session.out.emit(&Record::Match(Box::new(record)))?;
                }
                told = told.or(Some(located));
            }
        }
        Ok(())
    }

    fn finish(&self, emitter: Emitter, effort: Effort, rows: u64, session: &mut Session) -> Result<Ending, Failure> {
        if session.stop.requested().is_some() {
            // What was written so far goes with the emitter.
            return Ok(Ending { exit: Exit::Interrupted, totals: Map::new() });
        }
        let written = emitter.finish(session)?;
        // Who has read enough need not be told what is missing.
        session.out.flush()?;
        if effort.chunks_missing > 0 {
            let missing = zwire::human_counted(effort.chunks_missing, "chunk");
            session.status.warn(&format!("{missing} not stored: the cells have the fill value"));
        }
        if effort.out_of_range > 0 {
            let values = zwire::human_counted(effort.out_of_range, "value");
            session.status.warn(&format!("{values} outside the valid range are missing"));
        }
        let columns: usize = self.schema.variables.iter().map(|variable| variable.features.len()).sum();
        let mut totals: Map<String, Value> = Map::new();
        let figures = [
            ("stores", self.sources.len() as u64),
            ("variables", self.schema.variables.len() as u64),
            ("columns", columns as u64),
            ("places", self.places.len() as u64),
            ("rows", rows),
            ("chunks_read", effort.chunks),
            ("chunks_missing", effort.chunks_missing),
            ("chunks_failed", effort.chunks_failed),
            ("chunks_whole", effort.chunks_whole),
            ("blocks_decoded", effort.blocks),
            ("bytes_read", effort.bytes),
            ("values_out_of_range", effort.out_of_range),
        ];
        figures.into_iter().for_each(|(key, value)| drop(totals.insert(key.into(), value.into())));
        totals.extend(written);
        let exit = if session.out.errors() > 0 { Exit::Partial } else { Exit::Done };
        Ok(Ending { exit, totals })
    }
}

fn locate_all(args: &Args, source: &Source, places: &Places, pool: &Pool) -> Result<Vec<Located>, Failure> {
    let grids = source.grids.iter().map(|grid| {
        let known = Known::read(source, grid, pool)?;
        let located = known.locate(places, &args.place, pool)?;
        Ok((known, located))
    });
    let grids = grids.collect::<Result<Vec<(Known, Located)>, Failure>>()?;
    valid::nearest_valid(args, source, places, grids, pool)
}

fn samples_of(span: &Span) -> u64 {
    span.iter().map(|range| range.len() as u64).product()
}

fn pool(args: &Args, source: &Source) -> Pool {
    Pool::new(args.store.readers(&source.store, args.work.jobs()))
}

/// Says which arrays are no variables, and why: the first of each reason.
fn tell_left_out(source: &Source, session: &Session) {
    for (path, why) in &source.left_out {
        session.status.say(&format!("{}: {path} is left out: {why}", source.name));
    }
    for grid in &source.grids {
        session.status.say(&format!("{}: places are found by {}", source.name, grid.found_by));
    }
    if let Some((path, why)) = source.left_out.first() {
        let count = zwire::human_counted(source.left_out.len() as u64, "array");
        session.status.warn(&format!("{}: {count} left out, {path} among them: {why}", source.name));
    }
}
