//! From what was asked for to ranges of indices: variables, labels, indices, boxes and points.

use std::collections::HashMap;

use zarray::{Array, Hierarchy, Pool, ZarrFormat};
use zcoord::{
    Cell, CellRanges, Column, CoordinateGrid, CoordinateNames, Dataset, Finder, GridCoordinates, GridSource, Indices,
    Limits, Match, Mode, Point, Selection, read_coordinate, select,
};
use zstage::Sources;
use zstore::Store;
use zwire::{Exit, Failure, did_you_mean};

use crate::axes::{Axes, Axis};
use crate::crop::{Crop, can_be_cut};
use crate::mirror::Mirror;
use crate::options::{Layout, SelectOptions};

/// A source whose metadata has been read.
pub struct Source<'a> {
    pub store: &'a Store,
    pub dataset: Dataset,
    pub pool: &'a Pool,
    /// Bytes of memory for coordinates.
    pub memory: u64,
    /// Whether its consolidated metadata was read in place of the documents of arrays.
    pub consolidated: bool,
    /// Whether netCDF-C wrote it, which repeats the lengths of dimensions in the attributes of groups.
    is_nczarr: bool,
}

impl<'a> Source<'a> {
    /// Reads the metadata of all arrays.
    ///
    /// # Errors
    /// No Zarr store, or a node that cannot be read.
    pub fn read(sources: &'a Sources, memory: u64) -> Result<Source<'a>, Failure> {
        let Sources { hierarchy, pool, .. } = sources;
        let store = sources.store();
        if let Some(error) = &hierarchy.unusable {
            return Err(error.into());
        }
        let consolidated = hierarchy.consolidated().is_some();
        let (dataset, failed) = Dataset::read(hierarchy, pool);
        match failed.into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(Source {
                store,
                dataset,
                pool,
                memory,
                consolidated,
                is_nczarr: hierarchy.format() == ZarrFormat::V2 && is_nczarr(hierarchy, pool)?,
            }),
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
        if options.layout == Layout::Crop {
            self.check_attributes(&axes, options)?;
        }
        if options.layout == Layout::Mirror {
            return Ok(axes);
        }
        let describing = self.dataset.described_by();
        let data = arrays().filter(|array| !describing.contains_key(array.path.as_str()) || !can_be_cut(array));
        axes.align(data, |array| !can_be_cut(array), options.shards);
        Ok(axes)
    }

    /// What is fetched, laid out as `options` say.
    pub fn crop(&self, axes: &Axes, options: &SelectOptions) -> Crop {
        let describing = self.dataset.described_by();
        let data = self.dataset.arrays().filter(|array| !describing.contains_key(array.path.as_str()));
        match options.layout {
            Layout::Crop => Crop::of(axes, self.dataset.arrays(), options.shards),
            // What describes others is read whole.
            Layout::Mirror => Crop::in_place(axes, Mirror::of(axes, data), &self.dataset),
        }
    }

    /// Keys of the documents of the arrays that are fetched; none if consolidated metadata has them all.
    pub fn documents(&self, axes: &Axes) -> Vec<String> {
        let names = |array: &Array| match array.format {
            ZarrFormat::V2 => &[".zarray", ".zattrs"][..],
            ZarrFormat::V3 => &["zarr.json"],
        };
        let keys = |array: &Array| names(array).iter().map(|name| array.key(name)).collect::<Vec<_>>();
        let arrays = axes.of.keys().filter_map(|path| self.dataset.array(path));
        arrays.filter(|_| !self.consolidated).flat_map(keys).collect()
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
            let column = if by_label { self.labels(axis)? } else { None };
            let found = select(own(), &axis.name, axis.length, column.as_ref()).map_err(|error| {
                let failure = Failure::usage(format!("{}: {error}", axis.name)).at(self.store.location());
                match error.hint() {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            })?;
            if !axes.restrict(number, &[Indices::span(&found)]) {
                return Err(self.no_overlap(&axes.axes[number].name));
            }
        }
        Ok(())
    }

    /// Lengths and names that attributes repeat would no longer be true, and are not rewritten.
    fn check_attributes(&self, axes: &Axes, options: &SelectOptions) -> Result<(), Failure> {
        let hint = "fetch all of it; zpoint selects from what is there";
        if self.is_nczarr && !options.is_everything() {
            let text =
                "a part of a store of netCDF-C (NCZarr) cannot be fetched: its groups repeat the lengths of dimensions";
            return Err(Failure::usage(text).at(self.store.location()).hint(hint));
        }
        let is_cut = |axis: &&Axis| axis.wanted != [0..axis.length];
        let named = |axis: &Axis| Some(self.dataset.labels(self.dataset.array(&axis.array)?, &axis.name)?.len());
        match axes.axes.iter().filter(is_cut).find(|axis| named(axis).is_some()) {
            None => Ok(()),
            Some(axis) => {
                let text = format!("the names along {} are in an attribute, which cannot be cut", axis.name);
                Err(Failure::usage(text).at(self.place(&axis.array)).hint(hint))
            }
        }
    }

    fn no_overlap(&self, dimension: &str) -> Failure {
        Failure::usage(format!("{dimension}: the selections do not overlap")).at(self.store.location())
    }

    /// Path or URL of an array.
    fn place(&self, path: &str) -> String {
        self.store.place(path.trim_start_matches('/'))
    }

    /// The coordinate values of a dimension, if it has any.
    fn labels(&self, axis: &Axis) -> Result<Option<Column>, Failure> {
        let Some(array) = self.dataset.array(&axis.array) else { return Ok(None) };
        let at = || self.place(&array.path);
        let Some(coordinate) = self.dataset.coordinate(array, &axis.name) else { return Ok(None) };
        if coordinate.shape != [axis.length] {
            let (name, length, own) = (&axis.name, axis.length, coordinate.shape.first().copied().unwrap_or(0));
            let text = format!("{name} has length {length}, and its coordinate {} has {own} values", coordinate.path);
            return Err(Failure::usage(text).at(at()).hint("leave it out with --var, or use --isel"));
        }
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
        // Cells of points whose neighbours are not wanted.
        let mut points: HashMap<(String, String), Vec<Cell>> = HashMap::new();
        for array in named {
            let Ok(found) = finder.find(array) else { continue };
            let source = GridSource::of(&found);
            let key = (source.latitude.clone(), source.longitude.clone());
            if !grids.contains_key(&key) {
                let grid = GridCoordinates::read(self.store, &self.dataset, &source, self.pool, self.memory)?.grid;
                let refused = |why: String| {
                    let text = format!("{} and {}: {why}", source.latitude, source.longitude);
                    Failure::usage(text).at(self.store.location())
                };
                let ranges = match &options.bbox {
                    Some(bounds) => {
                        grid.within_box(bounds).ok_or_else(|| refused("the box contains no grid cell".into()))?
                    }
                    None => {
                        let cells = cells_of(&grid, &options.points).map_err(refused)?;
                        let ranges = span(&cells);
                        if options.layout == Layout::Mirror {
                            points.insert(key.clone(), cells);
                        }
                        ranges
                    }
                };
                grids.insert(key.clone(), ranges);
            }
            let own = axes.of.get(&array.path).cloned().unwrap_or_default();
            let dimensions = found.dimensions.dimensions();
            if let Some(cells) = points.get(&key) {
                let of_points: Vec<usize> = dimensions.iter().map(|at| own[*at]).collect();
                if !axes.points.iter().any(|(known, _)| *known == of_points) {
                    let along = |cell: &Cell| [cell.row as u64, cell.column as u64][..of_points.len()].to_vec();
                    let cells = cells.iter().map(along).collect();
                    axes.points.push((of_points, cells));
                }
                continue;
            }
            let ranges = [&grids[&key].rows, &grids[&key].columns];
            for (at, ranges) in dimensions.into_iter().zip(ranges) {
                if !axes.restrict(own[at], ranges) {
                    return Err(self.no_overlap(&axes.axes[own[at]].name));
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
}

/// The cell of each point, or why one has none.
fn cells_of(grid: &CoordinateGrid, points: &[Point]) -> Result<Vec<Cell>, String> {
    let found = grid.nearest_of_each(points, &Limits::default());
    let cell = |(point, found): (&Point, Match)| match found {
        Match::Inside(cell) => Ok(cell),
        Match::Outside { why, .. } => Err(format!("point {}, {}: {why}", point.lat, point.lon)),
    };
    points.iter().zip(found).map(cell).collect()
}

/// The ranges that hold all of these cells.
fn span(cells: &[Cell]) -> CellRanges {
    let span = |index: fn(&Cell) -> usize| {
        let (first, last) = (cells.iter().map(index).min().unwrap_or(0), cells.iter().map(index).max().unwrap_or(0));
        vec![first as u64..last as u64 + 1]
    };
    CellRanges { rows: span(|cell| cell.row), columns: span(|cell| cell.column) }
}

/// Whether netCDF-C wrote a store of Zarr v2. The documents are asked for together: one round trip.
fn is_nczarr(hierarchy: &Hierarchy, pool: &Pool) -> Result<bool, Failure> {
    let says_so = |key: &str| -> Result<bool, Failure> {
        let Some(text) = hierarchy.document(key)? else { return Ok(false) };
        Ok(key == ".nczarr" || String::from_utf8_lossy(&text).to_ascii_lowercase().contains("\"_nczarr_"))
    };
    pool.map(vec![".nczarr", ".zgroup", ".zattrs"], says_so).into_iter().try_fold(false, |any, one| Ok(any | one?))
}
