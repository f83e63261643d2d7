//! A batch: one of the stores that are concatenated, and its coordinate along the dimension.

use std::collections::BTreeSet;
use std::sync::Arc;

use zarray::{Array, Hierarchy, Node, Pool, VarFilter};
use zcoord::{Column, Dataset, Mode, NOT_A_TIME, Values, dimensions, name, read_coordinate};
use zstore::{Store, StoreOptions, Target};
use zwire::{Exit, Failure, did_you_mean};

use crate::variables::is_variable;

/// A store and its coordinate.
#[derive(Clone)]
pub struct Batch {
    /// Its number among all stores.
    pub number: usize,
    /// The store, as given.
    pub name: String,
    /// How it is opened again, to compare data.
    pub target: Target,
    /// The values of the coordinate.
    pub column: Column,
    /// A note on attributes of the coordinate that are not supported.
    pub note: Option<String>,
    /// Units and calendar of times that cannot be decoded: their counts mean nothing beside those of other units.
    pub not_decoded: Option<String>,
    /// The path of the coordinate: groups may have others of the same name.
    pub path: String,
    /// Paths of its variables along the dimension, if they were asked for.
    pub variables: Arc<BTreeSet<String>>,
}

impl Batch {
    /// Opens store `number` and reads its coordinate `dim`, which may take `memory` bytes; with `var`, the names of the variables along
    /// the dimension, too.
    ///
    /// # Errors
    /// `Exit::Absent` if there is no such store or coordinate; `Exit::Unreadable` if it cannot be read.
    pub fn open(
        (number, target): (usize, &Target),
        dim: &str,
        options: &StoreOptions,
        pool: &Pool,
        memory: u64,
        trusts: bool,
        var: Option<&VarFilter>,
    ) -> Result<Batch, Failure> {
        let store = Store::open(target, options)?;
        // Stale consolidated metadata has old lengths: it is used only where every look costs a request, and not of a store that is changed.
        let hierarchy = Hierarchy::open(&store, pool, trusts && store.is_remote())?;
        let array = coordinate(&hierarchy, dim, pool).map_err(|failure| failure.at(store.location()))?;
        let (column, note) = read_coordinate(&store, &array, Mode::Cf, pool, memory)?;
        check_precision(&store, &array, &column, pool, memory)?;
        let variables =
            var.map_or_else(|| Ok(BTreeSet::new()), |var| variables(&hierarchy, dim, &array.path, pool, var))?;
        let variables = Arc::new(variables);
        let not_decoded = times_not_decoded(&array, &column);
        let (name, target, path) = (store.location().to_string(), target.clone(), array.path);
        Ok(Batch { number, name, target, column, note, not_decoded, path, variables })
    }

    /// A batch of these values, which has no store.
    #[cfg(test)]
    pub fn of_column(column: Column) -> Batch {
        let variables = Arc::default();
        let (name, path) = ("b".to_owned(), "/x".to_owned());
        Batch { number: 0, name, target: Target::from("b"), column, note: None, not_decoded: None, path, variables }
    }

    /// Number of its values.
    pub fn len(&self) -> u64 {
        self.column.len() as u64
    }
}

/// Paths of the variables along the dimension.
fn variables(
    hierarchy: &Hierarchy,
    dim: &str,
    coordinate: &str,
    pool: &Pool,
    var: &VarFilter,
) -> Result<BTreeSet<String>, Failure> {
    let (dataset, failed) = Dataset::read(hierarchy, pool);
    match failed.into_iter().next() {
        Some(error) => Err(error.into()),
        None => {
            let variables = dataset.arrays().filter(|array| is_variable(array, dim, coordinate, var));
            Ok(variables.map(|array| array.path.clone()).collect())
        }
    }
}

/// Units and calendar of a coordinate that has the units of times, and whose values are still numbers.
fn times_not_decoded(array: &Array, column: &Column) -> Option<String> {
    let text = |name| array.attributes.get(name).and_then(serde_json::Value::as_str);
    let units = text("units").filter(|units| units.split_whitespace().any(|word| word == "since"))?;
    let calendar = text("calendar").map(|calendar| format!(", calendar {calendar}")).unwrap_or_default();
    (!matches!(column.values, Values::Time(..))).then(|| format!("{units}{calendar}"))
}

/// Times are compared as microseconds: those that are finer might be taken for duplicates.
fn check_precision(store: &Store, array: &Array, column: &Column, pool: &Pool, memory: u64) -> Result<(), Failure> {
    let Values::Time(times, _) = &column.values else { return Ok(()) };
    let units = array.attributes.get("units").and_then(serde_json::Value::as_str).unwrap_or_default();
    let dtype = array.dtype.to_string();
    let is_nano =
        units.trim_start().starts_with("nano") || units.trim_start().starts_with("ns ") || dtype.contains("ns");
    if !is_nano && !dtype.contains('f') {
        return Ok(());
    }
    let raw = Array { attributes: serde_json::Map::new(), ..array.clone() };
    let (raw, _) = read_coordinate(store, &raw, Mode::Raw, pool, memory)?;
    let is_finer = match &raw.values {
        Values::I64(counts) => is_nano && counts.iter().any(|count| count % 1000 != 0),
        Values::U64(counts) => is_nano && counts.iter().any(|count| count % 1000 != 0),
        Values::F32(counts) => merges(times, counts),
        Values::F64(counts) => merges(times, counts),
        _ => false,
    };
    match is_finer {
        true => Err(Failure::new(Exit::Unreadable, "times that are finer than a microsecond are not supported")
            .at(store.place(array.key_prefix()))),
        false => Ok(()),
    }
}

/// Whether different counts are the same microsecond.
fn merges<T: PartialEq + Copy>(times: &[i64], counts: &[T]) -> bool {
    let mut all: Vec<(i64, T)> = times.iter().copied().zip(counts.iter().copied()).collect();
    all.retain(|(time, _)| *time != NOT_A_TIME);
    all.sort_by_key(|(time, _)| *time);
    all.windows(2).any(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1)
}

/// The coordinate of a dimension: the one-dimensional array of its name, at the root or else in the only group that has one.
pub fn coordinate(hierarchy: &Hierarchy, dim: &str, pool: &Pool) -> Result<Array, Failure> {
    if let Some(Node::Array(array)) = hierarchy.node(&format!("/{dim}"))?
        && is_coordinate(&array, dim)
    {
        return Ok(*array);
    }
    let (mut found, mut dims) = (Vec::new(), BTreeSet::new());
    hierarchy.walk(
        pool,
        |visit| visit,
        |visit| {
            if let Ok(Node::Array(array)) = visit {
                dims.extend(dimensions(&array).unwrap_or_default().into_iter().map(str::to_owned));
                found.extend(is_coordinate(&array, dim).then_some(*array));
            }
            true
        },
    );
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(Failure::usage(format!("several groups have a coordinate {dim}"))
            .hint("give the group that is to be concatenated in place of the store")),
        (None, _) if dims.contains(dim) => {
            let failure = Failure::new(Exit::Absent, format!("the dimension {dim} has no coordinate"));
            Err(failure.hint("duplicates are found by coordinate values; write them as an array of that name"))
        }
        (None, _) => {
            let failure = Failure::new(Exit::Absent, format!("no dimension {dim}"));
            let hint = did_you_mean(dim, dims.iter().map(String::as_str));
            Err(hint.map_or(failure.clone(), |hint| failure.hint(hint)))
        }
    }
}

fn is_coordinate(array: &Array, dim: &str) -> bool {
    name(&array.path) == dim && dimensions(array).is_some_and(|names| names == [dim])
}
