//! Statistics as a Zarr store: a variable for each statistic of x, y and z, over time. It is small, and written in one go.

use serde_json::{Value, json};
use zarray::ZarrFormat;
use zstage::NewStore;
use zstore::{Location, StoreOptions};
use zwire::{Failure, StatisticsRecord};

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

/// Writes the records of all times and variables as a store. Returns the number of its arrays.
///
/// # Errors
/// An output that exists, or cannot be written.
pub fn write(
    records: &[StatisticsRecord],
    attributes: Value,
    output: &Location,
    format: ZarrFormat,
    overwrite: bool,
    options: &StoreOptions,
) -> Result<u64, Failure> {
    let store = NewStore::begin(output, overwrite, options)?;
    let times: Vec<f64> = records.iter().step_by(Variable::ALL.len()).map(|record| record.time).collect();
    let length = times.len() as u64;
    let time = json!({"long_name": "model time", "units": "1", "axis": "T"});
    let mut arrays = vec![ArraySpec::coordinate("time", length, length, Element::Float64, time)];
    put(&store, format, &arrays[0], &times)?;
    for variable in Variable::ALL {
        let own: Vec<&StatisticsRecord> = records.iter().filter(|record| record.variable == variable.name()).collect();
        for (name, method, value) in STATISTICS {
            let array = ArraySpec {
                name: format!("{}_{name}", variable.name()),
                attributes: members(json!({"units": "1", "cell_methods": format!("member: {method}")})),
                ..arrays[0].clone()
            };
            let values: Vec<f64> = own.iter().map(|record| value(record).as_f64().unwrap_or(f64::NAN)).collect();
            put(&store, format, &array, &values)?;
            arrays.push(array);
        }
    }
    for (key, text) in documents(format, &members(attributes), &arrays)? {
        store.put_document(key, text);
    }
    store.publish()?;
    Ok(arrays.len() as u64)
}

fn put(store: &NewStore, format: ZarrFormat, array: &ArraySpec, values: &[f64]) -> Result<(), Failure> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    for key in array.keys(format) {
        store.put(&key, &bytes)?;
    }
    Ok(())
}
