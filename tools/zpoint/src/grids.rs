//! The grids of a store: their coordinates, and the cells of the points on each.

use std::collections::BTreeMap;

use zcli::Session;
use zcoord::{GridCoordinates, GridFailure, Points};
use zwire::{Exit, Failure};

use crate::lookup::Lookup;
use crate::opened::Opened;
use crate::options::PointOptions;
use crate::variables::Candidates;

/// Reads the coordinates of the grids of a store, and finds the cells of the points on each. Variables on a grid whose
/// coordinates cannot be used are left out.
///
/// # Errors
/// No grid that can be used; read errors of the store, and grids that are too large for the memory.
pub fn located(
    options: &PointOptions,
    opened: &Opened,
    candidates: &mut Candidates,
    points: &Points,
    session: &mut Session,
) -> Result<Vec<(GridCoordinates, Lookup)>, Failure> {
    let (mut located, mut unusable, mut first) = (Vec::new(), BTreeMap::new(), None);
    for (number, grid) in candidates.grids.iter().enumerate() {
        let failure = match GridCoordinates::read(&opened.store, &opened.dataset, grid, &opened.pool, opened.memory) {
            Ok(coordinates) => {
                coordinates.notes.iter().for_each(|note| session.status.warn_of(&opened.name, note));
                let lookup = Lookup::of(&coordinates, points, options, &opened.pool)?;
                located.push((coordinates, lookup));
                continue;
            }
            Err(GridFailure::Unread(failure)) if failure.exit != Exit::Unreadable => return Err(failure),
            Err(GridFailure::Unread(damage)) => {
                session.item_failed(&damage)?;
                damage
            }
            Err(GridFailure::Unusable(failure)) => failure,
        };
        unusable.insert(number, within(&opened.name, &failure));
        first.get_or_insert(failure);
    }
    match first {
        Some(failure) if located.is_empty() => Err(failure),
        _ => {
            candidates.without_grids(&unusable);
            Ok(located)
        }
    }
}

/// A failure in a store, without the name of the store.
fn within(store: &str, failure: &Failure) -> String {
    let text = failure.to_string();
    let own = text.strip_prefix(store).and_then(|text| text.strip_prefix(": "));
    own.map(str::to_owned).unwrap_or(text)
}
