//! What the reading side passes to the writing side: a schema once, then batches of rows.
//!
//! Rows are in order: the stores as named, in each the sample coordinates (slow to fast, as stored), and at each of them every
//! point in the order given. A wide row has one value for each feature.

use serde_json::Value;
use zcoord::{Column, Kind};

/// What all rows have in common.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Columns that identify a row, first in every output.
    pub keys: Vec<Key>,
    /// The variables; their features are the columns behind the keys, in this order.
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
    /// Its latitude as asked for, degrees north.
    Latitude,
    /// Its longitude as asked for, degrees east.
    Longitude,
    /// A column of the points file that is carried through. Text.
    Carried,
    /// Latitude, longitude (degrees) or distance (km) of the cell that was found.
    Cell,
    /// A coordinate of the sample: time, file_id, …
    Sample,
}

impl Role {
    /// Whether the key belongs to the point and not to the sample.
    pub fn is_of_point(self) -> bool {
        self != Role::Sample
    }
}

/// A variable, and the features that it gives: one for each index of its feature dimensions, in C order.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name in outputs with one array a variable (no slash; unique).
    pub name: String,
    /// Absolute path in its store.
    pub path: String,
    /// The store, as it was named (the first that has it).
    pub store: String,
    /// What its decoded values are.
    pub kind: Kind,
    /// Its feature dimensions: those that are neither the grid's nor the sample's. Often none.
    pub dimensions: Vec<Dimension>,
    /// Names of its features: one for each index of the dimensions, in C order; one in all where there are none.
    pub features: Vec<String>,
    /// Its CF attributes, those of masks and packing left out where they are undone.
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

/// Rows that follow each other.
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
