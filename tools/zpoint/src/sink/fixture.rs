//! A small table for tests: two points, one with an id that needs quoting, at two times; floats at two levels, an
//! integer that may be missing, a boolean.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use zarray::Pool;
use zcoord::{Calendar, Column, Kind, Values};
use zwire::Failure;

use super::{Format, Options, Shape, Written, open, stream};
use crate::batch::{Batch, Dimension, Key, KeyColumn, Role, Schema, Variable};

/// 2019-03-01T00:00:00Z.
pub const MARCH: i64 = 1_551_398_400_000_000;
/// Six hours.
pub const SIX_HOURS: i64 = 6 * 3600 * 1_000_000;
/// Two points, two times.
pub const SHAPE: Shape = Shape { points: 2, samples: 2 };

const CALENDAR: Calendar = Calendar::ProlepticGregorian;

fn attributes(pairs: &[(&str, &str)]) -> Vec<(String, Value)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

fn key(name: &str, kind: Kind, role: Role) -> Key {
    Key { name: name.into(), kind, role, attributes: Vec::new() }
}

fn variable(name: &str, kind: Kind, features: &[&str]) -> Variable {
    Variable {
        name: name.into(),
        path: format!("/{name}"),
        store: "era5.zarr".into(),
        kind,
        dimensions: Vec::new(),
        features: features.iter().map(|name| (*name).to_owned()).collect(),
        attributes: Vec::new(),
    }
}

pub fn schema() -> Schema {
    let level = Dimension {
        name: "level".into(),
        coordinate: Column::new(Kind::Int(32), Values::I64(vec![850, 500])),
        attributes: attributes(&[("units", "hPa")]),
    };
    let t = Variable {
        dimensions: vec![level],
        attributes: attributes(&[("units", "K"), ("standard_name", "air_temperature"), ("comment", "not for columns")]),
        ..variable("t", Kind::Float(32), &["t_850", "t_500"])
    };
    Schema {
        keys: vec![
            key("point_id", Kind::Text, Role::PointId),
            key("lat", Kind::Float(64), Role::Latitude),
            key("lon", Kind::Float(64), Role::Longitude),
            key("time", Kind::Time(CALENDAR), Role::Sample),
        ],
        variables: vec![t, variable("n", Kind::Int(16), &["n"]), variable("flag", Kind::Bool, &["flag"])],
    }
}

fn repeated(kind: Kind, values: Values) -> KeyColumn {
    KeyColumn { distinct: Column::new(kind, values), codes: vec![0, 1] }
}

/// The batch for one time.
fn batch(time: i64, t: [[f32; 2]; 2], n: [i64; 2], missing: [bool; 2]) -> Batch {
    let ids = vec!["0".into(), "a,\"b\"\n".into()];
    let time = Column::new(Kind::Time(CALENDAR), Values::Time(vec![time], CALENDAR));
    let float = |values: [f32; 2]| Column::new(Kind::Float(32), Values::F32(values.to_vec()));
    let n = Column { missing: missing.to_vec(), ..Column::new(Kind::Int(16), Values::I64(n.to_vec())) };
    Batch {
        rows: 2,
        keys: vec![
            repeated(Kind::Text, Values::Text(ids)),
            repeated(Kind::Float(64), Values::F64(vec![51.5, -33.0])),
            repeated(Kind::Float(64), Values::F64(vec![-0.125, 18.5])),
            KeyColumn { distinct: time, codes: vec![0, 0] },
        ],
        features: vec![float(t[0]), float(t[1]), n, Column::new(Kind::Bool, Values::Bool(vec![true, false]))],
    }
}

pub fn batches() -> Vec<Batch> {
    vec![
        batch(MARCH, [[281.6084, f32::NAN], [250.0, f32::INFINITY]], [-3, 0], [false, true]),
        batch(MARCH + SIX_HOURS, [[282.5, 300.0], [251.0, f32::NEG_INFINITY]], [7, 8], [false, false]),
    ]
}

/// The table reduced to what every format supports.
pub fn floats() -> (Schema, Vec<Batch>) {
    let (mut schema, mut batches) = (schema(), batches());
    schema.variables.truncate(1);
    batches.iter_mut().for_each(|batch| batch.features.truncate(2));
    (schema, batches)
}

/// A writer whose bytes can be read back.
#[derive(Clone, Default)]
pub struct Shared(pub Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The table in a text format.
pub fn streamed(format: Format, options: &Options, workers: usize) -> String {
    let (shared, pool) = (Shared::default(), Pool::new(workers));
    let mut sink = stream(format, Box::new(shared.clone()), &schema(), options).expect("begins");
    for batch in &batches() {
        sink.write(batch, &pool).expect("writes");
    }
    let written = sink.finish().expect("ends");
    let text = String::from_utf8(shared.0.lock().expect("not poisoned").clone()).expect("UTF-8");
    assert_eq!((written.rows, written.bytes), (4, text.len() as u64));
    text
}

/// Writes a table to a file.
pub fn saved(
    format: Format,
    path: &Path,
    table: &(Schema, Vec<Batch>),
    options: &Options,
    workers: usize,
) -> Result<Written, Failure> {
    let pool = Pool::new(workers);
    let mut sink = open(format, path, &table.0, options, SHAPE)?;
    for batch in &table.1 {
        sink.write(batch, &pool)?;
    }
    sink.finish()
}

/// Names in a directory, including hidden ones.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let name =
        |entry: std::io::Result<std::fs::DirEntry>| entry.expect("entry").file_name().into_string().expect("UTF-8");
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort_unstable();
    names
}
