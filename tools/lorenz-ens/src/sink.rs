//! Where rows go: records of the stream, or lines of CSV or JSON in a file that appears only when it is complete.

use std::io::{BufWriter, IsTerminal, Write, stdout};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use zcli::Session;
use zstore::{AtomicFile, Durability, Replace, missing_directory};
use zwire::{Exit, Failure, Record, shell_quote};

use crate::place::{Place, RowFormat};

/// A sink for rows.
pub struct Sink {
    target: Option<(AtomicFile, BufWriter<std::fs::File>)>,
    format: RowFormat,
    /// Whether rows are records of the stream.
    records: bool,
    overwrite: bool,
    rows: u64,
    /// The line with the names of the columns, until the first row is written.
    header: Option<String>,
}

impl Sink {
    /// The sink of rows with these columns.
    ///
    /// # Errors
    /// A file that exists, or cannot be made.
    pub fn open(place: &Place, columns: &str, overwrite: bool) -> Result<Sink, Failure> {
        let (target, format, records) = match place {
            Place::File(path, format) => (Some(create(path, overwrite)?), *format, false),
            Place::Stdout(RowFormat::Csv) => (None, RowFormat::Csv, false),
            // There, records are a table.
            Place::Stdout(RowFormat::Jsonl) if stdout().is_terminal() => (None, RowFormat::Jsonl, false),
            _ => (None, RowFormat::Jsonl, true),
        };
        let header = (format == RowFormat::Csv).then(|| format!("{columns}\n"));
        Ok(Sink { target, format, records, overwrite, rows: 0, header })
    }

    /// Whether rows are lines of CSV.
    pub fn is_csv(&self) -> bool {
        self.format == RowFormat::Csv
    }

    /// Whether rows are records of the stream, and not lines.
    pub fn takes_records(&self) -> bool {
        self.records
    }

    /// Number of rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes a record.
    ///
    /// # Errors
    /// As [`zcli::Output::emit`].
    pub fn record(&mut self, record: &Record, session: &mut Session) -> Result<(), Failure> {
        self.rows += 1;
        session.out.emit(record)
    }

    /// Takes complete lines.
    ///
    /// # Errors
    /// A full disk; an output that is not read any more.
    pub fn write(&mut self, lines: &[u8], rows: u64, session: &mut Session) -> Result<(), Failure> {
        if let Some(header) = self.header.take() {
            self.write(header.as_bytes(), 0, session)?;
        }
        self.rows += rows;
        match &mut self.target {
            None => session.out.bytes(lines),
            Some((target, writer)) => writer.write_all(lines).map_err(|error| failure(target.target(), &error)),
        }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// A full disk.
    pub fn finish(self) -> Result<(), Failure> {
        let Some((target, writer)) = self.target else { return Ok(()) };
        let path = target.target().to_owned();
        writer.into_inner().map_err(|error| failure(&path, error.error()))?;
        // It may have come since.
        check_free(&path, self.overwrite)?;
        let replace = if self.overwrite { Replace::File } else { Replace::Never };
        target.publish(replace, Durability::Full).map_err(|error| failure(&path, &error))
    }
}

/// Refuses a file that exists, unless it is to be overwritten, and always what is no regular file: a device, a pipe or a link would
/// lose its name to a file.
///
/// # Errors
/// [`Exit::Output`].
pub fn check_free(path: &Path, overwrite: bool) -> Result<(), Failure> {
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    if !found.is_file() {
        let failure = Failure::new(Exit::Output, "is not a regular file, so it is not replaced").at(path.display());
        let is_target = found.file_type().is_char_device() || found.file_type().is_fifo();
        return Err(match is_target {
            true => failure.hint(format!("redirect rows to it: --to csv > {}", shell_quote(&path.to_string_lossy()))),
            false => failure.hint("choose another name"),
        });
    }
    if !overwrite {
        let failure = Failure::new(Exit::Output, "already exists").at(path.display());
        return Err(failure.hint("choose another name, or use --overwrite"));
    }
    Ok(())
}

/// A new file, under a temporary name.
pub fn create(path: &Path, overwrite: bool) -> Result<(AtomicFile, BufWriter<std::fs::File>), Failure> {
    check_free(path, overwrite)?;
    let target = AtomicFile::create(path).map_err(|error| failure(path, &error))?;
    let file = target.file().try_clone().map_err(|error| failure(path, &error))?;
    Ok((target, BufWriter::with_capacity(1 << 20, file)))
}

/// A file that cannot be written.
pub fn failure(path: &Path, error: &std::io::Error) -> Failure {
    match missing_directory(path, error) {
        Some(hint) => Failure::new(Exit::Output, "the directory does not exist").at(path.display()).hint(hint),
        None => Failure::new(Exit::Output, error.to_string()).at(path.display()),
    }
}
