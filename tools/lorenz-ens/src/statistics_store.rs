//! Statistics as a Zarr store: a variable for each statistic of x, y and z, over time, written in chunks on the way.

use serde_json::{Value, json};
use zarray::ZarrFormat;
use zstage::NewStore;
use zstore::{Location, StoreOptions};
use zwire::{Failure, GeneratedSummary, StatisticsRecord};

use crate::documents::{ArraySpec, Element, documents, members};
use crate::system::Variable;

/// A statistic: its name, its name in CF's cell methods, and its value.
type Statistic = (&'static str, &'static str, fn(&StatisticsRecord) -> &Value);

const STATISTICS: [Statistic; 10] = [
    ("mean", "mean", |record| &record.mean),
    ("spread", "standard_deviation", |record| &record.spread),
    ("min", "minimum", |record| &record.min),
    ("q05", "quantile 0.05", |record| &record.q05),
    ("q25", "quantile 0.25", |record| &record.q25),
    ("q50", "median", |record| &record.q50),
    ("q75", "quantile 0.75", |record| &record.q75),
    ("q95", "quantile 0.95", |record| &record.q95),
    ("max", "maximum", |record| &record.max),
    ("error", "root_mean_square distance from member 0", |record| &record.error),
];

/// Times of a chunk: so many values of all arrays are held until they are written.
const CHUNK_TIMES: u64 = 4096;

/// A store of statistics in the making. It appears when it is complete.
pub struct StatisticsStore {
    store: NewStore,
    format: ZarrFormat,
    arrays: Vec<ArraySpec>,
    /// Values of each array that are not written yet.
    columns: Vec<Vec<f64>>,
    /// Chunks that are written.
    chunks: u64,
}

impl StatisticsStore {
    /// Begins a store for statistics at so many times.
    ///
    /// # Errors
    /// An output that exists, or cannot be made.
    pub fn begin(
        output: &Location,
        times: u64,
        format: ZarrFormat,
        overwrite: bool,
        options: &StoreOptions,
    ) -> Result<StatisticsStore, Failure> {
        let time = json!({"long_name": "model time", "units": "1", "axis": "T"});
        let time = ArraySpec {
            chunks: vec![CHUNK_TIMES.min(times)],
            ..ArraySpec::coordinate("time", times, Element::Float64, time)
        };
        let all = Variable::ALL.iter().flat_map(|variable| STATISTICS.map(|statistic| (*variable, statistic)));
        let statistic = |(variable, (name, method, _)): (Variable, Statistic)| ArraySpec {
            name: format!("{}_{name}", variable.name()),
            attributes: members(json!({"units": "1", "cell_methods": format!("member: {method}")})),
            ..time.clone()
        };
        let mut arrays: Vec<ArraySpec> = all.map(statistic).collect();
        arrays.insert(0, time);
        let columns = vec![Vec::new(); arrays.len()];
        Ok(StatisticsStore { store: NewStore::begin(output, overwrite, options)?, format, arrays, columns, chunks: 0 })
    }

    /// Adds the statistics of the next time: those of each variable, in order.
    ///
    /// # Errors
    /// An output that cannot be written.
    pub fn add(&mut self, records: &[StatisticsRecord; 3]) -> Result<(), Failure> {
        let values = records
            .iter()
            .flat_map(|record| STATISTICS.map(|(_, _, value)| value(record).as_f64().unwrap_or(f64::NAN)));
        for (column, value) in self.columns.iter_mut().zip(std::iter::once(records[0].time).chain(values)) {
            column.push(value);
        }
        if self.columns[0].len() as u64 == self.arrays[0].chunks[0] { self.write() } else { Ok(()) }
    }

    /// Writes a chunk of each array.
    fn write(&mut self) -> Result<(), Failure> {
        for (array, column) in self.arrays.iter().zip(&mut self.columns) {
            // Beyond the last time.
            column.resize(array.chunks[0] as usize, f64::NAN);
            let bytes: Vec<u8> = column.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.store.put(&array.key(self.format, &[self.chunks]), &bytes)?;
            column.clear();
        }
        self.chunks += 1;
        Ok(())
    }

    /// Publishes the store, with these attributes. Returns what was written.
    ///
    /// # Errors
    /// An output that cannot be written.
    pub fn finish(mut self, attributes: Value) -> Result<GeneratedSummary, Failure> {
        if !self.columns[0].is_empty() {
            self.write()?;
        }
        for (key, text) in documents(self.format, &members(attributes), &self.arrays)? {
            self.store.put_document(key, text);
        }
        self.store.publish()?;
        let arrays = self.arrays.len() as u64;
        let (objects, bytes) = (arrays * self.chunks, self.arrays[0].chunk_bytes());
        let bytes = objects * bytes;
        Ok(GeneratedSummary {
            stores: 1,
            arrays,
            objects,
            uncompressed_bytes: bytes,
            bytes,
            ..GeneratedSummary::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use zwire::number;

    use super::*;

    #[test]
    fn chunks_are_written_on_the_way() {
        let directory = tempfile::tempdir().expect("directory");
        let output = Location::Local(directory.path().join("s.zarr"));
        let (times, options) = (CHUNK_TIMES * 2 + 1, StoreOptions::default());
        let mut store = StatisticsStore::begin(&output, times, ZarrFormat::V2, false, &options).expect("begins");
        for time in 0..times {
            let value = number(time as f64 + 0.5);
            let record = StatisticsRecord {
                time: time as f64,
                mean: value.clone(),
                error: value,
                ..StatisticsRecord::default()
            };
            store.add(&[record.clone(), record.clone(), record]).expect("writes");
            assert!(store.columns.iter().all(|column| (column.len() as u64) < CHUNK_TIMES));
        }
        let written = store.finish(json!({})).expect("publishes");
        assert_eq!((written.arrays, written.objects, written.bytes), (31, 93, 93 * 8 * CHUNK_TIMES));
        let bytes = std::fs::read(directory.path().join("s.zarr/z_error/2")).expect("a chunk");
        let values: Vec<f64> = bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        assert_eq!((values.len() as u64, values[0]), (CHUNK_TIMES, 2.0 * CHUNK_TIMES as f64 + 0.5));
        assert!(values[1].is_nan());
    }
}
