//! `--part I/N`: which arrays a part checks. Arrays are not divided, because most findings about values follow from all chunks of one;
//! an array of the same path in several stores belongs to one part, which compares its ranges of values.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use zarray::{Array, Part};

/// What an object costs besides its bytes, in bytes.
const OBJECT: u64 = 4096;

/// The arrays of all parts. It is a pure function of the stores in their order, so that every part computes the same.
pub struct Division {
    part: Part,
    /// The number of the part of each array, by path.
    owners: HashMap<String, u32>,
    /// Weight and number of the parts that have an array; the others follow.
    loads: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Division {
    /// The division among the parts, before any store is seen.
    pub fn new(part: Part) -> Division {
        Division { part, owners: HashMap::new(), loads: BinaryHeap::new() }
    }

    /// Adds the arrays of a store: the largest first, each to the part that has least to do.
    pub fn add<'a>(&mut self, arrays: impl Iterator<Item = &'a Array>) {
        let new = arrays.filter(|array| !self.owners.contains_key(&array.path));
        let mut new: Vec<(Reverse<u64>, &str)> = new.map(|array| (Reverse(weight(array)), &*array.path)).collect();
        new.sort_unstable();
        for (Reverse(weight), path) in new {
            let unused = self.loads.len() as u64;
            let (load, number) = match self.loads.pop() {
                Some(Reverse((load, number))) if unused >= u64::from(self.part.of) => (load, number),
                other => {
                    self.loads.extend(other);
                    (0, unused as u32 + 1)
                }
            };
            self.loads.push(Reverse((load.saturating_add(weight), number)));
            self.owners.insert(path.to_owned(), number);
        }
    }

    /// Whether this part checks the array at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.owners.get(path) == Some(&self.part.number)
    }

    /// Whether this part checks what is no single array: metadata, coordinates, the store as a whole, and stores against each other.
    pub fn has_rest(&self) -> bool {
        self.part.number == 1
    }

    /// Whether there is only one part.
    pub fn is_whole(&self) -> bool {
        self.part == Part::WHOLE
    }
}

/// The work on an array.
fn weight(array: &Array) -> u64 {
    let objects = array.numbered().map_or(1, zarray::Grid::len);
    array.uncompressed_bytes().unwrap_or(0).saturating_add(objects.saturating_mul(OBJECT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(path: &str, length: u64) -> Array {
        let document = format!(
            r#"{{"zarr_format":2,"shape":[{length}],"chunks":[10],"dtype":"<f4","fill_value":0,"order":"C","filters":null,
            "compressor":null}}"#
        );
        zarray::array_v2(path, document.as_bytes(), None).expect("metadata")
    }

    /// Each array has one part, also in a later store with other arrays, and the largest arrays have parts of their own.
    #[test]
    fn every_array_belongs_to_one_part() {
        let first = [array("/a", 9000), array("/b", 8000), array("/c", 100), array("/d", 50)];
        let second = [array("/b", 10), array("/e", 7000)];
        let of = |number| {
            let mut division = Division::new(Part { number, of: 3 });
            division.add(first.iter());
            division.add(second.iter());
            let paths = ["/a", "/b", "/c", "/d", "/e"].into_iter().filter(|path| division.has(path));
            paths.collect::<Vec<_>>()
        };
        assert_eq!([of(1), of(2), of(3)], [vec!["/a"], vec!["/b"], vec!["/c", "/d", "/e"]]);
        let mut many = Division::new(Part { number: 9, of: 9 });
        many.add(first.iter());
        assert!(!many.has("/a") && !many.has_rest(), "more parts than arrays");
    }
}
