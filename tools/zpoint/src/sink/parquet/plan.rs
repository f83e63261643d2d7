//! The columns of a Parquet file, their sources, and their encodings.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use ::parquet::basic::{Compression, Encoding, ZstdLevel};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow_array::{ArrayRef, Float32Array, Float64Array};
use arrow_schema::{DataType, Field};
use serde_json::Value;
use zcoord::{Column, Kind};
use zwire::Failure;

use super::super::arrow::{array, data_type};
use super::super::columns::Long;
use super::super::dictionary::ATTRIBUTES;
use super::super::{Layout, Options, TimeFormat};
use crate::batch::{Batch, Schema};

/// Assumed size of a text in bytes.
const TEXT_BYTES: u64 = 32;

/// All columns.
pub struct Plan {
    /// In order.
    pub columns: Vec<PlannedColumn>,
    /// Lines per wide row.
    pub lines_per_row: usize,
    times: TimeFormat,
    calendar: Option<&'static str>,
}

/// One column.
pub struct PlannedColumn {
    /// Its name, type and attributes.
    pub field: Arc<Field>,
    source: Source,
}

/// The source of a column's values.
enum Source {
    Key(usize),
    Feature(usize),
    /// In the long layout: one value per feature, repeated for every row.
    OfFeature(Column),
    /// In the long layout: the value.
    Value,
}

impl Plan {
    /// The columns for `schema`.
    ///
    /// # Errors
    /// Text or times among the values of a long table.
    pub fn of(schema: &Schema, options: &Options) -> Result<Plan, Failure> {
        let times = options.time_format;
        let keys = schema.keys.iter().enumerate();
        let mut columns: Vec<PlannedColumn> =
            keys.map(|(at, key)| planned(&key.name, key.kind, times, &key.attributes, Source::Key(at))).collect();
        let lines_per_row = match options.layout {
            Layout::Wide => {
                columns.extend(features(schema, times));
                1
            }
            Layout::Long => {
                columns.extend(long(schema, times)?);
                super::super::columns::features(schema).count()
            }
        };
        Ok(Plan { columns, lines_per_row, times, calendar: calendar(schema) })
    }

    /// Approximate size of a line in memory, in bytes.
    pub fn line_bytes(&self) -> u64 {
        let bytes = |column: &PlannedColumn| match column.field.data_type() {
            DataType::Utf8 => TEXT_BYTES,
            other => other.primitive_width().unwrap_or(1) as u64,
        };
        self.columns.iter().map(bytes).sum::<u64>().max(1)
    }

    /// The values of `column` for some lines of a batch.
    ///
    /// # Errors
    /// The errors of [`array`], with the column's name.
    pub fn array(&self, column: &PlannedColumn, batch: &Batch, lines: Range<usize>) -> Result<ArrayRef, Failure> {
        let each = self.lines_per_row.max(1);
        let made = match &column.source {
            Source::Key(at) => {
                let key = &batch.keys[*at];
                array(&key.distinct, lines.map(|line| key.codes[line / each] as usize), self.times)
            }
            Source::Feature(at) => array(&batch.features[*at], lines, self.times),
            Source::OfFeature(values) => array(values, lines.map(|line| line % each), self.times),
            Source::Value => Ok(values(batch, lines, each, column.field.data_type())),
        };
        made.map_err(|failure| failure.at(format!("column {:?}", column.field.name())))
    }

    /// Encoding of the file: zstd; floats use byte-stream split, which compresses them best, and no dictionary; minima
    /// and maxima are stored for keys only, because queries filter by keys and statistics for thousands of features
    /// would bloat the footer.
    pub fn properties(&self, options: &Options) -> WriterProperties {
        let mut builder = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()))
            .set_statistics_enabled(EnabledStatistics::None)
            .set_offset_index_disabled(true)
            .set_max_row_group_row_count(None)
            .set_key_value_metadata(self.key_values(options));
        for column in &self.columns {
            let path = ColumnPath::new(vec![column.field.name().clone()]);
            if matches!(column.source, Source::Key(_)) {
                builder = builder.set_column_statistics_enabled(path, EnabledStatistics::Chunk);
            } else if is_split(column) {
                builder = builder
                    .set_column_encoding(path.clone(), Encoding::BYTE_STREAM_SPLIT)
                    .set_column_dictionary_enabled(path, false);
            }
        }
        builder.build()
    }

    fn key_values(&self, options: &Options) -> Option<Vec<KeyValue>> {
        let tool = (!options.tool.is_empty()).then(|| ("tool", options.tool.clone()));
        let calendar = self.calendar.map(|name| ("calendar", name.to_owned()));
        let pairs = tool.into_iter().chain(calendar);
        let pairs: Vec<KeyValue> = pairs.map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect();
        (!pairs.is_empty()).then_some(pairs)
    }
}

fn is_split(column: &PlannedColumn) -> bool {
    let is_value = matches!(column.source, Source::Feature(_) | Source::Value);
    is_value && matches!(column.field.data_type(), DataType::Float32 | DataType::Float64)
}

fn planned(name: &str, kind: Kind, times: TimeFormat, attributes: &[(String, Value)], source: Source) -> PlannedColumn {
    let field = Field::new(name, data_type(kind, times), true).with_metadata(metadata(kind, times, attributes));
    PlannedColumn { field: Arc::new(field), source }
}

/// The attributes of a field: those of the source, plus units and calendar for times.
fn metadata(kind: Kind, times: TimeFormat, attributes: &[(String, Value)]) -> HashMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let kept = attributes.iter().filter(|(name, _)| ATTRIBUTES.contains(&name.as_str()));
    let mut metadata: HashMap<String, String> = kept.map(|(name, value)| (name.clone(), text(value))).collect();
    if let Kind::Time(calendar) = kind {
        metadata.remove("units");
        let units = match times {
            TimeFormat::Iso => None,
            TimeFormat::Unix => Some("seconds since 1970-01-01"),
            TimeFormat::UnixMicros => Some("microseconds since 1970-01-01"),
        };
        metadata.extend(units.map(|units| ("units".to_owned(), units.to_owned())));
        metadata.insert("calendar".into(), calendar.name().into());
    }
    metadata
}

fn features(schema: &Schema, times: TimeFormat) -> Vec<PlannedColumn> {
    let named = schema.variables.iter().flat_map(|variable| {
        variable.features.iter().map(move |name| (name, variable.kind, variable.attributes.as_slice()))
    });
    let planned = |(at, (name, kind, attributes)): (usize, (&String, Kind, &[_]))| {
        planned(name, kind, times, attributes, Source::Feature(at))
    };
    named.enumerate().map(planned).collect()
}

fn long(schema: &Schema, times: TimeFormat) -> Result<Vec<PlannedColumn>, Failure> {
    let Long { variable, dimensions } = Long::of(schema);
    let kind = value_kind(schema)?;
    let mut columns = vec![planned("variable", variable.kind, times, &[], Source::OfFeature(variable))];
    for dimension in dimensions {
        let (kind, values) = (dimension.coordinate.kind, Source::OfFeature(dimension.coordinate));
        columns.push(planned(&dimension.name, kind, times, &dimension.attributes, values));
    }
    columns.push(planned("value", kind, times, &[], Source::Value));
    Ok(columns)
}

/// 32-bit floats if all features are, otherwise 64-bit floats.
fn value_kind(schema: &Schema) -> Result<Kind, Failure> {
    for variable in &schema.variables {
        if matches!(variable.kind, Kind::Time(_) | Kind::Text) {
            let (name, kind) = (&variable.name, variable.kind.name());
            let what = format!("variable {name:?} is {kind}, but the long layout holds only numbers");
            return Err(Failure::usage(what).hint("leave it out with --var, or use --layout wide, csv or jsonl"));
        }
    }
    let single = schema.variables.iter().all(|variable| matches!(variable.kind, Kind::Float(bits) if bits <= 32));
    Ok(Kind::Float(if single { 32 } else { 64 }))
}

fn values(batch: &Batch, lines: Range<usize>, each: usize, data_type: &DataType) -> ArrayRef {
    let numbers = lines.map(|line| batch.features[line % each].number(line / each));
    match data_type {
        DataType::Float32 => {
            Arc::new(numbers.map(|number| number.map(|number| number as f32)).collect::<Float32Array>())
        }
        _ => Arc::new(numbers.collect::<Float64Array>()),
    }
}

/// The first calendar that is not Gregorian.
fn calendar(schema: &Schema) -> Option<&'static str> {
    let kinds = schema.keys.iter().map(|key| key.kind).chain(schema.variables.iter().map(|variable| variable.kind));
    let mut calendars = kinds.filter_map(|kind| match kind {
        Kind::Time(calendar) if !calendar.is_gregorian() => Some(calendar.name()),
        _ => None,
    });
    calendars.next()
}
