//! Whether all stores, and all grids of one store, have the same cell for a place.

use zcli::Session;
use zwire::{Exit, Failure};

use crate::cli::{Args, SameCell};
use crate::locate::Located;
use crate::places::Places;
use crate::source::Source;

/// Cells closer to each other than this, in degrees, are the same: coordinates kept in another precision differ so much.
const SAME_DEGREES: f64 = 1e-4;

/// Whether two grids have the same cells for all places.
pub fn same(one: &Located, other: &Located) -> bool {
    (0..one.nearest.len()).all(|number| same_cell(one, other, number))
}

fn same_cell(one: &Located, other: &Located, number: usize) -> bool {
    match (&one.nearest[number], &other.nearest[number]) {
        (Some(a), Some(b)) => {
            let turn = (a.lon - b.lon).rem_euclid(360.0);
            (a.lat - b.lat).abs() <= SAME_DEGREES && turn.min(360.0 - turn) <= SAME_DEGREES
        }
        (None, None) => true,
        _ => false,
    }
}

/// Holds every grid against the first.
///
/// # Errors
/// The first place whose cells differ, unless a warning is all that is wanted.
pub fn check(
    args: &Args,
    sources: &[Source],
    located: &[Vec<Located>],
    places: &Places,
    session: &mut Session,
) -> Result<(), Failure> {
    let Some((first, source)) = located.first().and_then(|grids| grids.first()).zip(sources.first()) else {
        return Ok(());
    };
    for (other_source, grids) in sources.iter().zip(located) {
        for (grid, other) in other_source.grids.iter().zip(grids) {
            let Some(number) = (0..places.len()).find(|number| !same_cell(first, other, *number)) else { continue };
            let cell = |located: &Located| match &located.nearest[number] {
                Some(cell) => format!("{}, {}", cell.lat, cell.lon),
                None => "none".into(),
            };
            let what = format!(
                "the cell of place {} is at {} here (by {}) and at {} in {} (by {})",
                places.ids[number],
                cell(other),
                grid.found_by,
                cell(first),
                source.name,
                source.grids[0].found_by,
            );
            match args.place.same_cell {
                SameCell::Warn => session.status.warn(&format!("{}: {what}", other_source.name)),
                SameCell::Error => {
                    let failure = Failure::new(Exit::No, what).at(&other_source.name);
                    return Err(failure.hint("choose variables with --var, or say --same-cell warn"));
                }
            }
        }
    }
    Ok(())
}
