//! Which chunks of a store are there, where only some of them were fetched and its metadata is that of the whole (`zfetch --layout
//! mirror`). A reader that knows nothing of it takes the others for fill values; ours refuse to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zstore::Store;

use crate::chunk_set::ChunkSet;
use crate::error::ZarrError;
use crate::metadata::Node;

/// The document at the root of such a store, and in each of its groups and arrays that are not complete, so that one that is opened
/// or copied by itself has it, too.
pub const COVERAGE: &str = ".zfetch.json";

/// Version of the document.
const V: u32 = 1;

/// Boxes of an array that are repeated in its own directory; of more, the document there refers to the ones above.
const MOST_BOXES: usize = 1000;

/// The document.
#[derive(Default, Serialize, Deserialize)]
struct Document {
    v: u32,
    /// Sets of chunks, which arrays share.
    chunks: Vec<ChunkSet>,
    /// For each array of which only some chunks are there, by its path, the number of its set.
    arrays: BTreeMap<String, usize>,
    /// Whether the chunks are named by the document of a group above.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    above: bool,
}

/// The chunks that are there of each array that is not complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(HashMap<String, Arc<ChunkSet>>);

impl Coverage {
    /// What is known of an array; `None`: it is complete.
    pub fn of(&self, path: &str) -> Option<&Arc<ChunkSet>> {
        self.0.get(path)
    }

    /// Adds an array of which only these chunks are there.
    pub fn add(&mut self, path: String, chunks: Arc<ChunkSet>) {
        self.0.insert(path, chunks);
    }

    /// The documents of a store: keys and texts. One for the root, for every group with such arrays, and for each of these; that of one
    /// with very many boxes refers to those above.
    pub fn documents(&self) -> Vec<(String, Vec<u8>)> {
        let key = |prefix: &str| if prefix.is_empty() { COVERAGE.to_owned() } else { format!("{prefix}/{COVERAGE}") };
        let (mut found, mut above) = (BTreeMap::<String, Coverage>::new(), Vec::new());
        for (path, set) in &self.0 {
            let below = path.trim_start_matches('/');
            let groups = below.match_indices('/').map(|(at, _)| &below[..at]);
            let own = Some(below).filter(|own| !own.is_empty());
            if let Some(own) = own.filter(|_| set.boxes() > MOST_BOXES) {
                above.push((key(own), text(Document { v: V, above: true, ..Document::default() })));
            }
            let own = own.filter(|_| set.boxes() <= MOST_BOXES);
            for prefix in std::iter::once("").chain(groups).chain(own) {
                let relative = format!("/{}", below[prefix.len()..].trim_start_matches('/'));
                found.entry(prefix.to_owned()).or_default().add(relative, Arc::clone(set));
            }
        }
        found.iter().map(|(prefix, coverage)| (key(prefix), coverage.text())).chain(above).collect()
    }

    /// Whether all arrays are complete.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parses the document; `None` for one that refers to those above.
    ///
    /// # Errors
    /// A message: another version, or no such document.
    pub fn parse(text: &[u8]) -> Result<Option<Coverage>, String> {
        let Document { v, chunks, arrays, above } = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if v != V {
            return Err(format!("version {v} of the document is not supported"));
        }
        if above {
            return Ok(None);
        }
        let chunks: Vec<Arc<ChunkSet>> = chunks.into_iter().map(Arc::new).collect();
        let set = |number: usize| chunks.get(number).cloned().ok_or_else(|| format!("there is no set {number}"));
        let arrays = arrays.into_iter().map(|(path, number)| Ok((path, set(number)?)));
        arrays.collect::<Result<_, String>>().map(|arrays| Some(Coverage(arrays)))
    }

    /// The document.
    pub fn text(&self) -> Vec<u8> {
        let (mut chunks, mut numbers) = (Vec::new(), HashMap::new());
        let mut arrays = BTreeMap::new();
        let mut paths: Vec<_> = self.0.iter().collect();
        paths.sort_unstable_by_key(|(path, _)| *path);
        for (path, set) in paths {
            let number = *numbers.entry(set).or_insert_with(|| {
                chunks.push((**set).clone());
                chunks.len() - 1
            });
            arrays.insert(path.clone(), number);
        }
        text(Document { v: V, chunks, arrays, above: false })
    }
}

fn text(document: Document) -> Vec<u8> {
    // A structure of numbers and strings always serialises.
    serde_json::to_vec(&document).unwrap_or_default()
}

/// What was fetched of an opened store, which may lie below the one with the document.
#[derive(Default)]
pub struct Fetched {
    coverage: Coverage,
    /// Path of the opened group or array in it; empty for the top.
    within: String,
}

/// Groups above an opened one that are searched.
const MOST_ABOVE: usize = 32;

impl Fetched {
    /// Looks for the document at the root of a store, whose text is `found` there, and in the directories around a local one.
    ///
    /// # Errors
    /// [`ZarrError::Metadata`] for a document that cannot be understood.
    pub fn of(store: &Store, found: Option<Vec<u8>>) -> Result<Fetched, ZarrError> {
        let is_below = found.is_some();
        if let Some(text) = found
            && let Some(coverage) = parse(&text, store.place(COVERAGE))?
        {
            return Ok(Fetched { coverage, within: String::new() });
        }
        let path = store.location().local().and_then(|path| path.canonicalize().ok());
        for above in path.iter().flat_map(|path| path.ancestors().skip(1).take(MOST_ABOVE)) {
            let document = above.join(COVERAGE);
            let Ok(text) = std::fs::read(&document) else { continue };
            if let Some(coverage) = parse(&text, document.display().to_string())? {
                let within = path.as_ref().and_then(|path| path.strip_prefix(above).ok());
                let within = within.map(|within| within.to_string_lossy().into_owned()).unwrap_or_default();
                return Ok(Fetched { coverage, within });
            }
        }
        match is_below {
            false => Ok(Fetched::default()),
            true => Err(ZarrError::Metadata {
                place: store.place(COVERAGE),
                detail: "the chunks that are there are named above it; open the store at its top".into(),
            }),
        }
    }

    /// The node with what was fetched of it.
    pub fn mark(&self, mut node: Node) -> Node {
        if let (Node::Array(array), false) = (&mut node, self.coverage.is_empty()) {
            let below = array.path.trim_start_matches('/');
            let parts = [self.within.as_str(), below].into_iter().filter(|part| !part.is_empty());
            let path = parts.fold(String::new(), |path, part| format!("{path}/{part}"));
            let path = if path.is_empty() { "/".to_owned() } else { path };
            array.fetched = self.coverage.of(&path).cloned();
        }
        node
    }
}

fn parse(text: &[u8], place: String) -> Result<Option<Coverage>, ZarrError> {
    Coverage::parse(text).map_err(|detail| ZarrError::Metadata { place, detail })
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    fn boxes(boxes: &[&[Range<u64>]]) -> ChunkSet {
        ChunkSet::from(boxes.iter().map(|ranges| ranges.to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn a_document_comes_back_and_equal_sets_are_written_once() {
        let (mut coverage, set) = (Coverage::default(), Arc::new(boxes(&[&[0..2, 3..5]])));
        coverage.add("/t2m".into(), Arc::clone(&set));
        coverage.add("/u10".into(), Arc::new((*set).clone()));
        let text = coverage.text();
        assert_eq!(Coverage::parse(&text).as_ref(), Ok(&Some(coverage.clone())));
        let expected = r#"{"v":1,"chunks":[[[[0,2],[3,5]]]],"arrays":{"/t2m":0,"/u10":0}}"#;
        assert_eq!(String::from_utf8(text).expect("is text"), expected);
        assert!(coverage.of("/t2m").is_some() && coverage.of("/other").is_none());
    }

    #[test]
    fn groups_and_arrays_have_documents_of_their_own() {
        let (mut coverage, set) = (Coverage::default(), Arc::new(boxes(&[&[0..2]])));
        coverage.add("/g/h/a".into(), Arc::clone(&set));
        coverage.add("/b".into(), set);
        let documents = coverage.documents();
        let keys: Vec<&str> = documents.iter().map(|(key, _)| key.as_str()).collect();
        let expected = ["", "b/", "g/", "g/h/", "g/h/a/"].map(|prefix| format!("{prefix}{COVERAGE}"));
        assert_eq!(keys, expected.each_ref().map(String::as_str));
        for (number, path) in [(0, "/g/h/a"), (0, "/b"), (1, "/"), (2, "/h/a"), (3, "/a"), (4, "/")] {
            let coverage = Coverage::parse(&documents[number].1).expect("parses").expect("names chunks");
            assert!(coverage.of(path).is_some(), "{number} {path}");
        }
    }

    #[test]
    fn the_document_of_an_array_with_very_many_boxes_refers_to_the_one_above() {
        let directory = tempfile::tempdir().expect("directory");
        let many = ChunkSet::from((0..=MOST_BOXES as u64).map(|at| vec![2 * at..2 * at + 1]).collect::<Vec<_>>());
        let (mut coverage, many) = (Coverage::default(), Arc::new(many));
        coverage.add("/g/a".into(), Arc::clone(&many));
        for (key, text) in coverage.documents() {
            let path = directory.path().join(key);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("makes");
            std::fs::write(path, text).expect("writes");
        }
        let array = directory.path().join("g/a");
        let text = std::fs::read(array.join(COVERAGE)).expect("reads");
        assert!(text.len() < 100 && Coverage::parse(&text) == Ok(None));
        let open = || {
            let location = zstore::Location::parse(array.to_str().expect("is text")).expect("a location");
            Store::open_at(&location, &zstore::StoreOptions::default()).expect("opens")
        };
        let fetched = Fetched::of(&open(), Some(text.clone())).expect("is found above");
        assert_eq!((fetched.within.as_str(), fetched.coverage.of("/a")), ("a", Some(&many)));
        // Copied away from its group, it is refused.
        for above in [directory.path().join(COVERAGE), directory.path().join("g").join(COVERAGE)] {
            std::fs::remove_file(above).expect("removes");
        }
        let refused = Fetched::of(&open(), Some(text)).err().expect("nothing is above");
        assert!(refused.to_string().contains("named above it"), "{refused}");
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        for text in ["", "{}", r#"{"v":2,"chunks":[],"arrays":{}}"#, r#"{"v":1,"chunks":[],"arrays":{"/a":0}}"#] {
            assert!(Coverage::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
