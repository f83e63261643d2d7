//! Groups what is alike, so that 44 batches of 3,930 arrays fit a screen: arrays of a store with many, and whole stores. Only
//! one node of each group, the nodes of one store, and sums are held.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use zcli::Row;
use zwire::{ArrayRecord, human_counted};

/// Nodes of a store up to which each has its row.
const SCREEN: usize = 20;

/// Nodes that are alike in fewer numbers have a row each.
const WORTH_GROUPING: usize = 3;

/// A node of a store, as its row shows it.
#[derive(Clone)]
pub struct Shown {
    /// Absolute path.
    pub path: String,
    /// `None` for a group.
    pub array: Option<Box<ArrayRecord>>,
}

impl Shown {
    /// What is the same in nodes that are alike: everything shown but name and sizes.
    fn key(&self) -> String {
        let Some(array) = &self.array else { return String::new() };
        let missing = array.objects_present != array.objects_expected;
        let present = missing.then_some((array.objects_present, array.present_shares.as_ref()));
        let ArrayRecord { dtype, shape, chunk_shape, chunk_lengths, codec, blocks, verdict, .. } = &**array;
        format!("{dtype} {shape:?} {chunk_shape:?} {chunk_lengths:?} {codec} {blocks:?} {verdict} {present:?}")
    }

    /// Adds the sizes of a node that is alike.
    fn add(&mut self, other: &Shown) {
        let (Some(own), Some(other)) = (&mut self.array, &other.array) else { return };
        let decoded = |array: &ArrayRecord| Some(array.ratio? * array.stored_bytes? as f64);
        let decoded = decoded(own).zip(decoded(other)).map(|(own, other)| own + other);
        for (own, other) in [
            (&mut own.uncompressed_bytes, other.uncompressed_bytes),
            (&mut own.stored_bytes, other.stored_bytes),
            (&mut own.objects_present, other.objects_present),
            (&mut own.objects_expected, other.objects_expected),
        ] {
            *own = own.zip(other).map(|(own, other)| own.saturating_add(other));
        }
        own.ratio = decoded.zip(own.stored_bytes).map(|(decoded, stored)| decoded / stored.max(1) as f64);
    }
}

/// Nodes that are alike.
struct Group {
    /// The first one's row, with the sizes of all.
    sum: Shown,
    /// The first ones, and their places among the rows of the store.
    members: Vec<(usize, Shown)>,
    count: usize,
}

/// The rows of a store, or of several that are alike.
#[derive(Default)]
pub struct Store {
    first: String,
    last: String,
    count: usize,
    groups: Vec<Group>,
    by_key: HashMap<String, usize>,
    notes: Vec<(usize, Row)>,
    rows: usize,
    hasher: DefaultHasher,
}

impl Store {
    /// A store without rows.
    pub fn named(name: &str) -> Store {
        Store { first: name.to_owned(), last: name.to_owned(), count: 1, ..Store::default() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.first
    }

    /// Adds a node.
    pub fn node(&mut self, node: Shown) {
        let key = node.key();
        (&node.path, &key).hash(&mut self.hasher);
        let number = *self.by_key.entry(key).or_insert(self.groups.len());
        match self.groups.get_mut(number) {
            None => self.groups.push(Group { sum: node.clone(), members: vec![(self.rows, node)], count: 1 }),
            Some(group) => {
                group.sum.add(&node);
                group.count += 1;
                if group.members.len() < SCREEN {
                    group.members.push((self.rows, node));
                }
            }
        }
        self.rows += 1;
    }

    /// Adds a line below the nodes so far.
    pub fn note(&mut self, text: String) {
        text.hash(&mut self.hasher);
        self.notes.push((self.rows, Row::Note(text)));
        self.rows += 1;
    }

    /// Equal for stores that are alike: the same nodes with the same rows but for their sizes.
    pub fn signature(&self) -> u64 {
        self.hasher.finish()
    }

    /// Adds the sizes of a store that is alike.
    pub fn merge(&mut self, other: Store) {
        self.last = other.last;
        self.count += other.count;
        for (own, other) in self.groups.iter_mut().zip(other.groups) {
            own.sum.add(&other.sum);
            own.members.iter_mut().zip(other.members).for_each(|((_, own), (_, other))| own.add(&other));
        }
    }

    /// Its rows; with `named`, after a line that names it.
    pub fn into_rows(self, named: bool, cells: impl Fn(&Shown, usize) -> Vec<Row>) -> Vec<Row> {
        let Store { first, last, count, groups, notes, .. } = self;
        let heading = match count {
            1 => format!("{first}:"),
            _ => format!("{count} stores alike, {first} to {last}, with the sizes of all together:"),
        };
        let nodes: usize = groups.iter().map(|group| group.count).sum();
        let mut rows: Vec<(usize, Vec<Row>)> = notes.into_iter().map(|(place, note)| (place, vec![note])).collect();
        for group in groups {
            match nodes > SCREEN && group.count >= WORTH_GROUPING {
                true => rows.push((group.members[0].0, cells(&group.sum, group.count))),
                false => rows.extend(group.members.iter().map(|(place, node)| (*place, cells(node, 1)))),
            }
        }
        rows.sort_by_key(|(place, _)| *place);
        let heading = named.then_some(Row::Note(heading));
        heading.into_iter().chain(rows.into_iter().flat_map(|(_, rows)| rows)).collect()
    }
}

/// Stores in the order of their first ones.
#[derive(Default)]
pub struct Stores {
    stores: Vec<Store>,
    by_signature: HashMap<u64, usize>,
}

impl Stores {
    /// Adds a store, if there is one, to those that it is like.
    pub fn add_some(&mut self, store: Option<Store>) {
        let Some(store) = store else { return };
        let number = *self.by_signature.entry(store.signature()).or_insert(self.stores.len());
        match self.stores.get_mut(number) {
            Some(known) => known.merge(store),
            None => self.stores.push(store),
        }
    }

    /// All of them.
    pub fn take(&mut self) -> Vec<Store> {
        self.by_signature.clear();
        std::mem::take(&mut self.stores)
    }
}

/// The name of a row that stands for `count` nodes.
pub fn name_of(path: &str, count: usize) -> String {
    match count {
        1 => path.to_owned(),
        _ => format!("{path} and {} alike", human_counted(count as u64 - 1, "other")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(path: &str, shape: u64, stored: u64) -> Shown {
        let array = ArrayRecord {
            shape: vec![shape],
            stored_bytes: Some(stored),
            uncompressed_bytes: Some(4 * stored),
            ratio: Some(4.0),
            ..ArrayRecord::default()
        };
        Shown { path: path.to_owned(), array: Some(Box::new(array)) }
    }

    fn rows(store: Store, named: bool) -> Vec<String> {
        let cells = |node: &Shown, count: usize| {
            let stored = node.array.as_ref().and_then(|array| array.stored_bytes).unwrap_or(0);
            vec![Row::Note(format!("{} {stored}", name_of(&node.path, count)))]
        };
        let text = |row| if let Row::Note(text) = row { text } else { String::new() };
        store.into_rows(named, cells).into_iter().map(text).collect()
    }

    fn store(name: &str, arrays: usize, shape: u64) -> Store {
        let mut store = Store::named(name);
        store.node(Shown { path: "/".into(), array: None });
        (0..arrays).for_each(|number| store.node(array(&format!("/v{number}"), shape, 5)));
        store.note("a key".into());
        store.node(array("/z", 7, 1));
        store
    }

    #[test]
    fn many_arrays_that_are_alike_have_one_row_and_few_have_their_own() {
        assert_eq!(rows(store("a", 2, 9), false), ["/ 0", "/v0 5", "/v1 5", "a key", "/z 1"]);
        assert_eq!(rows(store("a", 30, 9), true), ["a:", "/ 0", "/v0 and 29 others alike 150", "a key", "/z 1"]);
    }

    #[test]
    fn stores_that_are_alike_are_one_and_others_are_not() {
        let mut stores = Stores::default();
        for (name, shape) in [("a", 9), ("b", 9), ("odd", 8), ("c", 9)] {
            stores.add_some(Some(store(name, 1, shape)));
        }
        let shown: Vec<_> = stores.take().into_iter().map(|store| rows(store, true)).collect();
        let heading = "3 stores alike, a to c, with the sizes of all together:";
        assert_eq!(shown[0], [heading, "/ 0", "/v0 15", "a key", "/z 3"]);
        assert_eq!(shown[1], ["odd:", "/ 0", "/v0 5", "a key", "/z 1"]);
        assert_eq!(shown.len(), 2);
    }
}
