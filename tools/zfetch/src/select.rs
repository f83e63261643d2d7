//! From what was asked for to ranges of indices: variables, labels, indices, boxes and points.

use std::collections::HashMap;

use zarray::{Array, Hierarchy, Pool};
use zcoord::{
    CellRanges, Column, CoordinateNames, Dataset, Finder, GridCoordinates, GridSource, Indices, Limits, Match, Mode,
    Point, Selection, read_coordinate, select,
};
use zstage::Encoding;
use zstore::Store;
use zwire::{Exit, Failure, did_you_mean};

use crate::axes::Axes;
use crate::options::SelectOptions;

/// A source whose metadata has been read.
pub struct Source<'a> {
    pub store: &'a Store,
    pub dataset: Dataset,
    pub pool: &'a Pool,
    /// Bytes of memory for coordinates.
    pub memory: u64,
}

impl<'a> Source<'a> {
    /// Reads the metadata of all arrays.
    ///
    /// # Errors
    /// No Zarr store, or a node that cannot be read.
    pub fn read(store: &'a Store, pool: &'a Pool, memory: u64) -> Result<Source<'a>, Failure> {
        let hierarchy = Hierarchy::open(store, pool, true)?;
        if let Some(error) = hierarchy.unusable {
            return Err(error.into());
        }
        let (dataset, failed) = Dataset::read(&hierarchy, pool);
        match failed.into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(Source { store, dataset, pool, memory }),
        }
    }

    /// The ranges of every dimension that `options` ask for, grown to chunk boundaries.
    ///
    /// # Errors
    /// Names that do not exist, selections that match nothing, and read errors of coordinates.
    pub fn select(&self, options: &SelectOptions) -> Result<Axes, Failure> {
        let named = self.named(options)?;
        let chosen = self.dataset.with_descriptions(named.iter().copied());
        let arrays = || chosen.iter().filter_map(|path| self.dataset.array(path));
        let mut axes = Axes::of(&self.dataset, arrays());
        self.select_dimensions(&mut axes, options)?;
        self.select_cells(&mut axes, &named, options)?;
        let describing = self.dataset.described_by();
        let data = arrays().filter(|array| !describing.contains_key(array.path.as_str()) || !can_be_cut(array));
        axes.align(data, |array| !can_be_cut(array));
        Ok(axes)
    }

    /// The arrays that `--var` names, or all.
    fn named(&self, options: &SelectOptions) -> Result<Vec<&Array>, Failure> {
        let paths: Vec<String> = self.dataset.arrays().map(|array| array.path.clone()).collect();
        if let Some(failure) = options.var.unmatched(&paths).into_iter().next() {
            return Err(failure.at(self.store.location()));
        }
        Ok(self.dataset.arrays().filter(|array| options.var.matches(&array.path)).collect())
    }

    /// `--sel` and `--isel`.
    fn select_dimensions(&self, axes: &mut Axes, options: &SelectOptions) -> Result<(), Failure> {
        for dimension in options.selections.iter().map(|selection| selection.dimension.as_str()) {
            if !axes.axes.iter().any(|axis| axis.name == dimension) {
                let mut known: Vec<&str> = axes.axes.iter().map(|axis| axis.name.as_str()).collect();
                known.sort_unstable();
                known.dedup();
                let failure = Failure::usage(format!("no dimension {dimension:?} to select from"));
                let failure = failure.at(self.store.location());
                return Err(match did_you_mean(dimension, known.into_iter().filter(|name| !name.is_empty())) {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                });
            }
        }
        for number in 0..axes.axes.len() {
            let axis = &axes.axes[number];
            let own = || options.selections.iter().filter(|selection| selection.dimension == axis.name);
            if own().next().is_none() {
                continue;
            }
            let by_label = !own().all(Selection::is_by_index);
            let column = if by_label { self.labels(&axis.array, &axis.name)? } else { None };
            let found = select(own(), &axis.name, axis.length, column.as_ref()).map_err(|error| {
                let failure = Failure::usage(error.to_string()).at(format!("{}: {}", self.store.location(), axis.name));
                match error.hint() {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            })?;
            axes.restrict(number, &[Indices::span(&found)]);
        }
        Ok(())
    }

    /// The coordinate values of a dimension of an array, if it has any.
    fn labels(&self, array: &str, dimension: &str) -> Result<Option<Column>, Failure> {
        let Some(array) = self.dataset.array(array) else { return Ok(None) };
        let Some(coordinate) = self.dataset.coordinate(array, dimension) else {
            let labels = self.dataset.labels(array, dimension);
            return Ok(labels.map(|labels| Column::new(zcoord::Kind::Text, zcoord::Values::Text(labels.to_vec()))));
        };
        let (column, _) = read_coordinate(self.store, coordinate, Mode::Cf, self.pool, self.memory)?;
        Ok(Some(column))
    }

    /// `--bbox`, `--lat` and `--lon`: the cells of each grid.
    fn select_cells(&self, axes: &mut Axes, named: &[&Array], options: &SelectOptions) -> Result<(), Failure> {
        if options.bbox.is_none() && options.points.is_empty() {
            return Ok(());
        }
        let names = CoordinateNames::default();
        let finder = Finder::new(&self.dataset, &names);
        let mut grids: HashMap<(String, String), CellRanges> = HashMap::new();
        for array in named {
            let Ok(found) = finder.find(array) else { continue };
            let source = GridSource::of(&found);
            let key = (source.latitude.clone(), source.longitude.clone());
            if !grids.contains_key(&key) {
                grids.insert(key.clone(), self.cells(&source, options)?);
            }
            let own = axes.of.get(&array.path).cloned().unwrap_or_default();
            let ranges = [&grids[&key].rows, &grids[&key].columns];
            for (at, ranges) in found.dimensions.dimensions().into_iter().zip(ranges) {
                if !axes.restrict(own[at], ranges) {
                    let text = "the selections do not overlap";
                    return Err(Failure::usage(text).at(format!(
                        "{}: {}",
                        self.store.location(),
                        axes.axes[own[at]].name
                    )));
                }
            }
        }
        match grids.is_empty() {
            false => Ok(()),
            true => Err(Failure::new(Exit::Absent, "no variable with latitude and longitude")
                .at(self.store.location())
                .hint("select by dimension with --sel or --isel; zinspect lists the arrays")),
        }
    }

    /// The cells of a grid that are asked for.
    fn cells(&self, source: &GridSource, options: &SelectOptions) -> Result<CellRanges, Failure> {
        let grid = GridCoordinates::read(self.store, &self.dataset, source, self.pool, self.memory)?.grid;
        let at = || format!("{}: {} and {}", self.store.location(), source.latitude, source.longitude);
        if let Some(bounds) = &options.bbox {
            return grid.within_box(bounds).ok_or_else(|| Failure::usage("the box contains no grid cell").at(at()));
        }
        let points: Vec<Point> = options.points.clone();
        let mut cells = Vec::with_capacity(points.len());
        for (point, found) in points.iter().zip(grid.nearest_of_each(&points, &Limits::default())) {
            match found {
                Match::Inside(cell) => cells.push(cell),
                Match::Outside { why, .. } => {
                    return Err(Failure::usage(format!("point {}, {}: {why}", point.lat, point.lon)).at(at()));
                }
            }
        }
        let span = |index: fn(&zcoord::Cell) -> usize| {
            let (first, last) =
                (cells.iter().map(index).min().unwrap_or(0), cells.iter().map(index).max().unwrap_or(0));
            vec![first as u64..last as u64 + 1]
        };
        Ok(CellRanges { rows: span(|cell| cell.row), columns: span(|cell| cell.column) })
    }
}

/// Whether an array can be cut between chunk boundaries: its chunks are decoded and encoded again.
fn can_be_cut(array: &Array) -> bool {
    array.itemsize.is_some() && Encoding::of(array.chain.innermost(), array.format).is_some()
}
