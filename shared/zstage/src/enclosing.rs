//! The groups around a store that is changed in place.

use std::fs;
use std::path::Path;

use zarray::json;

/// The groups above the directory `store` that have consolidated metadata: copies of the documents of `store`, which nobody
/// changes with it.
pub fn enclosing_copies(store: &Path) -> impl Iterator<Item = &Path> {
    store.ancestors().skip(1).take_while(|path| is_group(path)).filter(|path| has_copies(path))
}

fn is_group(path: &Path) -> bool {
    ["zarr.json", ".zgroup", ".zmetadata"].iter().any(|name| path.join(name).exists())
}

fn has_copies(group: &Path) -> bool {
    let document = fs::read(group.join("zarr.json")).unwrap_or_default();
    let inline = json::member(&document, 0, "consolidated_metadata").is_some_and(|range| &document[range] != b"null");
    inline || group.join(".zmetadata").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_above_is_looked_at() {
        let directory = tempfile::tempdir().expect("directory");
        let root = directory.path().join("archive.zarr");
        let store = root.join("a/b/c");
        fs::create_dir_all(&store).expect("directories");
        let found = || enclosing_copies(&store).map(Path::to_owned).collect::<Vec<_>>();
        let write = |key: &str, text: &str| fs::write(root.join(key), text).expect("writes");
        write("zarr.json", r#"{"node_type": "group", "consolidated_metadata": {"metadata": {}}}"#);
        assert!(found().is_empty(), "what lies between are no groups");
        write("a/.zgroup", "{}");
        write("a/b/zarr.json", r#"{"node_type": "group", "consolidated_metadata": null}"#);
        assert_eq!(found(), [root.as_path()]);
        write("a/.zmetadata", "{}");
        assert_eq!(found(), [root.join("a"), root.clone()]);
    }
}
