//! Reads written files back with the reader of the Parquet library.

use std::fs::File;
use std::path::Path;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::file::metadata::ParquetMetaData;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int32Type, TimestampMicrosecondType};
use zcoord::{Calendar, Kind, Values};

use super::*;
use crate::sink::{Format, Layout, TimeFormat, fixture};

fn read(path: &Path) -> (RecordBatch, Arc<ParquetMetaData>) {
    let file = File::open(path).expect("opens");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    let metadata = Arc::clone(builder.metadata());
    let batches: Vec<RecordBatch> = builder.build().expect("reads").collect::<Result<_, _>>().expect("decodes");
    assert_eq!(batches.len(), 1, "one batch holds it all");
    (batches[0].clone(), metadata)
}

fn saved(options: &Options) -> (RecordBatch, Arc<ParquetMetaData>) {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("x.parquet");
    let table = (fixture::schema(), fixture::batches());
    let written = fixture::saved(Format::Parquet, &path, &table, options, 2).expect("writes");
    let length = std::fs::metadata(&path).expect("stat").len();
    assert_eq!((written.rows, written.bytes), (4, length));
    read(&path)
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<Option<f32>> {
    batch.column_by_name(name).expect("column").as_primitive::<Float32Type>().iter().collect()
}

#[test]
fn wide() {
    let (batch, metadata) = saved(&Options { tool: "zpoint 0".into(), ..Options::default() });
    assert_eq!(floats(&batch, "t_850"), [Some(281.6084), None, Some(282.5), Some(300.0)]);
    assert_eq!(floats(&batch, "t_500")[1], Some(f32::INFINITY));
    let n: Vec<Option<i16>> = batch["n"].as_primitive::<Int16Type>().iter().collect();
    assert_eq!(n, [Some(-3), None, Some(7), Some(8)]);
    let flag: Vec<Option<bool>> = batch["flag"].as_boolean().iter().collect();
    assert_eq!(flag, [Some(true), Some(false), Some(true), Some(false)]);
    assert_eq!(batch["point_id"].as_string::<i32>().value(1), "a,\"b\"\n");
    let times = batch["time"].as_primitive::<TimestampMicrosecondType>();
    assert_eq!(
        (times.value(0), times.value(2), times.timezone()),
        (fixture::MARCH, fixture::MARCH + fixture::SIX_HOURS, Some("UTC"))
    );
    let schema = batch.schema();
    assert_eq!(schema.field_with_name("t_850").expect("field").metadata()["standard_name"], "air_temperature");
    let pairs = metadata.file_metadata().key_value_metadata().expect("pairs");
    assert!(pairs.iter().any(|pair| pair.key == "tool" && pair.value.as_deref() == Some("zpoint 0")));
}

#[test]
fn floats_are_split_and_only_keys_have_statistics() {
    let (_, metadata) = saved(&Options::default());
    let group = metadata.row_group(0);
    let column = |at: usize| group.column(at);
    assert!(column(0).statistics().is_some() && column(0).dictionary_page_offset().is_some());
    assert!(column(4).statistics().is_none() && column(4).dictionary_page_offset().is_none());
    let encodings: Vec<_> = column(4).encodings().collect();
    assert!(encodings.contains(&::parquet::basic::Encoding::BYTE_STREAM_SPLIT), "{encodings:?}");
    assert!(matches!(column(4).compression(), ::parquet::basic::Compression::ZSTD(_)));
}

#[test]
fn long() {
    let (batch, _) = saved(&Options { layout: Layout::Long, ..Options::default() });
    assert_eq!(batch.num_rows(), 16);
    let variable = batch["variable"].as_string::<i32>();
    assert_eq!((variable.value(0), variable.value(2), variable.value(7)), ("t", "n", "flag"));
    let levels: Vec<Option<i32>> = batch["level"].as_primitive::<Int32Type>().iter().collect();
    assert_eq!(levels[..4], [Some(850), Some(500), None, None]);
    let values: Vec<Option<f64>> = batch["value"].as_primitive::<Float64Type>().iter().collect();
    assert_eq!(values[..4], [Some(f64::from(281.6084f32)), Some(250.0), Some(-3.0), Some(1.0)]);
    assert_eq!(batch["point_id"].as_string::<i32>().value(4), "a,\"b\"\n");
}

#[test]
fn long_floats_stay_single_and_text_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("x.parquet");
    let mut table = fixture::floats();
    let options = Options { layout: Layout::Long, ..Options::default() };
    fixture::saved(Format::Parquet, &path, &table, &options, 1).expect("writes");
    assert_eq!(floats(&read(&path).0, "value")[..2], [Some(281.6084), Some(250.0)]);
    table.0.variables[0].kind = Kind::Text;
    let other = directory.path().join("y.parquet");
    let refused = fixture::saved(Format::Parquet, &other, &table, &options, 1).expect_err("text");
    assert!(refused.to_string().starts_with("variable \"t\" is str"));
}

#[test]
fn a_row_group_keeps_to_its_bytes_and_workers_change_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let table = (fixture::schema(), fixture::batches());
    let options = Options { row_group_bytes: 300, ..Options::default() };
    let files = [1, 4].map(|workers| {
        let path = directory.path().join(format!("{workers}.parquet"));
        fixture::saved(Format::Parquet, &path, &table, &options, workers).expect("writes");
        path
    });
    let (batch, metadata) = read(&files[0]);
    let rows: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!((batch.num_rows(), rows), (4, vec![4]), "67 bytes a row");
    let options = Options { row_group_bytes: 201, ..options };
    let path = directory.path().join("small.parquet");
    fixture::saved(Format::Parquet, &path, &table, &options, 1).expect("writes");
    let rows: Vec<i64> = read(&path).1.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(rows, [3, 1]);
    assert_eq!(std::fs::read(&files[0]).expect("reads"), std::fs::read(&files[1]).expect("reads"));
}

#[test]
fn times_of_other_calendars_are_text() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("x.parquet");
    let (mut schema, mut batches) = fixture::floats();
    schema.keys[3].kind = Kind::Time(Calendar::NoLeap);
    for batch in &mut batches {
        let time = &mut batch.keys[3].distinct;
        time.kind = Kind::Time(Calendar::NoLeap);
        if let Values::Time(_, calendar) = &mut time.values {
            *calendar = Calendar::NoLeap;
        }
    }
    fixture::saved(Format::Parquet, &path, &(schema, batches), &Options::default(), 1).expect("writes");
    let (batch, metadata) = read(&path);
    assert!(batch["time"].as_string::<i32>().value(0).starts_with("20"));
    let pairs = metadata.file_metadata().key_value_metadata().expect("pairs");
    assert!(pairs.iter().any(|pair| pair.key == "calendar" && pair.value.as_deref() == Some("noleap")));
}

#[test]
fn moments_as_numbers() {
    let (batch, _) = saved(&Options { time_format: TimeFormat::Unix, ..Options::default() });
    assert_eq!(batch["time"].as_primitive::<Float64Type>().value(0), 1_551_398_400.0);
    assert_eq!(batch.schema().field_with_name("time").expect("field").metadata()["units"], "seconds since 1970-01-01");
}
