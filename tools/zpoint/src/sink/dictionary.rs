//! Describes each column of a wide table, as one JSON record per line.

use serde_json::{Map, Value, json};
use zcoord::{Column, Kind, Values};

use super::cells;
use crate::batch::{Key, Role, Schema, Variable};

/// The CF attributes that describe a column.
pub const ATTRIBUTES: [&str; 3] = ["units", "standard_name", "long_name"];

/// One line per key, then one per feature.
pub fn lines(schema: &Schema) -> Vec<u8> {
    let keys = schema.keys.iter().map(key);
    let features = schema.variables.iter().flat_map(|variable| {
        variable.features.iter().enumerate().map(|(number, name)| feature(variable, number, name))
    });
    let mut out = Vec::new();
    for record in keys.chain(features) {
        out.extend_from_slice(Value::Object(record).to_string().as_bytes());
        out.push(b'\n');
    }
    out
}

fn record(column: &str) -> Map<String, Value> {
    let mut record = Map::new();
    for (name, value) in [("type", json!("column")), ("v", json!(1)), ("column", json!(column))] {
        record.insert(name.into(), value);
    }
    record
}

fn key(key: &Key) -> Map<String, Value> {
    let mut record = record(&key.name);
    record.insert("role".into(), json!(role_name(key.role)));
    describe(&mut record, key.kind, &key.attributes);
    record
}

/// The role name used in the dictionary.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::PointId => "point_id",
        Role::Latitude => "latitude",
        Role::Longitude => "longitude",
        Role::Carried => "carried",
        Role::Cell => "cell",
        Role::Sample => "sample",
        Role::Store => "store",
    }
}

fn feature(variable: &Variable, number: usize, name: &str) -> Map<String, Value> {
    let mut record = record(name);
    record.insert("variable".into(), json!(variable.path));
    let indices = variable.indices(number);
    let values = variable.dimensions.iter().zip(indices);
    let values: Map<String, Value> =
        values.map(|(dimension, index)| (dimension.name.clone(), value(&dimension.coordinate, index))).collect();
    if !values.is_empty() {
        record.insert("indices".into(), Value::Object(values));
    }
    describe(&mut record, variable.kind, &variable.attributes);
    record.insert("store".into(), json!(variable.store));
    record
}

fn describe(record: &mut Map<String, Value>, kind: Kind, attributes: &[(String, Value)]) {
    record.insert("dtype".into(), json!(kind.name()));
    if let Kind::Time(calendar) = kind {
        record.insert("calendar".into(), json!(calendar.name()));
    }
    for wanted in ATTRIBUTES {
        // The units of a time are those of the source, not of the column.
        let is_kept = wanted != "units" || !matches!(kind, Kind::Time(_));
        if let Some((_, value)) = attributes.iter().find(|(name, _)| is_kept && name == wanted) {
            record.insert(wanted.into(), value.clone());
        }
    }
}

/// A coordinate value as JSON: numbers as numbers, everything else as text.
fn value(column: &Column, row: usize) -> Value {
    if row >= column.len() || column.is_missing(row) {
        return Value::Null;
    }
    match &column.values {
        // With the digits of single precision: 0.1, not 0.10000000149011612.
        Values::F32(values) => values[row].to_string().parse::<f64>().map_or(Value::Null, |number| json!(number)),
        Values::F64(values) => json!(values[row]),
        Values::I64(values) => json!(values[row]),
        Values::U64(values) => json!(values[row]),
        Values::Bool(values) => json!(values[row]),
        Values::Time(..) | Values::Text(_) => json!(cells::plain(column, row)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::fixture;

    #[test]
    fn keys_come_first_and_absent_attributes_are_left_out() {
        let text = String::from_utf8(lines(&fixture::schema())).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0], r#"{"type":"column","v":1,"column":"point_id","role":"point_id","dtype":"str"}"#);
        assert_eq!(
            lines[3],
            r#"{"type":"column","v":1,"column":"time","role":"sample","dtype":"datetime64[us]","calendar":"proleptic_gregorian"}"#
        );
        assert_eq!(
            lines[4],
            r#"{"type":"column","v":1,"column":"t_850","variable":"/t","indices":{"level":850},"dtype":"float32","units":"K","standard_name":"air_temperature","store":"era5.zarr"}"#
        );
        assert_eq!(
            lines[6],
            r#"{"type":"column","v":1,"column":"n","variable":"/n","dtype":"int16","store":"era5.zarr"}"#
        );
    }

    #[test]
    fn single_floats_keep_their_digits() {
        let column = Column::new(Kind::Float(32), Values::F32(vec![0.1, f32::NAN]));
        assert_eq!((value(&column, 0), value(&column, 1), value(&column, 2)), (json!(0.1), Value::Null, Value::Null));
    }
}
