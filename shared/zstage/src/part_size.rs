//! The size of the parts in which the objects of a store were uploaded: an ETag of several parts is the MD5 of their MD5s and tells
//! only their number. The objects of a store usually come from one program, so that what fits one of them fits the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What clients take for the size of a part, in MiB; the first ones are the most usual.
const PART_MIB: [u64; 21] = [8, 16, 5, 50, 64, 10, 32, 100, 128, 25, 20, 15, 6, 7, 12, 40, 60, 200, 256, 500, 512];

/// So many of those that fit are tried on the first object.
const MOST_GUESSES: usize = 4;

/// What is known of the parts of a store's objects.
#[derive(Debug, Default)]
pub struct PartSize {
    /// In bytes; 0 is unknown.
    known: AtomicU64,
    /// Whether several sizes are being tried on an object.
    is_sought: AtomicBool,
}

/// Several sizes are tried on an object; until this is dropped, on no other one.
pub struct Search(Arc<PartSize>);

impl PartSize {
    /// The sizes to try on an object of `size` bytes in this number of parts: the one that is known; of an unknown one several, each
    /// of which costs as much time as a checksum, for one object at a time, and the most usual one for the others.
    pub fn guesses(self: &Arc<Self>, size: u64, parts: u32) -> (Vec<u64>, Option<Search>) {
        let parts = u64::from(parts);
        if parts == 1 {
            return (vec![size.max(1)], None);
        }
        if let Some(known) = self.known(size, parts) {
            return (vec![known], None);
        }
        let is_first = self.known.load(Ordering::Relaxed) == 0 && !self.is_sought.swap(true, Ordering::Relaxed);
        let mut fitting = fitting(size, parts);
        fitting.truncate(if is_first { MOST_GUESSES } else { 1 });
        (fitting, is_first.then(|| Search(Arc::clone(self))))
    }

    /// The size that is tried first.
    pub fn likely(&self, size: u64, parts: u32) -> Option<u64> {
        let parts = u64::from(parts);
        match parts {
            1 => Some(size),
            _ => self.known(size, parts).or_else(|| fitting(size, parts).first().copied()),
        }
    }

    /// The size of other objects, if it fits this one.
    fn known(&self, size: u64, parts: u64) -> Option<u64> {
        let known = self.known.load(Ordering::Relaxed);
        (known > 0 && size.div_ceil(known) == parts).then_some(known)
    }
}

impl Search {
    /// One of the sizes fits.
    pub fn found(&self, size: u64) {
        self.0.known.store(size, Ordering::Relaxed);
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.0.is_sought.store(false, Ordering::Relaxed);
    }
}

/// Sizes of parts that give this number of them, the most usual first.
fn fitting(size: u64, parts: u64) -> Vec<u64> {
    let mib = PART_MIB.iter().map(|mib| mib << 20);
    let decimal = PART_MIB.iter().map(|mega| mega * 1_000_000);
    // Some divide by the number of parts, and round up to whole MiB.
    let even = std::iter::once(size.div_ceil(parts).next_multiple_of(1 << 20));
    let mut fitting: Vec<u64> = Vec::new();
    for part in mib.chain(even).chain(decimal).filter(|part| *part > 0 && size.div_ceil(*part) == parts) {
        if !fitting.contains(&part) {
            fitting.push(part);
        }
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 128 << 20;

    #[test]
    fn several_sizes_are_tried_on_one_object_at_a_time_until_one_fits() {
        let part_size = Arc::new(PartSize::default());
        let sizes = |parts| part_size.guesses(SIZE, parts).0;
        let (several, search) = part_size.guesses(SIZE, 3);
        assert_eq!(several, [50 << 20, 60 << 20, 43 << 20, 50_000_000]);
        assert_eq!(part_size.likely(SIZE, 3), Some(50 << 20));
        assert_eq!(sizes(3), [50 << 20], "while they are tried on the first");
        drop(search);
        let (several, search) = part_size.guesses(SIZE, 3);
        assert_eq!(several.len(), MOST_GUESSES, "none did fit the first");
        search.expect("several are tried").found(60 << 20);
        assert_eq!((sizes(3), part_size.likely(SIZE, 3)), (vec![60 << 20], Some(60 << 20)));
        assert_eq!(sizes(16), [8 << 20], "the known size does not fit");
    }

    #[test]
    fn one_part_is_the_whole_object() {
        let part_size = Arc::new(PartSize::default());
        assert!(part_size.guesses(0, 2).0.is_empty(), "nothing has no two parts");
        assert_eq!((part_size.guesses(12, 1).0, part_size.guesses(0, 1).0), (vec![12], vec![1]));
    }
}
