//! The data passed from the reader to the writer: a schema once, then batches of rows.
//!
//! Rows are ordered by store as given, then by sample coordinate (slowest first, as stored), then by point as given. A wide
//! row has one value per feature.

use serde_json::Value;
use zcoord::{Column, Kind};

/// The columns of all rows.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Columns that identify a row, first in every output.
    pub keys: Vec<Key>,
    /// The variables; their features are the columns after the keys, in this order.
    pub variables: Vec<Variable>,
}

/// A column that identifies a row.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The kind of its values.
    pub kind: Kind,
    /// The origin of its values.
    pub role: Role,
    /// CF attributes worth keeping (`units`, `standard_name`, `long_name`), where it is a coordinate of the store.
    pub attributes: Vec<(String, Value)>,
}

/// The origin of the values of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The point's id: the first key. Text.
    PointId,
    /// Its requested latitude, degrees north.
    Latitude,
    /// Its requested longitude, degrees east.
    Longitude,
    /// A column copied from the points file. Text.
    Carried,
    /// Latitude, longitude (degrees) or distance (km) of the cell that was found.
    Cell,
    /// A coordinate of the sample: time, file_id, …
    Sample,
    /// The store of the sample. Text.
    Store,
}

impl Role {
    /// Whether the key belongs to the point and not to the sample.
    pub fn is_of_point(self) -> bool {
        !matches!(self, Role::Sample | Role::Store)
    }
}

/// A variable and its features: one per index of its feature dimensions, in C order.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name in outputs with one array per variable (no slash; unique).
    pub name: String,
    /// Absolute path in its store.
    pub path: String,
    /// The store, its path as given (the first that has it).
    pub store: String,
    /// Kind of its decoded values.
    pub kind: Kind,
    /// Its feature dimensions: those that are neither the grid's nor the sample's. Often none.
    pub dimensions: Vec<Dimension>,
    /// Names of its features: one for each index of the dimensions, in C order; a single one if there are none.
    pub features: Vec<String>,
    /// Its CF attributes, without those of masks and packing if values are decoded.
    pub attributes: Vec<(String, Value)>,
}

/// A feature dimension.
#[derive(Debug, Clone)]
pub struct Dimension {
    /// Its name.
    pub name: String,
    /// The coordinate value of each index (as selected), or the index itself where there is no coordinate.
    pub coordinate: Column,
    /// CF attributes of the coordinate.
    pub attributes: Vec<(String, Value)>,
}

impl Variable {
    /// Index of feature `number` in each dimension.
    pub fn indices(&self, mut number: usize) -> Vec<usize> {
        let mut indices = vec![0; self.dimensions.len()];
        for (index, dimension) in indices.iter_mut().zip(&self.dimensions).rev() {
            let length = dimension.coordinate.len().max(1);
            *index = number % length;
            number /= length;
        }
        indices
    }
}

/// Consecutive rows.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// One for each key of the schema.
    pub keys: Vec<KeyColumn>,
    /// One for each feature, variable by variable; each has `rows` values.
    pub features: Vec<Column>,
}

/// The values of a key: few distinct ones, often repeated.
#[derive(Debug, Clone)]
pub struct KeyColumn {
    /// The distinct values.
    pub distinct: Column,
    /// Which of them each row has.
    pub codes: Vec<u32>,
}
