//! What is stored: objects are counted, not kept in memory. A local store is walked directory by directory, several at a time;
//! any other is one streaming list.

use std::collections::{BTreeMap, HashMap, HashSet};

use zarray::{Array, Grid, Key, Node, OrderedMap, Pool};
use zstore::{Child, Object, Store, StoreError, Trail, is_temporary};
use zwire::{ArrayRecord, Failure, KeyRecord, ratio};

/// Directories that are read before those below them are.
const WINDOW: usize = 1024;

/// Maximum number of stray keys to show; all are counted.
const SHOWN: usize = 1000;

/// Number of different sizes up to which the median is exact.
const EXACT_SIZES: usize = 4096;

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
}

/// The nodes of a store, by the directory that belongs to them.
struct Owners<'n> {
    arrays: HashMap<&'n str, &'n Array>,
    nodes: HashSet<&'n str>,
}

/// A directory to be read, and the way to it.
type Waiting = (String, Trail);

impl Inventory {
    /// Sorts every object of `store` to its node.
    ///
    /// # Errors
    /// Fails if the store cannot be listed, or a signal came; of a local store, parts that cannot be read are
    /// [failures](Inventory::failures).
    pub fn take<'n>(store: &Store, nodes: impl Iterator<Item = &'n Node>, pool: &Pool) -> Result<Inventory, Failure> {
        let mut owners = Owners { arrays: HashMap::new(), nodes: HashSet::new() };
        for node in nodes {
            owners.nodes.insert(node.path().trim_start_matches('/'));
            if let Node::Array(array) = node {
                owners.arrays.insert(array.key_prefix(), array);
            }
        }
        if store.is_directory() {
            return owners.walk(store, pool);
        }
        let mut inventory = Inventory::default();
        for object in store.list("")? {
            inventory.sort(object?, &owners);
        }
        Ok(inventory)
    }

    fn sort(&mut self, object: Object, owners: &Owners) {
        let (directory, name) = object.key.rsplit_once('/').unwrap_or(("", &object.key));
        if matches!(name, "zarr.json" | ".zarray" | ".zgroup" | ".zattrs" | ".zmetadata")
            && owners.nodes.contains(directory)
        {
            self.metadata_bytes += object.stat.size;
            return;
        }
        let kind = match owners.of(&object.key) {
            None => kind_of_name(&object.key),
            Some((array, relative)) => match array.key_kind(&object.key) {
                Key::Chunk(_) => return self.count(array.key_prefix(), object.stat.size),
                Key::OutsideGrid => "outside_grid",
                Key::WrongSeparator => "wrong_separator",
                Key::Metadata | Key::Stray => kind_of_name(relative),
            },
        };
        self.stray(object, kind);
    }

    fn stray(&mut self, object: Object, kind: &'static str) {
        *self.stray_counts.entry(kind).or_default() += 1;
        self.strays.insert(object.key, (object.stat.size, kind));
        if self.strays.len() > SHOWN {
            self.strays.pop_last();
        }
    }

    /// Adds another part of the same store.
    fn add(&mut self, other: Inventory) {
        for (array, stats) in other.stats {
            let sum = self.stats.entry(array).or_default();
            sum.objects += stats.objects;
            sum.bytes += stats.bytes;
            sum.sizes.merge(stats.sizes);
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

    fn count(&mut self, prefix: &str, size: u64) {
        // The key is copied only for the first object of an array.
        let stats = match self.stats.get_mut(prefix) {
            Some(stats) => stats,
            None => self.stats.entry(prefix.to_owned()).or_default(),
        };
        stats.objects += 1;
        stats.bytes += size;
        stats.sizes.add(size);
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

/// Bytes that so many objects of an array decode to. Those of a rectilinear grid differ: there, an even share of all.
fn decoded_bytes(array: &Array, objects: u64) -> Option<u64> {
    let grid = array.numbered()?;
    match grid.is_regular() {
        true => grid.chunk_elements().checked_mul(array.itemsize?)?.checked_mul(objects),
        false => Some((array.uncompressed_bytes()? as f64 * (objects as f64 / grid.len().max(1) as f64)) as u64),
    }
}

impl<'n> Owners<'n> {
    /// The array that a key belongs to, and the rest of the key.
    fn of<'k>(&self, key: &'k str) -> Option<(&'n Array, &'k str)> {
        if let Some(array) = self.arrays.get("") {
            return Some((*array, key));
        }
        key.match_indices('/').find_map(|(slash, _)| Some((*self.arrays.get(&key[..slash])?, &key[slash + 1..])))
    }

    /// Reads all directories, those of a batch in parallel. The last ones come first, so that few are waiting.
    fn walk(&self, store: &Store, pool: &Pool) -> Result<Inventory, Failure> {
        let mut inventory = Inventory::default();
        let mut waiting: Vec<Waiting> = vec![(String::new(), Trail::default())];
        while !waiting.is_empty() {
            let batch = waiting.split_off(waiting.len().saturating_sub(WINDOW));
            OrderedMap::new(pool, WINDOW).run(
                batch,
                |directory| self.directory(store, directory),
                |found| {
                    let (part, below) = found?;
                    inventory.add(part);
                    waiting.extend(below);
                    Ok::<(), Failure>(())
                },
            )?;
        }
        inventory.failures.sort_by(|a, b| a.place().cmp(b.place()));
        Ok(inventory)
    }

    /// What lies in one directory, and the directories below it.
    fn directory(&self, store: &Store, (prefix, trail): Waiting) -> Result<(Inventory, Vec<Waiting>), StoreError> {
        let (mut inventory, mut below) = (Inventory::default(), Vec::new());
        let Some(trail) = store.enter(&trail, &prefix) else { return Ok((inventory, below)) };
        let children = match store.children(&prefix) {
            Err(error @ StoreError::Stopped { .. }) => return Err(error),
            // Gone since the directory above was read.
            Err(StoreError::Absent { .. }) | Ok(None) => return Ok((inventory, below)),
            Err(error) => {
                inventory.failures.push(error);
                return Ok((inventory, below));
            }
            Ok(Some(children)) => children,
        };
        for child in children {
            match child {
                Ok(Child::Object(object)) => inventory.sort(object, self),
                Ok(Child::Directory(key)) => below.push((key, trail.clone())),
                Ok(Child::Link(link)) => inventory.stray(link, "link"),
                Err(error) => inventory.failures.push(error),
            }
        }
        Ok((inventory, below))
    }
}

/// The kind of a key that is not a chunk: writers leave `NAME.tmp`, `NAME.UUID.partial` and temporary directories behind.
fn kind_of_name(key: &str) -> &'static str {
    let name = key.rsplit('/').next().unwrap_or(key);
    let left_behind = name.ends_with(".tmp") || name.ends_with(".partial") || name.ends_with('~');
    if left_behind || key.split('/').any(is_temporary) { "temporary" } else { "unknown" }
}

/// How often each size occurs, with the smallest and the largest. With more than [`EXACT_SIZES`] different sizes, they are
/// rounded to within 0.1 %, so that the counts of ten million chunks need only a few kilobytes.
#[derive(Default)]
struct Sizes {
    counts: BTreeMap<u64, u64>,
    smallest: Option<u64>,
    largest: Option<u64>,
    coarse: bool,
}

impl Sizes {
    fn add(&mut self, size: u64) {
        self.smallest = Some(self.smallest.map_or(size, |smallest| smallest.min(size)));
        self.largest = self.largest.max(Some(size));
        self.count(size, 1);
    }

    fn count(&mut self, size: u64, times: u64) {
        *self.counts.entry(if self.coarse { rounded(size) } else { size }).or_default() += times;
        if !self.coarse && self.counts.len() > EXACT_SIZES {
            self.coarse = true;
            for (size, count) in std::mem::take(&mut self.counts) {
                *self.counts.entry(rounded(size)).or_default() += count;
            }
        }
    }

    /// Adds the sizes that another part of the same array has.
    fn merge(&mut self, other: Sizes) {
        for size in other.smallest.into_iter().chain(other.largest) {
            self.smallest = Some(self.smallest.map_or(size, |smallest| smallest.min(size)));
            self.largest = self.largest.max(Some(size));
        }
        for (size, times) in other.counts {
            self.count(size, times);
        }
    }

    fn median(&self) -> Option<u64> {
        let half = self.counts.values().sum::<u64>().div_ceil(2);
        let mut seen = 0;
        let middle = self.counts.iter().find(|(_, count)| {
            seen += **count;
            seen >= half
        });
        middle.map(|(size, _)| *size)
    }
}

/// The ten highest bits of a size.
fn rounded(size: u64) -> u64 {
    let drop = (64 - size.leading_zeros()).saturating_sub(10);
    size >> drop << drop
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_few_sizes_is_exact_and_of_many_close() {
        let mut sizes = Sizes::default();
        for size in [5, 1, 9, 7, 3] {
            sizes.add(size);
        }
        assert_eq!((sizes.median(), sizes.smallest, sizes.largest), (Some(5), Some(1), Some(9)));
        let mut sizes = Sizes::default();
        for size in 0..200_000u64 {
            sizes.add(size);
        }
        let median = sizes.median().expect("not empty") as f64;
        assert!((median / 100_000.0 - 1.0).abs() < 0.002, "{median}");
        assert!(sizes.counts.len() <= 2 * EXACT_SIZES);
        assert_eq!((sizes.smallest, sizes.largest), (Some(0), Some(199_999)));
    }

    #[test]
    fn leftovers_are_recognised() {
        for (key, kind) in [
            ("0.0.tmp", "temporary"),
            (".0.1.abc.partial", "temporary"),
            (".out.zarr.tmp-host-1-0/t2m/0.0", "temporary"),
            ("notes.txt", "unknown"),
        ] {
            assert_eq!(kind_of_name(key), kind, "{key}");
        }
    }
}
