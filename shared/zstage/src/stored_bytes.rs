//! Compares stored bytes of an output with those of the source that they are a copy of.

use zstore::{ByteRange, Store, StoreError};

use crate::array_plan::ArrayPlan;
use crate::objects::{ItemSource, source_of};
use crate::view::ObjectSource;

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// How much of an object is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    All,
    /// Of a large one the size, and the start, the middle and the end.
    Some,
}

/// The source object of which the output object `unit` is an unchanged copy: the number of its store, and its key.
pub fn copied_from(plan: &ArrayPlan, unit: u64) -> Option<(usize, String)> {
    match source_of(plan, unit)? {
        (key, ItemSource::Own) => plan.encoding().is_none().then_some((0, key)),
        (key, ItemSource::View(ObjectSource::Object { piece, .. })) => {
            let piece = plan.view.piece(piece);
            let encoding = plan.encoding_of(&piece.array).ok()?;
            encoding.is_none().then_some((piece.store, key))
        }
        (_, ItemSource::View(ObjectSource::Regions(_))) => None,
    }
}

/// Whether two stored objects have the same bytes. One that is missing is not compared: `None`.
///
/// # Errors
/// The stores'.
pub fn have_same_bytes(one: (&Store, &str), other: (&Store, &str), extent: Extent) -> Result<Option<bool>, StoreError> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut read = |start: u64| -> Result<Option<(u64, bool)>, StoreError> {
        let range = ByteRange::At { start, len: PIECE };
        let found = one.0.get_range(one.1, range, &mut ours)?;
        let Some((found, expected)) = found.zip(other.0.get_range(other.1, range, &mut theirs)?) else {
            return Ok(None);
        };
        Ok(Some((found.size, found.size == expected.size && ours == theirs)))
    };
    let Some((size, is_same)) = read(0)? else { return Ok(None) };
    if !is_same || size <= PIECE {
        return Ok(Some(is_same));
    }
    let starts: Vec<u64> = match extent {
        Extent::All => (1..size.div_ceil(PIECE)).map(|piece| piece * PIECE).collect(),
        // Each piece of a server without ranges would be all of the object.
        Extent::Some if one.0.ignores_ranges() || other.0.ignores_ranges() => Vec::new(),
        Extent::Some => vec![(size / 2).min(size - PIECE), size - PIECE],
    };
    for start in starts {
        if !read(start)?.is_some_and(|(_, is_same)| is_same) {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}

#[cfg(test)]
mod tests {
    use zstore::StoreOptions;

    use super::*;

    #[test]
    fn a_difference_anywhere_is_found_and_in_a_sample_one_of_the_size() {
        let directory = tempfile::tempdir().expect("directory");
        let store = Store::open(directory.path(), &StoreOptions::default()).expect("opens");
        let bytes = vec![7; 5 * PIECE as usize];
        let put = |key: &str, change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = bytes.clone();
            change(&mut bytes);
            std::fs::write(directory.path().join(key), bytes).expect("writes");
        };
        put("a", &|_| {});
        put("same", &|_| {});
        put("shorter", &|bytes| bytes.truncate(bytes.len() - 1));
        put("end", &|bytes| bytes[5 * PIECE as usize - 1] = 8);
        put("between", &|bytes| bytes[PIECE as usize + 1] = 8);
        let is_same = |key: &str, extent| have_same_bytes((&store, "a"), (&store, key), extent).expect("reads");
        for extent in [Extent::All, Extent::Some] {
            assert_eq!(is_same("same", extent), Some(true));
            assert_eq!((is_same("shorter", extent), is_same("end", extent)), (Some(false), Some(false)));
            assert_eq!(is_same("missing", extent), None);
        }
        assert_eq!((is_same("between", Extent::All), is_same("between", Extent::Some)), (Some(false), Some(true)));
    }
}
