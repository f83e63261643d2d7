//! The objects of a store, array by array, without their bytes.

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringTreemap;
use zarray::{Array, Found, Owners, Pool, Tally};
use zstore::{Stat, StoreError};

use crate::side::Side;

/// What a store holds.
#[derive(Default)]
pub struct Objects {
    /// Numbers of the stored objects in the grid, by path of the array.
    arrays: HashMap<String, RoaringTreemap>,
    /// All others (metadata, and what belongs to no array), with their sizes.
    pub others: BTreeMap<String, u64>,
    /// Whether the store was listed; otherwise each object is asked for.
    pub is_listed: bool,
    failures: Vec<StoreError>,
}

impl Objects {
    /// Lists `side`; of a store that cannot be listed, the metadata documents are known.
    ///
    /// # Errors
    /// The store's.
    pub fn of(side: &Side, pool: &Pool) -> Result<Objects, StoreError> {
        let owners = Owners::new(side.groups.keys().map(String::as_str), side.arrays.values());
        match owners.count::<Objects>(&side.store, pool) {
            Ok(mut objects) => {
                objects.is_listed = true;
                match objects.failures.pop() {
                    Some(error) => Err(error),
                    None => Ok(objects),
                }
            }
            Err(StoreError::NotListable { .. }) => Objects::documents(side),
            Err(error) => Err(error),
        }
    }

    fn documents(side: &Side) -> Result<Objects, StoreError> {
        let mut objects = Objects::default();
        for path in side.groups.keys().chain(side.arrays.keys()) {
            let prefix = path.trim_start_matches('/');
            for name in ["zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata"] {
                let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
                if let Some(stat) = side.store.stat(&key)? {
                    objects.others.insert(key, stat.size);
                }
            }
        }
        Ok(objects)
    }

    /// The numbers of the objects of `array` that are stored, in order; all of its grid where the store was not listed.
    pub fn numbers(&self, array: &Array) -> Box<dyn Iterator<Item = u64> + '_> {
        match (self.is_listed, array.numbered()) {
            (_, None) => Box::new(std::iter::empty()),
            (true, Some(_)) => match self.arrays.get(&array.path) {
                Some(numbers) => Box::new(numbers.iter()),
                None => Box::new(std::iter::empty()),
            },
            (false, Some(grid)) => Box::new(0..grid.len()),
        }
    }
}

impl Tally for Objects {
    fn add(&mut self, key: &str, stat: &Stat, found: Found) {
        match found {
            Found::Chunk(array, Some(number)) => {
                match self.arrays.get_mut(&array.path) {
                    Some(numbers) => numbers.insert(number),
                    None => self.arrays.entry(array.path.clone()).or_default().insert(number),
                };
            }
            _ => drop(self.others.insert(key.to_owned(), stat.size)),
        }
    }

    fn failed(&mut self, error: StoreError) {
        self.failures.push(error);
    }

    fn merge(&mut self, other: Objects) {
        for (path, numbers) in other.arrays {
            *self.arrays.entry(path).or_default() |= numbers;
        }
        self.others.extend(other.others);
        self.failures.extend(other.failures);
    }
}
