//! The axes of rows and columns: dimensions with their selected coordinates.

use std::collections::HashMap;

use serde_json::Value;
use zarray::Array;
use zcoord::{Column, SelectionError, dimensions, is_time, read_coordinate, select};
use zwire::Failure;

use crate::opened::Opened;
use crate::options::DataOptions;

/// Attributes of a coordinate that outputs keep.
const KEPT: [&str; 5] = ["units", "standard_name", "long_name", "positive", "axis"];

/// A dimension used as rows or columns, after selection.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// Length in the store.
    pub length: u64,
    /// The indices that are selected, ascending.
    pub indices: Vec<u64>,
    /// The coordinate value of each of them, or the index itself.
    pub coordinate: Column,
    /// Attributes of the coordinate.
    pub attributes: Vec<(String, Value)>,
}

/// Key of an axis: the path of its coordinate, its name and its length.
type Key = (Option<String>, String, u64);

/// The axes of a store, each read once.
pub struct Axes<'a> {
    opened: &'a Opened,
    options: &'a DataOptions,
    known: HashMap<Key, Axis>,
    /// Notes on attributes of their coordinates that are not supported.
    pub remarks: Vec<String>,
}

impl<'a> Axes<'a> {
    /// Without any axis yet.
    pub fn new(opened: &'a Opened, options: &'a DataOptions) -> Axes<'a> {
        Axes { opened, options, known: HashMap::new(), remarks: Vec::new() }
    }

    /// The selected axis of a dimension of `array`.
    ///
    /// # Errors
    /// Read errors of the store, and selections that match nothing.
    pub fn get(&mut self, array: &Array, dimension: &str) -> Result<Axis, Failure> {
        let at = dimensions(array).and_then(|names| names.iter().position(|name| *name == dimension));
        let length = at.map_or(0, |at| array.shape[at]);
        let coordinate = self.opened.dataset.coordinate(array, dimension).filter(|found| found.shape == [length]);
        let key = (coordinate.map(|found| found.path.clone()), dimension.to_owned(), length);
        if let Some(axis) = self.known.get(&key) {
            return Ok(axis.clone());
        }
        let values = coordinate.map(|found| self.values(found)).transpose()?;
        let selected = select(&self.options.selections, dimension, length, values.as_ref());
        let indices = selected.map_err(|error| self.failure(dimension, &error))?;
        let picked: Vec<usize> = indices.iter().map(|index| *index as usize).collect();
        let axis = Axis {
            name: dimension.to_owned(),
            length,
            coordinate: match &values {
                Some(column) => column.gather(&picked),
                None => Column::indices(&indices),
            },
            attributes: coordinate.map(kept).unwrap_or_default(),
            indices,
        };
        self.known.insert(key, axis.clone());
        Ok(axis)
    }

    fn values(&mut self, coordinate: &Array) -> Result<Column, Failure> {
        let Opened { name, store, pool, .. } = self.opened;
        let (column, remark) = read_coordinate(store, coordinate, self.options.decoding.mode, pool)?;
        self.remarks.extend(remark.map(|remark| format!("{name}: {}: {remark}", coordinate.path)));
        Ok(column)
    }

    fn failure(&self, dimension: &str, error: &SelectionError) -> Failure {
        let failure = Failure::usage(error.to_string()).at(format!("{}: {dimension}", self.opened.name));
        match error {
            SelectionError::Disjoint => failure.hint("use one selection per dimension, such as a,b or a:b"),
            _ => failure,
        }
    }

    /// Checks that every selected dimension exists.
    ///
    /// # Errors
    /// A usage failure that lists the existing dimensions.
    pub fn check_selections(&self) -> Result<(), Failure> {
        let mut known: Vec<&str> = self.known.keys().map(|(_, dimension, _)| dimension.as_str()).collect();
        let Some(other) = self.options.selections.iter().find(|other| !known.contains(&other.dimension.as_str()))
        else {
            return Ok(());
        };
        known.sort_unstable();
        known.dedup();
        let what = format!("no dimension {:?} to select from", other.dimension);
        let hint = format!("dimensions: {}; select points with --lat and --lon", known.join(", "));
        Err(Failure::usage(what).at(&self.opened.name).hint(hint))
    }
}

/// The attributes of a coordinate that outputs keep. The units of a time are those of its stored numbers.
fn kept(array: &Array) -> Vec<(String, Value)> {
    let keep = |key: &str| KEPT.contains(&key) && !(key == "units" && is_time(array));
    array.attributes.iter().filter(|(key, _)| keep(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}
