//! Where rows go: to the stream of records, as plain text in its place, or to a file of their own.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value};
use zarray::Pool;
use zcli::Session;
use zwire::{Failure, Record, RowRecord, V1};

use crate::batch::{Batch, Schema};
use crate::cli::{Args, Cast, LayoutChoice, RowFormat, TimeChoice};
use crate::human;
use crate::sink::{self, Format, Layout, Options, Shape, Sink, TimeFormat};

/// Takes batches of rows.
pub struct Emitter {
    sink: Box<dyn Sink + Send>,
    target: Target,
    pool: Pool,
}

/// Where the sink's bytes go.
enum Target {
    /// To the stream, which they are part of.
    Records(Waiting),
    /// To standard output, in place of the stream.
    Plain(Waiting),
    /// To a file of their own.
    File,
}

/// Bytes on their way from a sink to the output.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<Vec<u8>>>);

impl Waiting {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Write for Waiting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Emitter {
    /// Begins the output.
    ///
    /// # Errors
    /// An output that is there already or cannot be written; values that the format has no place for.
    pub fn open(args: &Args, schema: &Schema, stations: u64, samples: u64) -> Result<Emitter, Failure> {
        let (format, options) = (format_of(args), args.sink_options());
        let pool = Pool::new(args.work.jobs());
        let waiting = Waiting::default();
        if args.rows_are_records() {
            let sink = sink::stream(Format::Jsonl, Box::new(waiting.clone()), schema, &options)?;
            return Ok(Emitter { sink, target: Target::Records(waiting), pool });
        }
        let Some(path) = args.rows_file() else {
            let sink = sink::stream(format, Box::new(waiting.clone()), schema, &options)?;
            return Ok(Emitter { sink, target: Target::Plain(waiting), pool });
        };
        let sink = sink::open(format, path, schema, &options, Shape { stations, samples })?;
        Ok(Emitter { sink, target: Target::File, pool })
    }

    /// Whether the stream has room for the cells that were found; rows that are in it say so themselves.
    pub fn tells_matches(&self) -> bool {
        matches!(self.target, Target::File)
    }

    /// Takes a batch.
    ///
    /// # Errors
    /// As [`Sink::write`].
    pub fn write(&mut self, batch: &Batch, session: &mut Session) -> Result<(), Failure> {
        self.sink.write(batch, &self.pool)?;
        self.pass_on(session)
    }

    /// Ends the output, which then gets its name. Returns what the summary says of it.
    ///
    /// # Errors
    /// As [`Sink::finish`].
    pub fn finish(self, session: &mut Session) -> Result<Map<String, Value>, Failure> {
        let Emitter { sink, target, pool } = self;
        if matches!(target, Target::File) {
            session.stop.too_late();
        }
        let written = sink.finish()?;
        let mut totals = Map::new();
        let file = matches!(target, Target::File);
        pass_on(&target, session)?;
        drop(pool);
        if file {
            totals.insert("output_bytes".into(), written.bytes.into());
            let names = written.paths.iter().rev().map(|path| path.display().to_string());
            totals.insert("outputs".into(), names.collect::<Vec<_>>().into());
        }
        Ok(totals)
    }

    fn pass_on(&self, session: &mut Session) -> Result<(), Failure> {
        pass_on(&self.target, session)
    }
}

fn pass_on(target: &Target, session: &mut Session) -> Result<(), Failure> {
    match target {
        Target::File => Ok(()),
        Target::Plain(waiting) => session.out.bytes(&waiting.take()),
        Target::Records(waiting) if session.out.is_table() => table(&waiting.take(), session),
        Target::Records(waiting) => session.out.lines(&waiting.take()),
    }
}

/// Rows for people, out of those for scripts.
fn table(lines: &[u8], session: &mut Session) -> Result<(), Failure> {
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(Value::Object(mut values)) = serde_json::from_slice::<Value>(line) else { continue };
        values.shift_remove("type");
        values.shift_remove("v");
        session.out.set_table_once(|| human::rows(values.keys().cloned().collect()));
        session.out.emit(&Record::Row(RowRecord { v: V1, values }))?;
    }
    Ok(())
}

/// The format of a run's rows.
pub fn format_of(args: &Args) -> Format {
    match args.row_format() {
        Some(RowFormat::Csv) => Format::Csv,
        Some(RowFormat::Parquet) => Format::Parquet,
        Some(RowFormat::Npy) => Format::Npy,
        Some(RowFormat::Zarr) => Format::Zarr,
        None | Some(RowFormat::Jsonl) => Format::Jsonl,
    }
}

impl Args {
    /// What a row is, for the sinks.
    pub fn sink_layout(&self) -> Layout {
        match self.rows.layout {
            LayoutChoice::Wide => Layout::Wide,
            LayoutChoice::Long => Layout::Long,
        }
    }

    fn sink_options(&self) -> Options {
        Options {
            layout: self.sink_layout(),
            na_rep: self.rows.na_rep.clone(),
            header: !self.rows.no_header,
            time_format: match self.rows.time_format {
                TimeChoice::Iso => TimeFormat::Iso,
                TimeChoice::Unix => TimeFormat::Unix,
                TimeChoice::Cf => TimeFormat::Cf,
            },
            cast_f32: self.rows.cast == Some(Cast::F32),
            overwrite: self.rows.overwrite,
            tool: format!("zpoint {}", env!("CARGO_PKG_VERSION")),
            row_group_bytes: (self.memory.max_memory.bytes() / 4).clamp(1 << 20, 256 << 20),
            partition_by: self.rows.partition_by.clone(),
        }
    }

    /// Refuses what contradicts itself before anything is opened.
    ///
    /// # Errors
    /// Usage failures.
    pub fn check(&self) -> Result<(), Failure> {
        if self.rows.partition_by.is_some() && self.rows_file().is_none() {
            return Err(Failure::usage("--partition-by makes a directory").hint("name it with -o"));
        }
        if self.rows_file().is_some_and(|path| path.to_string_lossy().contains("://")) {
            return Err(Failure::usage("rows are written to local files")
                .at("--output")
                .hint("copy them on afterwards"));
        }
        let known = ["jsonl", "ndjson", "json"];
        let is_records = |path: &Path| path.extension().is_none_or(|ending| known.iter().any(|known| ending == *known));
        let unknown = self.rows_file().is_some_and(|path| !is_records(path)) || self.rows.partition_by.is_some();
        if unknown && self.row_format().is_none() && !self.read.dry_run {
            return Err(Failure::usage("the name of the output tells no format").at("--output").hint("say it with -f"));
        }
        Ok(())
    }
}
