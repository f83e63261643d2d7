//! Which cell of a grid a place is in.

use crate::axis::{Axis, short};
use crate::curvilinear::Curvilinear;
use crate::scattered::Scattered;
use crate::sphere::{Cell, EARTH_RADIUS_KM, Place, Points, chord_of, nearest_first, turned};

/// Degrees that a limit in degrees may be off by noise.
const NOISE_DEGREES: f64 = 1e-9;
/// Degrees beyond which a coordinate is no latitude (float32 may round 90 up).
const POLE: f64 = 90.001;
/// Degrees beyond which a coordinate is no longitude in anybody's convention: three turns.
const TURNS: f64 = 1080.0;

/// Why coordinates make no grid, or a grid cannot do what it is asked for: a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridError(pub String);

impl std::fmt::Display for GridError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GridError {}

/// How far a place may be from the cell that stands for it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Degrees of latitude between the place and the cell, instead of the extent of the cell.
    pub tolerance_lat: Option<f64>,
    /// Degrees of longitude between the place and the cell, instead of the extent of the cell.
    pub tolerance_lon: Option<f64>,
    /// Kilometres between the place and the centre of the cell, besides its extent; instead of it in a scattered grid.
    pub max_distance_km: Option<f64>,
}

/// The cell of a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// The place is in this cell.
    Inside(Cell),
    /// The place is in no cell.
    Outside {
        /// The nearest one; none where the place is none (NaN, or beyond a pole).
        nearest: Option<Cell>,
        /// A sentence.
        why: String,
    },
}

/// The cells of a linear interpolation.
#[derive(Debug, Clone, PartialEq)]
pub enum Linear {
    /// One to four cells and their weights, none of them 0, which sum to 1.
    Inside(Vec<(Cell, f64)>),
    /// The place is beyond the outermost coordinates, or the limits; why.
    Outside(String),
}

/// A horizontal grid.
#[derive(Debug, Clone)]
pub enum Grid {
    /// Latitude and longitude are one axis each.
    Rectilinear(Rectilinear),
    /// Latitude and longitude are two-dimensional.
    Curvilinear(Curvilinear),
    /// Latitude and longitude share one dimension.
    Scattered(Scattered),
}

/// A grid of one axis of latitudes and one of longitudes.
#[derive(Debug, Clone)]
pub struct Rectilinear {
    lat: Axis,
    lon: Axis,
}

impl Grid {
    /// Latitude and longitude of one dimension each, strictly monotonic (longitude modulo 360), and the bounds of CF
    /// (section 7.1) where the store has them. Columns that repeat the first turn of longitude are never found.
    ///
    /// # Errors
    /// Where values or bounds are no latitudes and longitudes, or an axis is empty or not monotonic.
    pub fn rectilinear(
        lat: Vec<f64>,
        lon: Vec<f64>,
        lat_bounds: Option<Vec<[f64; 2]>>,
        lon_bounds: Option<Vec<[f64; 2]>>,
    ) -> Result<Grid, GridError> {
        check(&lat, &lon, false)?;
        let (lat, lon) = (Axis::latitude(lat, lat_bounds)?, Axis::longitude(lon, lon_bounds)?);
        Ok(Grid::Rectilinear(Rectilinear { lat, lon }))
    }

    /// Latitude and longitude over (rows, columns), in C order. NaN is a cell without a place.
    ///
    /// # Errors
    /// Where values are no latitudes and longitudes, no cell has a place, or the shape does not fit.
    pub fn curvilinear(rows: usize, columns: usize, lat: Vec<f64>, lon: Vec<f64>) -> Result<Grid, GridError> {
        check(&lat, &lon, true)?;
        Curvilinear::new(rows, columns, lat, lon).map(Grid::Curvilinear)
    }

    /// Latitude and longitude on one shared dimension.
    ///
    /// # Errors
    /// Where values are no latitudes and longitudes, or not as many of each.
    pub fn scattered(lat: Vec<f64>, lon: Vec<f64>) -> Result<Grid, GridError> {
        check(&lat, &lon, false)?;
        Scattered::new(lat, lon).map(Grid::Scattered)
    }

    /// The cell of a place: the nearest on each axis, or along the great circle where there are no axes.
    pub fn nearest(&self, place: Place, limits: &Limits) -> Match {
        self.nearest_many(&[place], limits).pop().unwrap_or_else(|| no_cell("no place".into()))
    }

    /// The cells of many places, which cost less together than one by one in a grid without axes.
    pub fn nearest_many(&self, places: &[Place], limits: &Limits) -> Vec<Match> {
        match self {
            Grid::Rectilinear(grid) => places.iter().map(|place| grid.nearest(*place, limits)).collect(),
            Grid::Curvilinear(grid) => {
                let found = scan(grid.points(), places);
                let judge = |(place, index): (&Place, Result<usize, String>)| match index {
                    Ok(index) => limits.judge(*place, grid.cell(index, *place), || grid.outside(index, *place)),
                    Err(why) => no_cell(why),
                };
                places.iter().zip(found).map(judge).collect()
            }
            Grid::Scattered(grid) => scattered(grid, places, limits),
        }
    }

    /// The cells around a place and their weights: linear in degrees along both axes, over the seam of longitude too.
    ///
    /// Inside, the nearest of these cells has to be within the limits.
    ///
    /// # Errors
    /// Where the grid has no axes.
    pub fn linear(&self, place: Place, limits: &Limits) -> Result<Linear, GridError> {
        match self {
            Grid::Rectilinear(grid) => Ok(grid.linear(place, limits).unwrap_or_else(Linear::Outside)),
            Grid::Curvilinear(_) => Err(GridError(
                "linear needs one axis each of latitude and longitude, and these are two-dimensional".into(),
            )),
            Grid::Scattered(_) => Err(GridError(
                "linear needs one axis each of latitude and longitude, and these share one dimension".into(),
            )),
        }
    }

    /// The cells whose centres are within a radius of a place, nearest first.
    pub fn within(&self, place: Place, radius_km: f64) -> Vec<Cell> {
        if place.fault().is_some() || radius_km.is_nan() || radius_km < 0.0 {
            return Vec::new();
        }
        // The hair that either way to the distance may round differently.
        let reach_km = radius_km * (1.0 + 1e-9) + 1e-6;
        let scan = |points: &Points| points.within(place.unit(), chord_of(reach_km));
        let mut cells: Vec<Cell> = match self {
            Grid::Rectilinear(grid) => grid.near(place, reach_km),
            Grid::Curvilinear(grid) => scan(grid.points()).into_iter().map(|index| grid.cell(index, place)).collect(),
            Grid::Scattered(grid) => scan(grid.points()).into_iter().map(|index| grid.cell(index, place)).collect(),
        };
        cells.retain(|cell| cell.distance_km <= radius_km);
        nearest_first(&mut cells);
        cells
    }
}

impl Rectilinear {
    fn nearest(&self, place: Place, limits: &Limits) -> Match {
        if let Some(why) = place.fault() {
            return no_cell(why);
        }
        let cell = self.cell(self.lat.nearest(place.lat).index, self.lon.nearest(place.lon).index, place);
        let lat = || if self.is_cap(place.lat) { None } else { self.lat.outside(place.lat) };
        let lat = limits.tolerance_lat.is_none().then(lat).flatten();
        let lon = limits.tolerance_lon.is_none().then(|| self.lon.outside(place.lon)).flatten();
        limits.verdict(cell, lat.or(lon).or_else(|| limits.exceeded(place, &cell)))
    }

    /// Whether a latitude is between the last row and the pole of a grid that goes round the pole.
    fn is_cap(&self, lat: f64) -> bool {
        self.lon.is_circle() && self.lat.at_a_pole(lat)
    }

    fn cell(&self, row: usize, column: usize, place: Place) -> Cell {
        let (lat, lon) = (self.lat.value(row), self.lon.value(column));
        Cell { row, column, lat, lon, distance_km: place.distance_km(Place { lat, lon }) }
    }

    fn linear(&self, place: Place, limits: &Limits) -> Result<Linear, String> {
        if let Some(why) = place.fault() {
            return Err(why);
        }
        let (rows, columns) = (self.lat.linear(place.lat)?, self.lon.linear(place.lon)?);
        let across = |&(row, of_row): &(usize, f64)| {
            columns.iter().map(move |&(column, of_column)| (self.cell(row, column, place), of_row * of_column))
        };
        let cells: Vec<(Cell, f64)> = rows.iter().flat_map(across).collect();
        let nearest = cells.iter().min_by(|a, b| a.0.distance_km.total_cmp(&b.0.distance_km));
        match nearest.and_then(|(cell, _)| limits.exceeded(place, cell)) {
            Some(why) => Err(why),
            None => Ok(Linear::Inside(cells)),
        }
    }

    /// Cells that may be within `reach_km`: rows of a band of latitude, and of each the columns of an arc.
    fn near(&self, place: Place, reach_km: f64) -> Vec<Cell> {
        let angle = (reach_km / EARTH_RADIUS_KM).min(std::f64::consts::PI);
        let rows = self.lat.reached(place.lat, angle.to_degrees());
        let columns = |row: usize| {
            let reach = arc(place.lat, self.lat.value(row), angle);
            self.lon.reached(place.lon, reach).into_iter().map(move |column| self.cell(row, column, place))
        };
        rows.into_iter().flat_map(columns).collect()
    }
}

/// Degrees of longitude between two latitudes' places that are `angle` radians apart: the haversine formula, solved.
fn arc(from: f64, to: f64, angle: f64) -> f64 {
    let half_sine = |radians: f64| (radians / 2.0).sin().powi(2);
    let (from, to) = (from.to_radians(), to.to_radians());
    let ratio = (half_sine(angle) - half_sine(to - from)) / (from.cos() * to.cos());
    // At a pole the cosine is 0, and all columns are as far.
    if ratio.is_nan() || ratio >= 1.0 { 180.0 } else { 2.0 * ratio.max(0.0).sqrt().asin().to_degrees() + NOISE_DEGREES }
}

impl Limits {
    /// What is true of a cell, given why the place is not in it.
    fn verdict(&self, cell: Cell, why: Option<String>) -> Match {
        match why {
            None => Match::Inside(cell),
            Some(why) => Match::Outside { nearest: Some(cell), why },
        }
    }

    /// The verdict on a cell of a grid without axes: its extent counts unless both tolerances stand in for it.
    fn judge(&self, place: Place, cell: Cell, extent: impl FnOnce() -> Option<String>) -> Match {
        let tolerant = self.tolerance_lat.is_some() && self.tolerance_lon.is_some();
        let why = if tolerant { None } else { extent() };
        self.verdict(cell, why.or_else(|| self.exceeded(place, &cell)))
    }

    /// Which limit the nearest cell is beyond.
    fn exceeded(&self, place: Place, cell: &Cell) -> Option<String> {
        let lat = (place.lat - cell.lat).abs();
        let lon = turned(place.lon - cell.lon).abs();
        let degrees = [(lat, self.tolerance_lat, "latitude"), (lon, self.tolerance_lon, "longitude")];
        let beyond = degrees.into_iter().find_map(|(away, limit, name)| {
            // A limit of NaN allows nothing.
            let within = limit.is_none_or(|limit| away <= limit + NOISE_DEGREES);
            (!within).then(|| format!("{name} is {} degrees from the nearest cell, beyond the tolerance", short(away)))
        });
        let within = self.max_distance_km.is_none_or(|limit| cell.distance_km <= limit);
        let far = || format!("the nearest cell is {} km away, beyond the maximum distance", short(cell.distance_km));
        beyond.or_else(|| (!within).then(far))
    }
}

fn no_cell(why: String) -> Match {
    Match::Outside { nearest: None, why }
}

/// The nearest point of each place, or why there is none.
fn scan(points: &Points, places: &[Place]) -> Vec<Result<usize, String>> {
    let targets: Vec<_> = places.iter().map(|place| place.unit()).collect();
    let first = |(place, found): (&Place, Vec<(f64, usize)>)| match (place.fault(), found.first()) {
        (Some(why), _) => Err(why),
        (None, Some(found)) => Ok(found.1),
        (None, None) => Err("no cell has a place".into()),
    };
    places.iter().zip(points.nearest(&targets, 1)).map(first).collect()
}

fn scattered(grid: &Scattered, places: &[Place], limits: &Limits) -> Vec<Match> {
    let found = scan(grid.points(), places);
    let indices: Vec<usize> = found.iter().flatten().copied().collect();
    let ruled = limits.max_distance_km.is_none() && !(limits.tolerance_lat.is_some() && limits.tolerance_lon.is_some());
    let mut reach_km = if ruled { grid.reach_km(&indices) } else { Vec::new() }.into_iter();
    let judge = |(place, index): (&Place, Result<usize, String>)| match index {
        Err(why) => no_cell(why),
        Ok(index) => {
            let (cell, reach_km) = (grid.cell(index, *place), reach_km.next());
            limits.judge(*place, cell, || reach_km.and_then(|reach_km| Scattered::outside(&cell, reach_km)))
        }
    };
    places.iter().zip(found).map(judge).collect()
}

/// Checks that coordinates are degrees of latitude and longitude, and that there are any.
fn check(lat: &[f64], lon: &[f64], masked: bool) -> Result<(), GridError> {
    for (name, values) in [("latitude", lat), ("longitude", lon)] {
        if values.is_empty() {
            return Err(GridError(format!("{name} has no values")));
        }
        if let Some(index) = values.iter().position(|value| !(value.is_finite() || masked && value.is_nan())) {
            return Err(GridError(format!("{name} is {} at index {index}", values[index])));
        }
    }
    let greatest =
        |values: &[f64]| values.iter().fold(0.0f64, |most, value| if value.abs() > most.abs() { *value } else { most });
    let (most_lat, most_lon) = (greatest(lat), greatest(lon));
    if most_lat.abs() > POLE {
        let swapped = most_lat.abs() <= 360.0 + POLE && most_lon.abs() <= POLE;
        let advice =
            if swapped { "latitude and longitude look swapped" } else { "these are no degrees between -90 and 90" };
        return Err(GridError(format!("latitude has values up to {}: {advice}", short(most_lat))));
    }
    if most_lon.abs() > TURNS {
        return Err(GridError(format!("longitude has values up to {}: these are no degrees", short(most_lon))));
    }
    Ok(())
}
