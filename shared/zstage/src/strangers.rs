//! Files in a directory that are neither documents nor chunks of a Zarr store. They belong to others and are never removed.

use std::fs;
use std::path::Path;

use zarray::{Array, COVERAGE, Key, Node, array_v2, node_v3};
use zstore::{METADATA, StoreError, is_temporary, read_failed};

/// Number of names in a message.
const NAMED: usize = 5;

/// Refuses to replace a directory that contains more than a Zarr store.
///
/// # Errors
/// [`StoreError::Strangers`] with the first names; a directory that cannot be read.
pub fn check_replaceable(store: &Path) -> Result<(), StoreError> {
    let mut found = Vec::new();
    Walk { store, found: &mut found }.node(store)?;
    if found.is_empty() {
        return Ok(());
    }
    found.sort_unstable();
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(StoreError::Strangers { place: store.display().to_string(), others: found.join(", ") + &more })
}

/// A walk that does not follow links.
struct Walk<'a> {
    store: &'a Path,
    found: &'a mut Vec<String>,
}

impl Walk<'_> {
    /// Visits a group, an array, or a directory that is neither.
    fn node(&mut self, directory: &Path) -> Result<(), StoreError> {
        let prefix = key_of(self.store, directory);
        let arrays = arrays_at(directory, &prefix);
        if !arrays.is_empty() {
            return each_below(self.store, &prefix, &mut |key, _| {
                if !arrays.iter().any(|array| is_of(array, &key)) {
                    self.found.push(key);
                }
                Ok(())
            });
        }
        each_in(directory, &mut |path, is_directory| {
            let name = path.file_name().unwrap_or_default();
            let is_document =
                name == ".zattrs" || name == COVERAGE || METADATA.iter().any(|document| name == *document);
            match is_directory {
                true => self.node(path)?,
                false if !is_document => self.found.push(key_of(self.store, path)),
                false => {}
            }
            Ok(())
        })
    }
}

/// Called with the key and path of a file.
pub type Look<'a, E> = &'a mut dyn FnMut(String, &Path) -> Result<(), E>;

/// Visits every file and link below `prefix` in the store at `root`.
///
/// # Errors
/// Errors of `look`; a directory that cannot be read.
pub fn each_below<E: From<StoreError>>(root: &Path, prefix: &str, look: Look<E>) -> Result<(), E> {
    let directory = if prefix.is_empty() { root.to_owned() } else { root.join(prefix) };
    each_in(&directory, &mut |path, is_directory| match is_directory {
        true => each_below(root, &key_of(root, path), look),
        false => look(key_of(root, path), path),
    })
}

/// Visits the entries of a directory, with whether each is a directory (a link is not).
fn each_in<E: From<StoreError>>(directory: &Path, look: &mut dyn FnMut(&Path, bool) -> Result<(), E>) -> Result<(), E> {
    let failed = |error| E::from(read_failed(directory, error));
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_directory = entry.file_type().map_err(failed)?.is_dir();
        look(&entry.path(), is_directory)?;
    }
    Ok(())
}

fn key_of(store: &Path, path: &Path) -> String {
    path.strip_prefix(store).unwrap_or(path).to_string_lossy().into_owned()
}

/// Whether a key belongs to the array: a document, a chunk of its grid, or a temporary file of a killed run.
fn is_of(array: &Array, key: &str) -> bool {
    let is_own = match array.key_kind(key) {
        Key::Metadata => true,
        // Without a known grid, any key may be a chunk, or not.
        Key::Chunk(number) => number.is_some(),
        _ => false,
    };
    is_own || is_temporary(key.rsplit('/').next().unwrap_or_default())
}

/// The arrays that the documents in a directory describe: one for each Zarr format, if they can be read.
pub fn arrays_at(directory: &Path, key: &str) -> Vec<Array> {
    let path = format!("/{key}");
    let read = |name: &str| fs::read(directory.join(name)).ok();
    let v2 = read(".zarray").and_then(|text| array_v2(&path, &text, None).ok());
    let v3 = read("zarr.json").and_then(|text| match node_v3(&path, &text).ok()? {
        Node::Array(array) => Some(*array),
        Node::Group(_) => None,
    });
    v2.into_iter().chain(v3).collect()
}

#[cfg(test)]
mod tests {
    use zstore::create_file;

    use super::*;

    const ARRAY: &str = r#"{"zarr_format": 2, "shape": [4, 4], "chunks": [2, 2], "dtype": "<f4", "fill_value": 0,
        "order": "C", "filters": null, "compressor": null}"#;

    #[test]
    fn what_is_no_part_of_a_store_is_found() {
        let directory = tempfile::tempdir().expect("directory");
        let put = |key: &str| {
            create_file(&directory.path().join(key)).expect("is new");
            if key.ends_with(".zarray") {
                fs::write(directory.path().join(key), ARRAY).expect("writes");
            }
        };
        ["z/.zgroup", ".zattrs", "z/t/.zarray", "z/t/0.0", "z/t/1.1", "z/t/.0.1.tmp-host-1-0"]
            .iter()
            .for_each(|key| put(key));
        check_replaceable(directory.path()).expect("nothing else");
        let strangers = ["notes.txt", "photos/1.jpg", "z/README", "z/t/0.0.old", "z/t/2.0", "z/t/1/1", "z/t/.DS_Store"];
        for key in strangers {
            put(key);
            let refused = check_replaceable(directory.path()).expect_err("a stranger").to_string();
            assert!(refused.ends_with(&format!(": {key}")), "{refused}");
            fs::remove_file(directory.path().join(key)).expect("is there");
        }
        strangers.iter().for_each(|key| put(key));
        let refused = check_replaceable(directory.path()).expect_err("strangers").to_string();
        assert!(
            refused.ends_with("notes.txt, photos/1.jpg, z/README, z/t/.DS_Store, z/t/0.0.old and 2 more"),
            "{refused}"
        );
    }

    /// Some programs write documents of the other format beside those that are there.
    #[test]
    fn objects_of_both_formats_are_no_strangers() {
        const ARRAY_V3: &str = r#"{"zarr_format": 3, "node_type": "array", "shape": [4, 4], "data_type": "float32",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}}, "fill_value": 0,
            "chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "bytes"}], "attributes": {}}"#;
        let directory = tempfile::tempdir().expect("directory");
        let put = |key: &str, text: &str| {
            create_file(&directory.path().join(key)).expect("is new");
            fs::write(directory.path().join(key), text).expect("writes");
        };
        for (key, text) in [("t/.zarray", ARRAY), ("t/zarr.json", ARRAY_V3), ("t/1.1", ""), ("t/c/0/0", "")] {
            put(key, text);
        }
        check_replaceable(directory.path()).expect("nothing else");
        put("t/c/1/1", "");
        let refused = check_replaceable(directory.path()).expect_err("of neither").to_string();
        assert!(refused.ends_with(": t/c/1/1"), "{refused}");
    }

    /// Of a chunk grid that is not known, any key may be a chunk or somebody's.
    #[test]
    fn below_an_array_with_an_unknown_grid_everything_but_its_documents_is_a_stranger() {
        const ARRAY_V3: &str = r#"{"zarr_format": 3, "node_type": "array", "shape": [4, 4], "data_type": "float32",
            "chunk_grid": {"name": "hexagonal", "configuration": {}}, "fill_value": 0,
            "chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "bytes"}], "attributes": {}}"#;
        let directory = tempfile::tempdir().expect("directory");
        let (document, chunk) = (directory.path().join("t/zarr.json"), directory.path().join("t/c/0/0"));
        create_file(&document).expect("is new");
        fs::write(&document, ARRAY_V3).expect("writes");
        assert!(node_v3("/t", ARRAY_V3.as_bytes()).is_ok(), "it is an array");
        check_replaceable(directory.path()).expect("documents only");
        create_file(&chunk).expect("is new");
        let refused = check_replaceable(directory.path()).expect_err("unknown").to_string();
        assert!(refused.ends_with(": t/c/0/0"), "{refused}");
    }

    #[test]
    fn what_lies_behind_a_link_is_not_looked_at() {
        let directory = tempfile::tempdir().expect("directory");
        let (store, photos) = (directory.path().join("store"), directory.path().join("photos"));
        create_file(&photos.join("1.jpg")).expect("is new");
        create_file(&store.join(".zgroup")).expect("is new");
        std::os::unix::fs::symlink(&photos, store.join("mine")).expect("links");
        let refused = check_replaceable(&store).expect_err("a link is a stranger, too").to_string();
        assert!(refused.ends_with(": mine"), "{refused}");
    }
}
