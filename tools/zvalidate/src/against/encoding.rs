//! Whether two arrays are encoded alike, so that equal stored bytes are equal values.

use serde_json::Value;
use zarray::{Array, Chain, codec_name};
use zcodec::Codec;

use zvalue::Parts;

/// Whether chunks (with sharding: inner chunks) of both with equal bytes have equal values. Levels of compressors and the settings
/// of Blosc do not matter, because the bytes describe themselves.
pub fn is_alike(ours: &Parts, theirs: &Parts) -> bool {
    let (a, b) = (ours.array.chain.innermost(), theirs.array.chain.innermost());
    let regular = |array: &Array| array.grid.as_ref().is_some_and(zarray::Grid::is_regular);
    ours.value.is_stored_like(&theirs.value)
        && ours.reader.elements() == theirs.reader.elements()
        && (ours.reader.grid().chunk_shape() == theirs.reader.grid().chunk_shape())
        && (regular(ours.array) == regular(theirs.array))
        && filters(a) == filters(b)
        && tails_are_alike(a, b)
}

/// Whether whole shards of both with equal bytes have equal values: the same shards of the same inner chunks.
pub fn are_shards_alike(ours: &Array, theirs: &Array) -> bool {
    match (ours.chain.split_shards(), theirs.chain.split_shards()) {
        (Some(a), Some(b)) => ours.grid == theirs.grid && a.chunk_shape == b.chunk_shape && a.index == b.index,
        _ => false,
    }
}

/// The codecs before the compressors that change bytes, apart from the order of dimensions and bytes.
fn filters(chain: &Chain) -> Vec<&Value> {
    let is_layout = |name: &str| matches!(name, "transpose" | "bytes" | "endian" | "vlen-utf8" | "vlen-bytes");
    chain.specs[..chain.kept].iter().filter(|spec| !is_layout(codec_name(spec))).collect()
}

fn tails_are_alike(a: &Chain, b: &Chain) -> bool {
    if a.unknown.is_some() || b.unknown.is_some() {
        return a.specs == b.specs;
    }
    let is_alike = |(a, b): (&Codec, &Codec)| matches!((a, b), (Codec::Blosc(..), Codec::Blosc(..))) || a == b;
    a.tail.len() == b.tail.len() && a.tail.iter().zip(&b.tail).all(is_alike)
}
