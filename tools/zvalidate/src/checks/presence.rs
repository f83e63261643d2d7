//! The objects of one array, as a list shows them: which are present, how large they are, and which sizes are impossible.

use std::collections::BTreeMap;

use roaring::RoaringTreemap;
use zarray::{Array, Grid, Sizes};
use zcodec::Codec;

/// Objects and keys of one kind that are kept to be named; all are counted.
pub const KEPT: usize = 1000;

/// The smallest objects of an array that are kept.
pub const SMALLEST: usize = 4;

/// The objects of one array.
#[derive(Default)]
pub struct Presence {
    /// Numbers of the objects in the grid.
    pub present: RoaringTreemap,
    /// Objects of an array whose grid is not known.
    pub unnumbered: u64,
    /// Their sizes.
    pub sizes: Sizes,
    /// Bytes of all.
    pub bytes: u64,
    /// The smallest objects: size and number, in order.
    pub smallest: Vec<(u64, u64)>,
    /// Objects of an impossible size: number and size.
    pub odd: BTreeMap<u64, u64>,
    /// How many there are.
    pub odd_count: u64,
}

impl Presence {
    /// Objects present.
    pub fn objects(&self) -> u64 {
        self.present.len() + self.unnumbered
    }

    /// Whether object `number` has an impossible size that was reported.
    pub fn is_odd(&self, number: u64) -> bool {
        self.odd.contains_key(&number)
    }

    /// The objects of impossible sizes that are kept.
    pub fn odd_numbers(&self) -> impl Iterator<Item = u64> {
        self.odd.keys().copied()
    }

    /// Counts an object that a read has found, and judged by its bytes.
    pub fn add_found(&mut self, number: u64, size: u64) {
        self.bytes += size;
        self.sizes.add(size);
        self.present.insert(number);
    }

    /// Counts an object that was listed.
    pub fn add(&mut self, array: &Array, number: Option<u64>, size: u64) {
        self.bytes += size;
        self.sizes.add(size);
        let Some(number) = number else {
            self.unnumbered += 1;
            return;
        };
        self.present.insert(number);
        if is_impossible(array, size) {
            self.odd_count += 1;
            self.odd.insert(number, size);
            if self.odd.len() > KEPT {
                self.odd.pop_last();
            }
            return;
        }
        self.keep_smallest((size, number));
    }

    fn keep_smallest(&mut self, object: (u64, u64)) {
        // Few of many objects are among them.
        if self.smallest.len() >= SMALLEST && self.smallest.last().is_some_and(|largest| *largest < object) {
            return;
        }
        if let Err(at) = self.smallest.binary_search(&object) {
            self.smallest.insert(at, object);
            self.smallest.truncate(SMALLEST);
        }
    }

    /// Adds what was counted of another part of the array.
    pub fn merge(&mut self, other: Presence) {
        self.present |= other.present;
        self.unnumbered += other.unnumbered;
        self.sizes.merge(other.sizes);
        self.bytes += other.bytes;
        self.odd_count += other.odd_count;
        self.odd.extend(other.odd);
        while self.odd.len() > KEPT {
            self.odd.pop_last();
        }
        other.smallest.into_iter().for_each(|object| self.keep_smallest(object));
    }
}

/// Whether no codec of the array makes an object of this size.
fn is_impossible(array: &Array, size: u64) -> bool {
    size == 0 || exact_size(array).is_some_and(|exact| exact != size) || size < least_size(array)
}

/// The size of every object of an array without compression.
pub fn exact_size(array: &Array) -> Option<u64> {
    let chain = &array.chain;
    if chain.sharding.is_some() || chain.unknown.is_some() || !array.numbered()?.is_regular() {
        return None;
    }
    let checksums = chain.tail.iter().all(|codec| *codec == Codec::Crc32c);
    chain.chunk_bytes.filter(|_| checksums).map(|bytes| bytes + 4 * chain.tail.len() as u64)
}

/// The least bytes that an object has: the header of its format, or the index of a shard.
pub fn least_size(array: &Array) -> u64 {
    let chain = &array.chain;
    if let Some(sharding) = chain.split_shards() {
        let regular = array.numbered().is_some_and(Grid::is_regular);
        return if regular { sharding.index.len().unwrap_or(1) } else { 1 };
    }
    match chain.tail.last() {
        Some(Codec::Blosc(..)) => 16,
        Some(Codec::Gzip) => 18,
        Some(Codec::Zlib) => 8,
        Some(Codec::Zstd) => 9,
        Some(Codec::Bz2) => 14,
        _ => 1,
    }
}
