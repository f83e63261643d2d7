//! The columns of wide and long tables, and the check for duplicate names.

use std::collections::HashSet;

use serde_json::Value;
use zcoord::{Column, Kind, Values};
use zwire::Failure;

use super::{Layout, cells, gather};
use crate::batch::{Schema, Variable};

/// The columns of the long layout between keys and value, with one value per feature.
pub struct Long {
    /// The name of the variable.
    pub variable: Column,
    /// All feature dimensions by name, in order of first use.
    pub dimensions: Vec<LongDimension>,
}

/// A feature dimension in the long layout.
pub struct LongDimension {
    /// Its name.
    pub name: String,
    /// Its coordinate for each feature; missing if the variable does not have the dimension.
    pub coordinate: Column,
    /// CF attributes of the coordinate.
    pub attributes: Vec<(String, Value)>,
}

impl Long {
    /// The long-layout columns for `schema`.
    pub fn of(schema: &Schema) -> Long {
        let names = schema.variables.iter().flat_map(|variable| vec![variable.name.clone(); variable.features.len()]);
        let variable = Column::new(Kind::Text, Values::Text(names.collect()));
        Long { variable, dimensions: dimension_names(schema).map(|name| LongDimension::of(schema, name)).collect() }
    }
}

fn dimension_names(schema: &Schema) -> impl Iterator<Item = &str> {
    let mut seen = HashSet::new();
    let dimensions = schema.variables.iter().flat_map(|variable| &variable.dimensions);
    dimensions.map(|dimension| dimension.name.as_str()).filter(move |name| seen.insert(*name))
}

impl LongDimension {
    fn of(schema: &Schema, name: &str) -> LongDimension {
        let having = schema.variables.iter().flat_map(|variable| &variable.dimensions);
        let same: Vec<_> = having.filter(|dimension| dimension.name == name).collect();
        let kind = common_kind(same.iter().map(|dimension| dimension.coordinate.kind));
        let mut coordinate = gather::empty(kind);
        for variable in &schema.variables {
            append_features(variable, name, &mut coordinate);
        }
        let attributes = same.first().map(|dimension| dimension.attributes.clone()).unwrap_or_default();
        LongDimension { name: name.to_owned(), coordinate, attributes }
    }
}

/// The common kind: their own if all are equal, doubles for mixed numbers, otherwise text.
fn common_kind(mut kinds: impl Iterator<Item = Kind>) -> Kind {
    let first = kinds.next().unwrap_or(Kind::Text);
    let is_number = |kind| !matches!(kind, Kind::Time(_) | Kind::Text);
    kinds.fold(first, |all, kind| match kind {
        _ if kind == all => all,
        _ if is_number(kind) && is_number(all) => Kind::Float(64),
        _ => Kind::Text,
    })
}

fn append_features(variable: &Variable, name: &str, all: &mut Column) {
    let count = variable.features.len();
    let Some(axis) = variable.dimensions.iter().position(|dimension| dimension.name == name) else {
        return gather::extend_missing(all, count);
    };
    let rows: Vec<usize> = (0..count).map(|feature| variable.indices(feature)[axis]).collect();
    let coordinate = convert(variable.dimensions[axis].coordinate.gather(&rows), all.kind);
    gather::extend(all, &coordinate);
}

fn convert(column: Column, kind: Kind) -> Column {
    if column.kind == kind {
        return column;
    }
    if kind == Kind::Text {
        let texts = (0..column.len()).map(|row| cells::plain(&column, row).unwrap_or_default()).collect();
        return Column { kind, values: Values::Text(texts), missing: column.missing };
    }
    Column::new(kind, Values::F64(column.numbers().unwrap_or_default()))
}

/// Names of all columns, in order.
pub fn names(schema: &Schema, layout: Layout) -> Vec<&str> {
    let mut names: Vec<&str> = schema.keys.iter().map(|key| key.name.as_str()).collect();
    match layout {
        Layout::Wide => names.extend(features(schema)),
        Layout::Long => {
            names.push("variable");
            names.extend(dimension_names(schema));
            names.push("value");
        }
    }
    names
}

/// Names of the features.
pub fn features(schema: &Schema) -> impl Iterator<Item = &str> {
    schema.variables.iter().flat_map(|variable| &variable.features).map(String::as_str)
}

/// Kind of each feature.
pub fn feature_kinds(schema: &Schema) -> impl Iterator<Item = Kind> {
    schema.variables.iter().flat_map(|variable| vec![variable.kind; variable.features.len()])
}

/// Rejects duplicate names.
///
/// # Errors
/// Two columns have the same name; reports the first such name.
pub fn check(schema: &Schema, layout: Layout) -> Result<(), Failure> {
    let mut seen: HashSet<&str> = HashSet::new();
    for name in names(schema, layout) {
        if !seen.insert(name) {
            let what = format!("two columns would be named {name:?}");
            return Err(Failure::usage(what).hint("use --column-name"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::fixture;

    #[test]
    fn long_columns_have_a_value_for_each_feature() {
        let long = Long::of(&fixture::schema());
        let names = ["t", "t", "n", "flag"].map(String::from).to_vec();
        assert_eq!(long.variable.values, Values::Text(names));
        assert_eq!(long.dimensions.len(), 1);
        let level = &long.dimensions[0];
        assert_eq!((level.name.as_str(), level.coordinate.kind), ("level", Kind::Int(32)));
        let levels: Vec<_> = (0..4).map(|feature| level.coordinate.number(feature)).collect();
        assert_eq!(levels, [Some(850.0), Some(500.0), None, None]);
    }

    #[test]
    fn different_kinds_of_a_dimension_find_a_common_one() {
        assert_eq!(common_kind([Kind::Int(8), Kind::Int(8)].into_iter()), Kind::Int(8));
        assert_eq!(common_kind([Kind::Int(8), Kind::Float(32)].into_iter()), Kind::Float(64));
        assert_eq!(common_kind([Kind::Int(8), Kind::Text].into_iter()), Kind::Text);
    }

    #[test]
    fn names_that_hide_each_other_are_refused() {
        let mut schema = fixture::schema();
        assert!(check(&schema, Layout::Wide).is_ok());
        schema.variables[1].features[0] = "lat".into();
        let failure = check(&schema, Layout::Wide).expect_err("a key's name");
        assert_eq!(failure.to_string(), "two columns would be named \"lat\"");
        assert!(check(&schema, Layout::Long).is_ok());
    }
}
