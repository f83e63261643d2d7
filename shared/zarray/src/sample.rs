//! Chooses stored chunks that represent an array: some keys, spread over the grid, are tried; if none of them is stored, the
//! keys are listed.

use zstore::{Store, StoreError};

use crate::grid::{Grid, Key};
use crate::metadata::Array;

/// Additional keys to try before listing the store.
const PROBES: u64 = 16;

/// Listed keys that are looked through for chunks.
const LISTED: usize = 10_000;

/// What came of the probes.
pub struct Sampled {
    /// Objects that were looked for.
    pub tried: u64,
    /// Those that held something.
    pub found: u64,
    /// If none did: the result of a list; `None` if the store cannot list.
    pub listed: Option<Result<Listed, StoreError>>,
}

/// The result of listing the keys of an array.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The stored chunks (with sharding: shards) among the keys looked through, in key order.
    pub keys: Vec<String>,
    /// Whether these are all that there are.
    pub complete: bool,
    /// Whether there are keys that would be chunks, were the separator the other one.
    pub other_separator: bool,
}

/// Samples `array`: `look` is called with the keys of objects (chunks, or shards), spread over the grid, and returns how many
/// chunks it has got out of each, until that makes `wanted`. Where none of them was there, the keys are listed, for the caller
/// to choose from. An array without chunks, or that is not understood, has no keys to try.
///
/// # Errors
/// That of `look`.
pub fn sample<E>(
    store: &Store,
    array: &Array,
    wanted: u64,
    mut look: impl FnMut(&str) -> Result<u64, E>,
) -> Result<Sampled, E> {
    let mut sampled = Sampled { tried: 0, found: 0, listed: None };
    let Some(grid) = array.numbered().filter(|grid| !grid.is_empty() && wanted > 0) else { return Ok(sampled) };
    let mut chunks = 0;
    for number in grid.spread().take(zcodec::to_usize(wanted.saturating_add(PROBES))) {
        let here = look(&object_key(array, grid, number))?;
        sampled.tried += 1;
        sampled.found += u64::from(here > 0);
        chunks += here;
        if chunks >= wanted {
            break;
        }
    }
    if sampled.found == 0 {
        sampled.listed = match list(store, array) {
            Err(StoreError::NotListable { .. }) => None,
            listed => Some(listed),
        };
    }
    Ok(sampled)
}

fn object_key(array: &Array, grid: &Grid, number: u64) -> String {
    array.key(&array.keys.encode(&grid.index(number)))
}

/// Looks through as many keys as are worth listing.
fn list(store: &Store, array: &Array) -> Result<Listed, StoreError> {
    let mut listed = Listed { complete: true, ..Listed::default() };
    for (number, object) in store.list(array.key_prefix())?.enumerate() {
        if number == LISTED {
            listed.complete = false;
            break;
        }
        let key = object?.key;
        match array.key_kind(&key) {
            Key::Chunk(_) => listed.keys.push(key),
            Key::WrongSeparator => listed.other_separator = true,
            Key::Metadata | Key::OutsideGrid | Key::Stray => {}
        }
    }
    listed.keys.sort_unstable();
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zstore::StoreOptions;

    use super::*;
    use crate::metadata::array_v2;

    fn array(shape: u64) -> Array {
        let text = json!({"zarr_format": 2, "shape": [shape], "chunks": [1], "dtype": "|u1", "fill_value": 0,
            "order": "C", "filters": null, "compressor": null});
        array_v2("/x", text.to_string().as_bytes(), None).expect("an array")
    }

    fn sampled(keys: &[&str], shape: u64, wanted: u64) -> (Vec<String>, Sampled) {
        let directory = tempfile::tempdir().expect("a directory");
        for key in keys {
            let path = directory.path().join(key);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("is made");
            std::fs::write(path, [1]).expect("is written");
        }
        let store = Store::open(directory.path().as_os_str(), &StoreOptions::default()).expect("opens");
        let (mut taken, mut buffer) = (Vec::new(), Vec::new());
        let look = |key: &str| -> Result<u64, StoreError> {
            let found = store.get(key, &mut buffer)?.is_some();
            taken.extend(found.then(|| key.to_owned()));
            Ok(u64::from(found))
        };
        let sampled = sample(&store, &array(shape), wanted, look).expect("samples");
        (taken, sampled)
    }

    #[test]
    fn the_ends_come_first_and_enough_is_enough() {
        let (taken, sampled) = sampled(&["x/0", "x/5", "x/9"], 10, 2);
        assert_eq!(taken, ["x/0", "x/9"]);
        assert_eq!((sampled.tried, sampled.found), (2, 2));
        assert!(sampled.listed.is_none());
    }

    #[test]
    fn what_no_probe_finds_is_listed() {
        let (taken, sampled) = sampled(&["x/.zarray", "x/301", "x/299", "x/1000"], 1000, 1);
        assert_eq!((taken.len(), sampled.tried, sampled.found), (0, 17, 0));
        let expected = Listed { keys: vec!["x/299".into(), "x/301".into()], complete: true, other_separator: false };
        assert_eq!(sampled.listed.expect("listed").expect("lists"), expected);
    }

    #[test]
    fn an_array_without_chunks_is_left_alone() {
        assert_eq!(sampled(&["x/0"], 0, 3).1.tried, 0);
        assert_eq!(sampled(&["x/0"], 1, 0).1.tried, 0);
    }
}
