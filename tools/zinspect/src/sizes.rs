//! What is stored: objects are counted, not kept in memory. A local store is walked directory by directory, several at a time;
//! any other is one streaming list.

use std::collections::{BTreeMap, HashMap, HashSet};

use zarray::{Array, Grid, Key, Node, OrderedMap, Pool};
use zstore::{Child, Object, Store, StoreError, Trail, is_temporary};
use zwire::{ArrayRecord, Failure, KeyRecord, ratio};

use crate::median::Sizes;
use crate::presence::Layout;

/// Directories that are read before those below them are.
const WINDOW: usize = 1024;

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
    /// Objects in each stretch of the array.
    stretches: Vec<u64>,
}

/// The nodes of a store, by the directory that belongs to them.
struct Owners<'n> {
    arrays: HashMap<&'n str, (&'n Array, Option<Layout>)>,
    nodes: HashSet<&'n str>,
}

/// A directory to be read, and the way to it.
type Waiting = (String, Trail);

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
    pub fn take<'n>(store: &Store, nodes: impl Iterator<Item = &'n Node>, pool: &Pool) -> Result<Inventory, Failure> {
        let mut owners = Owners { arrays: HashMap::new(), nodes: HashSet::new() };
        for node in nodes {
            owners.nodes.insert(node.path().trim_start_matches('/'));
            if let Node::Array(array) = node {
                owners.arrays.insert(array.key_prefix(), (array, array.numbered().map(Layout::of)));
            }
        }
        if store.is_directory() {
            return owners.walk(store, pool);
        }
        let mut inventory = Inventory::default();
        for object in store.list("").map_err(unlisted)? {
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
            Some((array, layout, relative)) => match array.key_kind(&object.key) {
                Key::Chunk(number) => return self.count(array.key_prefix(), object.stat.size, number.zip(layout)),
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

    fn count(&mut self, prefix: &str, size: u64, place: Option<(u64, Layout)>) {
        // The key is copied only for the first object of an array.
        let stats = match self.stats.get_mut(prefix) {
            Some(stats) => stats,
            None => self.stats.entry(prefix.to_owned()).or_default(),
        };
        stats.objects += 1;
        stats.bytes += size;
        stats.sizes.add(size);
        if let Some((number, layout)) = place {
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
    fn of<'k>(&self, key: &'k str) -> Option<(&'n Array, Option<Layout>, &'k str)> {
        if let Some((array, layout)) = self.arrays.get("") {
            return Some((*array, *layout, key));
        }
        key.match_indices('/').find_map(|(slash, _)| {
            let (array, layout) = *self.arrays.get(&key[..slash])?;
            Some((array, layout, &key[slash + 1..]))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

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
