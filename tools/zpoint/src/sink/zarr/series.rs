//! A data variable: buffers samples until its chunks are full.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use zcoord::{Column, Values};
use zstage::NewStore;
use zwire::Failure;

use super::super::Shape as Planned;
use super::super::element::Element;
use super::super::failure::{too_many, unsupported_missing};
use super::layout::Array;
use super::{chunk, document};
use crate::batch::{Batch, Variable};
use document::Data;

/// A variable with the chunks being filled: all stations for some samples.
pub struct Series {
    store: Arc<NewStore>,
    /// Name of the array.
    array: String,
    name: String,
    features: Range<usize>,
    /// Number of feature dimensions.
    dimensions: usize,
    planned: Planned,
    chunk: chunk::Shape,
    data: Data,
    buffer: Buffer,
    /// Number of buffered samples.
    filled: usize,
    /// Number of chunks written along the sample dimension.
    written: u64,
    /// Number of samples received.
    samples: u64,
    has_missing: bool,
    has_fill: bool,
}

/// Consecutive chunks, each in C order.
enum Buffer {
    Bytes(Vec<u8>),
    Texts(Vec<String>),
}

impl Series {
    /// Starts the series without samples.
    ///
    /// # Errors
    /// More values than can be addressed.
    pub fn begin(
        store: Arc<NewStore>,
        array: String,
        variable: &Variable,
        features: Range<usize>,
        planned: Planned,
        variables: usize,
    ) -> Result<Series, Failure> {
        let chunk =
            chunk::Shape::of(variable.kind, planned.points, planned.samples, features.len() as u64, variables as u64);
        let elements = usize::try_from(chunk.elements().saturating_mul(chunk.blocks)).unwrap_or(usize::MAX);
        let (data, buffer) = match Element::of(variable.kind) {
            Some(element) => {
                let mut bytes = Vec::new();
                let wanted = elements.saturating_mul(element.size());
                bytes.try_reserve_exact(wanted).map_err(|_| too_many(planned))?;
                (Data::Numbers(element, element.missing_bits()), Buffer::Bytes(bytes))
            }
            None => (Data::Text, Buffer::Texts(Vec::new())),
        };
        Ok(Series {
            store,
            array,
            name: variable.name.clone(),
            features,
            dimensions: variable.dimensions.len(),
            planned,
            chunk,
            data,
            buffer,
            filled: 0,
            written: 0,
            samples: 0,
            has_missing: false,
            has_fill: false,
        })
    }

    /// Size of the buffer in bytes.
    pub fn buffered_bytes(&self) -> u64 {
        match &self.buffer {
            Buffer::Bytes(bytes) => bytes.len() as u64,
            Buffer::Texts(texts) => texts.iter().map(|text| 24 + text.len() as u64).sum(),
        }
    }

    /// Adds the samples of a batch; returns the number of bytes written.
    ///
    /// # Errors
    /// A write fails.
    pub fn write(&mut self, batch: &Batch, samples: usize, threads: usize) -> Result<u64, Failure> {
        let (mut start, mut bytes) = (0, 0);
        while start < samples {
            if self.filled == 0 {
                self.clear();
            }
            let count = (samples - start).min(self.chunk.samples as usize - self.filled);
            self.fill(batch, start, count);
            (start, self.filled, self.samples) = (start + count, self.filled + count, self.samples + count as u64);
            if self.filled == self.chunk.samples as usize || self.samples == self.planned.samples {
                bytes += self.flush(threads)?;
            }
        }
        Ok(bytes)
    }

    /// Resets the buffer to fill values, which pad a chunk beyond the last sample or station.
    fn clear(&mut self) {
        let elements = (self.chunk.elements() * self.chunk.blocks) as usize;
        match (&mut self.buffer, self.data) {
            (Buffer::Bytes(bytes), Data::Numbers(element, fill)) => {
                bytes.resize(elements * element.size(), 0);
                bytes.chunks_exact_mut(element.size()).for_each(|out| element.put(fill, out));
            }
            (Buffer::Texts(texts), _) => {
                texts.clear();
                texts.resize(elements, String::new());
            }
            (Buffer::Bytes(_), Data::Text) => {}
        }
    }

    fn fill(&mut self, batch: &Batch, first: usize, count: usize) {
        let stations = self.planned.points as usize;
        for (feature, column) in batch.features[self.features.clone()].iter().enumerate() {
            for sample in 0..count {
                for station in 0..stations {
                    let at = self.position(station, self.filled + sample, feature);
                    self.put(column, (first + sample) * stations + station, at);
                }
            }
        }
    }

    /// Index of an element in the buffer.
    fn position(&self, station: usize, sample: usize, feature: usize) -> usize {
        // Chunks are consecutive and have the station as slowest dimension, so the buffer has too.
        (station * self.chunk.samples as usize + sample) * self.features.len() + feature
    }

    fn put(&mut self, column: &Column, row: usize, at: usize) {
        let is_missing = column.is_missing(row);
        self.has_missing |= is_missing;
        match (&mut self.buffer, self.data, &column.values) {
            (Buffer::Bytes(bytes), Data::Numbers(element, fill), _) => {
                let bits = if is_missing { fill } else { element.bits(column, row) };
                self.has_fill |= !is_missing && bits == fill;
                element.put(bits, &mut bytes[at * element.size()..]);
            }
            (Buffer::Texts(texts), _, Values::Text(values)) if !is_missing => texts[at].clone_from(&values[row]),
            _ => {}
        }
    }

    fn flush(&mut self, threads: usize) -> Result<u64, Failure> {
        let elements = self.chunk.elements() as usize;
        let mut bytes = 0;
        for block in 0..self.chunk.blocks as usize {
            // Feature dimensions have a single chunk: their index is 0.
            let mut indices = vec![block as u64, self.written];
            indices.resize(2 + self.dimensions, 0);
            let range = block * elements..(block + 1) * elements;
            let (itemsize, encoded) = match (&self.buffer, self.data) {
                (Buffer::Bytes(bytes), Data::Numbers(element, _)) => {
                    let size = element.size();
                    (size, std::borrow::Cow::Borrowed(&bytes[range.start * size..range.end * size]))
                }
                (Buffer::Texts(texts), _) => (1, chunk::vlen_utf8(texts[range].iter().map(String::as_str))?.into()),
                (Buffer::Bytes(bytes), Data::Text) => (1, std::borrow::Cow::Borrowed(bytes.as_slice())),
            };
            bytes += chunk::write(&self.store, &self.array, &indices, itemsize, &encoded, threads)?;
        }
        (self.filled, self.written) = (0, self.written + 1);
        Ok(bytes)
    }

    /// The metadata of the array, once all samples are written.
    ///
    /// # Errors
    /// There are missing values, but no value is available to represent them.
    pub fn document(&self, array: &Array) -> Result<Value, Failure> {
        let mut attributes = array.attributes.clone();
        if let (true, Data::Numbers(element, _)) = (self.has_missing, self.data) {
            match element {
                Element::Float(_) => {}
                Element::Int(_) | Element::UInt(_) if !self.has_fill => {
                    attributes.insert("_FillValue".into(), self.data.fill_value());
                }
                _ => return Err(unsupported_missing(&self.name, &element.zarr())),
            }
        }
        let lengths = array.lengths.iter().copied();
        let shape: Vec<u64> = [self.planned.points, self.planned.samples].into_iter().chain(lengths.clone()).collect();
        let chunks: Vec<u64> =
            [self.chunk.stations, self.chunk.samples].into_iter().chain(lengths.map(|length| length.max(1))).collect();
        Ok(document::array(self.data, &shape, &chunks, &array.dimensions, attributes))
    }
}
