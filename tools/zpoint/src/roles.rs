//! The role of each dimension of a variable: position (latitude, longitude, cell), sample (time, file_id, …: one
//! row each), or feature (level, step, member, …: one column each).

use zarray::Array;
use zcoord::{Dataset, HorizontalDimensions, is_time};
use zwire::Failure;

use crate::opened::Opened;
use crate::options::DataOptions;
use crate::variables::Candidate;

/// Dimensions used as rows by name. Time dimensions are used as rows, too.
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

/// Role of a dimension of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sample axis with this number.
    Sample(usize),
    /// Feature axis with this number.
    Feature(usize),
    /// First coordinate of a cell.
    Row,
    /// Second coordinate of a cell.
    Column,
}

impl Role {
    /// The roles of the dimensions of a variable, where those in `samples` are rows.
    pub fn of_dimensions(candidate: &Candidate, samples: &[SampleDimension]) -> Vec<Role> {
        let mut features = 0;
        let role = |(at, dimension): (usize, &&str)| match candidate.horizontal {
            Some(HorizontalDimensions::Axes { row, .. } | HorizontalDimensions::Plane { row, .. }) if row == at => {
                Role::Row
            }
            Some(HorizontalDimensions::Axes { column, .. } | HorizontalDimensions::Plane { column, .. })
                if column == at =>
            {
                Role::Column
            }
            Some(HorizontalDimensions::Points { cell }) if cell == at => Role::Row,
            _ => match samples.iter().position(|known| known.name == *dimension) {
                Some(number) => Role::Sample(number),
                None => {
                    features += 1;
                    Role::Feature(features - 1)
                }
            },
        };
        candidate.names.iter().enumerate().map(role).collect()
    }
}

/// A dimension used as rows.
pub struct SampleDimension<'a> {
    /// Its name.
    pub name: String,
    /// An array that has it.
    pub array: &'a Array,
}

/// The dimensions used as rows, in the order of the variable with the most of them.
///
/// # Errors
/// A dimension of --row-dims that no variable has.
pub fn sample_dimensions<'s>(
    opened: &Opened,
    options: &DataOptions,
    candidates: &[Candidate<'s>],
) -> Result<Vec<SampleDimension<'s>>, Failure> {
    let own = |candidate: &Candidate<'s>| -> Vec<SampleDimension<'s>> {
        let grid = candidate.horizontal.map(HorizontalDimensions::dimensions).unwrap_or_default();
        let others = candidate.names.iter().enumerate().filter(|(at, _)| !grid.contains(at));
        others
            .filter(|(_, dimension)| is_sample(&opened.dataset, options, candidate.array, dimension))
            .map(|(_, dimension)| SampleDimension { name: (*dimension).to_owned(), array: candidate.array })
            .collect()
    };
    let mut lists: Vec<Vec<SampleDimension>> = candidates.iter().map(own).collect();
    lists.sort_by_key(|list| std::cmp::Reverse(list.len()));
    let mut found: Vec<SampleDimension> = Vec::new();
    for dimension in lists.into_iter().flatten() {
        if !found.iter().any(|known| known.name == dimension.name) {
            found.push(dimension);
        }
    }
    let lacks = |dimension: &&String| !found.iter().any(|known| known.name == **dimension);
    if let Some(dimension) = options.row_dims.iter().flatten().find(lacks) {
        let what = format!("no variable has the dimension {dimension:?} of --row-dims");
        return Err(Failure::usage(what).at(&opened.name));
    }
    Ok(found)
}

fn is_sample(dataset: &Dataset, options: &DataOptions, array: &Array, dimension: &str) -> bool {
    if let Some(rows) = &options.row_dims {
        return rows.iter().any(|row| row == dimension);
    }
    let is_listed = SAMPLES.contains(&dimension.to_ascii_lowercase().as_str());
    let is_moment = || dataset.coordinate(array, dimension).is_some_and(is_time);
    !options.feature_dims.iter().any(|feature| feature == dimension) && (is_listed || is_moment())
}
