//! Writes a manifest: every object is read once, on all workers, and its line is written in order.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use zarray::{Array, OrderedMap, Pool, ScratchPool, Semaphore};
use zcli::Bar;
use zstore::{AtomicFile, Durability, Replace, write_failed};
use zwire::{Exit, Failure, ManifestSummary, human_bytes};

use crate::finding::Finding;
use crate::kinds::Kind;
use crate::manifest::digest::{DigestBuffers, Digested, Digester, stored};
use crate::manifest::hash::text;
use crate::manifest::line::{ArrayLine, Line, VERSION};
use crate::manifest::objects::Objects;
use crate::options::Options;
use crate::side::Side;
use crate::sink::Sink;

/// Objects whose results are waited for, for each worker.
const AHEAD: usize = 8;

/// Writes the manifest of `side` to `path`, which must not exist.
///
/// # Errors
/// The store cannot be listed or read, or the file cannot be written: it then does not exist.
pub fn write(
    path: &Path,
    side: &Side,
    options: &Options,
    bar: &Bar,
    sink: &mut Sink,
) -> Result<ManifestSummary, Failure> {
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(Exit::Output, "already exists").at(path.display()).hint("choose another name"));
    }
    let pool = Pool::new(options.access.readers(&side.store, options.jobs));
    let objects = Objects::of(side, &pool)?;
    let file = AtomicFile::create(path).map_err(|error| Failure::from(write_failed(path, error)))?;
    let mut writer = Writer { file: BufWriter::new(file), path: path.to_owned(), objects: 0, bytes: 0 };
    writer.line(&Line::Manifest { v: VERSION, store: side.name.clone() })?;
    let mut buffer = Vec::new();
    for key in objects.others.keys() {
        if let Some(line) = stored(&side.store, key.clone(), &mut buffer)? {
            writer.object(Line::Object(line))?;
        }
    }
    for array in side.arrays.values() {
        if sink.session.stop.requested().is_some() {
            break;
        }
        OneArray { side, options, pool: &pool, objects: &objects, array }.write(&mut writer, bar, sink)?;
    }
    side.still_there()?;
    if let Some(exit) = sink.session.stop.requested() {
        return Err(Failure::stopped(exit));
    }
    writer.end()
}

/// The file.
struct Writer {
    file: BufWriter<AtomicFile>,
    path: PathBuf,
    objects: u64,
    bytes: u64,
}

impl Writer {
    fn line(&mut self, line: &Line) -> Result<(), Failure> {
        let written = serde_json::to_writer(&mut self.file, line).map_err(std::io::Error::from);
        let written = written.and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|error| Failure::from(write_failed(&self.path, error)))
    }

    fn object(&mut self, line: Line) -> Result<(), Failure> {
        if let Line::Object(object) = &line {
            self.objects += 1;
            self.bytes += object.size;
        }
        self.line(&line)
    }

    fn end(mut self) -> Result<ManifestSummary, Failure> {
        self.line(&Line::End { objects: self.objects, bytes: self.bytes })?;
        let Writer { file, path, objects, .. } = self;
        let file = file.into_inner().map_err(|error| Failure::from(write_failed(&path, error.into_error())))?;
        let published = file.publish(Replace::Never, Durability::Full);
        published.map_err(|error| Failure::from(write_failed(&path, error)))?;
        Ok(ManifestSummary {
            manifest: path.display().to_string(),
            manifest_objects: objects,
            ..ManifestSummary::default()
        })
    }
}

/// An array whose lines are written.
struct OneArray<'a> {
    side: &'a Side,
    options: &'a Options,
    pool: &'a Pool,
    objects: &'a Objects,
    array: &'a Array,
}

impl OneArray<'_> {
    fn write(&self, writer: &mut Writer, bar: &Bar, sink: &mut Sink) -> Result<(), Failure> {
        writer.line(&Line::Array(ArrayLine::of(self.array)))?;
        let digester = Digester::new(self.side, self.array, self.options.memory);
        let mut sum = digester.hashes_values().then_some(0u128);
        if let Some(grid) = self.array.numbered() {
            let buffers = ScratchPool::new(self.pool.workers(), DigestBuffers::default);
            let (memory, cost) = (Semaphore::new(self.options.memory), digester.cost());
            let stop = sink.session.stop.clone();
            let is_stopped = || stop.requested().is_some();
            let cost_of = |_: &u64| cost;
            OrderedMap::new(self.pool, AHEAD * self.pool.workers()).stop(&is_stopped).memory(&memory, &cost_of).run(
                self.objects.numbers(self.array),
                |number| digester.object(&grid.index(number), &mut buffers.take()),
                |digested| {
                    let Some(digested) = digested.map_err(Failure::from)? else { return Ok(()) };
                    bar.advance(digested.line.size);
                    sum = sum.zip(digested.sum).map(|(sum, more)| sum.wrapping_add(more));
                    self.object(digested, writer, sink)
                },
            )?;
        }
        sink.summary.arrays += 1;
        writer.line(&Line::Values { path: self.array.path.clone(), values: sum.map(text) })
    }

    fn object(&self, digested: Digested, writer: &mut Writer, sink: &mut Sink) -> Result<(), Failure> {
        match &digested.undecoded {
            None => {}
            Some(error) if error.is_damage() => {
                let found = format!("{} of {}: {error}", digested.line.key, human_bytes(digested.line.size));
                sink.emit(Finding::of(Kind::Undecodable, self.array, found).key(&digested.line.key))?;
            }
            Some(error) => sink.failed(&Failure::from(error))?,
        }
        *sink.summary.stored_bytes.get_or_insert_default() += digested.line.size;
        writer.object(Line::Object(digested.line))
    }
}
