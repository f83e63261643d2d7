//! How many bytes a selection has: estimated before it is fetched, from the sizes of a few of its stored objects.

use std::cmp::Reverse;

use zarray::Pool;
use zstage::{ArrayPlan, ObjectSource};
use zstore::Store;
use zwire::Failure;

/// Objects whose size is asked for, at most; each costs a request.
const SAMPLES: u64 = 256;

/// Of one array, at most.
const SAMPLES_OF_ARRAY: u64 = 8;

/// The stored bytes of each of `plans` in `store` that are read: the decoded bytes, scaled by the stored size of some of its objects.
/// The largest arrays are looked at; the others are scaled as all of these together. `objects` tells how many source objects are read
/// of an array that is cut inside them.
///
/// # Errors
/// The store's.
pub fn stored_bytes(
    store: &Store,
    plans: &[ArrayPlan],
    pool: &Pool,
    objects: impl Fn(&ArrayPlan) -> Option<u64>,
) -> Result<Vec<u64>, Failure> {
    let decoded = |plan: &ArrayPlan| {
        let cut = objects(plan).and_then(|objects| Some(objects.saturating_mul(plan.object_bytes()?)));
        cut.or(plan.uncompressed_bytes()).unwrap_or(0)
    };
    let mut largest: Vec<usize> = (0..plans.len()).filter(|plan| plans[*plan].object_bytes().is_some()).collect();
    largest.sort_by_key(|plan| Reverse(decoded(&plans[*plan])));
    largest.truncate(SAMPLES as usize);
    let each = (SAMPLES / largest.len().max(1) as u64).clamp(1, SAMPLES_OF_ARRAY);
    let samples = largest.into_iter().flat_map(|plan| {
        let (units, keys) = (plans[plan].units(), each.min(plans[plan].units()));
        (0..keys).filter_map(move |sample| Some((plan, key(&plans[plan], sample * units / keys)?)))
    });
    let look = |(plan, key): (usize, String)| -> Result<(usize, u64), Failure> {
        Ok((plan, store.stat(&key)?.map_or(0, |stat| stat.size)))
    };
    let (mut stored, mut whole) = (vec![0u64; plans.len()], vec![0u64; plans.len()]);
    for sample in pool.map(samples.collect(), look) {
        let (plan, size) = sample?;
        stored[plan] += size;
        whole[plan] += plans[plan].object_bytes().unwrap_or(0);
    }
    let ratio = |stored: u64, whole: u64| if whole == 0 { None } else { Some(stored as f64 / whole as f64) };
    let overall = ratio(stored.iter().sum(), whole.iter().sum()).unwrap_or(1.0);
    let estimate = |plan: usize| decoded(&plans[plan]) as f64 * ratio(stored[plan], whole[plan]).unwrap_or(overall);
    Ok((0..plans.len()).map(|plan| estimate(plan).round() as u64).collect())
}

/// The key of the first source object of object `unit`.
fn key(plan: &ArrayPlan, unit: u64) -> Option<String> {
    let grid = plan.array.numbered()?;
    let index = plan.index(grid, unit);
    if plan.view.is_whole() {
        return Some(plan.array.key(&plan.array.keys.encode(&index)));
    }
    match plan.view.under(grid, &index) {
        ObjectSource::Object { piece, index } => {
            let viewed = plan.view.piece(piece);
            let array = &viewed.array;
            Some(array.key(&array.keys.encode(&index)))
        }
        ObjectSource::Regions(regions) => {
            let (piece, region) = regions.into_iter().next()?;
            let viewed = plan.view.piece(piece);
            let source = viewed.array.numbered()?;
            let start = viewed.in_source(&region);
            let index: Vec<u64> =
                start.start().iter().enumerate().map(|(at, element)| source.chunk_of(at, *element)).collect();
            Some(viewed.array.key(&viewed.array.keys.encode(&index)))
        }
    }
}
