//! Coordinate values as text, for findings that lie along a dimension.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use zarray::Array;
use zcoord::{Column, Mode, Series, label_of, read_coordinate, read_coordinate_range};

use crate::open::Context;

/// Coordinates with more values are not kept: of these, single values are read.
const KEPT: u64 = 1 << 20;

/// Values of all coordinates that are kept.
const MOST_KEPT: u64 = 1 << 22;

/// Reads coordinates once, as findings need them.
pub struct Labels<'a> {
    context: &'a Context<'a>,
    kept: RefCell<Kept>,
}

#[derive(Default)]
struct Kept {
    columns: HashMap<String, Option<Rc<Column>>>,
    values: u64,
}

impl<'a> Labels<'a> {
    /// The labels of a store.
    pub fn new(context: &'a Context<'a>) -> Labels<'a> {
        Labels { context, kept: RefCell::default() }
    }

    /// The coordinate values of two indices along a dimension; `None` if it has no coordinate that can be read.
    pub fn of(&self, array: &Array, dimension: usize, indices: [u64; 2]) -> Option<[String; 2]> {
        let name = array.dimension_names.as_ref()?.get(dimension)?.as_deref()?;
        let coordinate = self.context.nodes.dataset.coordinate(array, name)?;
        let labels = indices.map(|index| self.label(coordinate, index));
        match labels {
            [Some(first), Some(last)] => Some([first, last]),
            _ => None,
        }
    }

    /// Whether an array is the coordinate of a dimension, and strictly monotonic as readers see it: with the fill value where no chunk
    /// is stored.
    pub fn is_monotonic(&self, array: &Array) -> bool {
        let names = zcoord::dimensions(array).unwrap_or_default();
        let ([dim], [length]) = (names.as_slice(), array.shape.as_slice()) else { return false };
        let own = self.context.nodes.dataset.coordinate(array, dim).is_some_and(|own| own.path == array.path);
        let column = if own && *length <= KEPT { self.column(array) } else { None };
        let Some(column) = column else { return false };
        Series::new(&column).is_some_and(|series| {
            series.differences().all(|difference| difference > 0.0)
                || series.differences().all(|difference| difference < 0.0)
        })
    }

    fn label(&self, coordinate: &Array, index: u64) -> Option<String> {
        let length = *coordinate.shape.first()?;
        if index >= length {
            return None;
        }
        if length > KEPT {
            let (store, pool, memory) = (self.context.store, self.context.pool, self.context.options.memory);
            let found = read_coordinate_range(store, coordinate, index..index + 1, Mode::Cf, pool, memory / 4);
            return found.ok().map(|(column, _)| label_of(&column, 0));
        }
        let column = self.column(coordinate)?;
        Some(label_of(&column, usize::try_from(index).ok()?)).filter(|_| index < column.len() as u64)
    }

    /// All values of a coordinate, if they can be read and are few enough.
    fn column(&self, coordinate: &Array) -> Option<Rc<Column>> {
        let mut kept = self.kept.borrow_mut();
        if let Some(column) = kept.columns.get(&coordinate.path) {
            return column.clone();
        }
        let (store, pool, memory) = (self.context.store, self.context.pool, self.context.options.memory);
        let column =
            read_coordinate(store, coordinate, Mode::Cf, pool, memory / 4).ok().map(|(column, _)| Rc::new(column));
        kept.values += column.as_ref().map_or(0, |column| column.len() as u64);
        if kept.values > MOST_KEPT {
            kept.columns.clear();
            kept.values = column.as_ref().map_or(0, |column| column.len() as u64);
        }
        kept.columns.insert(coordinate.path.clone(), column.clone());
        column
    }
}
