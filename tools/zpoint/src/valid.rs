//! The nearest cell at which a variable has a value: for points whose own cell is land, or sea.

use zarray::{CellDecoder, PartialDecode, Pool, ScratchPool, Semaphore, available_cores};
use zcli::Phases;
use zcoord::{Cell, Column, GridCoordinates, Points, name};
use zwire::Failure;

use crate::agree::same;
use crate::engine::{Engine, ReadContext};
use crate::lookup::{Lookup, Stencil};
use crate::points::NearestValid;
use crate::source::Source;
use crate::spans::Span;

/// Moves every point on the grid of the variable that `wanted` names to the nearest cell within the radius at which it
/// is not missing, at the first sample and the first of every other index. Points without such a cell are outside.
///
/// # Errors
/// Read errors of the store, and a variable that does not exist.
pub fn nearest_valid(
    wanted: &NearestValid,
    source: &Source,
    points: &Points,
    grids: Vec<(GridCoordinates, Lookup)>,
    pool: &Pool,
) -> Result<Vec<Lookup>, Failure> {
    let NearestValid { variable, radius_km } = wanted;
    let (number, grid) = find(variable, source)?;
    let coordinates = &grids[grid].0;
    let candidates: Vec<Vec<Cell>> =
        (0..points.len()).map(|number| coordinates.grid.within(points.point(number), *radius_km)).collect();
    let cells: Vec<[u64; 2]> = candidates.iter().flatten().map(|cell| [cell.row as u64, cell.column as u64]).collect();
    let mut lookups: Vec<Lookup> = grids.into_iter().map(|(_, lookup)| lookup).collect();
    let valid = if cells.is_empty() { Vec::new() } else { have_value(source, number, cells, pool)? };
    let mut valid = valid.into_iter();
    // Candidates are sorted by distance.
    let chosen = candidates.into_iter().map(|cells| {
        let with_value: Vec<Cell> = cells.into_iter().filter(|_| valid.next() == Some(true)).collect();
        with_value.first().copied()
    });
    let chosen: Vec<Option<Cell>> = chosen.collect();
    let moved = moved(&chosen, wanted);
    // Grids of other variables that have the same cells move with it.
    let before = lookups[grid].clone();
    lookups.iter_mut().filter(|lookup| same(lookup, &before)).for_each(|lookup| *lookup = moved.clone());
    Ok(lookups)
}

/// Index of a variable and of its grid.
fn find(wanted: &str, source: &Source) -> Result<(usize, usize), Failure> {
    let is_wanted = |path: &str| name(path) == wanted || path.trim_start_matches('/') == wanted.trim_start_matches('/');
    let found = source.variables.iter().position(|variable| is_wanted(&variable.array.path));
    found.and_then(|number| Some((number, source.variables[number].grid?))).ok_or_else(|| {
        let failure = Failure::usage(format!("--nearest-valid {wanted}: no such variable with latitude and longitude"));
        failure.at(&source.name).hint("it must be one of the variables selected by --var")
    })
}

/// Whether a variable has a value at each of the cells.
fn have_value(source: &Source, number: usize, cells: Vec<[u64; 2]>, pool: &Pool) -> Result<Vec<bool>, Failure> {
    let at_cells = Lookup {
        stencils: (0..cells.len()).map(Stencil::One).collect(),
        nearest: vec![None; cells.len()],
        outside: vec![None; cells.len()],
        cells,
    };
    // Only the variable's own grid is used.
    let lookups = vec![at_cells; source.grids.len()];
    let (decoders, memory) =
        (ScratchPool::new(available_cores().min(pool.workers()), CellDecoder::default), Semaphore::new(u64::MAX));
    let phases = Phases::default();
    let context =
        ReadContext { pool, decoders, memory, limit: u64::MAX, partial: PartialDecode::Auto, phases: &phases };
    let engine = Engine::of_one(source, number, &lookups, &context)?;
    let first: Span = source.samples.iter().map(|_| 0..1).collect();
    let read = engine.batch(&first)?;
    if let Some(failure) = read.failures.into_iter().next() {
        return Err(failure);
    }
    let column: &Column = &read.columns[0];
    Ok((0..column.len()).map(|row| !column.is_missing(row)).collect())
}

fn moved(chosen: &[Option<Cell>], wanted: &NearestValid) -> Lookup {
    let mut lookup = Lookup { nearest: chosen.to_vec(), ..Lookup::default() };
    for cell in chosen {
        let (stencil, outside) = match cell {
            Some(cell) => {
                lookup.cells.push([cell.row as u64, cell.column as u64]);
                (Stencil::One(lookup.cells.len() - 1), None)
            }
            None => {
                let NearestValid { variable, radius_km } = wanted;
                (Stencil::Empty, Some(format!("no cell within {radius_km} km has a value of {variable}")))
            }
        };
        lookup.stencils.push(stencil);
        lookup.outside.push(outside);
    }
    lookup
}
