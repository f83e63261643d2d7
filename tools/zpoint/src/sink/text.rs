//! The sink of all text formats: workers format ranges of rows, which are written in order.

use std::io::Write;
use std::ops::Range;

use zarray::Pool;
use zwire::Failure;

use super::failure::write_failed;
use super::lines::Lines;
use super::{Sink, Written};
use crate::batch::Batch;

/// Values that a worker formats at a time: about 1 MB of text.
const PIECE_VALUES: usize = 100_000;

/// Writer of a text table.
pub struct Text {
    lines: Lines,
    out: Outlet,
    rows: u64,
}

/// A writer, its name for messages, and the bytes written.
pub struct Outlet {
    /// Destination of the bytes.
    pub writer: Box<dyn Write + Send>,
    /// The name in messages.
    pub target: String,
    /// Bytes written so far.
    pub bytes: u64,
}

impl Outlet {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// A write fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes).map_err(|error| write_failed(&self.target, &error))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Text {
    /// Starts the table with its header.
    ///
    /// # Errors
    /// A write fails.
    pub fn begin(lines: Lines, writer: Box<dyn Write + Send>, target: String) -> Result<Text, Failure> {
        let mut out = Outlet { writer, target, bytes: 0 };
        out.write(&lines.header)?;
        Ok(Text { lines, out, rows: 0 })
    }
}

impl Sink for Text {
    fn write(&mut self, batch: &Batch, pool: &Pool) -> Result<u64, Failure> {
        let keys = self.lines.key_text(batch);
        let columns = batch.keys.len() + batch.features.len();
        let (lines, out) = (&self.lines, &mut self.out);
        in_order(
            pool,
            batch.rows,
            columns,
            |rows, bytes| {
                lines.append(batch, &keys, rows, bytes);
                Ok(())
            },
            |bytes| out.write(bytes),
        )?;
        self.rows += batch.rows as u64;
        Ok(self.out.bytes)
    }

    fn finish(mut self: Box<Self>) -> Result<Written, Failure> {
        self.out.writer.flush().map_err(|error| write_failed(&self.out.target, &error))?;
        Ok(Written { rows: self.rows, bytes: self.out.bytes, paths: Vec::new() })
    }
}

/// Formats ranges of `rows` with all workers and writes them in order; a few ranges per worker are in memory.
///
/// # Errors
/// The first failure of `format` or `write`.
pub fn in_order(
    pool: &Pool,
    rows: usize,
    columns: usize,
    format: impl Fn(Range<usize>, &mut Vec<u8>) -> Result<(), Failure> + Sync,
    mut write: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let most = (PIECE_VALUES / columns.max(1)).max(1);
    // Also split a short batch among all workers.
    let piece = rows.div_ceil(pool.workers() * 2).clamp(1, most);
    let mut pieces = (0..rows).step_by(piece).map(|start| start..rows.min(start + piece)).peekable();
    while pieces.peek().is_some() {
        let wave: Vec<Range<usize>> = pieces.by_ref().take(pool.workers() * 4).collect();
        let formatted = pool.map(wave, |range| {
            let mut bytes = Vec::with_capacity(range.len() * columns * 10);
            format(range, &mut bytes).map(|()| bytes)
        });
        for bytes in formatted {
            write(&bytes?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Format, Layout, Options, fixture};

    #[test]
    fn bytes_do_not_depend_on_workers() {
        for format in [Format::Csv, Format::Jsonl] {
            for layout in [Layout::Wide, Layout::Long] {
                let options = Options { layout, ..Options::default() };
                assert_eq!(fixture::streamed(format, &options, 1), fixture::streamed(format, &options, 4));
            }
        }
    }

    #[test]
    fn ranges_are_written_in_order() {
        let mut out = Vec::new();
        let format = |rows: Range<usize>, bytes: &mut Vec<u8>| {
            bytes.extend(rows.flat_map(|row| (row as u32).to_le_bytes()));
            Ok(())
        };
        let write = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        in_order(&Pool::new(3), 1000, 50_000, format, write).expect("memory takes it");
        assert_eq!(out, (0..1000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    }

    #[test]
    fn a_full_output_is_told() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = crate::sink::csv::lines(&fixture::schema(), &Options::default());
        let failure = Text::begin(lines, Box::new(Full), "out.csv".into()).err().expect("no room for the header");
        assert_eq!((failure.exit, failure.to_string().starts_with("out.csv: ")), (zwire::Exit::Output, true));
    }
}
