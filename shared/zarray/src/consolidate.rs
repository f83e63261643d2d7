//! Makes consolidated metadata: the convention of zarr-python 3 in v3, that of zarr-python 2 in v2. Both documents hold a copy of
//! every other one, so they are assembled as text, and only the members of each are parsed.

use serde_json::json;

use crate::members::Members;

/// The `zarr.json` of the root, with copies of all nodes below it. `nodes` are their paths, without a slash in front, and their
/// documents, in any order.
///
/// # Errors
/// A document is not a JSON object.
pub fn consolidated_v3(root: &[u8], nodes: impl Iterator<Item = (String, Vec<u8>)>) -> Result<Vec<u8>, String> {
    let mut nodes: Vec<(String, Vec<u8>)> = nodes.collect();
    // zarr-python: upper levels first, and by name without regard to case within a level.
    nodes.sort_by_cached_key(|(path, _)| (path.matches('/').count(), path.to_lowercase(), path.clone()));
    let mut copies = Members::default();
    for (path, document) in nodes {
        let node = Members::read(&path, &document)?;
        // A group gets an empty member, which tells zarr-python that its children are known.
        let is_group = node.value("node_type").is_some_and(|kind| kind == "group");
        copies.push_text(&path, if is_group { with_copies(&node, &Members::default()).text() } else { document });
    }
    Ok(with_copies(&Members::read("zarr.json", root)?, &copies).document())
}

/// The `.zmetadata` of a root. `documents` are the keys of all `.zgroup`, `.zarray` and `.zattrs`, relative to it, and their
/// texts, in any order.
///
/// # Errors
/// A document is not a JSON object.
pub fn consolidated_v2(documents: impl Iterator<Item = (String, Vec<u8>)>) -> Result<Vec<u8>, String> {
    let mut documents: Vec<(String, Vec<u8>)> = documents.collect();
    documents.sort();
    let mut copies = Members::default();
    for (key, document) in documents {
        Members::read(&key, &document)?;
        copies.push_text(&key, document);
    }
    let mut consolidated = Members::default();
    consolidated.push_text("metadata", copies.text());
    consolidated.push("zarr_consolidated_format", &json!(1));
    Ok(consolidated.document())
}

/// A group's document with its consolidated metadata where zarr-python has it: before `node_type`.
fn with_copies(group: &Members, copies: &Members) -> Members {
    let mut consolidated = Members::from([("kind", json!("inline")), ("must_understand", json!(false))]);
    consolidated.push_text("metadata", copies.text());
    let mut document = Members::default();
    for (key, text) in group.others(&["consolidated_metadata", "node_type"]) {
        document.push_text(key, text.to_vec());
    }
    document.push_text("consolidated_metadata", consolidated.text());
    document.push("node_type", &json!("group"));
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v3_is_sorted_and_spelled_as_zarr_python_does() {
        let group = br#"{"attributes": {"x": 1.50}, "zarr_format": 3, "node_type": "group"}"#;
        let array = br#"{"shape": [], "node_type": "array", "attributes": {"v": NaN}}"#;
        let nodes = [("g/a", &array[..]), ("b", array), ("G", group), ("a", array)];
        let nodes = nodes.into_iter().map(|(path, text)| (path.to_owned(), text.to_vec()));
        let text = consolidated_v3(group, nodes).expect("writes");
        let root = Members::read("it", &text).expect("an object");
        let keys: Vec<&str> = root.others(&[]).map(|(key, _)| key).collect();
        assert_eq!(keys, ["attributes", "zarr_format", "consolidated_metadata", "node_type"]);
        let copies = root.value("consolidated_metadata").expect("is there");
        assert_eq!((&copies["kind"], &copies["must_understand"]), (&json!("inline"), &json!(false)));
        let metadata = copies["metadata"].as_object().expect("an object");
        assert_eq!(metadata.keys().collect::<Vec<_>>(), ["a", "b", "G", "g/a"]);
        assert_eq!(metadata["G"]["consolidated_metadata"]["metadata"], json!({}));
        assert_eq!(metadata["a"].get("consolidated_metadata"), None);
        let text = String::from_utf8(text).expect("utf-8");
        assert!(text.contains("\"x\": 1.50") && text.contains("\n          \"v\": NaN\n"), "{text}");
    }

    #[test]
    fn a_second_time_the_copies_are_replaced() {
        let group = br#"{"zarr_format": 3, "node_type": "group"}"#;
        let once = consolidated_v3(group, [("a".to_owned(), b"{}".to_vec())].into_iter()).expect("writes");
        let twice = consolidated_v3(&once, std::iter::empty()).expect("writes");
        assert_eq!(twice, consolidated_v3(group, std::iter::empty()).expect("writes"));
    }

    #[test]
    fn v2_is_a_map_of_documents() {
        let documents =
            [("a/.zarray", "{\"fill_value\": NaN}"), (".zgroup", "{\"zarr_format\": 2}"), (".zattrs", "{}")];
        let documents = documents.into_iter().map(|(key, text)| (key.to_owned(), text.as_bytes().to_vec()));
        let text = String::from_utf8(consolidated_v2(documents).expect("writes")).expect("utf-8");
        let order: Vec<usize> = [".zattrs", ".zgroup", "a/.zarray"].iter().filter_map(|key| text.find(key)).collect();
        assert!(order.len() == 3 && order.is_sorted(), "{text}");
        assert!(text.contains("NaN\n") && text.ends_with("\"zarr_consolidated_format\": 1\n}"), "{text}");
    }

    #[test]
    fn documents_have_to_be_objects() {
        let bad = || [("a".to_owned(), b"[]".to_vec())].into_iter();
        assert!(consolidated_v3(b"{}", bad()).is_err() && consolidated_v2(bad()).is_err());
        assert!(consolidated_v3(b"", std::iter::empty()).is_err());
    }
}
