//! An output that was prepared: a store, or a directory of batches, of which the plan of the first says how many there are.

use std::path::Path;

use serde_json::Value;
use zstage::{StagedStore, WriteOptions};
use zstore::{Location, Store, StoreError, StoreOptions, Target};
use zwire::Failure;

use crate::output::{Body, Content};
use crate::parameters::attributes;
use crate::trajectories::DIVERGED;

/// Digits of the numbers of batches, fewest and most.
const DIGITS: std::ops::RangeInclusive<usize> = 2..=6;

/// What was prepared at an output.
pub enum Prepared {
    /// A store, with its plan unless it is published.
    Store(Location, Option<Box<Body>>),
    /// The locations of so many batches.
    Batches(Vec<Location>),
}

impl Prepared {
    /// Looks what was prepared at `output`; a store if there is nothing.
    ///
    /// # Errors
    /// The store's; a plan that cannot be read.
    pub fn find(output: &Target, options: &StoreOptions) -> Result<Prepared, Failure> {
        let location = Location::output(output)?;
        if let Some(body) = plan_of(&location, options)? {
            return Ok(Prepared::Store(location, Some(Box::new(body))));
        }
        for digits in DIGITS {
            if let Some(batches) = batches_of(&named(&location, 0, digits)?, options)? {
                return Ok(Prepared::Batches(locations(&location, batches)?));
            }
        }
        Ok(Prepared::Store(location, None))
    }
}

/// The body of an unfinished output's plan.
///
/// # Errors
/// The store's; a plan that cannot be read.
pub fn plan_of(output: &Location, options: &StoreOptions) -> Result<Option<Body>, Failure> {
    Ok(StagedStore::plan_of::<Body>(output, "lorenz-ens", options)?.map(|plan| plan.body))
}

/// Refuses an output that could not be written, or that is of another ensemble, before anything is computed. Returns the plan of an
/// unfinished run that is resumed.
///
/// # Errors
/// [`zwire::Exit::Output`] for an output that exists; [`zwire::Exit::Usage`] for an unfinished run with other options.
pub fn check_output(output: &Location, body: &Body, write: &WriteOptions) -> Result<Option<Body>, Failure> {
    if !write.resume {
        StagedStore::check_free(output, write.begin, &write.store)?;
        return Ok(None);
    }
    let planned = plan_of(output, &write.store)?;
    if let Some(flag) = planned.as_ref().and_then(|planned| planned.differing_flag(body)) {
        let failure = Failure::usage(format!("{flag} differs from the unfinished run")).at(output);
        return Err(failure.hint("start over with --overwrite"));
    }
    if planned.is_none()
        && let Some(found) = finished(output, &write.store)?
    {
        body.check_written(&found)?;
    }
    Ok(planned)
}

/// The store at a location, if there is one.
///
/// # Errors
/// The store's.
fn finished(output: &Location, options: &StoreOptions) -> Result<Option<Store>, StoreError> {
    match Store::open_at(output, options) {
        Err(StoreError::Absent { .. } | StoreError::NotADirectory { .. }) => Ok(None),
        opened => {
            let store = opened?;
            let is_store = store.stat("zarr.json")?.is_some() || store.stat(".zgroup")?.is_some();
            Ok(is_store.then_some(store))
        }
    }
}

/// How many members of a finished store diverge, by its attributes.
///
/// # Errors
/// The store's.
pub fn diverged_members(output: &Location, options: &StoreOptions) -> Result<u64, Failure> {
    let attributes = finished(output, options)?.map(|store| attributes(&store)).transpose()?;
    Ok(attributes.and_then(|attributes| attributes.get(DIVERGED).and_then(Value::as_u64)).unwrap_or(0))
}

/// How many batches the first one belongs to, by its plan or its attributes; `None` if it is neither begun nor finished.
fn batches_of(first: &Location, options: &StoreOptions) -> Result<Option<u64>, Failure> {
    match plan_of(first, options)? {
        Some(Body { content: Content::Batch(spec), .. }) => return Ok(Some(spec.batches)),
        Some(_) => return Ok(None),
        None => {}
    }
    let attributes = finished(first, options)?.map(|store| attributes(&store)).transpose()?;
    Ok(attributes.and_then(|attributes| attributes.get("batches").and_then(Value::as_u64)).filter(|count| *count > 0))
}

/// Where the batches are: `DIRECTORY/batch_00.zarr` and so on.
///
/// # Errors
/// A directory that has no name.
pub fn locations(directory: &Location, batches: u64) -> Result<Vec<Location>, Failure> {
    let digits = batches.saturating_sub(1).to_string().len().max(*DIGITS.start());
    (0..batches).map(|number| named(directory, number, digits)).collect()
}

fn named(directory: &Location, number: u64, digits: usize) -> Result<Location, Failure> {
    let name = format!("batch_{number:0digits$}.zarr");
    Ok(match directory {
        Location::Local(path) => Location::Local(Path::new(path).join(name)),
        _ => directory.with_suffix(&format!("/{name}"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_as_many_digits_as_the_last_number() {
        let names = |count| locations(&Location::Local("a".into()), count).expect("names");
        let last = |count| names(count).pop().expect("a batch").to_string();
        assert_eq!(
            (last(1), last(100), last(101)),
            ("a/batch_00.zarr".into(), "a/batch_99.zarr".into(), "a/batch_100.zarr".into())
        );
        assert_eq!(names(101)[0].to_string(), "a/batch_000.zarr");
    }
}
