//! What is stored: objects are counted, not kept in memory.

use std::collections::{BTreeMap, HashMap};

use zarray::{Array, Found, Grid, Node, Owners, Pool, Sizes, Tally};
use zstore::{Stat, Store, StoreError};
use zwire::{ArrayRecord, Failure, KeyRecord, ratio};

use crate::presence::Layout;

/// Maximum number of stray keys to show; all are counted.
const SHOWN: usize = 1000;

/// Counts and sizes of everything in a store.
#[derive(Default)]
pub struct Inventory {
    stats: HashMap<String, Stats>,
    /// The first keys, in key order, that belong to no array.
    strays: BTreeMap<String, (u64, &'static str)>,
    /// The number of stray keys of each kind.
    pub stray_counts: BTreeMap<&'static str, u64>,
    /// Bytes of metadata documents.
    pub metadata_bytes: u64,
    /// Directories and objects that could not be read, in path order.
    pub failures: Vec<StoreError>,
}

/// The stored objects of one array.
#[derive(Default)]
struct Stats {
    objects: u64,
    bytes: u64,
    sizes: Sizes,
    /// How they are divided into stretches.
    layout: Option<Layout>,
    /// Objects in each stretch of the array.
    stretches: Vec<u64>,
}

/// The failure of a list, with what works without one.
fn unlisted(error: StoreError) -> Failure {
    match error {
        StoreError::NotListable { .. } => Failure::from(error)
            .hint("use the s3:, gs: or az: URL of the store, or a copy on disk; without --sizes, no list is needed"),
        error => error.into(),
    }
}

impl Inventory {
    /// Sorts every object of `store` to its node.
    ///
    /// # Errors
    /// Fails if the store cannot be listed, or a signal came; of a local store, parts that cannot be read are
    /// [failures](Inventory::failures).
    pub fn take<'n>(
        store: &Store,
        nodes: impl Iterator<Item = &'n Node> + Clone,
        pool: &Pool,
    ) -> Result<Inventory, Failure> {
        let mut inventory: Inventory = Owners::of_nodes(nodes).count(store, pool).map_err(unlisted)?;
        inventory.failures.sort_by(|a, b| a.place().cmp(b.place()));
        Ok(inventory)
    }

    fn stray(&mut self, key: &str, size: u64, kind: &'static str) {
        *self.stray_counts.entry(kind).or_default() += 1;
        self.strays.insert(key.to_owned(), (size, kind));
        if self.strays.len() > SHOWN {
            self.strays.pop_last();
        }
    }

    fn count(&mut self, array: &Array, size: u64, number: Option<u64>) {
        // The key is copied only for the first object of an array.
        let prefix = array.key_prefix();
        if !self.stats.contains_key(prefix) {
            let stats = Stats { layout: array.numbered().map(Layout::of), ..Stats::default() };
            self.stats.insert(prefix.to_owned(), stats);
        }
        let Some(stats) = self.stats.get_mut(prefix) else { return };
        stats.objects += 1;
        stats.bytes += size;
        stats.sizes.add(size);
        if let Some((number, layout)) = number.zip(stats.layout) {
            layout.count(number, &mut stats.stretches);
        }
    }

    /// Completes the record of an array.
    pub fn complete(&self, record: &mut ArrayRecord, array: &Array) {
        let nothing = Stats::default();
        let stats = self.stats.get(array.key_prefix()).unwrap_or(&nothing);
        record.objects_present = Some(stats.objects);
        record.objects_expected = array.numbered().map(Grid::len);
        record.stored_bytes = Some(stats.bytes);
        record.ratio = decoded_bytes(array, stats.objects).and_then(|bytes| ratio(bytes, stats.bytes));
        record.object_min_bytes = stats.sizes.smallest;
        record.object_median_bytes = stats.sizes.median();
        record.object_max_bytes = stats.sizes.largest;
        let is_incomplete = record.objects_expected.is_some_and(|expected| (1..expected).contains(&stats.objects));
        record.present_shares =
            array.numbered().filter(|_| is_incomplete).map(|grid| Layout::of(grid).shares(&stats.stretches));
    }

    /// The first keys that belong to no array, in key order.
    pub fn strays(&self, store: &str) -> impl Iterator<Item = KeyRecord> {
        self.strays.iter().map(move |(key, (size, kind))| KeyRecord {
            store: store.to_owned(),
            key: key.clone(),
            stored_bytes: *size,
            kind: (*kind).to_owned(),
            ..KeyRecord::default()
        })
    }
}

impl Tally for Inventory {
    fn add(&mut self, key: &str, stat: &Stat, found: Found) {
        match found {
            Found::Metadata => self.metadata_bytes += stat.size,
            Found::Chunk(array, number) => self.count(array, stat.size, number),
            Found::Stray(kind, _) => self.stray(key, stat.size, kind),
        }
    }

    fn failed(&mut self, error: StoreError) {
        self.failures.push(error);
    }

    fn merge(&mut self, other: Inventory) {
        for (array, stats) in other.stats {
            let sum = self.stats.entry(array).or_default();
            sum.objects += stats.objects;
            sum.bytes += stats.bytes;
            sum.sizes.merge(stats.sizes);
            sum.layout = sum.layout.or(stats.layout);
            sum.stretches.resize(sum.stretches.len().max(stats.stretches.len()), 0);
            sum.stretches.iter_mut().zip(stats.stretches).for_each(|(sum, count)| *sum += count);
        }
        for (kind, count) in other.stray_counts {
            *self.stray_counts.entry(kind).or_default() += count;
        }
        self.strays.extend(other.strays);
        while self.strays.len() > SHOWN {
            self.strays.pop_last();
        }
        self.metadata_bytes += other.metadata_bytes;
        self.failures.extend(other.failures);
    }
}

/// Bytes that so many objects of an array decode to. Those of a rectilinear grid differ: there, an even share of all.
fn decoded_bytes(array: &Array, objects: u64) -> Option<u64> {
    let grid = array.numbered()?;
    match grid.is_regular() {
        true => grid.chunk_elements().checked_mul(array.itemsize?)?.checked_mul(objects),
        false => Some((array.uncompressed_bytes()? as f64 * (objects as f64 / grid.len().max(1) as f64)) as u64),
    }
}
