//! Describes a node: metadata, sampled chunks and verdict, as records for the output.

use serde_json::Value;
use zarray::{Array, Grid, Node, Visit, ZarrFormat, json, zarrs_error};
use zcli::{Encoder, Line};
use zstore::Store;
use zwire::{ArrayRecord, ChunkRecord, Failure, GroupRecord, Record};

use crate::options::NodeOptions;
use crate::sample::sample;
use crate::sizes::Inventory;
use crate::totals::{Counts, Sort};
use crate::verdict::judge;

/// A node on its way from the workers to the output.
pub enum Described {
    /// Not selected: the path, if it is an array.
    Skipped(Option<String>),
    /// A group.
    Group(Line),
    /// An array with its sampled chunks, and the input of `--bench`.
    Array { path: String, counts: Counts, lines: Vec<Line>, bench: Option<(Box<Array>, Vec<ChunkRecord>)> },
    /// A node that cannot be read.
    Failed(Failure),
}

impl Described {
    /// Its place in an order, the first of which has the smallest rank.
    pub fn rank(&self, sort: Option<Sort>) -> i64 {
        let Described::Array { counts, .. } = self else { return i64::MIN };
        sort.map_or(0, |sort| counts.rank(sort))
    }
}

/// What the workers need to describe a node.
pub struct Describe<'a> {
    pub options: &'a NodeOptions,
    pub store: &'a Store,
    pub name: &'a str,
    pub inventory: Option<&'a Inventory>,
    pub encoder: Encoder,
}

impl Describe<'_> {
    /// Describes one node.
    pub fn visit(&self, visit: Visit) -> Described {
        match visit {
            Err(error) => Described::Failed(error.into()),
            Ok(Node::Group(found)) if self.options.var.is_everything() => {
                let record = Record::Group(group(self.name, &found, self.options.attributes));
                Described::Group(self.encoder.encode(record))
            }
            Ok(Node::Array(array)) if self.options.var.matches(&array.path) => {
                self.array(array).unwrap_or_else(Described::Failed)
            }
            Ok(Node::Array(array)) => Described::Skipped(Some(array.path)),
            Ok(Node::Group(_)) => Described::Skipped(None),
        }
    }

    fn array(&self, found: Box<Array>) -> Result<Described, Failure> {
        let mut record = array(self.name, &found, self.options.attributes);
        if let Some(inventory) = self.inventory {
            inventory.complete(&mut record, &found);
        }
        let mut sample = sample(self.store, self.name, &found, self.options.sample)?;
        if let Some(present) = record.objects_present {
            sample.nothing_stored = present == 0 && record.objects_expected > Some(0);
        }
        if self.options.zarrs {
            record.zarrs_error = why_zarrs_cannot(self.store, &found)?;
        }
        judge(&mut record, &found, &sample, self.options.threads);
        let counts = Counts::of(&record, &found, &sample.chunks);
        let path = record.path.clone();
        let bench = self.options.bench.then(|| (found, sample.chunks.clone()));
        let chunks = sample.chunks.into_iter().map(|chunk| Record::Chunk(Box::new(chunk)));
        let records = std::iter::once(Record::Array(Box::new(record))).chain(chunks);
        let lines = records.map(|record| self.encoder.encode(record)).collect();
        Ok(Described::Array { path, counts, lines, bench })
    }
}

/// The record of a group.
fn group(store: &str, group: &zarray::Group, attributes: bool) -> GroupRecord {
    GroupRecord {
        store: store.to_owned(),
        path: group.path.clone(),
        zarr_format: group.format.number(),
        attributes: attributes.then(|| group.attributes.clone()),
        not_understood: group.not_understood.clone(),
        ..GroupRecord::default()
    }
}

/// The record of an array, from its metadata alone.
fn array(store: &str, array: &Array, attributes: bool) -> ArrayRecord {
    let sharded = array.chain.split_shards().is_some();
    let regular = array.grid.as_ref().is_none_or(Grid::is_regular);
    let inner = array.chain.innermost();
    ArrayRecord {
        store: store.to_owned(),
        path: array.path.clone(),
        zarr_format: array.format.number(),
        shape: array.shape.clone(),
        dimension_names: array.dimension_names.clone(),
        dtype: array.dtype.clone(),
        itemsize_bytes: array.itemsize,
        chunk_shape: array.chunk_shape().filter(|_| regular || sharded).map(<[u64]>::to_vec),
        chunk_lengths: array.grid.as_ref().filter(|_| !regular).map(Grid::chunk_lengths),
        shard_shape: array.grid.as_ref().filter(|_| sharded && regular).map(|grid| grid.chunk_shape().to_vec()),
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

/// Why `zarrs` cannot open the array; `None` if it can.
///
/// # Errors
/// Fails if the store cannot be read.
fn why_zarrs_cannot(store: &Store, array: &Array) -> Result<Option<String>, Failure> {
    let name = match array.format {
        ZarrFormat::V2 => ".zarray",
        ZarrFormat::V3 => "zarr.json",
    };
    let mut text = Vec::new();
    store.get(&array.key(name), &mut text)?;
    // The metadata was parsed before; if it has changed since, `zarrs` reports it.
    Ok(zarrs_error(array.format, json::parse(&text).unwrap_or(Value::Null)))
}
