//! The arrays of the store, with their dimensions and attributes.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use zcoord::{Column, Kind};
use zwire::Failure;

use crate::batch::{Dimension, Key, Role, Schema, Variable};

/// The dimension of points, which CF calls stations.
const STATION: &str = "station";

/// Dropped attributes: those that refer to other arrays of the source or describe its encoding.
const DROPPED: [&str; 12] = [
    "coordinates",
    "grid_mapping",
    "bounds",
    "climatology",
    "cell_measures",
    "ancillary_variables",
    "formula_terms",
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "_ARRAY_DIMENSIONS",
];

/// Name, dimensions and attributes of an array, known before any values.
#[derive(Debug, Clone)]
pub struct Array {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub dimensions: Vec<String>,
    /// Lengths of its feature dimensions.
    pub lengths: Vec<u64>,
    /// Its attributes.
    pub attributes: Map<String, Value>,
}

/// All arrays.
pub struct Layout {
    /// One per key.
    pub keys: Vec<Array>,
    /// Coordinates of feature dimensions.
    pub coordinates: Vec<(Array, Column)>,
    /// One per variable.
    pub variables: Vec<Array>,
}

impl Layout {
    /// The arrays for `schema`.
    ///
    /// # Errors
    /// Two arrays have the same name.
    pub fn of(schema: &Schema) -> Result<Layout, Failure> {
        let sample = sample_dimension(schema);
        let keys: Vec<Array> = schema.keys.iter().map(|key| of_key(key, &sample)).collect();
        let mut taken = HashSet::from([STATION.to_owned()]);
        if !keys.iter().any(|key| key.name == sample) {
            taken.insert(sample.clone());
        }
        let names: Vec<String> = schema.variables.iter().map(|variable| node_name(&variable.name)).collect();
        for name in keys.iter().map(|key| &key.name).chain(&names) {
            if !taken.insert(name.clone()) {
                return Err(Failure::usage(format!("two arrays or dimensions of the store would be called {name:?}"))
                    .hint("rename a column of the points file, or choose another format"));
            }
        }
        let mut layout = Layout { keys, coordinates: Vec::new(), variables: Vec::new() };
        let auxiliary = layout.auxiliary(&sample);
        for (variable, name) in schema.variables.iter().zip(names) {
            let array = layout.variable(variable, name, &sample, &auxiliary, &mut taken)?;
            layout.variables.push(array);
        }
        Ok(layout)
    }

    /// Names of the keys that are not the coordinate of their own dimension, separated by blanks, for the `coordinates`
    /// attribute.
    fn auxiliary(&self, sample: &str) -> String {
        let named = self.keys.iter().map(|key| key.name.as_str());
        let names: Vec<&str> = named.filter(|name| *name != sample && !name.contains(char::is_whitespace)).collect();
        names.join(" ")
    }

    fn variable(
        &mut self,
        variable: &Variable,
        name: String,
        sample: &str,
        auxiliary: &str,
        taken: &mut HashSet<String>,
    ) -> Result<Array, Failure> {
        let mut dimensions = vec![STATION.to_owned(), sample.to_owned()];
        for dimension in &variable.dimensions {
            dimensions.push(self.coordinate(dimension, taken));
        }
        let lengths: Vec<u64> = variable.dimensions.iter().map(|dimension| dimension.coordinate.len() as u64).collect();
        if lengths.iter().try_fold(1u64, |all, length| all.checked_mul(*length)) != Some(variable.features.len() as u64)
        {
            let what = format!("{name:?} has {} features, and dimensions of {lengths:?}", variable.features.len());
            return Err(Failure::new(zwire::Exit::Bug, what));
        }
        let mut attributes = attributes(&variable.attributes, variable.kind);
        attributes.insert("coordinates".into(), json!(auxiliary));
        Ok(Array { name, dimensions, lengths, attributes })
    }

    /// The name of a feature dimension. If variables differ in its coordinate (because of separate selections), each
    /// has its own dimension.
    fn coordinate(&mut self, dimension: &Dimension, taken: &mut HashSet<String>) -> String {
        let base = node_name(&dimension.name);
        let named = |name: &str| name == base || name.strip_prefix(&base).is_some_and(|rest| rest.starts_with('_'));
        let same = |(array, column): &&(Array, Column)| named(&array.name) && *column == dimension.coordinate;
        if let Some((array, _)) = self.coordinates.iter().find(same) {
            return array.name.clone();
        }
        let mut name = base.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{base}_{number}");
            number += 1;
        }
        let array = Array {
            name: name.clone(),
            dimensions: vec![name.clone()],
            lengths: Vec::new(),
            attributes: attributes(&dimension.attributes, dimension.coordinate.kind),
        };
        self.coordinates.push((array, dimension.coordinate.clone()));
        name
    }
}

/// The sample dimension; if there is a single sample key, it gives the name and becomes the coordinate.
fn sample_dimension(schema: &Schema) -> String {
    let mut keys = schema.keys.iter().filter(|key| key.role == Role::Sample);
    match (keys.next(), keys.next()) {
        (Some(key), None) => node_name(&key.name),
        _ => "sample".to_owned(),
    }
}

fn of_key(key: &Key, sample: &str) -> Array {
    let mut attributes = attributes(&key.attributes, key.kind);
    let defaults: &[(&str, &str)] = match key.role {
        Role::PointId => &[("cf_role", "timeseries_id")],
        Role::Latitude => &[("standard_name", "latitude"), ("units", "degrees_north")],
        Role::Longitude => &[("standard_name", "longitude"), ("units", "degrees_east")],
        Role::Carried | Role::Cell | Role::Sample | Role::Store => &[],
    };
    for (name, value) in defaults {
        attributes.entry((*name).to_owned()).or_insert_with(|| json!(value));
    }
    let dimension = if key.role.is_of_point() { STATION } else { sample };
    Array { name: node_name(&key.name), dimensions: vec![dimension.to_owned()], lengths: Vec::new(), attributes }
}

/// The attributes kept from the source, plus the encoding of times.
fn attributes(source: &[(String, Value)], kind: Kind) -> Map<String, Value> {
    let kept = source.iter().filter(|(name, _)| !DROPPED.contains(&name.as_str())).cloned();
    let mut attributes: Map<String, Value> = kept.collect();
    if let Kind::Time(calendar) = kind {
        attributes.insert("units".into(), json!("microseconds since 1970-01-01 00:00:00"));
        attributes.insert("calendar".into(), json!(calendar.name()));
    }
    attributes
}

/// A valid Zarr v3 node name: no slash, not only dots, no leading double underscore.
fn node_name(name: &str) -> String {
    let name = name.replace('/', "_");
    let is_allowed = !name.chars().all(|character| character == '.') && !name.starts_with("__") && name != "zarr.json";
    if is_allowed { name } else { format!("x{name}") }
}

#[cfg(test)]
mod tests {
    use zcoord::Values;

    use super::*;
    use crate::sink::fixture;

    #[test]
    fn dimensions_and_coordinates() {
        let layout = Layout::of(&fixture::schema()).expect("names fit");
        let t = &layout.variables[0];
        assert_eq!(
            (&t.dimensions[..], &t.lengths[..]),
            (&["station", "time", "level"].map(String::from)[..], &[2][..])
        );
        assert_eq!(t.attributes["coordinates"], "point_id lat lon");
        assert_eq!(layout.keys[0].attributes["cf_role"], "timeseries_id");
        assert_eq!(layout.keys[1].attributes["units"], "degrees_north");
        assert_eq!(layout.keys[3].dimensions, ["time"]);
        assert_eq!((layout.coordinates.len(), layout.coordinates[0].0.name.as_str()), (1, "level"));
    }

    #[test]
    fn several_sample_keys_share_a_dimension() {
        let mut schema = fixture::schema();
        schema.keys.push(Key { name: "file_id".into(), kind: Kind::Int(64), role: Role::Sample, attributes: vec![] });
        let layout = Layout::of(&schema).expect("names fit");
        assert_eq!(layout.variables[1].dimensions, ["station", "sample"]);
        assert_eq!(layout.variables[1].attributes["coordinates"], "point_id lat lon time file_id");
        assert_eq!(layout.keys[4].dimensions, ["sample"]);
    }

    #[test]
    fn dimensions_that_differ_have_their_own_names() {
        let mut schema = fixture::schema();
        let mut other = schema.variables[0].clone();
        other.name = "u".into();
        schema.variables.push(other.clone());
        other.name = "w".into();
        other.dimensions[0].coordinate.values = Values::I64(vec![1, 2]);
        schema.variables.push(other);
        let layout = Layout::of(&schema).expect("names fit");
        assert_eq!(
            (layout.variables[3].dimensions[2].as_str(), layout.variables[4].dimensions[2].as_str()),
            ("level", "level_2")
        );
        assert_eq!(layout.coordinates.len(), 2);
    }

    #[test]
    fn the_same_name_twice_is_refused() {
        let mut schema = fixture::schema();
        schema.variables[1].name = "lat".into();
        assert!(Layout::of(&schema).is_err());
        schema.variables[1].name = "station".into();
        assert!(Layout::of(&schema).is_err());
    }

    #[test]
    fn names_are_those_of_nodes() {
        for (name, node) in
            [("a/b", "a_b"), ("", "x"), ("..", "x.."), ("__a", "x__a"), ("zarr.json", "xzarr.json"), ("t", "t")]
        {
            assert_eq!(node_name(name), node);
        }
    }
}
