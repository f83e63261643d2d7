//! Zarr v3 output as a CF discrete sampling geometry (chapter 9 and appendix H of the conventions): time series at
//! stations, as an orthogonal multidimensional array `(station, time, …)`.
//!
//! Chunk shapes depend only on the plan; chunks are written as soon as all of their samples are available. Metadata is
//! written last.

mod chunk;
mod coordinate;
mod document;
mod layout;
mod series;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use zarray::Pool;
use zcoord::Column;
use zstage::NewStore;
use zwire::{Exit, Failure};

use super::failure::{too_many, wrong_count};
use super::{Options, Shape, Sink, Written, gather};
use crate::batch::{Batch, Role, Schema};
use layout::Layout;
use series::Series;

/// A store being written.
pub struct Zarr {
    store: Arc<NewStore>,
    place: String,
    layout: Layout,
    stations: usize,
    samples: usize,
    seen: usize,
    /// One per variable.
    series: Vec<Series>,
    /// One per key: values of all stations, or of the samples so far.
    keys: Vec<Column>,
    roles: Vec<Role>,
    bytes: u64,
    tool: String,
}

impl Zarr {
    /// Starts the store.
    ///
    /// # Errors
    /// Names that clash in one group, or more values than can be addressed.
    pub fn begin(store: &Arc<NewStore>, schema: &Schema, options: &Options, shape: Shape) -> Result<Zarr, Failure> {
        let count = |number: u64| usize::try_from(number).map_err(|_| too_many(shape));
        let (stations, samples) = (count(shape.points)?, count(shape.samples)?);
        let layout = Layout::of(schema)?;
        let mut first = 0;
        let mut series = Vec::new();
        for (array, variable) in layout.variables.iter().zip(&schema.variables) {
            let features = first..first + variable.features.len();
            first = features.end;
            series.push(Series::begin(
                Arc::clone(store),
                array.name.clone(),
                variable,
                features,
                shape,
                schema.variables.len(),
            )?);
        }
        Ok(Zarr {
            store: Arc::clone(store),
            place: store.output().to_string(),
            layout,
            stations,
            samples,
            seen: 0,
            series,
            keys: schema.keys.iter().map(|key| gather::empty(key.kind)).collect(),
            roles: schema.keys.iter().map(|key| key.role).collect(),
            bytes: 0,
            tool: options.tool.clone(),
        })
    }

    /// Keeps the key values: those of points once, those of samples always.
    fn keep_keys(&mut self, batch: &Batch, samples: usize) {
        for ((column, kept), role) in batch.keys.iter().zip(&mut self.keys).zip(&self.roles) {
            let code = |row: usize| column.codes[row] as usize;
            let rows: Vec<usize> = match role.is_of_point() {
                true if self.seen == 0 => (0..self.stations).map(code).collect(),
                true => continue,
                false => (0..samples).map(|sample| code(sample * self.stations)).collect(),
            };
            gather::extend(kept, &column.distinct.gather(&rows));
        }
    }

    fn write_coordinates(&mut self) -> Result<Vec<(String, Value)>, Failure> {
        let mut documents = Vec::new();
        let keys = self.layout.keys.iter().zip(&self.keys);
        let dimensions = self.layout.coordinates.iter().map(|(array, column)| (array, column));
        for (array, column) in keys.chain(dimensions) {
            let (document, bytes) = coordinate::write(&self.store, array, column)?;
            self.bytes += bytes;
            documents.push((array.name.clone(), document));
        }
        Ok(documents)
    }

    /// Passes a document to the store, which writes it after all objects.
    fn put_document(&self, name: &str, document: &Value) -> Result<u64, Failure> {
        let text =
            serde_json::to_vec_pretty(document).map_err(|error| Failure::new(Exit::Output, error.to_string()))?;
        let (key, bytes) = match name {
            "" => ("zarr.json".to_owned(), text.len() as u64),
            name => (format!("{name}/zarr.json"), text.len() as u64),
        };
        self.store.put_document(key, text);
        Ok(bytes)
    }

    fn root(&self, documents: Vec<(String, Value)>) -> Value {
        let mut attributes = Map::new();
        attributes.insert("Conventions".into(), json!("CF-1.11"));
        attributes.insert("featureType".into(), json!("timeSeries"));
        if !self.tool.is_empty() {
            attributes.insert("history".into(), json!(self.tool));
        }
        document::root(attributes, documents)
    }
}

impl Sink for Zarr {
    fn write(&mut self, batch: &Batch, pool: &Pool) -> Result<u64, Failure> {
        let samples = batch.rows / self.stations.max(1);
        if samples * self.stations != batch.rows || self.seen + samples > self.samples {
            let rows = |samples: usize| samples as u64 * self.stations as u64;
            return Err(wrong_count(&self.place, rows(self.samples), rows(self.seen) + batch.rows as u64));
        }
        self.keep_keys(batch, samples);
        // With few variables, also compress the blocks of a chunk in parallel.
        let threads = (pool.workers() / self.series.len().max(1)).max(1);
        let written =
            pool.map(self.series.iter_mut().collect(), |series: &mut Series| series.write(batch, samples, threads));
        for bytes in written {
            self.bytes += bytes?;
        }
        self.seen += samples;
        Ok(self.bytes)
    }

    fn buffered(&self) -> u64 {
        self.series.iter().map(Series::buffered_bytes).sum()
    }

    fn finish(mut self: Box<Self>) -> Result<Written, Failure> {
        let stations = self.stations as u64;
        let rows = |samples: usize| samples as u64 * stations;
        if self.seen != self.samples || self.seen == 0 {
            return Err(wrong_count(&self.place, rows(self.samples), rows(self.seen)));
        }
        let mut documents = self.write_coordinates()?;
        for (series, array) in self.series.iter().zip(&self.layout.variables) {
            documents.push((array.name.clone(), series.document(array)?));
        }
        let root = self.root(documents.clone());
        documents.push((String::new(), root));
        for (name, document) in &documents {
            self.bytes += self.put_document(name, document)?;
        }
        Ok(Written { rows: rows(self.seen), bytes: self.bytes, paths: Vec::new() })
    }
}
