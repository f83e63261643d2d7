//! Selects the arrays to extract and their grids, and records why others are left out.

use std::collections::{BTreeMap, HashMap, HashSet};

use zarray::Array;
use zcoord::{
    Describes, Finder, GridKind, GridSource, Horizontal, HorizontalCoordinates, HorizontalDimensions, NotFound, Rule,
    classify, dimensions, name,
};
use zwire::{Exit, Failure};

use crate::left_out::{LeftOut, listed};
use crate::opened::Opened;
use crate::options::DataOptions;

/// A candidate variable, from its metadata.
pub struct Candidate<'a> {
    /// Its metadata.
    pub array: &'a Array,
    /// The names of its dimensions.
    pub names: Vec<&'a str>,
    /// Which of them are the grid's; `None` for a variable without a grid.
    pub horizontal: Option<HorizontalDimensions>,
    /// Index of its grid.
    pub grid: Option<usize>,
}

/// The classified arrays of a store.
#[derive(Default)]
pub struct Candidates<'a> {
    /// Arrays that may be variables, in path order.
    pub found: Vec<Candidate<'a>>,
    /// Their distinct grids.
    pub grids: Vec<GridSource>,
    /// The number of each, by latitude, longitude and kind.
    numbers: HashMap<(String, String, GridKind), usize>,
    /// Arrays that are neither variables nor coordinates, and why.
    pub left_out: Vec<LeftOut>,
}

impl<'a> Candidates<'a> {
    /// The candidate variables: those requested, or all that do not describe others.
    ///
    /// # Errors
    /// No variable on a grid.
    pub fn of(opened: &'a Opened, options: &'a DataOptions) -> Result<Candidates<'a>, Failure> {
        let describing = opened.dataset.described_by();
        let finder = Finder::new(&opened.dataset, &options.names);
        let matches = |path: &str| match &opened.only {
            Some(only) => path == only,
            None => options.var.matches(path),
        };
        let matched = || opened.dataset.arrays().filter(|array| matches(&array.path));
        // Coordinates go with the variables that name them.
        let carried: HashSet<&str> = match options.carry {
            true => {
                matched().flat_map(|array| opened.dataset.auxiliary(array)).map(|array| array.path.as_str()).collect()
            }
            false => HashSet::new(),
        };
        let is_meant = |array: &&Array| matches(&array.path) || carried.contains(array.path.as_str());
        let mut all = Candidates::default();
        for array in opened.dataset.arrays().filter(is_meant) {
            match role(array, &describing, options) {
                Role::Data => all.sort_out(array, &finder, options),
                Role::Described => {
                    all.left_out.push(LeftOut::new(&array.path, "it describes other arrays; name it with --var"));
                }
                Role::Coordinate => {}
            }
        }
        // Coordinates of grids are not data.
        let coordinates: HashSet<&str> =
            all.grids.iter().flat_map(|grid| [grid.latitude.as_str(), grid.longitude.as_str()]).collect();
        let is_data = |path: &str| options.asks_for(path) || !coordinates.contains(path);
        all.found.retain(|candidate| is_data(&candidate.array.path));
        all.left_out.retain(|left_out| !coordinates.contains(left_out.path.as_str()));
        if all.found.iter().all(|candidate| candidate.grid.is_none()) {
            return Err(no_variable(opened, options, &all.left_out));
        }
        Ok(all)
    }

    fn sort_out(&mut self, array: &'a Array, finder: &Finder<'a>, options: &DataOptions) {
        let path = &array.path;
        let Some(names) = dimensions(array) else {
            return self.left_out.push(LeftOut::new(path, "its dimensions have no names"));
        };
        let optional = !options.var.is_everything() || options.carry;
        match finder.find(array) {
            Ok(found) if is_horizontal(array, &found) && !options.asks_for(path) => {
                self.left_out.push(LeftOut::new(path, "it is a latitude or longitude that no variable uses"));
            }
            Ok(found) => {
                let grid = Some(self.grid(GridSource::of(&found)));
                self.found.push(Candidate { array, names, horizontal: Some(found.dimensions), grid });
            }
            Err(NotFound::Unclear(why)) => self.left_out.push(LeftOut::unclear(path, why)),
            Err(NotFound::None(_)) if optional => {
                self.found.push(Candidate { array, names, horizontal: None, grid: None });
            }
            Err(NotFound::None(why)) => self.left_out.push(LeftOut::new(path, why)),
        }
    }

    /// Leaves out the variables on some grids, each with the reason why it cannot be used.
    pub fn without_grids(&mut self, unusable: &BTreeMap<usize, String>) {
        let why = |candidate: &Candidate| unusable.get(&candidate.grid?);
        for candidate in self.found.extract_if(.., |candidate| why(candidate).is_some()) {
            let why = why(&candidate).map(String::as_str).unwrap_or_default();
            self.left_out.push(LeftOut::unreadable(&candidate.array.path, why));
        }
        // The others are numbered again.
        let before = |number: &usize| unusable.range(..*number).count();
        self.found.iter_mut().filter_map(|candidate| candidate.grid.as_mut()).for_each(|grid| *grid -= before(grid));
        let mut number = 0..;
        self.grids.retain(|_| number.next().is_some_and(|number| !unusable.contains_key(&number)));
    }

    /// The number of a grid.
    fn grid(&mut self, grid: GridSource) -> usize {
        let key = (grid.latitude.clone(), grid.longitude.clone(), grid.kind);
        *self.numbers.entry(key).or_insert_with(|| {
            self.grids.push(grid);
            self.grids.len() - 1
        })
    }
}

/// What an array is.
enum Role {
    /// It may be a variable.
    Data,
    /// It is in every row anyway, or gives points their cells.
    Coordinate,
    /// It describes others.
    Described,
}

/// What an array is. A pattern matches only data; an array that describes others must be requested by its exact name, or be a
/// coordinate of data that are carried. The coordinate of a dimension is in every row or in the names of columns.
fn role(array: &Array, describing: &HashMap<&str, Describes>, options: &DataOptions) -> Role {
    let horizontal = classify(array).is_some_and(|(_, by)| by != Rule::Name);
    match describing.get(array.path.as_str()) {
        _ if is_coordinate(array) => Role::Coordinate,
        // Latitudes that nothing refers to may be data: the latitude of a storm, or that of another grid.
        None => Role::Data,
        _ if options.asks_for(&array.path) => Role::Data,
        Some(Describes::Dimension) => Role::Coordinate,
        Some(_) if horizontal => Role::Coordinate,
        Some(Describes::Coordinate) if options.carry && classify(array).is_none() => Role::Data,
        Some(Describes::Other) if options.carry => Role::Described,
        Some(_) => Role::Coordinate,
    }
}

/// Whether an array is a latitude or longitude of the grid that it is on: the one in use, or another one, which by its metadata
/// is one too and has the same dimensions.
fn is_horizontal(array: &Array, found: &HorizontalCoordinates) -> bool {
    let in_use = match classify(array) {
        Some((Horizontal::Latitude, rule)) if rule != Rule::Name => Some(found.latitude),
        Some((Horizontal::Longitude, rule)) if rule != Rule::Name => Some(found.longitude),
        _ => None,
    };
    let is_own = [&found.latitude.path, &found.longitude.path].contains(&&array.path);
    is_own || in_use.is_some_and(|in_use| dimensions(array) == dimensions(in_use))
}

/// Whether an array is the coordinate of its own dimension.
fn is_coordinate(array: &Array) -> bool {
    dimensions(array).is_some_and(|names| names == [name(&array.path)])
}

/// Why no variable has a latitude and a longitude, or none that has can be read.
pub fn no_variable(opened: &Opened, options: &DataOptions, left_out: &[LeftOut]) -> Failure {
    let unreadable: Vec<&LeftOut> = left_out.iter().filter(|left_out| left_out.exit == Exit::Unreadable).collect();
    if !unreadable.is_empty() {
        let what = format!("no variable can be read: {}", listed(unreadable));
        return Failure::new(Exit::Unreadable, what).at(&opened.name).hint("zinspect shows data types and codecs");
    }
    if let Some(LeftOut { path, why, .. }) = left_out.iter().find(|left_out| left_out.exit == Exit::Usage) {
        let failure = Failure::usage(why).at(format!("{}: {path}", opened.name));
        return failure
            .hint("name the coordinates with --lat-name and --lon-name, or leave the variable out with --var");
    }
    let paths = opened.paths();
    let unmatched =
        if paths.iter().any(|path| options.var.matches(path)) { None } else { options.var.unmatched(&paths).pop() };
    if let Some(failure) = unmatched.filter(|_| !paths.is_empty() && opened.only.is_none()) {
        return failure.at(&opened.name);
    }
    let because = match listed(left_out) {
        list if !list.is_empty() => format!(": {list}"),
        _ if opened.dataset.is_empty() => ": it has no arrays".into(),
        _ => ": no data array matches --var".into(),
    };
    let failure = Failure::new(Exit::Absent, format!("no variable with latitude and longitude{because}"));
    failure.at(&opened.name).hint("name the coordinates with --lat-name and --lon-name; zinspect lists the arrays")
}
