//! Results: records to stdout or a file, as JSON Lines or a table.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use zstore::{AtomicFile, Durability, Replace, missing_directory};
use zwire::{Exit, Record, Summary};

use crate::flags::{Color, Common, Format};
use crate::printer::Printer;
use crate::screen::{Screen, terminal_width};
use crate::table::Table;
use zwire::Failure;

/// Maximum time that lines are buffered, so that readers of a slow stream see progress.
const LINGER: Duration = Duration::from_millis(200);

/// Where records go.
pub struct Output {
    writer: BufWriter<Box<dyn Write + Send>>,
    printer: Option<Printer>,
    /// A file that is renamed to its final name when it is complete.
    target: Option<AtomicFile>,
    /// Whether it replaces an existing file.
    replaces: bool,
    flushed: Instant,
    errors: u64,
    /// Whether to continue if the records are no longer read (tools that write data).
    outlives_reader: bool,
    closed: bool,
    /// Whether plain text replaces the records.
    plain: bool,
    /// Whether no table is printed (`--quiet`).
    silent: bool,
    /// Whether the tool has set its own columns.
    table_is_set: bool,
}

/// Stdout on a terminal, where a progress bar may be shown.
struct Terminal(Screen);

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.print(|| io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.print(|| io::stdout().flush())
    }
}

/// An encoded record. Workers encode, because serialising records costs more than creating them.
pub enum Line {
    /// A line of JSON, with its newline.
    Json(Vec<u8>),
    /// A record for a table, which only the output can format.
    Record(Box<Record>),
}

/// Encodes records, on any thread.
#[derive(Clone, Copy)]
pub struct Encoder {
    json: bool,
}

impl Encoder {
    /// Encodes a record. Not for error records, which are counted when they are emitted.
    pub fn encode(self, record: Record) -> Line {
        let mut line = Vec::with_capacity(1024);
        match self.json && write_line(&mut line, &record).is_ok() {
            true => Line::Json(line),
            false => Line::Record(Box::new(record)),
        }
    }
}

impl Output {
    pub(crate) fn open(
        common: &Common,
        target: Option<&Path>,
        replaces: bool,
        table: Table,
        outlives_reader: bool,
        screen: Screen,
    ) -> Result<Output, Failure> {
        let terminal = target.is_none() && io::stdout().is_terminal();
        let as_table = match common.format {
            Format::Table => true,
            Format::Jsonl => false,
            Format::Auto | Format::Extra(_) => terminal && !common.json,
        };
        let colored = match common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
        };
        let (writer, target): (Box<dyn Write + Send>, _) = match target {
            None if terminal => (Box::new(Terminal(screen)), None),
            None => (Box::new(io::stdout()), None),
            Some(path) => {
                let (target, file) = create(path, replaces)?;
                (Box::new(file), Some(target))
            }
        };
        Ok(Output {
            writer: BufWriter::with_capacity(64 * 1024, writer),
            printer: as_table.then(|| {
                let width = (terminal && !common.wide).then(|| terminal_width(io::stdout()));
                Printer::new(table, width, terminal, colored)
            }),
            silent: as_table && common.quiet && target.is_none(),
            target,
            replaces,
            flushed: Instant::now(),
            errors: 0,
            outlives_reader,
            closed: false,
            plain: false,
            table_is_set: false,
        })
    }

    /// Error records so far.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Emits one record.
    ///
    /// # Errors
    /// Fails if the output cannot be written, or, in a tool that only reads, if it is no longer read.
    pub fn emit(&mut self, record: &Record) -> Result<(), Failure> {
        if matches!(record, Record::Error(_)) {
            self.errors += 1;
        }
        if self.closed || self.plain || self.silent {
            return Ok(());
        }
        let written = match &mut self.printer {
            Some(printer) => self.writer.write_all(printer.record(record).as_bytes()),
            None => write_line(&mut self.writer, record),
        };
        self.written(written)
    }

    /// Emits one record encoded by a worker.
    ///
    /// # Errors
    /// As [`Output::emit`].
    pub fn emit_line(&mut self, line: &Line) -> Result<(), Failure> {
        match line {
            Line::Record(record) => self.emit(record),
            Line::Json(_) if self.closed => Ok(()),
            Line::Json(line) => {
                let written = self.writer.write_all(line);
                self.written(written)
            }
        }
    }

    /// Prints no records on stdout, because the tool itself prints something else there. A file still gets them.
    pub fn without_records(&mut self) {
        self.plain |= self.target.is_none();
    }

    /// Emits one line of plain text instead of records, for scripts.
    ///
    /// # Errors
    /// As [`Output::emit`].
    pub fn plain(&mut self, text: &str) -> Result<(), Failure> {
        self.plain = true;
        if text.is_empty() {
            return Ok(());
        }
        let written = writeln!(self.writer, "{text}");
        self.written(written)
    }

    /// Emits bytes of another format instead of records: no records and no summary follow.
    ///
    /// # Errors
    /// As [`Output::emit`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.plain = true;
        if self.closed {
            return Ok(());
        }
        let written = self.writer.write_all(bytes);
        self.written(written)
    }

    /// Emits complete lines that are already JSON records, if the format is JSON Lines.
    ///
    /// # Errors
    /// As [`Output::emit`].
    pub fn lines(&mut self, lines: &[u8]) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let written = self.writer.write_all(lines);
        self.written(written)
    }

    /// Discards the file of records. Has no effect on stdout.
    pub(crate) fn discard(&mut self) {
        self.closed |= self.target.take().is_some();
    }

    /// Flushes buffered lines, which detects a closed pipe.
    ///
    /// # Errors
    /// As [`Output::emit`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let flushed = self.writer.flush();
        self.check(flushed)
    }

    /// Whether records are printed as a table.
    pub fn is_table(&self) -> bool {
        self.printer.is_some()
    }

    /// Replaces the table, for a tool whose columns depend on the data; once, before the first row.
    pub fn set_table_once(&mut self, table: impl FnOnce() -> Table) {
        if let Some(printer) = self.printer.as_mut().filter(|_| !self.table_is_set) {
            printer.set_table(table());
            self.table_is_set = true;
        }
    }

    /// Encodes records for this output, on any thread.
    pub fn encoder(&self) -> Encoder {
        Encoder { json: self.printer.is_none() }
    }

    fn written(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        let flushed = written.and_then(|()| {
            if self.flushed.elapsed() < LINGER {
                return Ok(());
            }
            self.flushed = Instant::now();
            self.writer.flush()
        });
        self.check(flushed)
    }

    /// Ends the stream with its summary, flushes it and checks for errors.
    pub(crate) fn finish(&mut self, summary: Summary, elapsed: &str) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let written = match &mut self.printer {
            _ if self.plain || self.silent => Ok(()),
            Some(printer) => self.writer.write_all(printer.finish(&summary, elapsed).as_bytes()),
            None => write_line(&mut self.writer, &Record::Summary(summary)),
        };
        let flushed = written.and_then(|()| self.writer.flush());
        self.check(flushed)?;
        let Some(target) = self.target.take() else { return Ok(()) };
        let place = target.target().display().to_string();
        let replace = if self.replaces { Replace::File } else { Replace::Never };
        target.publish(replace, Durability::Full).map_err(|error| write_failure(&place, &error))
    }

    fn check(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                if self.outlives_reader { Ok(()) } else { Err(Failure::closed_pipe()) }
            }
            Err(error) => {
                self.closed = true;
                let place = self.target.as_ref().map(|target| target.target().display().to_string());
                Err(write_failure(place.as_deref().unwrap_or("stdout"), &error))
            }
        }
    }
}

fn write_line(writer: &mut impl Write, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *writer, record).map_err(io::Error::from)?;
    writer.write_all(b"\n")
}

/// A file for records, and its writer.
fn create(path: &Path, replaces: bool) -> Result<(AtomicFile, File), Failure> {
    let place = path.display().to_string();
    if !replaces && path.symlink_metadata().is_ok() {
        return Err(Failure::new(Exit::Output, "already exists").at(place).hint("choose another name"));
    }
    let created = AtomicFile::create(path).and_then(|target| {
        let file = target.file().try_clone()?;
        Ok((target, file))
    });
    created.map_err(|error| write_failure(&place, &error))
}

fn write_failure(place: &str, error: &io::Error) -> Failure {
    match missing_directory(Path::new(place), error) {
        Some(hint) => Failure::new(Exit::Output, "the directory does not exist").at(place).hint(hint),
        None => Failure::new(Exit::Output, error.to_string()).at(place),
    }
}
