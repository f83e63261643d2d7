//! Finds the cell of each point on each grid of each store.

use zcli::Session;
use zcoord::GridCoordinates;
use zwire::{Exit, Failure};

use crate::lookup::Lookup;
use crate::options::{Options, PointOptions};
use crate::points::{OutOfBounds, Points};
use crate::source::Source;
use crate::{agree, valid};

/// The cells of the points, by store and grid; and the points that are kept.
///
/// # Errors
/// Invalid grid coordinates; points outside the grid or with different cells, unless the flags allow them.
pub fn locate(
    options: &Options,
    sources: &[Source],
    mut points: Points,
    session: &Session,
) -> Result<(Points, Vec<Vec<Lookup>>), Failure> {
    let mut lookups = Vec::new();
    let mut kept = vec![true; points.len()];
    for source in sources {
        let mut notes = Vec::new();
        let grids = look_up(options, source, &points, &mut notes)?;
        notes.iter().for_each(|note| session.status.warn(note));
        for lookup in &grids {
            let own = keep(&options.points, lookup, source, &points, session)?;
            kept.iter_mut().zip(own).for_each(|(kept, own)| *kept &= own);
        }
        lookups.push(grids);
    }
    if kept.contains(&false) {
        points = points.filtered(&kept);
        if points.len() == 0 {
            return Err(Failure::new(Exit::Absent, "all points are outside the grid").at(&sources[0].name));
        }
        let again = sources.iter().map(|source| look_up(options, source, &points, &mut Vec::new()));
        lookups = again.collect::<Result<_, Failure>>()?;
    }
    agree::check(options.points.same_cell, sources, &lookups, &points, session)?;
    Ok((points, lookups))
}

/// The cells of the points on each grid of a store; `notes` takes what was assumed.
fn look_up(
    options: &Options,
    source: &Source,
    points: &Points,
    notes: &mut Vec<String>,
) -> Result<Vec<Lookup>, Failure> {
    let pool = options.read.pool(&source.store);
    let grids = source.grids.iter().map(|grid| {
        let coordinates = GridCoordinates::read(&source.store, &source.dataset, grid, &pool, options.read.memory / 2)?;
        notes.extend_from_slice(&coordinates.notes);
        let lookup = Lookup::of(&coordinates, points, &options.points, &pool)?;
        Ok((coordinates, lookup))
    });
    let grids = grids.collect::<Result<Vec<(GridCoordinates, Lookup)>, Failure>>()?;
    match &options.points.nearest_valid {
        Some(wanted) => valid::nearest_valid(wanted, source, points, grids, &pool),
        None => Ok(grids.into_iter().map(|(_, lookup)| lookup).collect()),
    }
}

/// Handles points outside the grid according to `--out-of-bounds`; returns which points are kept.
///
/// # Errors
/// A usage failure that names the first point outside, for `OutOfBounds::Error`.
fn keep(
    options: &PointOptions,
    lookup: &Lookup,
    source: &Source,
    points: &Points,
    session: &Session,
) -> Result<Vec<bool>, Failure> {
    let outside: Vec<usize> = (0..points.len()).filter(|number| lookup.outside[*number].is_some()).collect();
    let mut kept = vec![true; points.len()];
    let Some(first) = outside.first() else { return Ok(kept) };
    let reason = |number: usize| {
        let why = lookup.outside[number].as_deref().unwrap_or_default();
        format!("point {}: {why}", points.ids[number])
    };
    match options.out_of_bounds {
        OutOfBounds::Error => {
            let others = match outside.len() {
                1 => String::new(),
                many => format!(" ({} more outside)", many - 1),
            };
            let failure = Failure::usage(format!("{}{others}", reason(*first))).at(&source.name);
            let farther = match (&options.nearest_valid, options.limits.max_distance_km) {
                (Some(_), _) => "increase --search-radius",
                (None, Some(_)) => "increase --max-distance",
                (None, None) => "set a larger --tolerance",
            };
            return Err(failure.hint(format!("use --out-of-bounds null or drop, or {farther}")));
        }
        OutOfBounds::Null => {}
        OutOfBounds::Drop | OutOfBounds::Warn => outside.iter().for_each(|number| kept[*number] = false),
    }
    if options.out_of_bounds == OutOfBounds::Warn {
        outside.iter().for_each(|number| session.status.warn(&format!("{}: {}", source.name, reason(*number))));
    }
    Ok(kept)
}
