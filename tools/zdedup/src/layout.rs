//! The chunks and codecs of the output.

use zarray::{Array, Elements, Itemsize, ZarrFormat};
use zstage::rechunk::{Layout, Shapes};
use zstage::{Action, ArrayPlan, Encoding, View};
use zwire::{Exit, Failure};

use crate::plan_body::Body;
use crate::rules::CopyMode;
use crate::variables::{axis, is_coordinate};

/// A failure of the layout. Shards of Zarr v2 need another format, which the batches must have first.
fn of_shards(array: &Array, failure: Failure) -> Failure {
    let is_shards = failure.advice().is_some_and(|hint| hint.contains("--zarr-format"));
    match is_shards && array.format == ZarrFormat::V2 {
        true => failure.hint("remove --shards; or convert the batches first: zrecompress --zarr-format 3 SRC DST"),
        false => failure,
    }
}

/// Chunk length of coordinates along the dimension: one of their chunks holds those of many batches.
const COORDINATE_CHUNK: u64 = 1 << 17;

/// The plan with the layout and the codec of the output: those that were asked for, and larger chunks for the coordinate.
pub fn laid_out(body: &Body, shapes: &Shapes, array: &Array, plan: ArrayPlan) -> Result<ArrayPlan, Failure> {
    let chain = array.chain.innermost();
    let encoding = match (is_coordinate(array, &body.dim), body.output.codec.is_given()) {
        (false, true) => {
            let compressor = body.output.codec.compressor(chain.itemsize.unwrap_or(1));
            Some(Encoding::new(compressor, chain, array.format))
        }
        _ if body.output.copy == CopyMode::Recode => {
            Some(Encoding::of(chain, array.format).ok_or_else(cannot_encode(array))?)
        }
        _ => None,
    };
    let own = Layout::of(&plan.array);
    let asked = match body.output.chunk.is_given() && !is_coordinate(array, &body.dim) {
        true => Some(Layout::new(&plan.array, shapes, array.format).map_err(|failure| of_shards(array, failure))?)
            .filter(|layout| Some(layout) != own.as_ref()),
        false => None,
    };
    let larger = || coordinate_chunks(array, &body.dim, &plan).map(|chunks| Layout { chunks, shards: None });
    let layout = asked.or_else(larger);
    let layout = layout.filter(|layout| Some(layout) != own.as_ref());
    let Some(layout) = layout.or_else(|| own.filter(|_| encoding.is_some())) else { return Ok(plan) };
    let mut plan = plan.laid_out(&layout, encoding)?;
    if let (CopyMode::Recode, Action::Recompress(encoding)) = (body.output.copy, &mut plan.action) {
        // Also chunks that have this encoding already.
        encoding.unchanged = false;
    }
    Ok(plan)
}

/// The chunk shape of a one-dimensional array along the dimension, in place of one small chunk for each batch. Shards stay shards, but
/// those of text, which cannot be assembled.
fn coordinate_chunks(array: &Array, dim: &str, plan: &ArrayPlan) -> Option<Vec<u64>> {
    let is_sharded = array.chain.sharding.is_some();
    let is_text = Elements::of(array).is_ok_and(|elements| elements.itemsize == Itemsize::Variable);
    if array.shape.len() != 1 || axis(array, dim) != Some(0) || (is_sharded && !is_text) {
        return None;
    }
    let (own, total) = (array.numbered()?.chunk_shape()[0], *plan.array.shape.first()?);
    let wanted = total.clamp(1, COORDINATE_CHUNK);
    Encoding::of(array.chain.innermost(), array.format)?;
    (own < wanted || is_sharded).then(|| vec![wanted])
}

/// Reads of a source chunk above which the user is told.
const FEW_READS: f64 = 2.0;

/// A note on arrays whose source chunks are read again and again, because the chunks of the output divide them.
pub fn reads_again(plans: &[ArrayPlan]) -> Option<String> {
    let most = plans.iter().filter_map(|plan| Some((reads_per_chunk(plan)?, plan)));
    let (reads, plan) = most.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(reads, _)| *reads > FEW_READS)?;
    Some(format!(
        "{}: the chunks of the output divide those of the stores, each of which is read {reads:.0} times; it is faster to concatenate \
         first, and then to change the chunks with zrecompress --chunks",
        plan.array.path
    ))
}

/// How many objects of the output need a chunk of the joined arrays, on average.
fn reads_per_chunk(plan: &ArrayPlan) -> Option<f64> {
    let View::Join(join) = &plan.view else { return None };
    plan.new_members.as_ref()?;
    let piece = join.piece(0);
    let (own, source) = (plan.array.numbered()?.chunk_shape(), piece.array.chunk_shape()?);
    let reads = |(own, source): (&u64, &u64)| (own + source - gcd(*own, *source)) as f64 / *own as f64;
    Some(own.iter().zip(source).map(reads).product())
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The failure of chunks that must be encoded and cannot be.
pub fn cannot_encode(array: &Array) -> impl FnOnce() -> Failure {
    let text = format!("chunks have to be assembled, and cannot be encoded with {}", array.chain.describe());
    let failure = Failure::new(Exit::Unreadable, text).at(&array.path);
    || failure.hint("recompress the batches first: zrecompress SRC DST")
}
