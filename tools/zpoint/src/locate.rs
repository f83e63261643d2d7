//! Finds the cell of each point on each grid of each store.

use zcli::Session;
use zstore::Target;
use zwire::{Exit, Failure};

use crate::agree;
use crate::lookup::Lookup;
use crate::options::{Options, PointOptions};
use crate::points::{OutOfBounds, Points};
use crate::source::Source;
use crate::valid::nearest_valid;

/// Opens a store, and finds the cells of the points on each of its grids.
///
/// # Errors
/// As [`Source::open`], and those of [`nearest_valid`].
pub fn open(
    options: &Options,
    name: &Target,
    points: &Points,
    session: &mut Session,
) -> Result<(Source, Vec<Lookup>), Failure> {
    let (source, grids) = Source::open(options, name, points, session)?;
    let lookups = match &options.points.nearest_valid {
        Some(wanted) => nearest_valid(wanted, &source, points, grids, &options.read.pool(&source.store))?,
        None => grids.into_iter().map(|(_, lookup)| lookup).collect(),
    };
    Ok((source, lookups))
}

/// The points that are kept, and their cells by store and grid.
///
/// # Errors
/// Points outside the grid or with different cells, unless the flags allow them.
pub fn kept(
    options: &PointOptions,
    sources: &[Source],
    mut points: Points,
    mut lookups: Vec<Vec<Lookup>>,
    session: &Session,
) -> Result<(Points, Vec<Vec<Lookup>>), Failure> {
    let mut kept = vec![true; points.len()];
    for (source, grids) in sources.iter().zip(&lookups) {
        for lookup in grids {
            let own = keep(options, lookup, source, &points, session)?;
            kept.iter_mut().zip(own).for_each(|(kept, own)| *kept &= own);
        }
    }
    if kept.contains(&false) {
        points = points.filtered(&kept);
        if points.len() == 0 {
            return Err(Failure::new(Exit::Absent, "all points are outside the grid").at(&sources[0].name));
        }
        lookups.iter_mut().flatten().for_each(|lookup| *lookup = lookup.filtered(&kept));
    }
    agree::check(options.same_cell, sources, &lookups, &points, session)?;
    Ok((points, lookups))
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
