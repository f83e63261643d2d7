//! Stores with a known value in every cell, and runs over them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use harness::{Outcome, Tool, directory};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::made::{Field, store};

/// Rows, columns and times of the globe.
pub const ROWS: usize = 19;
pub const COLUMNS: usize = 36;
pub const TIMES: usize = 6;

/// A directory with one store in it; outputs go beside it.
pub struct Scene {
    pub directory: TempDir,
    pub store: PathBuf,
}

impl Scene {
    /// A Zarr v2 store.
    pub fn of(fields: &[Field]) -> Scene {
        Scene::written(false, fields)
    }

    pub fn written(v3: bool, fields: &[Field]) -> Scene {
        let directory = directory();
        let store = store(&directory.path().join("source.zarr"), v3, fields);
        Scene { directory, store }
    }

    pub fn globe() -> Scene {
        Scene::of(&globe())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file beside the store, and says where it is.
    pub fn file(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).unwrap();
        self.text(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// What is beside the store.
    pub fn names(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(self.directory.path()).unwrap().map(name).collect();
        names.retain(|name| name != "source.zarr");
        names.sort();
        names
    }

    pub fn tool(&self, arguments: &[&str]) -> Tool {
        Tool::new("zpoint").arg(&self.store).args(arguments)
    }

    /// A run with flags of its own.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.tool(arguments).run()
    }

    /// A run for one point.
    pub fn at(&self, lat: f64, lon: f64, arguments: &[&str]) -> Outcome {
        self.tool(&[&format!("--lat={lat}"), &format!("--lon={lon}")]).args(arguments).run()
    }
}

/// Of `count` values, number `at` is `start + at * step`.
pub fn latitude(dimension: &str, count: usize, start: f64, step: f64) -> Field {
    let field = Field::new("lat", &[(dimension, count)], move |at| start + at[0] as f64 * step);
    field.dtype("<f8", Value::Null).attributes(json!({"units": "degrees_north"}))
}

pub fn longitude(dimension: &str, count: usize, start: f64, step: f64) -> Field {
    let field = Field::new("lon", &[(dimension, count)], move |at| start + at[0] as f64 * step);
    field.dtype("<f8", Value::Null).attributes(json!({"units": "degrees_east"}))
}

/// Hours of the first of March 2019.
pub fn hours(count: usize) -> Field {
    let field = Field::new("time", &[("time", count)], |at| at[0] as f64);
    field.dtype("<f8", Value::Null).attributes(json!({"units": "hours since 2019-03-01", "calendar": "standard"}))
}

/// What the variable `t` holds everywhere.
pub fn value(time: usize, row: usize, column: usize) -> f64 {
    (time * 10_000 + row * 100 + column) as f64
}

/// The variable `t`, two times in a chunk.
pub fn temperature(times: usize, rows: usize, columns: usize) -> Field {
    let dimensions = [("time", times), ("lat", rows), ("lon", columns)];
    Field::new("t", &dimensions, |at| value(at[0], at[1], at[2])).chunks(&[2.min(times), rows, columns])
}

/// Rows from pole to pole and columns all round in steps of ten degrees, north first, from Greenwich.
pub fn globe() -> Vec<Field> {
    let (lat, lon) = (latitude("lat", ROWS, 90.0, -10.0), longitude("lon", COLUMNS, 0.0, 10.0));
    vec![lat, lon, hours(TIMES), temperature(TIMES, ROWS, COLUMNS)]
}

/// 40…50 degrees north, 0…10 east, in steps of one degree: row and column count up from there.
pub fn region() -> Vec<Field> {
    vec![latitude("lat", 11, 40.0, 1.0), longitude("lon", 11, 0.0, 1.0), hours(2), temperature(2, 11, 11)]
}

/// The values of a column, row by row; nothing for null.
pub fn values(outcome: &Outcome, column: &str) -> Vec<Option<f64>> {
    let of = |row: Value| {
        let value = row.get(column).unwrap_or_else(|| panic!("no column {column} in {row}")).clone();
        value.as_f64()
    };
    outcome.of_type("row").into_iter().map(of).collect()
}

/// The value of `t` at the first time and the only point.
#[track_caller]
pub fn first(outcome: &Outcome) -> Option<f64> {
    outcome.records();
    values(outcome, "t")[0]
}

/// A column of CSV by its name.
pub fn csv(text: &str, column: &str) -> Vec<String> {
    let mut lines = text.lines();
    let at = lines.next().unwrap().split(',').position(|name| name == column).unwrap();
    lines.map(|line| line.split(',').nth(at).unwrap().to_owned()).collect()
}

/// Files and directories beside the store with all that is in them.
pub fn outputs(scene: &Scene) -> BTreeMap<String, Vec<u8>> {
    let mut all = harness::tree(scene.directory.path());
    all.retain(|name, _| !name.starts_with("source.zarr"));
    all
}

/// The summary of a run.
#[track_caller]
pub fn summary(outcome: &Outcome) -> Value {
    outcome.records().pop().unwrap()
}
