//! The source objects that lie under an output object made of regions, and how missing ones are read.

use std::collections::BTreeSet;

use zarray::{Subset, fill_element};
use zstore::Store;
use zwire::Failure;

use crate::array_plan::ArrayPlan;
use crate::piece::Piece;
use crate::placement::Placement;
use crate::rechunk::source_hash;

/// Sum of [`source_hash`] over the source objects under `regions` as they are now.
///
/// # Errors
/// The store's.
pub fn sources_now(stores: &[Store], plan: &ArrayPlan, regions: &[(usize, Subset)]) -> Result<u64, Failure> {
    let hash = |(store, key): &(usize, String)| Ok(source_hash(key, stores[*store].stat(key)?));
    sources_of(plan, regions)
        .iter()
        .map(hash)
        .try_fold(0, |sum: u64, hash: Result<u64, Failure>| Ok(sum.wrapping_add(hash?)))
}

/// The source objects under `regions` that are not the output's own, there or not: the number of their store, and their key.
pub fn sources_of(plan: &ArrayPlan, regions: &[(usize, Subset)]) -> BTreeSet<(usize, String)> {
    let is_other = |(number, _): &&(usize, Subset)| !is_own(plan, &plan.view.piece(*number));
    objects_of(plan, regions.iter().filter(is_other))
}

/// All objects under `regions`, there or not.
pub fn objects_of<'r>(
    plan: &ArrayPlan,
    regions: impl Iterator<Item = &'r (usize, Subset)>,
) -> BTreeSet<(usize, String)> {
    let mut keys = BTreeSet::new();
    for (number, region) in regions {
        let piece = plan.view.piece(*number);
        let Some(grid) = piece.array.numbered() else { continue };
        let objects = piece.in_source(region).chunks(grid.chunk_shape());
        let key = |number| piece.array.key(&piece.array.keys.encode(&objects.member(number)));
        keys.extend((0..objects.elements()).map(|number| (piece.store, key(number))));
    }
    keys
}

/// Whether a piece lies in the store that is written, whose chunks change when they are: what is appended to them comes from others.
pub fn is_own(plan: &ArrayPlan, piece: &Piece) -> bool {
    plan.placement == Placement::Append && piece.store == 0
}

/// The element that stands for those of missing chunks of a piece, if it is not `fill`, that of the output.
///
/// # Errors
/// A message: a fill value that is not supported, or cannot be converted.
pub fn other_fill(piece: &Piece, fill: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let Some(recode) = &piece.recode else { return Ok(None) };
    let mut converted = Vec::with_capacity(fill.len());
    recode.recode(&fill_element(&piece.array)?, &mut converted)?;
    Ok((converted != fill).then_some(converted))
}
