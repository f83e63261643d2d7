//! The columns of all rows, and the values of the keys.

use std::collections::HashMap;

use zcoord::{Column, Kind, Points, Values};
use zwire::Failure;

use crate::axes::Axis;
use crate::batch::{Dimension, Key, KeyColumn, Role, Schema, Variable};
use crate::columns::between_kind;
use crate::lookup::Lookup;
use crate::naming::plain_name;
use crate::options::Options;
use crate::points::Method;
use crate::source::{self, Source};
use crate::spans::Span;

/// The schema of one store.
///
/// # Errors
/// Usage failures: two columns with the same name, a template that does not apply.
pub fn schema(options: &Options, source: &Source, points: &Points) -> Result<Schema, Failure> {
    let mut names: HashMap<&str, usize> = HashMap::new();
    source.variables.iter().for_each(|variable| *names.entry(variable.name()).or_default() += 1);
    let unique = |variable: &source::Variable| match names.get(variable.name()) {
        Some(1) | None => variable.name().to_owned(),
        Some(_) => variable.array.path.trim_start_matches('/').replace('/', "_"),
    };
    let variables = source.variables.iter().map(|found| variable(options, source, found, unique(found)));
    let schema = Schema { keys: keys(options, source, points), variables: variables.collect::<Result<_, Failure>>()? };
    let mut seen = HashMap::new();
    let columns = schema.variables.iter().flat_map(|found| found.features.iter().map(move |name| (name, &found.path)));
    let keys = schema.keys.iter().map(|key| (&key.name, &key.name));
    for (name, path) in keys.chain(columns) {
        if let Some(other) = seen.insert(name.clone(), path.clone()) {
            let what = format!("{other} and {path} would both be named {name:?}");
            return Err(Failure::usage(what).at(&source.name).hint("select one with --var, or use --column-name"));
        }
    }
    Ok(schema)
}

fn variable(options: &Options, source: &Source, found: &source::Variable, name: String) -> Result<Variable, Failure> {
    let dimensions: Vec<Dimension> = found.features.iter().map(dimension).collect();
    let variable = Variable {
        features: Vec::new(),
        path: found.array.path.clone(),
        store: source.name.clone(),
        kind: kind(options, found),
        attributes: found.decoder.attributes(&found.array),
        name,
        dimensions,
    };
    let label = |number: usize| {
        let indices = variable.indices(number);
        match &options.output.column_name {
            None => Ok(plain_name(&variable.name, &variable.dimensions, &indices)),
            Some(template) => {
                let name = template.name(&variable.name, &variable.dimensions, &indices);
                name.map_err(|what| Failure::usage(what).at("--column-name"))
            }
        }
    };
    let features = (0..found.feature_count()).map(label).collect::<Result<Vec<_>, Failure>>()?;
    Ok(Variable { features, ..variable })
}

fn kind(options: &Options, variable: &source::Variable) -> Kind {
    let kind = variable.decoder.kind();
    let between = options.points.method == Method::Linear && variable.grid.is_some();
    match (between, options.output.sink.cast_f32) {
        (_, true) if !matches!(kind, Kind::Text | Kind::Time(_)) => Kind::Float(32),
        (true, _) => between_kind(kind),
        (false, _) => kind,
    }
}

fn dimension(axis: &Axis) -> Dimension {
    Dimension { name: axis.name.clone(), coordinate: axis.values(0..axis.len()), attributes: axis.attributes.clone() }
}

fn keys(options: &Options, source: &Source, points: &Points) -> Vec<Key> {
    let key = |name: &str, kind, role, attributes: &[(&str, &str)]| {
        let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        Key { name: name.to_owned(), kind, role, attributes }
    };
    let north = [("units", "degrees_north"), ("standard_name", "latitude")];
    let east = [("units", "degrees_east"), ("standard_name", "longitude")];
    let number = Kind::Float(64);
    let mut keys = vec![
        key("point_id", Kind::Text, Role::PointId, &[]),
        key("lat", number, Role::Latitude, &north),
        key("lon", number, Role::Longitude, &east),
    ];
    keys.extend(points.carried.iter().map(|(name, _)| key(name, Kind::Text, Role::Carried, &[])));
    keys.push(key("grid_lat", number, Role::Cell, &north[..1]));
    keys.push(key("grid_lon", number, Role::Cell, &east[..1]));
    keys.push(key("distance_km", number, Role::Cell, &[("units", "km")]));
    let sample = |axis: &Axis| Key {
        name: axis.name.clone(),
        kind: axis.kind(),
        role: Role::Sample,
        attributes: axis.attributes.clone(),
    };
    keys.extend(source.samples.iter().map(sample));
    if options.output.store_column {
        keys.push(key("store", Kind::Text, Role::Store, &[]));
    }
    keys
}

/// Compares the schema of one more store with that of the first.
///
/// # Errors
/// A usage failure that names the first column that differs.
pub fn check_same(first: &Schema, other: &Schema, source: &Source) -> Result<(), Failure> {
    let columns = |schema: &Schema| -> Vec<(String, Kind)> {
        let keys = schema.keys.iter().map(|key| (key.name.clone(), key.kind));
        let features = schema
            .variables
            .iter()
            .flat_map(|variable| variable.features.iter().map(|name| (name.clone(), variable.kind)));
        keys.chain(features).collect()
    };
    let (ours, theirs) = (columns(first), columns(other));
    let store = first.variables.first().map_or("", |variable| &variable.store);
    let known: HashMap<&str, Kind> = ours.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let found: HashMap<&str, Kind> = theirs.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let what = if let Some((name, _)) = theirs.iter().find(|(name, _)| !known.contains_key(name.as_str())) {
        format!("has the column {name:?}, which {store} does not have")
    } else if let Some((name, _)) = ours.iter().find(|(name, _)| !found.contains_key(name.as_str())) {
        format!("has no column {name:?}, which {store} has")
    } else if let Some((name, kind)) = theirs.iter().find(|(name, kind)| known.get(name.as_str()) != Some(kind)) {
        let before = known.get(name.as_str()).map_or_else(String::new, |kind| describe(*kind));
        format!("column {name:?} is {} here and {before} in {store}", describe(*kind))
    } else if ours != theirs {
        format!("has its columns in a different order than {store}")
    } else {
        return Ok(());
    };
    let hint = "all stores must have the same columns: select them with --var and --sel, or use --cast f32";
    Err(Failure::usage(what).at(&source.name).hint(hint))
}

fn describe(kind: Kind) -> String {
    match kind {
        Kind::Time(calendar) => format!("a time in the calendar {}", calendar.name()),
        kind => kind.name(),
    }
}

/// The keys of the rows of a batch: those of the points, then those of the samples.
pub fn key_columns(schema: &Schema, source: &Source, points: &Points, lookup: &Lookup, span: &Span) -> Vec<KeyColumn> {
    let samples: usize = span.iter().map(ExactSizeIterator::len).product();
    let count = points.len();
    let of_point: Vec<u32> = (0..samples).flat_map(|_| 0..count as u32).collect();
    let text = |values: &[String]| Column::new(Kind::Text, Values::Text(values.to_vec()));
    let numbers = |values: &[f64]| Column::new(Kind::Float(64), Values::F64(values.to_vec()));
    let mut columns = vec![text(&points.ids), numbers(&points.latitudes), numbers(&points.longitudes)];
    columns.extend(points.carried.iter().map(|(_, values)| text(values)));
    columns.extend(lookup.cell_columns());
    let mut keys: Vec<KeyColumn> =
        columns.into_iter().map(|distinct| KeyColumn { distinct, codes: of_point.clone() }).collect();
    for (number, (axis, range)) in source.samples.iter().zip(span).enumerate() {
        let inner: usize = span[number + 1..].iter().map(ExactSizeIterator::len).product::<usize>() * count;
        let codes = (0..samples * count).map(|row| (row / inner.max(1) % range.len()) as u32).collect();
        keys.push(KeyColumn { distinct: axis.values(range.clone()), codes });
    }
    if schema.keys.iter().any(|key| key.role == Role::Store) {
        keys.push(KeyColumn { distinct: text(std::slice::from_ref(&source.name)), codes: vec![0; samples * count] });
    }
    keys
}

/// Every number as a 32-bit float.
pub fn cast(columns: Vec<Column>) -> Vec<Column> {
    let cast = |column: Column| match column.numbers() {
        Some(numbers) if column.kind != Kind::Float(32) => {
            Column::new(Kind::Float(32), Values::F32(numbers.iter().map(|value| *value as f32).collect()))
        }
        _ => column,
    };
    columns.into_iter().map(cast).collect()
}
