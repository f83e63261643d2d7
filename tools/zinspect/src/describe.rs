//! An array as its metadata describes it.

use serde_json::Value;
use zarray::{Array, Grid, ZarrFormat, json, zarrs_error};
use zstore::Store;
use zwire::{ArrayRecord, Failure, GroupRecord};

/// The record of a group.
pub fn group(store: &str, group: &zarray::Group, attributes: bool) -> GroupRecord {
    GroupRecord {
        store: store.to_owned(),
        path: group.path.clone(),
        zarr_format: group.format.number(),
        attributes: attributes.then(|| group.attributes.clone()),
        ..GroupRecord::default()
    }
}

/// The record of an array, as far as its metadata goes.
pub fn array(store: &str, array: &Array, attributes: bool) -> ArrayRecord {
    let sharded = array.chain.sharding.is_some();
    let inner = array.chain.innermost();
    ArrayRecord {
        store: store.to_owned(),
        path: array.path.clone(),
        zarr_format: array.format.number(),
        shape: array.shape.clone(),
        dimension_names: array.dimension_names.clone(),
        dtype: array.dtype.clone(),
        itemsize_bytes: array.itemsize,
        chunk_shape: array.chunk_shape().map(<[u64]>::to_vec),
        shard_shape: array.grid.as_ref().filter(|_| sharded).map(|grid| grid.chunk_shape().to_vec()),
        chunks: array.chunks(),
        shards: array.grid.as_ref().filter(|_| sharded).map(Grid::len),
        chunk_bytes: inner.chunk_bytes,
        uncompressed_bytes: array.uncompressed_bytes(),
        fill_value: array.fill_value.clone(),
        order: array.order.clone(),
        separator: array.keys.separator.to_string(),
        codecs: array.chain.specs.clone(),
        codec: array.chain.describe(),
        attributes: attributes.then(|| array.attributes.clone()),
        ..ArrayRecord::default()
    }
}

/// Why `zarrs` cannot open the array; nothing where it can.
///
/// # Errors
/// The store's, when the metadata is read once more.
pub fn why_zarrs_cannot(store: &Store, array: &Array) -> Result<Option<String>, Failure> {
    let name = match array.format {
        ZarrFormat::V2 => ".zarray",
        ZarrFormat::V3 => "zarr.json",
    };
    let mut text = Vec::new();
    store.get(&array.key(name), &mut text)?;
    // What is here was parsed before; if it changed meanwhile, the library says so.
    Ok(zarrs_error(array.format, json::parse(&text).unwrap_or(Value::Null)))
}
