//! The nearest cell at which a variable has a value: for places whose own cell is land, or sea.

use zarray::{PartialDecode, Pool, Semaphore};
use zcli::Phases;
use zcoord::{Cell, Column, Point, name};
use zwire::Failure;

use crate::cli::Args;
use crate::engine::{Engine, Means};
use crate::locate::{Known, Located, Use};
use crate::places::Places;
use crate::source::Source;
use crate::spans::Span;

/// Moves every place on the grid of the variable that `--nearest-valid` names to the nearest cell within the radius at which it is
/// not missing, at the first sample and the first of every other index. Places without such a cell are outside.
///
/// # Errors
/// The store's, and a variable that is not there.
pub fn nearest_valid(
    args: &Args,
    source: &Source,
    places: &Places,
    grids: Vec<(Known, Located)>,
    pool: &Pool,
) -> Result<Vec<Located>, Failure> {
    let (Some(wanted), Some(radius)) = (&args.place.nearest_valid, args.place.search_radius) else {
        return Ok(grids.into_iter().map(|(_, located)| located).collect());
    };
    let is_wanted = |path: &str| name(path) == wanted || path.trim_start_matches('/') == wanted.trim_start_matches('/');
    let found = source.variables.iter().position(|variable| is_wanted(&variable.array.path));
    let Some((number, grid)) = found.and_then(|number| Some((number, source.variables[number].grid?))) else {
        let failure = Failure::usage(format!("--nearest-valid {wanted}: there is no such variable with a place"));
        return Err(failure.at(&source.name).hint("it must be one of those that --var chooses"));
    };
    let candidates: Vec<Vec<Cell>> = (0..places.len())
        .map(|place| {
            grids[grid].0.candidates(Point { lat: places.latitudes[place], lon: places.longitudes[place] }, radius)
        })
        .collect();
    let cells: Vec<[u64; 2]> = candidates.iter().flatten().map(|cell| [cell.row as u64, cell.column as u64]).collect();
    let valid = if cells.is_empty() { Vec::new() } else { look(source, number, &grids, grid, cells, pool)? };
    let mut start = 0;
    let mut chosen = Vec::with_capacity(places.len());
    for cells in &candidates {
        let own = &valid[start..start + cells.len()];
        chosen.push(cells.iter().zip(own).find(|(_, valid)| **valid).map(|(cell, _)| *cell));
        start += cells.len();
    }
    // Grids of other variables that have the same cells move with it.
    let moved = moved(&chosen, wanted, radius);
    let before = grids[grid].1.clone();
    let follow =
        |(_, located): (Known, Located)| if crate::agree::same(&located, &before) { moved.clone() } else { located };
    Ok(grids.into_iter().map(follow).collect())
}

/// Whether the variable has a value at each of the cells.
fn look(
    source: &Source,
    number: usize,
    grids: &[(Known, Located)],
    grid: usize,
    cells: Vec<[u64; 2]>,
    pool: &Pool,
) -> Result<Vec<bool>, Failure> {
    let everywhere = Located {
        uses: (0..cells.len()).map(Use::One).collect(),
        nearest: vec![None; cells.len()],
        outside: vec![None; cells.len()],
        cells,
    };
    let mut located: Vec<Located> = grids.iter().map(|(_, located)| located.clone()).collect();
    located[grid] = everywhere;
    let (processor, memory) = (Semaphore::new(pool.workers() as u64), Semaphore::new(u64::MAX));
    let phases = Phases::default();
    let means = Means { pool, processor: &processor, memory: &memory, partial: PartialDecode::Auto, phases: &phases };
    let engine = Engine::of_one(source, number, &located, &means)?;
    let first: Span = source.samples.iter().map(|_| 0..1).collect();
    let read = engine.batch(&first)?;
    if let Some(failure) = read.failures.into_iter().next() {
        return Err(failure);
    }
    let column: &Column = &read.columns[0];
    Ok((0..column.len()).map(|row| !column.is_missing(row)).collect())
}

fn moved(chosen: &[Option<Cell>], wanted: &str, radius: f64) -> Located {
    let mut located = Located { cells: Vec::new(), uses: Vec::new(), nearest: Vec::new(), outside: Vec::new() };
    for cell in chosen {
        located.nearest.push(*cell);
        match cell {
            Some(cell) => {
                located.uses.push(Use::One(located.cells.len()));
                located.cells.push([cell.row as u64, cell.column as u64]);
                located.outside.push(None);
            }
            None => {
                located.uses.push(Use::Nowhere);
                located.outside.push(Some(format!("no cell within {radius} km has a value of {wanted}")));
            }
        }
    }
    located
}
