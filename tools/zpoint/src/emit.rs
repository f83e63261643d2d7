//! Row output: to the record stream, to standard output instead of records, or to a separate file.

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use zarray::Pool;
use zcli::Session;
use zwire::{Failure, Record, RowRecord, V1};

use crate::batch::{Batch, Schema};
use crate::human;
use crate::options::Options;
use crate::sink::{self, Shape, Sink, Written};

/// Writes batches of rows.
pub struct Emitter {
    sink: Box<dyn Sink + Send>,
    target: Target,
    pool: Pool,
}

/// Destination of the sink's bytes.
enum Target {
    /// Part of the record stream.
    Records(Waiting),
    /// Standard output, instead of records.
    Plain(Waiting),
    /// A separate file.
    File,
}

/// Buffer between a sink and the output.
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
    /// Opens the output for rows of this shape.
    ///
    /// # Errors
    /// An output that exists or cannot be written; values that the format cannot hold.
    pub fn open(options: &Options, schema: &Schema, shape: Shape) -> Result<Emitter, Failure> {
        let output = &options.output;
        let pool = Pool::new(options.read.jobs);
        let waiting = Waiting::default();
        let (sink, target) = match &output.file {
            Some(path) if !output.are_records => {
                (sink::open(output.format, path, schema, &output.sink, shape)?, Target::File)
            }
            _ => {
                let sink = sink::stream(output.format, Box::new(waiting.clone()), schema, &output.sink)?;
                (sink, if output.are_records { Target::Records(waiting) } else { Target::Plain(waiting) })
            }
        };
        Ok(Emitter { sink, target, pool })
    }

    /// Whether match records go to the stream; rows in the stream have their cells in columns instead.
    pub fn takes_matches(&self) -> bool {
        matches!(self.target, Target::File)
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// As [`Sink::write`].
    pub fn write(&mut self, batch: &Batch, session: &mut Session) -> Result<(), Failure> {
        self.sink.write(batch, &self.pool)?;
        pass_on(&self.target, session)
    }

    /// Finishes and publishes the output. Returns what was written to a file, if any.
    ///
    /// # Errors
    /// As [`Sink::finish`].
    pub fn finish(self, session: &mut Session) -> Result<Option<Written>, Failure> {
        let Emitter { sink, target, pool } = self;
        if matches!(target, Target::File) {
            session.stop.too_late();
        }
        let written = sink.finish()?;
        pass_on(&target, session)?;
        drop(pool);
        Ok(matches!(target, Target::File).then_some(written))
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

/// Turns row records into rows of a terminal table.
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
