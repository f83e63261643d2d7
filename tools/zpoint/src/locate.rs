//! Finds the cell of each point on each grid of each store.

use zcli::Session;
use zcoord::{GridCoordinates, Missed, Points};
use zstore::Target;
use zwire::{Exit, Failure};

use crate::axes::AxisFailure;
use crate::lookup::Lookup;
use crate::opened::Opened;
use crate::options::{Options, PointOptions};
use crate::points::OutOfBounds;
use crate::source::Source;
use crate::valid::nearest_valid;
use crate::{agree, joined};

/// The stores that have something selected, with the cells of the points by store and grid.
pub struct Located {
    /// In the order given.
    pub sources: Vec<Source>,
    /// The cells of the points on each grid of each store.
    pub lookups: Vec<Vec<Lookup>>,
    /// Number of stores in which nothing is selected.
    pub empty: u64,
}

/// Opens all stores, and finds the cells of the points on each of their grids. Of several stores, one that cannot be read is a
/// failed item, and one in which nothing is selected is counted.
///
/// # Errors
/// Invalid selections; one by index or nearest value over stores that cannot all be read; the first failure, if no store can
/// be read or has something selected.
pub fn open(options: &Options, names: &[Target], points: &Points, session: &mut Session) -> Result<Located, Failure> {
    let (mut failed, mut nothing, mut missed) = (Vec::new(), Vec::new(), Vec::new());
    let mut stores = Vec::new();
    for name in names {
        match Opened::open(&options.read, name, session) {
            Ok(store) => stores.push(store),
            Err(failure) => failed.push(of_one(failure)?),
        }
    }
    let selections = joined::selections(&stores, &failed, &options.data)?;
    let (mut sources, mut lookups, mut empty) = (Vec::new(), Vec::new(), 0);
    for (store, selections) in stores.into_iter().zip(selections) {
        let Some(selections) = selections else {
            empty += 1;
            continue;
        };
        match Source::of(options, store, &selections, points, session) {
            Ok((source, grids)) => {
                lookups.push(looked_up(options, &source, grids, points)?);
                sources.push(source);
            }
            Err(AxisFailure::Nothing(failure, own)) => {
                nothing.push(failure);
                missed.extend(own.map(|own| *own));
            }
            Err(AxisFailure::Failed(failure)) => failed.push(of_one(failure)?),
        }
    }
    empty += nothing.len() as u64;
    if sources.is_empty() {
        return Err(nothing_anywhere(failed, nothing, &missed, session)?);
    }
    failed.iter().try_for_each(|failure| session.item_failed(failure))?;
    Ok(Located { sources, lookups, empty })
}

/// The failure of one store, which does not concern the others.
fn of_one(failure: Failure) -> Result<Failure, Failure> {
    match failure.exit {
        Exit::Absent | Exit::Unreadable | Exit::Refused => Ok(failure),
        _ => Err(failure),
    }
}

/// Why there is no store in which something is selected.
fn nothing_anywhere(
    failed: Vec<Failure>,
    nothing: Vec<Failure>,
    missed: &[Missed],
    session: &mut Session,
) -> Result<Failure, Failure> {
    if nothing.len() > 1 && nothing.len() >= failed.len() && nothing.len() == missed.len() {
        // As over their concatenation.
        if let Some(error) = Missed::joined(missed) {
            let failure = Failure::usage(error.to_string()).at(format!("{} stores", nothing.len()));
            return Ok(error.hint().map_or(failure.clone(), |hint| failure.hint(hint)));
        }
    }
    // What is wrong with most of them is more likely to be what is wrong.
    let mut all = if failed.len() > nothing.len() { failed } else { nothing }.into_iter();
    let first = all.next().unwrap_or_else(|| Failure::usage("the selection matches nothing"));
    Ok(match (all.len(), first.exit) {
        (0, _) => first,
        (more, Exit::Usage) => none_of_all(&first, more, all.last().as_ref()),
        _ => {
            all.try_for_each(|failure| session.item_failed(&failure))?;
            first
        }
    })
}

/// The first failure of several stores in which nothing is selected.
fn none_of_all(first: &Failure, more: usize, last: Option<&Failure>) -> Failure {
    let last = last.map_or_else(String::new, |last| format!("; the last: {last}"));
    let failure = Failure::usage(format!("{first} (nor does it in {more} more{last})"));
    match first.advice() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn looked_up(
    options: &Options,
    source: &Source,
    grids: Vec<(GridCoordinates, Lookup)>,
    points: &Points,
) -> Result<Vec<Lookup>, Failure> {
    match &options.points.nearest_valid {
        Some(wanted) => nearest_valid(wanted, source, points, grids, &options.read.pool(&source.store)),
        None => Ok(grids.into_iter().map(|(_, lookup)| lookup).collect()),
    }
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
        if points.is_empty() {
            return Err(Failure::new(Exit::Absent, "no point has a grid cell").at(&sources[0].name));
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
        outside.iter().for_each(|number| session.status.warn_of(&source.name, &reason(*number)));
    }
    Ok(kept)
}
