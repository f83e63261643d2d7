//! Selects the arrays to extract and their grids, and records why others are left out.

use std::collections::HashSet;

use zarray::Array;
use zcoord::{
    DecodeOptions, GridSource, HorizontalDimensions, NotFound, Rule, classify, dimensions, horizontal_coordinates, name,
};
use zwire::{Exit, Failure};

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
    /// Arrays that are neither variables nor coordinates, and why.
    pub left_out: Vec<(String, String)>,
}

impl<'a> Candidates<'a> {
    /// The candidate variables: those requested, or all that do not describe others.
    ///
    /// # Errors
    /// A variable with ambiguous coordinates, or no variable on a grid.
    pub fn of(opened: &'a Opened, options: &DataOptions) -> Result<Candidates<'a>, Failure> {
        let asked = !options.var.is_everything();
        let describing = opened.dataset.described_by();
        let mut all = Candidates::default();
        for array in opened.dataset.arrays().filter(|array| options.var.matches(&array.path)) {
            if is_data(array, &describing, options.by_name) {
                all.sort_out(array, opened, options)?;
            }
        }
        // Coordinates of grids are not data.
        let coordinates: HashSet<&str> =
            all.grids.iter().flat_map(|grid| [grid.latitude.as_str(), grid.longitude.as_str()]).collect();
        all.found.retain(|candidate| asked || !coordinates.contains(candidate.array.path.as_str()));
        all.left_out.retain(|(path, _)| !coordinates.contains(path.as_str()));
        if all.found.iter().all(|candidate| candidate.grid.is_none()) {
            return Err(no_variable(opened, options, &all.left_out));
        }
        Ok(all)
    }

    fn sort_out(&mut self, array: &'a Array, opened: &'a Opened, options: &DataOptions) -> Result<(), Failure> {
        let Some(names) = dimensions(array) else {
            self.left_out.push((array.path.clone(), "its dimensions have no names".into()));
            return Ok(());
        };
        let optional = !options.var.is_everything() || options.carry;
        match horizontal_coordinates(&opened.dataset, array, &options.names) {
            Ok(found) if [&found.latitude.path, &found.longitude.path].contains(&&array.path) => {}
            Ok(found) => {
                let grid = Some(self.grid(GridSource::of(&found)));
                self.found.push(Candidate { array, names, horizontal: Some(found.dimensions), grid });
            }
            Err(NotFound::Unclear(why)) => {
                return Err(Failure::usage(why).at(format!("{}: {}", opened.name, array.path)).hint(
                    "name the coordinates with --lat-name and --lon-name, or leave the variable out with --var",
                ));
            }
            Err(NotFound::None(_)) if optional => {
                self.found.push(Candidate { array, names, horizontal: None, grid: None });
            }
            Err(NotFound::None(why)) => self.left_out.push((array.path.clone(), why)),
        }
        Ok(())
    }

    /// The number of a grid.
    fn grid(&mut self, grid: GridSource) -> usize {
        let known = self.grids.iter().position(|known| known.is_same(&grid));
        known.unwrap_or_else(|| {
            self.grids.push(grid);
            self.grids.len() - 1
        })
    }
}

/// Whether an array is data. A pattern matches only data; an array that describes others must be requested by its exact
/// name, and coordinates are in every row anyway.
fn is_data(array: &Array, describing: &HashSet<&str>, by_name: bool) -> bool {
    let describes =
        || describing.contains(array.path.as_str()) || classify(array).is_some_and(|(_, by)| by != Rule::Name);
    !is_coordinate(array) && (by_name || !describes())
}

/// Whether an array is the coordinate of its own dimension.
fn is_coordinate(array: &Array) -> bool {
    dimensions(array).is_some_and(|names| names == [name(&array.path)])
}

/// Why no variable has a latitude and a longitude.
pub fn no_variable(opened: &Opened, options: &DataOptions, left_out: &[(String, String)]) -> Failure {
    let because = match left_out.first() {
        Some((path, why)) => format!(": {path}: {why}"),
        None if opened.dataset.is_empty() => ": it has no arrays".into(),
        None => ": no data array matches --var".into(),
    };
    let asked = !options.var.is_everything();
    let is_left_out = |array: &&Array| left_out.iter().any(|(path, _)| *path == array.path);
    let exit = match asked && opened.dataset.arrays().filter(is_left_out).any(unreadable) {
        true => Exit::Unreadable,
        false => Exit::Absent,
    };
    let failure = Failure::new(exit, format!("no variable with latitude and longitude{because}"));
    failure.at(&opened.name).hint(match exit {
        Exit::Unreadable => "zinspect shows its codecs",
        _ => "name the coordinates with --lat-name and --lon-name; zinspect lists the arrays",
    })
}

/// Whether its data type or codecs are not supported.
fn unreadable(array: &Array) -> bool {
    zcoord::decoder(array, DecodeOptions::default()).is_err()
}
