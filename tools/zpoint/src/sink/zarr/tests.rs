//! Reads written stores back file by file: metadata as JSON, chunks with the project's decoder.

use std::fs;
use std::path::{Path, PathBuf};

use zarray::Pool;
use zcodec::{Workspace, decompress};
use zcoord::Kind;

use super::*;
use crate::sink::{Format, fixture, open};

fn saved(directory: &Path, table: &(Schema, Vec<Batch>), workers: usize) -> PathBuf {
    let path = directory.join("x.zarr");
    let options = Options { tool: "zpoint 0".into(), ..Options::default() };
    let written = fixture::saved(Format::Zarr, &path, table, &options, workers).expect("writes");
    assert_eq!(written.rows, 4);
    path
}

fn document(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path.join("zarr.json")).expect("reads")).expect("JSON")
}

fn chunk(path: &Path, key: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let frame = fs::read(path.join(key)).expect("reads");
    decompress(&frame, &mut out, 1, &mut Workspace::default()).expect("decodes");
    out
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four"))).collect()
}

#[test]
fn arrays_have_station_then_time_then_level() {
    let directory = tempfile::tempdir().expect("directory");
    let path = saved(directory.path(), &(fixture::schema(), fixture::batches()), 2);
    let t = document(&path.join("t"));
    assert_eq!((&t["shape"], &t["dimension_names"]), (&json!([2, 2, 2]), &json!(["station", "time", "level"])));
    let values = f32s(&chunk(&path, "t/c/0/0/0"));
    assert_eq!(values[..4], [281.6084, 250.0, 282.5, 251.0]);
    assert!(values[4].is_nan());
    assert_eq!(values[5..], [f32::INFINITY, 300.0, f32::NEG_INFINITY]);
    assert_eq!(chunk(&path, "flag/c/0/0"), [1, 1, 0, 0]);
    let n: Vec<i16> = chunk(&path, "n/c/0/0").chunks(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect();
    assert_eq!(n, [-3, 7, i16::MIN, 8]);
    assert_eq!(document(&path.join("n"))["attributes"]["_FillValue"], json!(i16::MIN));
    let ids = chunk(&path, "point_id/c/0");
    assert_eq!(ids, [2, 0, 0, 0, 1, 0, 0, 0, b'0', 6, 0, 0, 0, b'a', b',', b'"', b'b', b'"', b'\n']);
}

#[test]
fn the_root_says_what_it_is_and_holds_all_metadata() {
    let directory = tempfile::tempdir().expect("directory");
    let path = saved(directory.path(), &(fixture::schema(), fixture::batches()), 1);
    let root = document(&path);
    assert_eq!(root["attributes"]["featureType"], "timeSeries");
    let metadata = root["consolidated_metadata"]["metadata"].as_object().expect("an object");
    let names: Vec<&str> = metadata.keys().map(String::as_str).collect();
    assert_eq!(names, ["point_id", "lat", "lon", "time", "level", "t", "n", "flag"]);
    assert!(metadata.iter().all(|(name, copy)| *copy == document(&path.join(name))));
    assert_eq!(metadata["time"]["attributes"]["units"], "microseconds since 1970-01-01 00:00:00");
}

#[test]
fn workers_and_batches_change_nothing() {
    let (first, second) = (tempfile::tempdir().expect("directory"), tempfile::tempdir().expect("directory"));
    let table = (fixture::schema(), fixture::batches());
    let (first, second) = (saved(first.path(), &table, 1), saved(second.path(), &table, 4));
    for key in ["zarr.json", "t/c/0/0/0", "t/zarr.json", "n/c/0/0", "time/c/0"] {
        assert_eq!(fs::read(first.join(key)).expect("reads"), fs::read(second.join(key)).expect("reads"), "{key}");
    }
}

/// Many samples in batches of irregular sizes: chunk boundaries follow the plan.
#[test]
fn chunks_are_written_as_they_are_full() {
    let directory = tempfile::tempdir().expect("directory");
    let (mut schema, batches) = fixture::floats();
    schema.variables[0].dimensions.clear();
    schema.variables[0].features.truncate(1);
    let samples = 300_000;
    let shape = Shape { points: 1, samples };
    let path = directory.path().join("x.zarr");
    let mut sink = open(Format::Zarr, &path, &schema, &Options::default(), shape).expect("begins");
    let mut next = 0;
    for rows in [100_001, 1, 199_998] {
        let mut batch = batches[0].clone();
        batch.rows = rows;
        let values = (next..next + rows).map(|row| row as f32).collect();
        batch.features = vec![Column::new(Kind::Float(32), zcoord::Values::F32(values))];
        batch.keys.iter_mut().for_each(|key| key.codes = vec![0; rows]);
        sink.write(&batch, &Pool::new(2)).expect("writes");
        next += rows;
    }
    sink.finish().expect("ends");
    let first = f32s(&chunk(&path, "t/c/0/0"));
    let second = f32s(&chunk(&path, "t/c/0/1"));
    assert_eq!((first.len(), second.len(), first[262_143], second[0]), (262_144, 262_144, 262_143.0, 262_144.0));
    assert_eq!(second[300_000 - 262_144 - 1], 299_999.0);
    assert!(second[300_000 - 262_144].is_nan(), "beyond the last sample");
    assert_eq!(document(&path.join("t"))["chunk_grid"]["configuration"]["chunk_shape"], json!([1, 262_144]));
}

#[test]
fn rows_that_were_not_planned_are_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let (schema, mut batches) = fixture::floats();
    batches.push(batches[0].clone());
    let path = directory.path().join("x.zarr");
    let table = (schema, batches);
    let refused = fixture::saved(Format::Zarr, &path, &table, &Options::default(), 1).expect_err("too many");
    assert!(refused.to_string().ends_with("expected 4 rows, got 6"), "{refused}");
    let table = (table.0, table.1[..1].to_vec());
    let refused = fixture::saved(Format::Zarr, &path, &table, &Options::default(), 1).expect_err("too few");
    assert!(refused.to_string().ends_with("expected 4 rows, got 2"), "{refused}");
    assert!(fixture::names(directory.path()).is_empty());
}

#[test]
fn whole_numbers_that_leave_no_value_for_missing_ones_are_told() {
    let directory = tempfile::tempdir().expect("directory");
    let (schema, mut batches) = (fixture::schema(), fixture::batches());
    batches[1].features[2].values = zcoord::Values::I64(vec![i64::from(i16::MIN), 1]);
    let path = directory.path().join("x.zarr");
    let refused =
        fixture::saved(Format::Zarr, &path, &(schema, batches), &Options::default(), 1).expect_err("no value left");
    assert!(refused.advice().is_some_and(|hint| hint.contains("--cast f32")));
}

/// Text and times as data, carried text keys, a coordinate of the grid cell.
#[test]
fn text_times_and_what_is_carried() {
    let directory = tempfile::tempdir().expect("directory");
    let (mut schema, mut batches) = fixture::floats();
    let calendar = zcoord::Calendar::NoLeap;
    let variable = |name: &str, kind| crate::batch::Variable {
        name: name.into(),
        kind,
        dimensions: Vec::new(),
        features: vec![name.into()],
        ..schema.variables[0].clone()
    };
    let added = [variable("label", Kind::Text), variable("valid", Kind::Time(calendar))];
    schema.variables.extend(added);
    for (name, kind, role) in [("town", Kind::Text, Role::Carried), ("grid_lat", Kind::Float(64), Role::Cell)] {
        schema.keys.push(crate::batch::Key { name: name.into(), kind, role, attributes: Vec::new() });
    }
    let text = |texts: [&str; 2]| Column::new(Kind::Text, zcoord::Values::Text(texts.map(String::from).to_vec()));
    let cell = Column::new(Kind::Float(64), zcoord::Values::F64(vec![51.25]));
    let times = zcoord::Values::Time(vec![5, zcoord::NOT_A_TIME], calendar);
    for batch in &mut batches {
        batch.features.extend([text(["x", "y"]), Column::new(Kind::Time(calendar), times.clone())]);
        batch.keys.push(crate::batch::KeyColumn { distinct: text(["Bern", "Zürich"]), codes: vec![1, 0] });
        batch.keys.push(crate::batch::KeyColumn { distinct: cell.clone(), codes: vec![0, 0] });
    }
    let path = saved(directory.path(), &(schema, batches), 2);
    let town = [&[2, 0, 0, 0, 7, 0, 0, 0], "Zürich".as_bytes(), &[4, 0, 0, 0], b"Bern"].concat();
    assert_eq!(chunk(&path, "town/c/0"), town);
    assert_eq!(chunk(&path, "grid_lat/c/0"), [51.25f64.to_le_bytes(); 2].concat());
    let label: Vec<u8> = "xxyy".bytes().flat_map(|byte| [1, 0, 0, 0, byte]).collect();
    assert_eq!(chunk(&path, "label/c/0/0"), [&[4, 0, 0, 0][..], &label].concat());
    let valid = document(&path.join("valid"));
    assert_eq!(valid["attributes"]["calendar"], "noleap");
    assert_eq!(valid["attributes"]["_FillValue"], json!(i64::MIN));
    assert_eq!(valid["attributes"]["coordinates"], "point_id lat lon town grid_lat");
}

/// More stations than fit in a chunk: the last block is padded.
#[test]
fn many_stations_make_several_blocks() {
    let directory = tempfile::tempdir().expect("directory");
    let (mut schema, mut batches) = fixture::floats();
    schema.variables[0].dimensions.clear();
    schema.variables[0].features.truncate(1);
    let stations = 300;
    let path = directory.path().join("x.zarr");
    let shape = Shape { points: stations as u64, samples: 1 };
    let mut sink = open(Format::Zarr, &path, &schema, &Options::default(), shape).expect("begins");
    let mut batch = batches.remove(0);
    batch.rows = stations;
    let values = (0..stations).map(|station| station as f32).collect();
    batch.features = vec![Column::new(Kind::Float(32), zcoord::Values::F32(values))];
    batch.keys.iter_mut().for_each(|key| key.codes = vec![0; stations]);
    sink.write(&batch, &Pool::new(1)).expect("writes");
    sink.finish().expect("ends");
    let (first, second) = (f32s(&chunk(&path, "t/c/0/0")), f32s(&chunk(&path, "t/c/1/0")));
    assert_eq!((first.len(), second.len(), first[255], second[0], second[43]), (256, 256, 255.0, 256.0, 299.0));
    assert!(second[44].is_nan());
}
