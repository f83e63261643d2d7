//! A store as a hierarchy of nodes, walked in path order.

use std::collections::BTreeSet;

use zstore::{Stat, Store, StoreError, Trail};

use crate::consolidated::{Consolidated, Span, inline_copies};
use crate::coverage::{COVERAGE, Fetched};
use crate::document_cache::{DocumentCache, read};
use crate::foreign::{foreign, is_kerchunk};
use crate::metadata::{Array, Node, ZarrFormat, array_v2, group_v2};
use crate::node_v3::node_v3;
use crate::not_zarr::{meant, stores_below};
use crate::{OrderedMap, Pool, ZarrError};

/// Nodes on their way at once: enough to keep a hundred requests busy, few enough to hold.
const WINDOW: usize = 1024;

/// The visitor has seen enough.
struct Ended;

/// A node visited by a walk, or its error.
pub type Visit = Result<Node, ZarrError>;

/// An opened hierarchy.
pub struct Hierarchy<'a> {
    store: &'a Store,
    root: Node,
    format: ZarrFormat,
    consolidated: Option<Consolidated>,
    /// What was fetched of it, if only a part was.
    fetched: Fetched,
    /// Whether netCDF-C 4.8.0 wrote it, which has documents of its own beside those of Zarr.
    is_nczarr: bool,
    /// The documents that were read, if each is to be asked for once.
    documents: Option<DocumentCache>,
    /// The error in the consolidated metadata, if it could not be used.
    pub unusable: Option<ZarrError>,
}

impl<'a> Hierarchy<'a> {
    /// Reads the top of a store. With `consolidated`, consolidated metadata is used if present.
    ///
    /// # Errors
    /// [`ZarrError::NotZarr`] if there is no metadata, [`ZarrError::Foreign`] if it is a store of another format,
    /// [`ZarrError::Metadata`] if that of the root is invalid.
    pub fn open(store: &'a Store, pool: &Pool, consolidated: bool) -> Result<Hierarchy<'a>, ZarrError> {
        Hierarchy::open_with(store, pool, consolidated, None)
    }

    /// As [`Hierarchy::open`], for a run that needs the documents several times: they are kept.
    ///
    /// # Errors
    /// As [`Hierarchy::open`].
    pub fn open_and_keep(store: &'a Store, pool: &Pool, consolidated: bool) -> Result<Hierarchy<'a>, ZarrError> {
        let hierarchy = Hierarchy::open_with(store, pool, consolidated, Some(DocumentCache::default()))?;
        if let (Some(documents), Some(consolidated)) = (&hierarchy.documents, &hierarchy.consolidated) {
            documents.drop_text(consolidated.key());
        }
        Ok(hierarchy)
    }

    fn open_with(
        store: &'a Store,
        pool: &Pool,
        consolidated: bool,
        documents: Option<DocumentCache>,
    ) -> Result<Hierarchy<'a>, ZarrError> {
        // Asked for together: one round trip, not four.
        let keys = vec!["zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs", ".nczarr", COVERAGE];
        let mut found = Vec::new();
        for answer in pool.map(keys, |key| read(store, key).map(|document| (key, document))) {
            let (key, document) = answer?;
            documents.iter().for_each(|documents| documents.keep(key, document.as_ref()));
            found.push(document.map(|(_, text)| text));
        }
        let [v3, zmetadata, zgroup, zarray, zattrs, nczarr, coverage] = <[_; 7]>::try_from(found).unwrap_or_default();
        let fetched = Fetched::of(store, coverage)?;
        if zmetadata.as_deref().is_some_and(is_kerchunk) {
            return Err(ZarrError::Foreign { place: store.place(""), what: "a set of kerchunk references (Parquet)" });
        }
        let metadata_error = |key: &str| {
            let place = store.place(key);
            move |detail| ZarrError::Metadata { place, detail }
        };
        if let Some(text) = v3 {
            let copies = inline_copies(&text);
            let root = copies.as_ref().map_or(text.as_slice(), |(_, root)| root);
            let root = fetched.mark(node_v3("/", root).map_err(metadata_error("zarr.json"))?);
            let cut = copies.filter(|_| consolidated).map(|(member, _)| Consolidated::v3(text, &member));
            let (consolidated, unusable) = match cut {
                None => (None, None),
                Some(Ok(copy)) => (Some(copy), None),
                Some(Err(detail)) => {
                    (None, Some(metadata_error("zarr.json")(format!("consolidated metadata {detail}"))))
                }
            };
            return Ok(Hierarchy {
                store,
                root,
                format: ZarrFormat::V3,
                consolidated,
                fetched,
                is_nczarr: false,
                documents,
                unusable,
            });
        }
        let mut unusable = None;
        let copy = zmetadata.filter(|_| consolidated).and_then(|text| {
            Consolidated::v2(text).map_err(|detail| unusable = Some(metadata_error(".zmetadata")(detail))).ok()
        });
        let zattrs = zattrs.as_deref();
        let root = match (&copy, zarray, zgroup) {
            (None, Some(text), _) => {
                let array = array_v2("/", &text, zattrs).map_err(metadata_error(".zarray"))?;
                Node::Array(Box::new(array))
            }
            (None, None, Some(text)) => Node::Group(group_v2("/", &text, zattrs).map_err(metadata_error(".zgroup"))?),
            (Some(copy), _, _) => match copy.root() {
                Some(root) => root.map_err(metadata_error(".zmetadata"))?,
                None => copy.implied_root(),
            },
            (None, None, None) => {
                let place = store.place("");
                // A folder of stores may hold files of other formats, too.
                let stores = stores_below(store, pool);
                let what = if stores.is_empty() { foreign(store, pool)? } else { None };
                return Err(match what {
                    Some(what) => ZarrError::Foreign { place, what },
                    None => ZarrError::NotZarr { hint: meant(&place, &stores), place },
                });
            }
        };
        let (root, is_nczarr) = (fetched.mark(root), nczarr.is_some());
        Ok(Hierarchy {
            store,
            root,
            format: ZarrFormat::V2,
            consolidated: copy,
            fetched,
            is_nczarr,
            documents,
            unusable,
        })
    }

    /// Format of the whole hierarchy.
    pub fn format(&self) -> ZarrFormat {
        self.format
    }

    /// The node at the top.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The consolidated metadata in use.
    pub fn consolidated(&self) -> Option<&Consolidated> {
        self.consolidated.as_ref()
    }

    /// Visits every node in path order: `map` on the workers, `emit` on the calling thread in order. `emit` returns whether
    /// to go on.
    pub fn walk<T: Send>(&self, pool: &Pool, map: impl Fn(Visit) -> T + Sync, mut emit: impl FnMut(T) -> bool) {
        let map = |visit: Visit| map(visit.map(|node| self.fetched.mark(node)));
        match &self.consolidated {
            Some(consolidated) => self.walk_consolidated(consolidated, pool, &map, &mut emit),
            None => {
                let goes_on = emit(map(Ok(self.root.clone())));
                if goes_on && matches!(self.root, Node::Group(_)) {
                    let _ = self.walk_below("", &Trail::default(), pool, &map, &mut emit);
                }
            }
        }
    }

    fn walk_consolidated<T: Send>(
        &self,
        consolidated: &Consolidated,
        pool: &Pool,
        map: &(impl Fn(Visit) -> T + Sync),
        emit: &mut impl FnMut(T) -> bool,
    ) {
        let mut paths = consolidated.paths().peekable();
        if paths.peek().is_none_or(|(path, _)| path != "/") && !emit(map(Ok(self.root.clone()))) {
            return;
        }
        let load = |(path, span): (String, &Span)| {
            map(consolidated.node(&path, span).map_err(|detail| ZarrError::Metadata {
                place: self.store.place(path.trim_start_matches('/')),
                detail: format!("in consolidated metadata: {detail}"),
            }))
        };
        let _ = OrderedMap::new(pool, WINDOW).run(paths, load, |value| go_on(emit(value)));
    }

    /// Visits the nodes below the group at `prefix`.
    fn walk_below<T: Send>(
        &self,
        prefix: &str,
        trail: &Trail,
        pool: &Pool,
        map: &(impl Fn(Visit) -> T + Sync),
        emit: &mut impl FnMut(T) -> bool,
    ) -> Result<(), Ended> {
        // Directories that are linked to each other have no end.
        let Some(trail) = self.store.enter(trail, prefix) else { return Ok(()) };
        let names = match self.directories(prefix) {
            Ok(names) => names,
            Err(StoreError::Stopped { .. }) => return Err(Ended),
            Err(error) => return go_on(emit(map(Err(error.into())))),
        };
        let load = |name: String| {
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let visit = self.load(&path);
            // Directories of arrays hold chunks; below all others there may be more nodes.
            let descend = matches!(visit, Ok(None | Some(Node::Group(_))));
            (descend.then_some(path), visit.transpose().map(map))
        };
        OrderedMap::new(pool, WINDOW).run(names, load, |(below, value)| {
            go_on(value.is_none_or(&mut *emit))?;
            below.map_or(Ok(()), |path| self.walk_below(&path, &trail, pool, map, emit))
        })
    }

    /// The node at the absolute `path`, without a walk; `None` if there is none.
    ///
    /// # Errors
    /// [`ZarrError::Metadata`] if its metadata is invalid; the store's.
    pub fn node(&self, path: &str) -> Result<Option<Node>, ZarrError> {
        let node = match &self.consolidated {
            _ if path == "/" => Some(self.root.clone()),
            Some(consolidated) => {
                let span = consolidated.span(path.trim_start_matches('/')).filter(|span| span.node.is_some());
                let wrong = |detail| ZarrError::Metadata {
                    place: self.store.place(path.trim_start_matches('/')),
                    detail: format!("in consolidated metadata: {detail}"),
                };
                span.map(|span| consolidated.node(path, span)).transpose().map_err(wrong)?
            }
            None => self.load(path.trim_start_matches('/'))?,
        };
        Ok(node.map(|node| self.fetched.mark(node)))
    }

    /// The text of a metadata document; `None` if there is none.
    ///
    /// # Errors
    /// The store's.
    pub fn document(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match (&self.documents, &self.consolidated) {
            (Some(_), Some(consolidated)) if consolidated.key() == key => Ok(Some(consolidated.text().to_vec())),
            (Some(documents), _) => documents.document(self.store, key),
            (None, _) => Ok(read(self.store, key)?.map(|(_, text)| text)),
        }
    }

    /// Size and tag of a metadata document as it was read; `None` if it was not, or if documents are not kept.
    pub fn stat(&self, key: &str) -> Option<Option<Stat>> {
        self.documents.as_ref()?.stat(key)
    }

    /// A metadata document with its size and tag: as it was read, if documents are kept. `None` if there is none.
    ///
    /// # Errors
    /// The store's.
    pub fn tagged_document(&self, key: &str) -> Result<Option<(Stat, Vec<u8>)>, StoreError> {
        match self.stat(key) {
            Some(None) => Ok(None),
            Some(Some(stat)) => Ok(self.document(key)?.map(|text| (stat, text))),
            None => read(self.store, key),
        }
    }

    /// Finds the arrays that are named, and those that describe them, where the server cannot list what there is; they are taken for
    /// all that there are. For hierarchies that keep their documents.
    ///
    /// # Errors
    /// Metadata that is invalid; the store's.
    pub fn find_named(&self, names: &[String]) -> Result<(), ZarrError> {
        // Consolidated metadata has them all.
        let is_walked = self.consolidated.is_none() && matches!(self.root, Node::Group(_));
        let Some(documents) = self.documents.as_ref().filter(|_| is_walked) else { return Ok(()) };
        if names.is_empty() || !matches!(self.directories(""), Err(StoreError::NotListable { .. })) {
            return Ok(());
        }
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting: Vec<String> = names.iter().map(|name| name.trim_matches('/').to_owned()).collect();
        while let Some(path) = waiting.pop() {
            if !path.is_empty()
                && seen.insert(path.clone())
                && let Some(Node::Array(array)) = self.node(&format!("/{path}"))?
            {
                let above = path.rsplit_once('/').map_or(String::new(), |(above, _)| format!("{above}/"));
                waiting.extend(describing(&array).into_iter().map(|name| format!("{above}{name}")));
                found.insert(path);
            }
        }
        // A pattern that may match others needs a list.
        if !found.is_empty() || !names.iter().any(|name| is_pattern(name)) {
            documents.assume(&found);
        }
        Ok(())
    }

    fn directories(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        match &self.documents {
            Some(documents) => documents.directories(self.store, prefix),
            None => Ok(self.store.entries(prefix)?.directories),
        }
    }

    /// The node at `path` (without the leading slash). Nothing: a directory that has no metadata of its own.
    fn load(&self, path: &str) -> Result<Option<Node>, ZarrError> {
        let absolute = format!("/{path}");
        let read = |name: &str| self.document(&format!("{path}/{name}"));
        let wrong = |detail: String| ZarrError::Metadata { place: self.store.place(path), detail };
        let mixed = |name: &str| wrong(format!("unexpected {name} in a Zarr v{} hierarchy", self.format.number()));
        if self.format == ZarrFormat::V3 {
            return match read("zarr.json")? {
                Some(text) => node_v3(&absolute, &text).map(Some).map_err(wrong),
                None if read(".zarray")?.is_some() => Err(mixed(".zarray")),
                None if read(".zgroup")?.is_some() => Err(mixed(".zgroup")),
                None => Ok(None),
            };
        }
        if let Some(text) = read(".zarray")? {
            let mut array = array_v2(&absolute, &text, read(".zattrs")?.as_deref()).map_err(wrong)?;
            if self.is_nczarr
                && array.dimension_names.is_none()
                && let Some(text) = read(".nczarray")?
            {
                array.complete_from_nczarray(&text);
            }
            return Ok(Some(Node::Array(Box::new(array))));
        }
        let Some(text) = read(".zgroup")? else {
            return if read("zarr.json")?.is_some() { Err(mixed("zarr.json")) } else { Ok(None) };
        };
        let group = group_v2(&absolute, &text, read(".zattrs")?.as_deref()).map_err(wrong)?;
        Ok(Some(Node::Group(group)))
    }
}

/// Names of the arrays that may describe an array: its dimensions, and what its attributes name.
fn describing(array: &Array) -> Vec<String> {
    let dimensions = array.dimension_names.iter().flatten().flatten().cloned();
    let texts =
        ["coordinates", "bounds", "grid_mapping"].into_iter().filter_map(|key| array.attributes.get(key)?.as_str());
    let words = texts.flat_map(|text| text.split_whitespace().map(|word| word.trim_end_matches(':').to_owned()));
    dimensions.chain(words).collect()
}

/// Whether a name may stand for several.
fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

fn go_on(wanted: bool) -> Result<(), Ended> {
    if wanted { Ok(()) } else { Err(Ended) }
}
