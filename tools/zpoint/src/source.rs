//! One store, opened: its variables, and what each of their dimensions is for.
//!
//! A dimension says where (latitude, longitude, a cell), or which sample (time, file_id, …: a row each), or which feature of the
//! variable (level, step, member, …: a column each).

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;

use serde_json::Value;
use zarray::{Array, Hierarchy, Pool};
use zcli::Session;
use zcoord::{
    Column, CoordinateNames, Dataset, DecodeOptions, Decoder, HorizontalDimensions, NotFound, Rule, classify,
    dimensions, horizontal_coordinates, is_time, name, read_coordinate,
};
use zstore::Store;
use zwire::{Exit, Failure};

use crate::cli::Args;
use crate::labels::Selection;

/// Dimensions that make rows, whatever their coordinates are. Times do, too.
const SAMPLES: [&str; 11] = [
    "time",
    "valid_time",
    "init_time",
    "initial_time",
    "reference_time",
    "forecast_reference_time",
    "file_id",
    "sample",
    "batch",
    "date",
    "times",
];

/// Attributes of a coordinate that outputs keep.
const KEPT: [&str; 5] = ["units", "standard_name", "long_name", "positive", "axis"];

/// An opened store.
pub struct Source {
    /// As it was named.
    pub name: String,
    /// Where it is.
    pub store: Store,
    /// Its arrays.
    pub dataset: Dataset,
    /// What makes its rows, slowest first.
    pub samples: Vec<Axis>,
    /// What makes its columns, in path order.
    pub variables: Vec<Variable>,
    /// The grids that the variables lie on, each once.
    pub grids: Vec<GridSource>,
    /// Arrays that are neither variables nor coordinates, and why.
    pub left_out: Vec<(String, String)>,
}

/// A dimension that makes rows or columns, as far as it is selected.
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

/// What a dimension of a variable is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sample axis of that number.
    Sample(usize),
    /// Feature axis of that number.
    Feature(usize),
    /// First coordinate of a cell.
    Row,
    /// Second coordinate of a cell.
    Column,
}

/// A variable.
pub struct Variable {
    /// Its metadata.
    pub array: Array,
    /// How its values are decoded.
    pub decoder: Decoder,
    /// One element of the fill value, as a decoded chunk holds it.
    pub fill: Vec<u8>,
    /// What each of its dimensions is for.
    pub roles: Vec<Role>,
    /// The grid it lies on; nothing for one that is the same everywhere.
    pub grid: Option<usize>,
    /// Its feature axes.
    pub features: Vec<Axis>,
}

/// Latitude and longitude that variables share.
#[derive(Debug, Clone)]
pub struct GridSource {
    /// Path of the latitude.
    pub latitude: String,
    /// Path of the longitude.
    pub longitude: String,
    /// How they lie.
    pub kind: GridKind,
    /// How they were found, for people.
    pub found_by: String,
}

/// How latitude and longitude lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GridKind {
    /// Each along its own dimension.
    Axes,
    /// Both over two dimensions.
    Plane,
    /// Both along one dimension.
    Points,
}

impl Source {
    /// Opens a store and finds out what its arrays are.
    ///
    /// # Errors
    /// That it cannot be opened, that no variable of it has a place, that what is meant is not clear, or a selection that
    /// selects nothing.
    pub fn open(args: &Args, name: &OsStr, session: &mut Session) -> Result<Source, Failure> {
        let store = Store::open(name, &args.store.options(&session.stop))?;
        let pool = Pool::new(args.store.readers(&store, args.work.jobs()));
        let name = store.location().to_string();
        let dataset = load(&store, &pool, session)?;
        Survey { args, pool, store, name, dataset }.finish(session)
    }
}

/// Reads the metadata of all arrays.
fn load(store: &Store, pool: &Pool, session: &mut Session) -> Result<Dataset, Failure> {
    let hierarchy = Hierarchy::open(store, pool, true)?;
    if let Some(error) = &hierarchy.unusable {
        session.status.warn(&error.to_string());
    }
    let mut dataset = Dataset::default();
    let mut failed = Vec::new();
    hierarchy.walk(
        pool,
        |visit| visit,
        |visit| {
            match visit {
                Ok(node) => dataset.add(node),
                Err(error) => failed.push(Failure::from(error)),
            }
            true
        },
    );
    for failure in failed {
        session.item_failed(&failure)?;
    }
    Ok(dataset)
}

/// A store on its way to be understood.
struct Survey<'a> {
    args: &'a Args,
    pool: Pool,
    store: Store,
    name: String,
    dataset: Dataset,
}

/// A variable as far as its metadata say.
struct Candidate<'a> {
    array: &'a Array,
    names: Vec<&'a str>,
    layout: Option<HorizontalDimensions>,
    grid: Option<usize>,
}

impl Survey<'_> {
    fn finish(self, session: &mut Session) -> Result<Source, Failure> {
        let mut left_out = Vec::new();
        let mut grids = Vec::new();
        let candidates = self.candidates(&mut grids, &mut left_out)?;
        if candidates.iter().all(|candidate| candidate.grid.is_none()) {
            return Err(self.nothing(&left_out));
        }
        let sample_names = self.sample_dimensions(&candidates)?;
        let mut axes = Axes { survey: &self, known: HashMap::new(), remarks: Vec::new() };
        let samples = sample_names
            .iter()
            .map(|(dimension, of)| axes.get(of, dimension))
            .collect::<Result<Vec<Axis>, Failure>>()?;
        let options = self.args.decoding();
        let mut variables = Vec::new();
        for candidate in candidates {
            match self.variable(&candidate, &sample_names, &mut axes, options)? {
                Ok(variable) => {
                    if let Some(remark) = variable.decoder.remark() {
                        session.status.warn(&format!("{}: {}: {remark}", self.name, variable.array.path));
                    }
                    variables.push(variable);
                }
                Err(why) => left_out.push((candidate.array.path.clone(), why)),
            }
        }
        axes.remarks.iter().for_each(|remark| session.status.warn(remark));
        self.check_selections(&axes)?;
        if variables.iter().all(|variable| variable.grid.is_none()) {
            return Err(self.nothing(&left_out));
        }
        let Survey { store, name, dataset, .. } = self;
        Ok(Source { name, store, dataset, samples, variables, grids, left_out })
    }

    /// The arrays that may be variables: those that were asked for, or all that describe nothing else.
    fn candidates(
        &self,
        grids: &mut Vec<GridSource>,
        left_out: &mut Vec<(String, String)>,
    ) -> Result<Vec<Candidate<'_>>, Failure> {
        let var = self.args.var.filter()?;
        let asked = !var.is_everything();
        let names =
            CoordinateNames { latitude: self.args.place.lat_name.clone(), longitude: self.args.place.lon_name.clone() };
        let describing = self.dataset.described_by();
        let mut found = Vec::new();
        let mut placed = HashSet::new();
        let mut numbers = HashMap::new();
        let mut unclear = None;
        for array in self.dataset.arrays().filter(|array| var.matches(&array.path)) {
            // A pattern means data; what describes them must be asked for by its very name, and coordinates are in every row.
            let by_name = asked && !self.args.var.var.iter().any(|pattern| pattern.contains(['*', '?', '[', '{']));
            if describing.contains(array.path.as_str()) && !by_name || is_coordinate(array) {
                continue;
            }
            if !by_name && classify(array).is_some_and(|(_, rule)| rule != Rule::Name) {
                continue;
            }
            let Some(own) = dimensions(array) else {
                left_out.push((array.path.clone(), "its dimensions have no names".into()));
                continue;
            };
            match horizontal_coordinates(&self.dataset, array, &names) {
                Ok(place) if [&place.latitude.path, &place.longitude.path].contains(&&array.path) => {}
                Ok(place) => {
                    let kind = match place.dimensions {
                        HorizontalDimensions::Axes { .. } => GridKind::Axes,
                        HorizontalDimensions::Plane { .. } => GridKind::Plane,
                        HorizontalDimensions::Points { .. } => GridKind::Points,
                    };
                    let key = (place.latitude.path.clone(), place.longitude.path.clone(), kind as usize);
                    let number = *numbers.entry(key).or_insert_with(|| {
                        let (by, and) = (place.rules.0.name(), place.rules.1.name());
                        placed.extend([place.latitude.path.clone(), place.longitude.path.clone()]);
                        grids.push(GridSource {
                            latitude: place.latitude.path.clone(),
                            longitude: place.longitude.path.clone(),
                            kind,
                            found_by: format!("{} ({by}), {} ({and})", place.latitude.path, place.longitude.path),
                        });
                        grids.len() - 1
                    });
                    found.push(Candidate { array, names: own, layout: Some(place.dimensions), grid: Some(number) });
                }
                Err(NotFound::Unclear(why)) => {
                    unclear.get_or_insert_with(|| (array.path.clone(), why.clone()));
                    left_out.push((array.path.clone(), why));
                }
                Err(NotFound::None(_)) if asked || self.args.what.carry => {
                    found.push(Candidate { array, names: own, layout: None, grid: None });
                }
                Err(NotFound::None(why)) => left_out.push((array.path.clone(), why)),
            }
        }
        if let Some((path, why)) = unclear {
            return Err(Failure::usage(why)
                .at(format!("{}: {path}", self.name))
                .hint("name the coordinates with --lat-name and --lon-name, or leave the variable out with --var"));
        }
        // What the grids are made of is no data.
        found.retain(|candidate| asked || !placed.contains(&candidate.array.path));
        left_out.retain(|(path, _)| !placed.contains(path));
        Ok(found)
    }

    /// The dimensions that make rows, in the order of the variable that has most of them, each with an array that has it.
    fn sample_dimensions<'s>(&'s self, candidates: &[Candidate<'s>]) -> Result<Vec<(String, &'s Array)>, Failure> {
        let own = |candidate: &Candidate<'s>| -> Vec<(String, &'s Array)> {
            let place = candidate.layout.map(HorizontalDimensions::dimensions).unwrap_or_default();
            let others = candidate.names.iter().enumerate().filter(|(at, _)| !place.contains(at));
            others
                .filter(|(_, dimension)| self.is_sample(candidate.array, dimension))
                .map(|(_, dimension)| ((*dimension).to_owned(), candidate.array))
                .collect()
        };
        let mut lists: Vec<Vec<(String, &Array)>> = candidates.iter().map(own).collect();
        lists.sort_by_key(|list| std::cmp::Reverse(list.len()));
        let mut found: Vec<(String, &Array)> = Vec::new();
        for (dimension, array) in lists.into_iter().flatten() {
            if !found.iter().any(|(known, _)| *known == dimension) {
                found.push((dimension, array));
            }
        }
        for dimension in self.args.what.row_dims.iter().flatten() {
            if !found.iter().any(|(known, _)| known == dimension) {
                let what = format!("no variable has the dimension {dimension:?} of --row-dims beside its place");
                return Err(Failure::usage(what).at(&self.name));
            }
        }
        Ok(found)
    }

    fn is_sample(&self, array: &Array, dimension: &str) -> bool {
        let what = &self.args.what;
        if let Some(rows) = &what.row_dims {
            return rows.iter().any(|row| row == dimension);
        }
        let is_listed = SAMPLES.contains(&dimension.to_ascii_lowercase().as_str());
        let is_moment = || self.dataset.coordinate(array, dimension).is_some_and(is_time);
        !what.feature_dims.iter().any(|feature| feature == dimension) && (is_listed || is_moment())
    }

    /// A variable with its axes; or why it cannot be one.
    fn variable(
        &self,
        candidate: &Candidate,
        sample_names: &[(String, &Array)],
        axes: &mut Axes,
        options: DecodeOptions,
    ) -> Result<Result<Variable, String>, Failure> {
        let array = candidate.array;
        let decoder = match zcoord::decoder(array, options) {
            Ok(decoder) if decoder.itemsize().is_some() => decoder,
            Ok(_) => return Ok(Err("text of any length is not read at places".into())),
            Err(error) => return Ok(Err(error.to_string())),
        };
        if let Err(why) = zarray::ChunkReader::new(&self.store, array) {
            return Ok(Err(why));
        }
        let fill = match zarray::fill_element(array) {
            Ok(fill) => fill,
            Err(why) => return Ok(Err(why)),
        };
        let mut features = Vec::new();
        let mut roles = Vec::new();
        for (at, dimension) in candidate.names.iter().enumerate() {
            let role = match candidate.layout {
                Some(HorizontalDimensions::Axes { row, .. } | HorizontalDimensions::Plane { row, .. }) if row == at => {
                    Role::Row
                }
                Some(HorizontalDimensions::Axes { column, .. } | HorizontalDimensions::Plane { column, .. })
                    if column == at =>
                {
                    Role::Column
                }
                Some(HorizontalDimensions::Points { cell }) if cell == at => Role::Row,
                _ => match sample_names.iter().position(|(known, _)| known == dimension) {
                    Some(number) => {
                        let length = axes.get(sample_names[number].1, dimension)?.length;
                        if length != array.shape[at] {
                            let what = format!(
                                "dimension {dimension} has {} steps here and {length} in {}",
                                array.shape[at], sample_names[number].1.path
                            );
                            let failure = Failure::usage(what).at(format!("{}: {}", self.name, array.path));
                            return Err(failure.hint("choose variables that agree with --var"));
                        }
                        Role::Sample(number)
                    }
                    None => {
                        features.push(axes.get(array, dimension)?);
                        Role::Feature(features.len() - 1)
                    }
                },
            };
            roles.push(role);
        }
        Ok(Ok(Variable { array: array.clone(), decoder, fill, roles, grid: candidate.grid, features }))
    }

    /// Every selection must be about a dimension that there is.
    fn check_selections(&self, axes: &Axes) -> Result<(), Failure> {
        for selection in self.args.what.sel.iter().chain(&self.args.what.isel) {
            if !axes.known.keys().any(|(_, dimension, _)| *dimension == selection.dimension) {
                let mut known: Vec<&str> = axes.known.keys().map(|(_, dimension, _)| dimension.as_str()).collect();
                known.sort_unstable();
                known.dedup();
                let what = format!("there is no dimension {:?} to select from", selection.dimension);
                let hint = format!("there are {}; places are chosen with --lat and --lon", known.join(", "));
                return Err(Failure::usage(what).at(&self.name).hint(hint));
            }
        }
        Ok(())
    }

    /// Why no variable has a place.
    fn nothing(&self, left_out: &[(String, String)]) -> Failure {
        let because = match left_out.first() {
            Some((path, why)) => format!(": {path}: {why}"),
            None if self.dataset.is_empty() => ": it has no arrays".into(),
            None => ": no array of data matches --var".into(),
        };
        let asked = !self.args.var.var.is_empty();
        let is_left_out = |array: &&Array| left_out.iter().any(|(path, _)| *path == array.path);
        let exit = match asked && self.dataset.arrays().filter(is_left_out).any(unreadable) {
            true => Exit::Unreadable,
            false => Exit::Absent,
        };
        let failure = Failure::new(exit, format!("no variable with a latitude and a longitude{because}"));
        failure.at(&self.name).hint(match exit {
            Exit::Unreadable => "zinspect says which codecs it has",
            _ => "name the coordinates with --lat-name and --lon-name; zinspect says what is there",
        })
    }
}

/// The axes read so far, by the path of their coordinate.
struct Axes<'a> {
    survey: &'a Survey<'a>,
    known: HashMap<(Option<String>, String, u64), Axis>,
    /// What was not understood of their coordinates.
    remarks: Vec<String>,
}

impl Axes<'_> {
    /// The axis of a dimension of `array`, as far as it is selected.
    fn get(&mut self, array: &Array, dimension: &str) -> Result<Axis, Failure> {
        let survey = self.survey;
        let at = dimensions(array).and_then(|names| names.iter().position(|name| *name == dimension));
        let length = at.map_or(0, |at| array.shape[at]);
        let coordinate = survey.dataset.coordinate(array, dimension).filter(|found| found.shape == [length]);
        let key = (coordinate.map(|found| found.path.clone()), dimension.to_owned(), length);
        if let Some(axis) = self.known.get(&key) {
            return Ok(axis.clone());
        }
        let place = || format!("{}: {dimension}", survey.name);
        let values = match coordinate {
            Some(found) => {
                let mode = survey.args.decoding().mode;
                let (column, remark) = read_coordinate(&survey.store, found, mode, &survey.pool)?;
                self.remarks.extend(remark.map(|remark| format!("{}: {}: {remark}", survey.name, found.path)));
                Some(column)
            }
            None => None,
        };
        let mut indices: Vec<u64> = (0..length).collect();
        let of_dimension = |selection: &&Selection| selection.dimension == dimension;
        for selection in survey.args.what.sel.iter().chain(&survey.args.what.isel).filter(of_dimension) {
            let chosen = selection.resolve(length, values.as_ref());
            let chosen = chosen.map_err(|what| Failure::usage(what).at(place()))?;
            let chosen: HashSet<u64> = chosen.into_iter().collect();
            indices.retain(|index| chosen.contains(index));
        }
        if indices.is_empty() && length > 0 {
            let failure = Failure::usage("its selections have nothing in common").at(place());
            return Err(failure.hint("select once, as in a,b or a:b"));
        }
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
}

/// Whether an array is the coordinate of its own dimension.
fn is_coordinate(array: &Array) -> bool {
    dimensions(array).is_some_and(|names| names == [name(&array.path)])
}

/// Whether its data type or codecs stand in the way of its values.
fn unreadable(array: &Array) -> bool {
    zcoord::decoder(array, DecodeOptions::default()).is_err()
}

/// The attributes of a coordinate that outputs keep. The units of a time are those of its numbers, which are gone.
fn kept(array: &Array) -> Vec<(String, Value)> {
    let keep = |key: &str| KEPT.contains(&key) && !(key == "units" && is_time(array));
    array.attributes.iter().filter(|(key, _)| keep(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

impl Variable {
    /// Its name.
    pub fn name(&self) -> &str {
        name(&self.array.path)
    }

    /// Number of its features.
    pub fn feature_count(&self) -> usize {
        self.features.iter().map(|axis| axis.indices.len()).product()
    }
}
