//! Which output shards are made of single inner chunks of source shards, whose stored bytes are copied.

use zarray::{Array, Grid, Subset};

use crate::array_plan::ArrayPlan;
use crate::options::Shards;
use crate::piece::Piece;

/// Regions of an array, by the number of their piece.
type Regions<'a> = &'a [(usize, Subset)];

/// Whether the output shard over `regions` can be made of stored inner chunks: they are encoded alike, and each lies in one region.
pub fn is_gathered(plan: &ArrayPlan, regions: Regions) -> bool {
    let Some(sharding) = plan.array.chain.split_shards().filter(|_| plan.encoding().is_none()) else { return false };
    let fits = |number: usize| {
        let piece = &*plan.view.piece(number);
        let alike = piece.recode.is_none()
            && piece.array.chain.specs == plan.array.chain.specs
            && piece.array.fill_value == plan.array.fill_value
            && piece.array.dtype == plan.array.dtype
            && piece.array.chain.split_shards().is_some();
        alike && is_aligned(piece, &sharding.chunk_shape, &plan.array.shape)
    };
    !regions.is_empty() && regions.iter().all(|(number, _)| fits(*number))
}

/// Whether a piece starts and ends between inner chunks, in the source and in the output of this shape.
fn is_aligned(piece: &Piece, inner: &[u64], shape: &[u64]) -> bool {
    let (region, offset) = (&piece.region, &piece.offset);
    (0..inner.len()).all(|axis| {
        let end = offset[axis] + region.shape()[axis];
        let starts = [offset[axis], region.start()[axis]].iter().all(|start| start.is_multiple_of(inner[axis]));
        starts && (end.is_multiple_of(inner[axis]) || end == shape[axis])
    })
}

/// The shape of the inner chunks of which smaller shards of an array can be made.
pub fn inner_chunks(array: &Array) -> Option<&[u64]> {
    let sharding = array.chain.split_shards()?;
    let is_divided =
        |grid: &Grid| grid.chunk_shape().iter().zip(&sharding.chunk_shape).all(|(a, b)| a.is_multiple_of(*b));
    array.numbered().filter(|grid| grid.is_regular() && is_divided(grid)).map(|_| sharding.chunk_shape.as_slice())
}

/// The elements in the output of a source shard of which so few inner chunks are needed that it is not copied whole.
pub fn few_inner_chunks(plan: &ArrayPlan, piece: usize, shard: &Subset) -> Option<Subset> {
    let viewed = plan.view.piece(piece);
    let source = &viewed.array;
    let inner = inner_chunks(source).filter(|_| plan.shards != Shards::Whole)?;
    let needed = shard.intersection(&Subset::whole(&plan.array.shape))?;
    let regions = [(piece, needed)];
    let [(_, region)] = &regions;
    let start = viewed.in_source(region);
    let all =
        Subset::new(start.start().to_vec(), shard.shape().to_vec()).intersection(&Subset::whole(&source.shape))?;
    let (needed, all) = (region.chunks(inner).elements(), all.chunks(inner).elements());
    let is_worth = match plan.shards {
        Shards::Auto => needed.saturating_mul(2) < all,
        Shards::Inner => needed < all,
        Shards::Whole => false,
    };
    (is_worth && is_gathered(plan, &regions)).then(|| region.clone())
}
