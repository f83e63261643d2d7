//! Formats rows as lines of text; the text before each value and each distinct key are formatted only once.

use std::ops::Range;

use super::cells::Style;
use crate::batch::{Batch, KeyColumn};

/// Text layout of a table.
pub struct Lines {
    /// Text before all rows.
    pub header: Vec<u8>,
    /// Format of values.
    pub style: Style,
    /// Start of a line.
    pub start: &'static [u8],
    /// Text before the value of each key.
    pub keys: Vec<Vec<u8>>,
    /// Text before the value of each feature; in the long layout including the columns that identify it.
    pub features: Vec<Vec<u8>>,
    /// End of a line.
    pub end: &'static [u8],
    /// Whether each value has its own line, preceded by the keys.
    pub long: bool,
}

/// The keys of a batch as text.
pub struct KeyText<'a> {
    /// For each key: the text of each distinct value with its prefix, and the code of each row.
    columns: Vec<(Vec<Vec<u8>>, &'a [u32])>,
}

impl Lines {
    /// Formats the keys of `batch`.
    pub fn key_text<'a>(&self, batch: &'a Batch) -> KeyText<'a> {
        let text = |(key, before): (&'a KeyColumn, &Vec<u8>)| {
            let cell = |row| {
                let mut out = before.clone();
                self.style.cell(&key.distinct, row, &mut out);
                out
            };
            ((0..key.distinct.len()).map(cell).collect(), key.codes.as_slice())
        };
        KeyText { columns: batch.keys.iter().zip(&self.keys).map(text).collect() }
    }

    /// Appends `rows` of `batch`.
    pub fn append(&self, batch: &Batch, keys: &KeyText<'_>, rows: Range<usize>, out: &mut Vec<u8>) {
        let mut start = Vec::new();
        for row in rows {
            start.clear();
            start.extend_from_slice(self.start);
            for (texts, codes) in &keys.columns {
                start.extend_from_slice(&texts[codes[row] as usize]);
            }
            if self.long {
                self.append_long(batch, row, &start, out)
            } else {
                self.append_wide(batch, row, &start, out)
            }
        }
    }

    fn append_wide(&self, batch: &Batch, row: usize, start: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(start);
        for (column, before) in batch.features.iter().zip(&self.features) {
            out.extend_from_slice(before);
            self.style.cell(column, row, out);
        }
        out.extend_from_slice(self.end);
    }

    fn append_long(&self, batch: &Batch, row: usize, start: &[u8], out: &mut Vec<u8>) {
        for (column, before) in batch.features.iter().zip(&self.features) {
            out.extend_from_slice(start);
            out.extend_from_slice(before);
            self.style.cell(column, row, out);
            out.extend_from_slice(self.end);
        }
    }
}
