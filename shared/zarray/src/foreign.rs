//! Stores that are not Zarr and are taken for it: they are named for what they are.

use zstore::{ByteRange, Store, StoreError};

use crate::Pool;
use crate::json;

/// A document that a format has and Zarr has not, and how it can be told.
type Mark = (&'static str, &'static str, fn(&[u8]) -> bool);

/// The branch of every Icechunk repository of format 1, the head of one of format 2, and the attributes of N5.
const MARKS: [Mark; 3] = [
    ("refs/branch.main/ref.json", "an Icechunk repository", |text| has_member(text, "snapshot")),
    ("repo", "an Icechunk repository", |bytes| bytes.starts_with("ICE\u{1f9ca}CHUNK".as_bytes())),
    ("attributes.json", "an N5 container", |text| has_member(text, "n5") || has_member(text, "blockSize")),
];

/// The format of a store without Zarr metadata, if it is known.
///
/// # Errors
/// The store's.
pub fn foreign(store: &Store, pool: &Pool) -> Result<Option<&'static str>, StoreError> {
    let look = |(key, what, is_it): Mark| {
        let mut text = Vec::new();
        Ok(store.get(key, &mut text)?.filter(|_| is_it(&text)).map(|_| what))
    };
    for answer in pool.map(MARKS.to_vec(), look) {
        if let Some(what) = answer? {
            return Ok(Some(what));
        }
    }
    // Another program's references, as files of any name.
    let Ok(entries) = store.entries("") else { return Ok(None) };
    let references = |name: &&String| name.ends_with(".json") || name.ends_with(".parq") || name.ends_with(".parquet");
    let mut text = Vec::new();
    for name in entries.files.iter().filter(references).take(FILES) {
        if name.starts_with("refs.") && !name.ends_with(".json") {
            return Ok(Some("a set of kerchunk references (Parquet)"));
        }
        let beginning = ByteRange::At { start: 0, len: BEGINNING };
        let is_read = name.ends_with(".json") && matches!(store.get_range(name, beginning, &mut text), Ok(Some(_)));
        if is_read && text.starts_with(b"{") && text.windows(REFERENCES.len()).any(|window| window == REFERENCES) {
            return Ok(Some("a set of kerchunk references (JSON)"));
        }
    }
    Ok(None)
}

/// How much of a file is looked at: references may be gigabytes.
const BEGINNING: u64 = 64 << 10;

/// The member that holds the references of kerchunk.
const REFERENCES: &[u8] = b"\"refs\":";

/// Files that are looked into.
const FILES: usize = 16;

/// Whether `.zmetadata` is that of kerchunk's references in Parquet files (`LazyReferenceMapper` of fsspec).
pub fn is_kerchunk(zmetadata: &[u8]) -> bool {
    has_member(zmetadata, "record_size")
}

fn has_member(text: &[u8], name: &str) -> bool {
    json::member(text, 0, name).is_some()
}

#[cfg(test)]
mod tests {
    use zstore::StoreOptions;

    use super::*;
    use crate::{Hierarchy, ZarrError};

    fn opened(files: &[(&str, &str)]) -> ZarrError {
        let directory = tempfile::tempdir().expect("a directory");
        for (key, text) in files {
            let path = directory.path().join(key);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("is made");
            std::fs::write(path, text).expect("is written");
        }
        let store = Store::open(directory.path().as_os_str(), &StoreOptions::default()).expect("opens");
        Hierarchy::open(&store, &Pool::new(2), true).map(drop).expect_err("is no Zarr store")
    }

    #[test]
    fn other_formats_are_named() {
        for (files, word) in [
            (vec![(".zmetadata", r#"{"metadata": {".zgroup": {"zarr_format": 2}}, "record_size": 10}"#)], "kerchunk"),
            (vec![(".zgroup", r#"{"zarr_format": 2}"#), (".zmetadata", r#"{"record_size": 10}"#)], "kerchunk"),
            (vec![("refs.0.parq", "PAR1")], "kerchunk"),
            (vec![("all.json", r#"{"version": 1, "refs": {".zgroup": "{}"}}"#)], "kerchunk"),
            (vec![("refs/branch.main/ref.json", r#"{"snapshot": "1CECHNKREP0F1RSTCMT0"}"#)], "Icechunk"),
            (vec![("repo", "ICE\u{1f9ca}CHUNK\u{1}"), ("snapshots/1CECHNKREP0F1RSTCMT0", "")], "Icechunk"),
            (vec![("attributes.json", r#"{"n5": "2.5.1"}"#)], "N5"),
            (vec![("attributes.json", r#"{"dimensions": [1], "blockSize": [1], "dataType": "int8"}"#)], "N5"),
        ] {
            let error = opened(&files);
            assert!(matches!(&error, ZarrError::Foreign { what, .. } if what.contains(word)), "{error}");
            assert!(error.hint().is_some());
        }
        for files in [vec![], vec![("attributes.json", "{}")], vec![("x.json", "[1"), ("repo", "mine")]] {
            assert!(matches!(opened(&files), ZarrError::NotZarr { .. }));
        }
    }
}
