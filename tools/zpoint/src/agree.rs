//! Whether all stores, and all grids of one store, have the same cell for a point.

use zcli::Session;
use zcoord::Points;
use zwire::{Exit, Failure};

use crate::lookup::Lookup;
use crate::points::SameCell;
use crate::source::Source;

/// Cells closer to each other than this, in degrees, are the same: coordinates stored in different precision differ by
/// this much.
const SAME_DEGREES: f64 = 1e-4;

/// Whether two grids have the same cells for all points.
pub fn same(one: &Lookup, other: &Lookup) -> bool {
    (0..one.nearest.len()).all(|number| same_cell(one, other, number))
}

fn same_cell(one: &Lookup, other: &Lookup, number: usize) -> bool {
    match (&one.nearest[number], &other.nearest[number]) {
        (Some(a), Some(b)) => {
            let turn = (a.lon - b.lon).rem_euclid(360.0);
            (a.lat - b.lat).abs() <= SAME_DEGREES && turn.min(360.0 - turn) <= SAME_DEGREES
        }
        (None, None) => true,
        _ => false,
    }
}

/// Compares every grid with the first.
///
/// # Errors
/// The first point whose cells differ, for `SameCell::Error`.
pub fn check(
    same_cell: SameCell,
    sources: &[Source],
    lookups: &[Vec<Lookup>],
    points: &Points,
    session: &Session,
) -> Result<(), Failure> {
    let Some((first, source)) = lookups.first().and_then(|grids| grids.first()).zip(sources.first()) else {
        return Ok(());
    };
    for (other_source, grids) in sources.iter().zip(lookups) {
        for (grid, other) in other_source.grids.iter().zip(grids) {
            let Some(number) = (0..points.len()).find(|number| !self::same_cell(first, other, *number)) else {
                continue;
            };
            let cell = |lookup: &Lookup| match &lookup.nearest[number] {
                Some(cell) => format!("{}, {}", cell.lat, cell.lon),
                None => "none".into(),
            };
            let what = format!(
                "the cell of point {} is at {} here (by {}) but at {} in {} (by {})",
                points.ids[number],
                cell(other),
                grid.found_by,
                cell(first),
                source.name,
                source.grids[0].found_by,
            );
            match same_cell {
                SameCell::Warn => session.status.warn_of(&other_source.name, &what),
                SameCell::Error => {
                    let failure = Failure::new(Exit::No, what).at(&other_source.name);
                    return Err(failure.hint("choose variables with --var, or use --same-cell warn"));
                }
            }
        }
    }
    Ok(())
}
