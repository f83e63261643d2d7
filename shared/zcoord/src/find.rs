//! Finds the latitude and the longitude of a variable, and recognizes times.
//!
//! Rules: CF 1.11, sections 4 and 5: units first, then `standard_name`; then the `_CoordinateAxisType` of the CDM, and last
//! names, as cf-xarray guesses them. The first rule with a match decides; two matches of one rule are an error.

use std::collections::HashMap;

use zarray::Array;

use crate::angle::{Angle, Units};
use crate::dataset::{Dataset, dimensions, group_of, name};
use crate::horizontal::Horizontal;

/// Coordinates of a projection: horizontal, but neither latitude nor longitude.
const PROJECTED: [&str; 5] = [
    "projection_x_coordinate",
    "projection_y_coordinate",
    "grid_latitude",
    "grid_longitude",
    "projection_x_angular_coordinate",
];

/// Why an array is a latitude or longitude, strongest rule first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The user named it.
    Named,
    /// `units`.
    Units,
    /// `standard_name`.
    StandardName,
    /// `_CoordinateAxisType`.
    AxisType,
    /// Its name.
    Name,
}

impl Rule {
    /// Its name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Named => "given by name",
            Rule::Units => "units",
            Rule::StandardName => "standard_name",
            Rule::AxisType => "_CoordinateAxisType",
            Rule::Name => "name",
        }
    }
}

/// The dimensions of latitude and longitude: positions among the dimensions of the variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HorizontalDimensions {
    /// Each on a dimension of its own.
    Axes {
        /// The latitude's.
        row: usize,
        /// The longitude's.
        column: usize,
    },
    /// Both over the same two dimensions.
    Plane {
        /// The slower of the coordinates' dimensions.
        row: usize,
        /// The faster.
        column: usize,
    },
    /// Both along one dimension.
    Points {
        /// That dimension.
        cell: usize,
    },
}

impl HorizontalDimensions {
    /// The positions: one or two.
    pub fn dimensions(self) -> Vec<usize> {
        match self {
            HorizontalDimensions::Axes { row, column } | HorizontalDimensions::Plane { row, column } => {
                vec![row, column]
            }
            HorizontalDimensions::Points { cell } => vec![cell],
        }
    }
}

/// Latitude and longitude of a variable.
#[derive(Debug, Clone, Copy)]
pub struct HorizontalCoordinates<'a> {
    /// Degrees north.
    pub latitude: &'a Array,
    /// Degrees east.
    pub longitude: &'a Array,
    /// How they were found.
    pub rules: (Rule, Rule),
    /// Their dimensions among those of the variable.
    pub dimensions: HorizontalDimensions,
}

/// Coordinate names given by the user.
#[derive(Debug, Clone, Default)]
pub struct CoordinateNames {
    /// `--lat-name`.
    pub latitude: Option<String>,
    /// `--lon-name`.
    pub longitude: Option<String>,
}

/// Why a variable has no latitude and longitude.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFound {
    /// It has none.
    None(String),
    /// The coordinates are ambiguous, or belong to a projection.
    Unclear(String),
}

/// Whether an array is a latitude or a longitude by its own metadata, and by which rule.
pub fn classify(array: &Array) -> Option<(Horizontal, Rule)> {
    let text = |key: &str| array.attributes.get(key).and_then(|value| value.as_str());
    if text("standard_name").is_some_and(|name| PROJECTED.contains(&name)) {
        return None;
    }
    if let Units::Angle(Angle { of: Some(which), .. }) = Units::of(array) {
        return Some((which, Rule::Units));
    }
    match text("standard_name") {
        Some("latitude") => return Some((Horizontal::Latitude, Rule::StandardName)),
        Some("longitude") => return Some((Horizontal::Longitude, Rule::StandardName)),
        _ => {}
    }
    match text("_CoordinateAxisType") {
        Some("Lat") => return Some((Horizontal::Latitude, Rule::AxisType)),
        Some("Lon") => return Some((Horizontal::Longitude, Rule::AxisType)),
        _ => {}
    }
    by_name(name(&array.path)).map(|which| (which, Rule::Name))
}

/// Common names, those of NEMO (`nav_lat`, `gphit`), WRF (`XLAT`) and ROMS (`lat_rho`) among them.
fn by_name(name: &str) -> Option<Horizontal> {
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_prefix("xlat").map(|_| "lat").or_else(|| lower.strip_prefix("xlong").map(|_| "lon"));
    let starts = |words: &[&str]| {
        words.iter().any(|word| {
            let rest = lower.strip_prefix(word);
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('_') || rest.chars().all(|c| c.is_ascii_digit())
            })
        })
    };
    let bounds = ["bnds", "bounds", "vertices", "bnd"].iter().any(|word| lower.ends_with(word));
    match plain {
        _ if bounds => None,
        Some("lat") => Some(Horizontal::Latitude),
        Some(_) => Some(Horizontal::Longitude),
        None if starts(&[
            "lat",
            "latitude",
            "latitudes",
            "nav_lat",
            "gphit",
            "gphiu",
            "gphiv",
            "gphif",
            "ylat",
            "clat",
            "latcell",
        ]) =>
        {
            Some(Horizontal::Latitude)
        }
        None if starts(&[
            "lon",
            "longitude",
            "longitudes",
            "nav_lon",
            "glamt",
            "glamu",
            "glamv",
            "glamf",
            "clon",
            "loncell",
        ]) =>
        {
            Some(Horizontal::Longitude)
        }
        None => None,
    }
}

/// Finds latitudes and longitudes: among the coordinates of a variable's dimensions, then among those that it names, then
/// among the arrays beside it that lie on its dimensions.
pub struct Finder<'a> {
    dataset: &'a Dataset,
    names: &'a CoordinateNames,
    /// Arrays that are one by their own metadata, by their group and first dimension: so that no array is looked at for every
    /// other one.
    beside: HashMap<(&'a str, &'a str), Vec<&'a Array>>,
}

impl<'a> Finder<'a> {
    /// A finder for the variables of a dataset.
    pub fn new(dataset: &'a Dataset, names: &'a CoordinateNames) -> Finder<'a> {
        let mut beside: HashMap<(&str, &str), Vec<&Array>> = HashMap::new();
        for array in dataset.arrays().filter(|array| classify(array).is_some()) {
            if let Some(first) = dimensions(array).and_then(|names| names.first().copied()) {
                beside.entry((group_of(&array.path), first)).or_default().push(array);
            }
        }
        Finder { dataset, names, beside }
    }

    /// Latitude and longitude of `variable`.
    ///
    /// # Errors
    /// [`NotFound`].
    pub fn find(&self, variable: &'a Array) -> Result<HorizontalCoordinates<'a>, NotFound> {
        let Some(own) = dimensions(variable) else {
            return Err(NotFound::None("its dimensions have no names".into()));
        };
        let latitude = self.one(variable, &own, Horizontal::Latitude, self.names.latitude.as_deref())?;
        let longitude = self.one(variable, &own, Horizontal::Longitude, self.names.longitude.as_deref())?;
        let ((latitude, by), (longitude, and)) = match (latitude, longitude) {
            (Some(latitude), Some(longitude)) => (latitude, longitude),
            (None, None) => return Err(without(self.dataset, variable, &own)),
            (found, _) => {
                let missing = if found.is_some() { "longitude" } else { "latitude" };
                return Err(NotFound::None(format!("it has no {missing}")));
            }
        };
        let dimensions = horizontal_dimensions(&own, latitude, longitude).map_err(NotFound::None)?;
        let lengths = check_lengths(variable, &own, latitude).and(check_lengths(variable, &own, longitude));
        lengths.map_err(NotFound::None)?;
        Ok(HorizontalCoordinates { latitude, longitude, rules: (by, and), dimensions })
    }

    fn one(
        &self,
        variable: &'a Array,
        own: &[&str],
        which: Horizontal,
        given: Option<&str>,
    ) -> Result<Option<(&'a Array, Rule)>, NotFound> {
        if let Some(given) = given {
            let array = self.dataset.named(variable, given).filter(|array| lies_on(array, own));
            return Ok(array.map(|array| (array, Rule::Named)));
        }
        let of_dimensions = own.iter().filter_map(|dimension| self.dataset.coordinate(variable, dimension)).collect();
        for pool in [of_dimensions, self.dataset.auxiliary(variable)] {
            if let Some(found) = best(&pool, own, which)? {
                return Ok(Some(found));
            }
        }
        let group = group_of(&variable.path);
        let beside = own.iter().filter_map(|dimension| self.beside.get(&(group, *dimension))).flatten();
        best(&beside.copied().collect::<Vec<_>>(), own, which)
    }
}

/// The array of `pool` that matches the strongest rule.
fn best<'a>(pool: &[&'a Array], own: &[&str], which: Horizontal) -> Result<Option<(&'a Array, Rule)>, NotFound> {
    let mut found: Vec<(&Array, Rule)> = Vec::new();
    for array in pool.iter().filter(|array| lies_on(array, own)) {
        let Some((kind, rule)) = classify(array) else { continue };
        if kind == which && !found.iter().any(|(other, _)| other.path == array.path) {
            found.push((array, rule));
        }
    }
    let Some(strongest) = found.iter().map(|(_, rule)| *rule).min() else { return Ok(None) };
    found.retain(|(_, rule)| *rule == strongest);
    match found.as_slice() {
        [one] => Ok(Some(*one)),
        many => {
            let paths: Vec<&str> = many.iter().map(|(array, _)| array.path.as_str()).collect();
            let (what, flag) = (which.name(), which.flag());
            Err(NotFound::Unclear(format!("{} could each be its {what}: use {flag}", paths.join(" and "))))
        }
    }
}

/// Whether an array has dimensions, and all of them are among `own`.
fn lies_on(array: &Array, own: &[&str]) -> bool {
    dimensions(array).is_some_and(|names| !names.is_empty() && names.iter().all(|name| own.contains(name)))
}

/// A coordinate whose length differs from its dimension would select wrong cells, or none.
fn check_lengths(variable: &Array, own: &[&str], coordinate: &Array) -> Result<(), String> {
    for (name, length) in dimensions(coordinate).unwrap_or_default().iter().zip(&coordinate.shape) {
        let at = own.iter().position(|dimension| dimension == name);
        if let Some(expected) = at.map(|at| variable.shape[at]).filter(|expected| expected != length) {
            let path = &coordinate.path;
            return Err(format!("its dimension {name} has length {expected}, but {path} has {length} values for it"));
        }
    }
    Ok(())
}

fn horizontal_dimensions(own: &[&str], latitude: &Array, longitude: &Array) -> Result<HorizontalDimensions, String> {
    let position = |name: &str| own.iter().position(|dimension| *dimension == name).unwrap_or_default();
    // WRF repeats its coordinates for every time: the last two dimensions are the grid's.
    let last = |array| {
        let names = dimensions(array).unwrap_or_default();
        names[names.len().saturating_sub(2)..].iter().map(|name| position(name)).collect::<Vec<_>>()
    };
    let ranks = (latitude.shape.len(), longitude.shape.len());
    match (ranks, last(latitude).as_slice(), last(longitude).as_slice()) {
        ((1, 1), [row], [column]) if row == column => Ok(HorizontalDimensions::Points { cell: *row }),
        ((1, 1), [row], [column]) => Ok(HorizontalDimensions::Axes { row: *row, column: *column }),
        ((2, 2) | (3, 3), [row, column], other) if other == [*row, *column] => {
            Ok(HorizontalDimensions::Plane { row: *row, column: *column })
        }
        _ => Err(format!("{} and {} do not have the same dimensions", latitude.path, longitude.path)),
    }
}

/// Why a variable without latitude and longitude has none.
fn without(dataset: &Dataset, variable: &Array, own: &[&str]) -> NotFound {
    let projected = own.iter().filter_map(|dimension| dataset.coordinate(variable, dimension)).find(|coordinate| {
        let text = |key: &str| coordinate.attributes.get(key).and_then(|value| value.as_str()).unwrap_or_default();
        PROJECTED.contains(&text("standard_name")) || matches!(text("axis"), "X" | "Y")
    });
    let mapping = variable.attributes.get("grid_mapping").and_then(|value| value.as_str());
    let mapping = mapping.and_then(|name| dataset.named(variable, name.split([':', ' ']).next().unwrap_or(name)));
    let projection = mapping.and_then(|array| array.attributes.get("grid_mapping_name")?.as_str());
    match (projection, projected) {
        (Some(projection), _) if projection != "latitude_longitude" => NotFound::Unclear(format!(
            "it is on a {projection} grid, and the store has no latitude and longitude for it"
        )),
        (_, Some(coordinate)) => NotFound::Unclear(format!(
            "its horizontal coordinate {} belongs to a projection, and the store has no latitude and longitude for it",
            coordinate.path
        )),
        _ => NotFound::None("it has neither latitude nor longitude".into()),
    }
}

/// Whether an array holds times: by units (`… since …`), data type, `standard_name` or `axis`.
pub fn is_time(array: &Array) -> bool {
    let text = |key: &str| array.attributes.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    let dtype = array.dtype.as_str().or_else(|| array.dtype.get("name")?.as_str()).unwrap_or_default();
    text("units").contains(" since ")
        || dtype == "numpy.datetime64"
        || dtype.trim_start_matches(['<', '>', '|', '=']).starts_with("M8")
        || matches!(text("standard_name"), "time" | "forecast_reference_time")
        || text("axis") == "T"
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
