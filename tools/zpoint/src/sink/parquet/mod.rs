//! Parquet output: all workers encode columns, and each row group is written when it is full.

mod plan;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use ::parquet::errors::ParquetError;
use ::parquet::file::writer::SerializedFileWriter;
use arrow_schema::Field;
use zarray::Pool;
use zwire::{Exit, Failure};

use super::{Options, Shape, Sink, Written};
use crate::batch::{Batch, Schema};
use plan::{Plan, PlannedColumn};

/// Maximum number of values converted to arrays at a time.
const PIECE_VALUES: u64 = 1 << 20;

/// Writer of a Parquet file.
pub struct Parquet {
    plan: Plan,
    file: SerializedFileWriter<File>,
    factory: ArrowRowGroupWriterFactory,
    target: String,
    group: Option<Group>,
    rows_per_group: u64,
    lines: u64,
    planned_lines: Option<u64>,
}

/// The row group being filled.
struct Group {
    writers: Vec<ArrowColumnWriter>,
    lines: u64,
}

impl Parquet {
    /// Starts the file. `shape` is that of all rows, if known; all workers then close the last row group together.
    ///
    /// # Errors
    /// Unsupported values, or a write fails.
    pub fn begin(
        file: File,
        target: String,
        schema: &Schema,
        options: &Options,
        shape: Option<Shape>,
    ) -> Result<Parquet, Failure> {
        let plan = Plan::of(schema, options)?;
        let properties = plan.properties(options);
        let fields: Vec<Arc<Field>> = plan.columns.iter().map(|column| Arc::clone(&column.field)).collect();
        let writer = ArrowWriter::try_new(file, Arc::new(arrow_schema::Schema::new(fields)), Some(properties));
        let (file, factory) = writer.and_then(ArrowWriter::into_serialized_writer).map_err(failed(&target))?;
        let rows_per_group = (options.row_group_bytes / plan.line_bytes()).max(1);
        let planned_lines = shape.map(|shape| shape.rows().saturating_mul(plan.lines_per_row as u64));
        Ok(Parquet { plan, file, factory, target, group: None, rows_per_group, lines: 0, planned_lines })
    }

    /// Encodes some lines of a batch into the current row group, and closes it when full.
    fn append(&mut self, batch: &Batch, start: usize, wanted: usize, pool: &Pool) -> Result<usize, Failure> {
        let group = match self.group.take() {
            Some(group) => group,
            None => Group {
                writers: self
                    .factory
                    .create_column_writers(self.file.flushed_row_groups().len())
                    .map_err(failed(&self.target))?,
                lines: 0,
            },
        };
        let piece = (PIECE_VALUES / self.plan.columns.len().max(1) as u64).max(1024);
        let room = (self.rows_per_group - group.lines).min(piece);
        let count = wanted.min(usize::try_from(room).unwrap_or(usize::MAX));
        let lines = start..start + count;
        let jobs: Vec<(&PlannedColumn, ArrowColumnWriter)> = self.plan.columns.iter().zip(group.writers).collect();
        let (plan, target) = (&self.plan, &self.target);
        let encoded = pool.map(jobs, |(column, writer)| {
            let array = plan.array(column, batch, lines.clone())?;
            encode(column, &array, writer).map_err(failed(target))
        });
        let writers = encoded.into_iter().collect::<Result<Vec<_>, _>>()?;
        let group = Group { writers, lines: group.lines + count as u64 };
        self.lines += count as u64;
        let is_full = group.lines >= self.rows_per_group || Some(self.lines) == self.planned_lines;
        self.group = Some(group);
        if is_full {
            self.close_group(pool)?;
        }
        Ok(count)
    }

    fn close_group(&mut self, pool: &Pool) -> Result<(), Failure> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let chunks = pool.map(group.writers, ArrowColumnWriter::close).into_iter().collect();
        write_group(&mut self.file, chunks).map_err(failed(&self.target))
    }
}

fn encode(
    column: &PlannedColumn,
    array: &arrow_array::ArrayRef,
    mut writer: ArrowColumnWriter,
) -> Result<ArrowColumnWriter, ParquetError> {
    for leaf in compute_leaves(&column.field, array)? {
        writer.write(&leaf)?;
    }
    Ok(writer)
}

fn write_group(
    file: &mut SerializedFileWriter<File>,
    chunks: Result<Vec<ArrowColumnChunk>, ParquetError>,
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    for chunk in chunks? {
        chunk.append_to_row_group(&mut group)?;
    }
    group.close().map(drop)
}

fn failed(target: &str) -> impl Fn(ParquetError) -> Failure + '_ {
    move |error| Failure::new(Exit::Output, error.to_string()).at(target)
}

impl Sink for Parquet {
    fn write(&mut self, batch: &Batch, pool: &Pool) -> Result<u64, Failure> {
        let lines = batch.rows * self.plan.lines_per_row;
        let mut start = 0;
        while start < lines {
            start += self.append(batch, start, lines - start, pool)?;
        }
        Ok(self.file.bytes_written() as u64)
    }

    fn buffered(&self) -> u64 {
        self.group.as_ref().map_or(0, |group| group.lines.saturating_mul(self.plan.line_bytes()))
    }

    fn relieve(&mut self, pool: &Pool) -> Result<(), Failure> {
        self.close_group(pool)
    }

    fn finish(mut self: Box<Self>) -> Result<Written, Failure> {
        self.close_group(&Pool::new(1))?;
        self.file.finish().map_err(failed(&self.target))?;
        let rows = self.lines / self.plan.lines_per_row.max(1) as u64;
        Ok(Written { rows, bytes: self.file.bytes_written() as u64, paths: Vec::new() })
    }
}
