//! Directories without Zarr metadata: what was probably meant instead.

use std::path::Path;

use zstore::Store;
use zwire::{human_counted, shell_quote};

use crate::Pool;

/// Documents that make a directory a node.
const DOCUMENTS: [&str; 3] = ["zarr.json", ".zgroup", ".zarray"];

/// Directories that are looked into.
const DIRECTORIES: usize = 64;

/// The names of the stores right below a directory: some, if there are many. Empty if they cannot be listed.
pub fn stores_below(store: &Store, pool: &Pool) -> Vec<String> {
    let Ok(entries) = store.entries("") else { return Vec::new() };
    let directories = entries.directories.into_iter().filter(|name| !name.starts_with('.')).take(DIRECTORIES);
    let is_there = |key: String| matches!(store.get(&key, &mut Vec::new()), Ok(Some(_)));
    let is_node =
        |name: String| DOCUMENTS.iter().any(|document| is_there(format!("{name}/{document}"))).then_some(name);
    pool.map(directories.collect(), is_node).into_iter().flatten().collect()
}

/// What to give in place of `place`, with these stores below it.
pub fn meant(place: &str, stores: &[String]) -> String {
    let place = place.trim_end_matches('/');
    let is_url = place.contains("://");
    match (stores, node_above(Path::new(place))) {
        ([name], _) => format!("use the store in it: {}", shell_quote(&format!("{place}/{name}"))),
        ([name, ..], _) => {
            let count = human_counted(stores.len() as u64, "store");
            let ending = if stores.iter().all(|name| name.ends_with(".zarr")) { "*.zarr" } else { "*" };
            match is_url {
                true => format!("it contains {count}, such as {}", shell_quote(&format!("{place}/{name}"))),
                false => format!("it contains {count}: use {}/{ending}", shell_quote(place)),
            }
        }
        ([], Some(node)) if !is_url => format!("it lies inside a Zarr array or group: use {}", shell_quote(&node)),
        ([], _) => "give the directory that contains zarr.json or .zgroup".into(),
    }
}

/// The closest directory above that is a node.
fn node_above(path: &Path) -> Option<String> {
    let mut above = path.ancestors().skip(1);
    let node = above.find(|directory| DOCUMENTS.iter().any(|document| directory.join(document).is_file()))?;
    Some(if node.as_os_str().is_empty() { ".".into() } else { node.display().to_string() })
}

#[cfg(test)]
mod tests {
    use zstore::StoreOptions;

    use super::*;

    #[test]
    fn what_was_meant_is_found() {
        let directory = tempfile::tempdir().expect("a directory");
        for node in ["one/a.zarr", "two/a.zarr", "two/b.zarr", "odd/a.zarr", "odd/b", "s.zarr", "s.zarr/t"] {
            let path = directory.path().join(node);
            std::fs::create_dir_all(&path).expect("is made");
            std::fs::write(path.join(".zgroup"), "{}").expect("is written");
        }
        for path in ["s.zarr/t/c/0", "none"] {
            std::fs::create_dir_all(directory.path().join(path)).expect("is made");
        }
        for (path, hint) in [
            ("one", "use the store in it: P/one/a.zarr"),
            ("two", "it contains 2 stores: use P/two/*.zarr"),
            ("odd", "it contains 2 stores: use P/odd/*"),
            ("s.zarr/t/c/0", "it lies inside a Zarr array or group: use P/s.zarr/t"),
            ("none", "give the directory that contains zarr.json or .zgroup"),
        ] {
            let store = Store::open(directory.path().join(path).as_os_str(), &StoreOptions::default()).expect("opens");
            let found = meant(&store.place(""), &stores_below(&store, &Pool::new(2)));
            assert_eq!(found.replace(&directory.path().display().to_string(), "P"), hint, "{path}");
        }
        let stores = ["a.zarr".to_owned(), "b.zarr".to_owned()];
        assert_eq!(meant("s3://bucket/x/", &stores), "it contains 2 stores, such as s3://bucket/x/a.zarr");
    }
}
