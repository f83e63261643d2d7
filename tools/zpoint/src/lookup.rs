//! The cells of the points on one grid.

use std::collections::HashMap;

use zarray::Pool;
use zcoord::{Cell, Column, GridCoordinates, GridKind, GridSource, Match, Point, Points, kept};
use zwire::{Failure, MatchRecord, V1};

use crate::options::PointOptions;
use crate::points::Method;

/// Points searched together on a grid without axes.
const TOGETHER: usize = 32;

/// The cells used for a point, by number.
#[derive(Debug, Clone, PartialEq)]
pub enum Stencil {
    /// None.
    Empty,
    /// One cell.
    One(usize),
    /// Several, with their weights.
    Weighted(Vec<(usize, f64)>),
}

/// The points on one grid.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// Row and column of each cell to read, without duplicates.
    pub cells: Vec<[u64; 2]>,
    /// The stencil of each point.
    pub stencils: Vec<Stencil>,
    /// The nearest cell of each point, even if the point is outside.
    pub nearest: Vec<Option<Cell>>,
    /// Why each point is outside the grid, if it is.
    pub outside: Vec<Option<String>>,
}

/// The search result for one point.
struct Found {
    weights: Vec<((usize, usize), f64)>,
    nearest: Option<Cell>,
    outside: Option<String>,
}

impl Lookup {
    /// Finds the cells of all points.
    ///
    /// # Errors
    /// A usage failure if the grid does not support the options.
    pub fn of(
        coordinates: &GridCoordinates,
        points: &Points,
        options: &PointOptions,
        pool: &Pool,
    ) -> Result<Lookup, Failure> {
        if options.method == Method::Linear && coordinates.kind != GridKind::Axes {
            let what = "--method linear needs one-dimensional latitude and longitude, each with its own dimension";
            return Err(Failure::usage(what).hint("use --method nearest"));
        }
        let asked: Vec<Point> = (0..points.len()).map(|number| points.point(number)).collect();
        let found: Vec<Vec<Found>> = pool.map(asked.chunks(TOGETHER).collect(), |asked: &[Point]| {
            let nearest = coordinates.grid.nearest_of_each(asked, &options.limits);
            asked.iter().zip(nearest).map(|(point, nearest)| found(coordinates, *point, nearest, options)).collect()
        });
        let mut numbers: HashMap<[u64; 2], usize> = HashMap::new();
        let mut lookup = Lookup::default();
        for Found { weights, nearest, outside } in found.into_iter().flatten() {
            let mut numbered = Vec::with_capacity(weights.len());
            for ((row, column), weight) in weights {
                let cell = [row as u64, column as u64];
                let number = *numbers.entry(cell).or_insert_with(|| {
                    lookup.cells.push(cell);
                    lookup.cells.len() - 1
                });
                numbered.push((number, weight));
            }
            lookup.stencils.push(match (options.method, numbered.as_slice()) {
                (_, []) => Stencil::Empty,
                (Method::Nearest, [(cell, _), ..]) => Stencil::One(*cell),
                (Method::Linear, _) => Stencil::Weighted(numbered),
            });
            lookup.nearest.push(nearest);
            lookup.outside.push(outside);
        }
        Ok(lookup)
    }

    /// Of the points for which `keep` is true, and without the cells that only others need.
    pub fn filtered(&self, keep: &[bool]) -> Lookup {
        let (mut cells, mut numbers) = (Vec::new(), HashMap::new());
        let mut renumbered = |cell: usize| {
            *numbers.entry(cell).or_insert_with(|| {
                cells.push(self.cells[cell]);
                cells.len() - 1
            })
        };
        let stencils = kept(&self.stencils, keep).into_iter().map(|stencil| match stencil {
            Stencil::Empty => Stencil::Empty,
            Stencil::One(cell) => Stencil::One(renumbered(cell)),
            Stencil::Weighted(cells) => {
                Stencil::Weighted(cells.into_iter().map(|(cell, weight)| (renumbered(cell), weight)).collect())
            }
        });
        let stencils = stencils.collect();
        Lookup { cells, stencils, nearest: kept(&self.nearest, keep), outside: kept(&self.outside, keep) }
    }

    /// The record of a point.
    pub fn record(&self, store: &str, grid: &GridSource, points: &Points, number: usize) -> MatchRecord {
        let cell = self.nearest[number];
        let axes = grid.kind != GridKind::Points;
        MatchRecord {
            v: V1,
            store: store.to_owned(),
            point_id: points.ids[number].clone(),
            lat: points.latitudes[number],
            lon: points.longitudes[number],
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

    /// The cells of the points as key columns: latitude, longitude (degrees) and distance (km).
    pub fn cell_columns(&self) -> [Column; 3] {
        let column = |value: fn(&Cell) -> f64| {
            let of = |(nearest, stencil): (&Option<Cell>, &Stencil)| match stencil {
                Stencil::Empty => f64::NAN,
                _ => nearest.as_ref().map_or(f64::NAN, value),
            };
            let values = self.nearest.iter().zip(&self.stencils).map(of).collect();
            Column::new(zcoord::Kind::Float(64), zcoord::Values::F64(values))
        };
        [column(|cell| cell.lat), column(|cell| cell.lon), column(|cell| zwire::round3(cell.distance_km))]
    }
}

/// What is added for a point outside of the grid that is inside the other way round.
fn swapped(coordinates: &GridCoordinates, Point { lat, lon }: Point, options: &PointOptions) -> &'static str {
    let turned = Point { lat: lon, lon: lat };
    let is_point = lon.abs() <= 90.0;
    match is_point
        && matches!(coordinates.grid.nearest_of_each(&[turned], &options.limits).first(), Some(Match::Inside(_)))
    {
        true => "; latitude and longitude may be swapped",
        false => "",
    }
}

fn found(coordinates: &GridCoordinates, point: Point, nearest: Match, options: &PointOptions) -> Found {
    let (cell, outside) = match nearest {
        Match::Inside(cell) => (Some(cell), None),
        Match::Outside { nearest, why } => (nearest, Some(why)),
    };
    let (weights, outside) = match (options.method, outside, &cell) {
        (Method::Linear, ..) => match coordinates.grid.linear(point, &options.limits) {
            Ok(weights) => (weights, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        },
        (Method::Nearest, None, Some(cell)) => (vec![((cell.row, cell.column), 1.0)], None),
        (Method::Nearest, outside, _) => (Vec::new(), outside),
    };
    let outside = outside.map(|why| format!("{why}{}", swapped(coordinates, point, options)));
    Found { weights, nearest: cell, outside }
}
