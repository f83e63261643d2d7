//! Which cells the places lie in, for each grid of a store.

use std::collections::HashMap;

use zarray::{Array, Pool};
use zcli::Session;
use zcoord::{Cell, Column, CoordinateGrid, Limits, Match, Mode, Point, read_coordinate};
use zwire::{Exit, Failure, MatchRecord, V1};

use crate::cli::{Args, Method, OutOfBounds, PlaceFlags};
use crate::places::Places;
use crate::source::{GridKind, GridSource, Source};

/// Places that are looked for together on a grid without axes.
const TOGETHER: usize = 32;

/// What a place takes its values from: numbers of cells.
#[derive(Debug, Clone, PartialEq)]
pub enum Use {
    /// Nothing.
    Nowhere,
    /// One cell.
    One(usize),
    /// Several, with their weights.
    Between(Vec<(usize, f64)>),
}

/// The places on one grid.
#[derive(Debug, Clone)]
pub struct Located {
    /// The cells that are read, each once: row and column.
    pub cells: Vec<[u64; 2]>,
    /// What each place takes.
    pub uses: Vec<Use>,
    /// The nearest cell of each place, inside or not.
    pub nearest: Vec<Option<Cell>>,
    /// Why a place is outside of the grid, where it is.
    pub outside: Vec<Option<String>>,
}

/// A grid with its coordinates.
pub struct Known {
    /// Its geometry.
    pub grid: CoordinateGrid,
    kind: GridKind,
}

impl Known {
    /// Reads the coordinates of a grid.
    ///
    /// # Errors
    /// The store's, and coordinates that make no grid: not finite, not monotonic, latitude and longitude swapped.
    pub fn read(source: &Source, grid: &CoordinateGridSource, pool: &Pool) -> Result<Known, Failure> {
        let array = |path: &str| {
            let found = source.dataset.arrays().find(|array| array.path == path);
            found.ok_or_else(|| Failure::new(Exit::Absent, "is gone").at(format!("{}: {path}", source.name)))
        };
        let (latitude, longitude) = (array(&grid.latitude)?, array(&grid.longitude)?);
        let wrong = |what: String| {
            let paths = format!("{}: {} and {}", source.name, grid.latitude, grid.longitude);
            Failure::new(Exit::Unreadable, what).at(paths)
        };
        let numbers = |array: &Array| -> Result<Vec<f64>, Failure> {
            let (column, _) = read_coordinate(&source.store, array, Mode::Cf, pool)?;
            column.numbers().ok_or_else(|| wrong(format!("{} holds no numbers", array.path)))
        };
        let bounds = |array: &Array| -> Result<Option<Vec<[f64; 2]>>, Failure> {
            let named = array.attributes.get("bounds").and_then(|name| name.as_str());
            let found = named.and_then(|name| source.dataset.named(array, name));
            let Some(found) = found.filter(|found| found.shape.as_slice() == [array.shape[0], 2]) else {
                return Ok(None);
            };
            Ok(Some(numbers(found)?.as_chunks::<2>().0.to_vec()))
        };
        let made = match grid.kind {
            GridKind::Axes => CoordinateGrid::rectilinear(
                numbers(latitude)?,
                numbers(longitude)?,
                bounds(latitude)?,
                bounds(longitude)?,
            ),
            GridKind::Points => CoordinateGrid::scattered(numbers(latitude)?, numbers(longitude)?),
            GridKind::Plane => {
                let plane =
                    |array: &Array| -> Result<Vec<f64>, Failure> { still(array, numbers(array)?).map_err(wrong) };
                let rank = latitude.shape.len();
                let (rows, columns) = (latitude.shape[rank - 2] as usize, latitude.shape[rank - 1] as usize);
                CoordinateGrid::curvilinear(rows, columns, plane(latitude)?, plane(longitude)?)
            }
        };
        let grid_of = made.map_err(|error| wrong(error.to_string()))?;
        Ok(Known { grid: grid_of, kind: grid.kind })
    }

    /// Finds the cells of all places.
    ///
    /// # Errors
    /// A usage failure where this grid cannot do what the flags ask for.
    pub fn locate(&self, places: &Places, flags: &PlaceFlags, pool: &Pool) -> Result<Located, Failure> {
        let limits = limits(flags);
        if flags.method == Method::Linear && self.kind != GridKind::Axes {
            let what = "--method linear needs latitude and longitude on a dimension of their own";
            return Err(Failure::usage(what).hint("take --method nearest"));
        }
        let asked = places.latitudes.iter().zip(&places.longitudes).map(|(lat, lon)| Point { lat: *lat, lon: *lon });
        let asked: Vec<Point> = asked.collect();
        let found = pool.map(asked.chunks(TOGETHER).collect(), |asked: &[Point]| {
            let nearest = self.grid.nearest_of_each(asked, &limits);
            asked
                .iter()
                .zip(nearest)
                .map(|(place, nearest)| found(&self.grid, *place, nearest, flags.method, &limits))
                .collect()
        });
        let found: Vec<Vec<Found>> = found;
        let mut numbers: HashMap<[u64; 2], usize> = HashMap::new();
        let mut located = Located { cells: Vec::new(), uses: Vec::new(), nearest: Vec::new(), outside: Vec::new() };
        for Found { weights, nearest, outside } in found.into_iter().flatten() {
            let mut numbered = Vec::with_capacity(weights.len());
            for ((row, column), weight) in weights {
                let cell = [row as u64, column as u64];
                let number = *numbers.entry(cell).or_insert_with(|| {
                    located.cells.push(cell);
                    located.cells.len() - 1
                });
                numbered.push((number, weight));
            }
            located.uses.push(match (flags.method, numbered.as_slice()) {
                (_, []) => Use::Nowhere,
                (Method::Nearest, [(cell, _), ..]) => Use::One(*cell),
                (Method::Linear, _) => Use::Between(numbered),
            });
            located.nearest.push(nearest);
            located.outside.push(outside);
        }
        Ok(located)
    }

    /// Cells that a place may take where its own has no value, nearest first.
    pub fn candidates(&self, place: Point, radius_km: f64) -> Vec<Cell> {
        self.grid.within(place, radius_km)
    }
}

/// Coordinates of two dimensions; of three where the first is a time at which nothing moves.
fn still(array: &Array, values: Vec<f64>) -> Result<Vec<f64>, String> {
    let rank = array.shape.len();
    let size = (array.shape[rank - 2] * array.shape[rank - 1]) as usize;
    let (first, others) = values.split_at(size.min(values.len()));
    let equal = |other: &[f64]| other.iter().zip(first).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
    match others.chunks(size.max(1)).all(equal) {
        true => Ok(first.to_vec()),
        false => Err(format!("{} moves with its first dimension, which no cell can follow", array.path)),
    }
}

fn limits(flags: &PlaceFlags) -> Limits {
    let tolerance = flags.tolerance.unwrap_or_default();
    Limits { tolerance_lat: tolerance.lat, tolerance_lon: tolerance.lon, max_distance_km: flags.max_distance }
}

/// What was found for one place.
struct Found {
    weights: Vec<((usize, usize), f64)>,
    nearest: Option<Cell>,
    outside: Option<String>,
}

fn found(grid: &CoordinateGrid, place: Point, nearest: Match, method: Method, limits: &Limits) -> Found {
    let (cell, outside) = match nearest {
        Match::Inside(cell) => (Some(cell), None),
        Match::Outside { nearest, why } => (nearest, Some(why)),
    };
    let (weights, outside) = match (method, outside, &cell) {
        (Method::Linear, ..) => match grid.linear(place, limits) {
            Ok(weights) => (weights, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        },
        (Method::Nearest, None, Some(cell)) => (vec![((cell.row, cell.column), 1.0)], None),
        (Method::Nearest, outside, _) => (Vec::new(), outside),
    };
    Found { weights, nearest: cell, outside }
}

impl Located {
    /// The record of a place.
    pub fn record(&self, source: &Source, grid: &CoordinateGridSource, places: &Places, number: usize) -> MatchRecord {
        let cell = self.nearest[number];
        let axes = grid.kind != GridKind::Points;
        MatchRecord {
            v: V1,
            store: source.name.clone(),
            point_id: places.ids[number].clone(),
            lat: places.latitudes[number],
            lon: places.longitudes[number],
            inside: self.outside[number].is_none(),
            grid_lat: cell.map(|cell| cell.lat),
            grid_lon: cell.map(|cell| cell.lon),
            distance_km: cell.map(|cell| zwire::round3(cell.distance_km)),
            row: cell.map(|cell| cell.row as u64),
            column: cell.filter(|_| axes).map(|cell| cell.column as u64),
            found_by: grid.found_by.clone(),
            why: self.outside[number].clone(),
        }
    }
}

/// Deals with places that are outside, as --out-of-bounds says: which places stay.
///
/// # Errors
/// A failure that names the places, where none may be outside.
pub fn settle(
    args: &Args,
    located: &Located,
    source: &Source,
    places: &Places,
    session: &mut Session,
) -> Result<Vec<bool>, Failure> {
    let outside: Vec<usize> = (0..places.len()).filter(|number| located.outside[*number].is_some()).collect();
    let mut stays = vec![true; places.len()];
    let Some(first) = outside.first() else { return Ok(stays) };
    let told = |number: usize| {
        let why = located.outside[number].as_deref().unwrap_or_default();
        format!("place {}: {why}", places.ids[number])
    };
    match args.place.out_of_bounds {
        OutOfBounds::Error => {
            let others = match outside.len() {
                1 => String::new(),
                many => format!(" (and {} more places are outside)", many - 1),
            };
            let failure = Failure::usage(format!("{}{others}", told(*first))).at(&source.name);
            let farther = match (&args.place.nearest_valid, args.place.max_distance) {
                (Some(_), _) => "look farther with --search-radius",
                (None, Some(_)) => "go farther with --max-distance",
                (None, None) => "say how far is near enough with --tolerance",
            };
            return Err(failure.hint(format!("say --out-of-bounds null or drop, or {farther}")));
        }
        OutOfBounds::Null => {}
        OutOfBounds::Drop | OutOfBounds::Warn => outside.iter().for_each(|number| stays[*number] = false),
    }
    if args.place.out_of_bounds == OutOfBounds::Warn {
        outside.iter().for_each(|number| session.status.warn(&format!("{}: {}", source.name, told(*number))));
    }
    Ok(stays)
}

/// The cells of the places as key columns: latitude, longitude (degrees) and distance (km).
pub fn cell_columns(located: &Located) -> [Column; 3] {
    let column = |value: fn(&Cell) -> f64| {
        let of = |(nearest, place): (&Option<Cell>, &Use)| match place {
            Use::Nowhere => f64::NAN,
            _ => nearest.as_ref().map_or(f64::NAN, value),
        };
        let values = located.nearest.iter().zip(&located.uses).map(of).collect();
        Column::new(zcoord::Kind::Float(64), zcoord::Values::F64(values))
    };
    [column(|cell| cell.lat), column(|cell| cell.lon), column(|cell| zwire::round3(cell.distance_km))]
}
