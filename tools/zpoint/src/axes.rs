//! The axes of rows and columns: dimensions with their selected coordinates.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use zarray::{Array, ZarrError};
use zcoord::{
    Column, Indices, Kind, Missed, Selection, SelectionError, Values, dimensions, is_time, read_coordinate_range,
    select,
};
use zwire::Failure;

use crate::opened::Opened;
use crate::options::DataOptions;

/// Attributes of a coordinate that outputs keep.
const KEPT: [&str; 5] = ["units", "standard_name", "long_name", "positive", "axis"];

/// A dimension used as rows or columns, after selection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// Length in the store.
    pub length: u64,
    /// The indices that are selected, ascending.
    pub indices: Arc<Indices>,
    /// The coordinate value of each of them; `None`: the index itself.
    coordinate: Option<Arc<Column>>,
    /// Attributes of the coordinate.
    pub attributes: Vec<(String, Value)>,
}

impl Axis {
    /// Number of selected indices.
    pub fn len(&self) -> usize {
        usize::try_from(self.indices.len()).unwrap_or(usize::MAX)
    }

    /// The coordinate values at some positions.
    pub fn values(&self, positions: Range<usize>) -> Column {
        match &self.coordinate {
            Some(column) => column.slice(positions),
            None => Column::indices(&self.indices.slice(positions.start as u64..positions.end as u64)),
        }
    }

    /// Kind of the coordinate values.
    pub fn kind(&self) -> Kind {
        self.coordinate.as_ref().map_or(Kind::Int(64), |column| column.kind)
    }
}

/// Key of an axis: the path of its coordinate, its name and its length.
type Key = (Option<String>, String, u64);

/// Why there is no axis.
pub enum AxisFailure {
    /// A selection matches nothing of it; what it has missed, if that is a value.
    Nothing(Failure, Option<Box<Missed>>),
    /// It could not be read, or a selection makes no sense for it.
    Failed(Failure),
}

impl From<Failure> for AxisFailure {
    fn from(failure: Failure) -> AxisFailure {
        AxisFailure::Failed(failure)
    }
}

impl From<AxisFailure> for Failure {
    fn from(failure: AxisFailure) -> Failure {
        match failure {
            AxisFailure::Nothing(failure, _) | AxisFailure::Failed(failure) => failure,
        }
    }
}

/// The axes of a store, each read once.
pub struct Axes<'a> {
    opened: &'a Opened,
    options: &'a DataOptions,
    selections: &'a [Selection],
    known: HashMap<Key, Axis>,
    /// Notes on attributes of their coordinates that are not supported.
    pub remarks: Vec<String>,
}

impl<'a> Axes<'a> {
    /// Without any axis yet.
    pub fn new(opened: &'a Opened, options: &'a DataOptions, selections: &'a [Selection]) -> Axes<'a> {
        Axes { opened, options, selections, known: HashMap::new(), remarks: Vec::new() }
    }

    /// The selected axis of a dimension of `array`.
    ///
    /// # Errors
    /// Read errors of the store, and selections that match nothing.
    pub fn get(&mut self, array: &Array, dimension: &str) -> Result<Axis, AxisFailure> {
        let length = length_of(array, dimension);
        let coordinate = self.coordinate(array, dimension, length);
        let key = (coordinate.map(|found| found.path.clone()), dimension.to_owned(), length);
        if let Some(axis) = self.known.get(&key) {
            return Ok(axis.clone());
        }
        let (indices, values) = self.select(array, dimension, length, coordinate)?;
        let axis = Axis {
            name: dimension.to_owned(),
            length,
            indices: Arc::new(indices),
            coordinate: values.map(Arc::new),
            attributes: coordinate.map(kept).unwrap_or_default(),
        };
        self.known.insert(key, axis.clone());
        Ok(axis)
    }

    fn coordinate(&self, array: &Array, dimension: &str, length: u64) -> Option<&'a Array> {
        self.opened.dataset.coordinate(array, dimension).filter(|found| found.shape == [length])
    }

    /// All coordinate values of a dimension of `array`; `None` if it has none.
    ///
    /// # Errors
    /// Read errors of the store.
    pub fn labels(&mut self, array: &Array, dimension: &str) -> Result<Option<Column>, Failure> {
        let length = length_of(array, dimension);
        match self.coordinate(array, dimension, length) {
            Some(coordinate) => self.values(coordinate, 0..length).map(Some),
            None => Ok(self.names(array, dimension, length)),
        }
    }

    /// The selected indices of a dimension, and their coordinate values, if there are any. Of a coordinate only the part is
    /// read that can be selected.
    fn select(
        &mut self,
        array: &Array,
        dimension: &str,
        length: u64,
        coordinate: Option<&Array>,
    ) -> Result<(Indices, Option<Column>), AxisFailure> {
        let selections = || self.selections.iter().filter(|selection| selection.dimension == dimension);
        if let Some(coordinate) = coordinate
            && selections().next().is_some()
            && selections().all(Selection::is_by_index)
            && let Ok(indices) = select(selections(), dimension, length, None)
        {
            let range = indices.span();
            let start = range.start;
            let column = self.values(coordinate, range)?;
            return Ok((indices.clone(), Some(picked(column, &indices, start))));
        }
        let column = self.labels(array, dimension)?;
        let selected = select(self.selections, dimension, length, column.as_ref());
        let indices = selected.map_err(|error| self.failure(dimension, &error, column.as_ref()))?;
        let column = column.map(|column| picked(column, &indices, 0));
        Ok((indices, column))
    }

    /// The names of indices that an attribute has.
    fn names(&self, array: &Array, dimension: &str, length: u64) -> Option<Column> {
        let labels = self.opened.dataset.labels(array, dimension)?;
        let fits = labels.len() as u64 == length;
        fits.then(|| Column::new(Kind::Text, Values::Text(labels.to_vec())))
    }

    fn values(&mut self, coordinate: &Array, range: Range<u64>) -> Result<Column, Failure> {
        let Opened { store, pool, memory, .. } = self.opened;
        let mode = self.options.decoding.mode;
        let read = read_coordinate_range(store, coordinate, range, mode, pool, *memory);
        let (column, remark) = read.map_err(|error| match error {
            ZarrError::TooLarge { .. } => {
                Failure::from(error).hint("select part of it with --isel, or increase --max-memory")
            }
            other => Failure::from(other),
        })?;
        self.remarks.extend(remark.map(|remark| format!("{}: {remark}", coordinate.path)));
        Ok(column)
    }

    fn failure(&self, dimension: &str, error: &SelectionError, column: Option<&Column>) -> AxisFailure {
        let failure = Failure::usage(error.to_string()).at(format!("{}: {dimension}", self.opened.name));
        let failure = match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        };
        match error {
            SelectionError::Empty { .. } | SelectionError::Disjoint => {
                let own = self.selections.iter().find(|selection| selection.dimension == dimension);
                AxisFailure::Nothing(
                    failure,
                    own.zip(column).and_then(|(own, column)| Missed::of(own, column)).map(Box::new),
                )
            }
            _ => AxisFailure::Failed(failure),
        }
    }

    /// Checks that every selected dimension exists.
    ///
    /// # Errors
    /// A usage failure that lists the existing dimensions.
    pub fn check_selections(&self) -> Result<(), Failure> {
        let mut known: Vec<&str> = self.known.keys().map(|(_, dimension, _)| dimension.as_str()).collect();
        let Some(other) = self.selections.iter().find(|other| !known.contains(&other.dimension.as_str())) else {
            return Ok(());
        };
        known.sort_unstable();
        known.dedup();
        let what = format!("no dimension {:?} to select from", other.dimension);
        let names = zwire::did_you_mean(&other.dimension, known).unwrap_or_default();
        let hint = format!("{names}; select points with --lat and --lon");
        Err(Failure::usage(what).at(&self.opened.name).hint(hint))
    }
}

/// The length of a dimension of an array.
pub fn length_of(array: &Array, dimension: &str) -> u64 {
    let at = dimensions(array).and_then(|names| names.iter().position(|name| *name == dimension));
    at.map_or(0, |at| array.shape[at])
}

/// The values at `indices` of a column that begins at index `start`.
fn picked(column: Column, indices: &Indices, start: u64) -> Column {
    if indices.len() == column.len() as u64 {
        return column;
    }
    let positions: Vec<usize> = indices.iter().map(|index| (index - start) as usize).collect();
    column.gather(&positions)
}

/// The attributes of a coordinate that outputs keep. The units of a time are those of its stored numbers.
fn kept(array: &Array) -> Vec<(String, Value)> {
    let keep = |key: &str| KEPT.contains(&key) && !(key == "units" && is_time(array));
    array.attributes.iter().filter(|(key, _)| keep(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}
