//! Checksums of the documents of joined arrays, one for each store: their number is that of stores, not of arrays times stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zarray::{Array, Pool, ZarrFormat, json};
use zcodec::{crc32c, crc32c_append};
use zstore::{Store, StoreError};

use crate::array_plan::ArrayPlan;
use crate::view::View;

/// Documents that stores other than the first have in common, and the checksum of them in each store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceDocuments {
    keys: Vec<String>,
    /// Numbers of stores, and CRC-32C over keys and texts.
    stores: Vec<(usize, u32)>,
}

impl PieceDocuments {
    /// The documents of all arrays that the views of `plans` read in other stores than the first.
    ///
    /// # Errors
    /// The stores'.
    pub fn read(plans: &[ArrayPlan], stores: &[Store], pool: &Pool) -> Result<Vec<PieceDocuments>, StoreError> {
        // Arrays of the same stores, such as all that are joined by the same ranges, are one set.
        let mut of_ranges: BTreeMap<usize, Arc<[usize]>> = BTreeMap::new();
        let mut sets: BTreeMap<Arc<[usize]>, Vec<String>> = BTreeMap::new();
        for plan in plans {
            let numbers = match &plan.view {
                View::Whole => continue,
                View::Join(join) => {
                    Arc::clone(of_ranges.entry(join.ranges_id()).or_insert_with(|| join.stores().collect()))
                }
                view => view.pieces().map(|piece| piece.store).collect(),
            };
            sets.entry(numbers).or_default().extend(keys(&plan.array));
        }
        let read = |(numbers, keys): (Arc<[usize]>, Vec<String>)| {
            let mut others: Vec<usize> = numbers.iter().copied().filter(|number| *number > 0).collect();
            others.sort_unstable();
            others.dedup();
            let sums = pool.map(others, |number| Ok((number, checksum(&stores[number], &keys)?)));
            Ok(PieceDocuments { keys, stores: sums.into_iter().collect::<Result<_, _>>()? })
        };
        sets.into_iter().map(read).collect()
    }

    /// The number of a store whose documents are others now.
    ///
    /// # Errors
    /// The stores'; `None` in place of a store that is not given is a difference.
    pub fn changed(&self, stores: &[Store], pool: &Pool) -> Result<Option<usize>, StoreError> {
        let differs = |(number, before): (usize, u32)| -> Result<Option<usize>, StoreError> {
            let Some(store) = stores.get(number) else { return Ok(Some(number)) };
            Ok((checksum(store, &self.keys)? != before).then_some(number))
        };
        let differing = pool.map(self.stores.clone(), differs).into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(differing.into_iter().flatten().next())
    }
}

fn keys(array: &Array) -> impl Iterator<Item = String> {
    let names: &[&str] = match array.format {
        ZarrFormat::V2 => &[".zarray", ".zattrs"],
        ZarrFormat::V3 => &["zarr.json"],
    };
    names.iter().map(|name| array.key(name))
}

fn checksum(store: &Store, keys: &[String]) -> Result<u32, StoreError> {
    let (mut sum, mut text) = (0, Vec::new());
    // The metadata of remote stores was read from the one document that holds all, if there is one.
    if store.is_remote() && reads_consolidated(store, &mut text)? {
        return Ok(crc32c(&text));
    }
    for key in keys {
        let found = store.get(key, &mut text)?.map(|_| crc32c(&text));
        sum = crc32c_append(sum, key.as_bytes());
        sum = crc32c_append(sum, &found.map_or([0; 5], present));
    }
    Ok(sum)
}

/// Reads the consolidated metadata of a store; whether there is any.
fn reads_consolidated(store: &Store, text: &mut Vec<u8>) -> Result<bool, StoreError> {
    if store.get(".zmetadata", text)?.is_some() {
        return Ok(true);
    }
    let is_root = store.get("zarr.json", text)?.is_some();
    let member = json::member(text, 0, "consolidated_metadata").filter(|_| is_root);
    Ok(member.is_some_and(|range| &text[range] != b"null"))
}

/// A checksum that differs from that of a document that is absent.
fn present(sum: u32) -> [u8; 5] {
    let [a, b, c, d] = sum.to_le_bytes();
    [1, a, b, c, d]
}
