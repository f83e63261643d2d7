//! The arrays of a store as a dataset: dimension names and coordinates.
//!
//! As in xarray and CF, a dimension's coordinate is the one-dimensional array of its name; others are named in
//! `coordinates`. Names are looked up in an array's own group first, then in the groups above it (CF section 2.7).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};
use zarray::{Array, Chain, Hierarchy, Node, Pool, ZarrError};

use crate::shrink::shrink_map;

/// Attributes, besides `coordinates`, whose values name arrays that describe others and are not data themselves (CF
/// appendix A).
const NAMING: [&str; 6] =
    ["bounds", "climatology", "grid_mapping", "cell_measures", "formula_terms", "ancillary_variables"];

/// Chains of codecs that are compared with that of a new array: most stores have few.
const SHARED_CHAINS: usize = 16;

/// The arrays of a store.
#[derive(Debug, Default)]
pub struct Dataset {
    /// By absolute path, in path order. Boxed, as the nodes of a tree have room for more than they hold.
    arrays: BTreeMap<String, Box<Array>>,
    /// Chains of codecs that arrays were found to share.
    chains: Vec<Arc<Chain>>,
    /// Attributes of groups, by absolute path.
    groups: HashMap<String, Map<String, Value>>,
    /// Coordinates that have another name than their dimension, by group (with a slash at its end) and dimension.
    aliases: HashMap<(String, String), String>,
    /// Names of the indices of a dimension that an attribute has, by group and dimension.
    labels: HashMap<(String, String), Vec<String>>,
}

/// What an array describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Describes {
    /// A dimension: it is its coordinate.
    Dimension,
    /// Arrays that name it in `coordinates`.
    Coordinate,
    /// Arrays that name it otherwise: bounds, a grid mapping, cell measures.
    Other,
}

impl Dataset {
    /// Reads the metadata of all nodes; those that cannot be read are returned beside it.
    pub fn read(hierarchy: &Hierarchy, pool: &Pool) -> (Dataset, Vec<ZarrError>) {
        let (mut dataset, mut failed) = (Dataset::default(), Vec::new());
        hierarchy.walk(
            pool,
            |visit| visit,
            |visit| {
                match visit {
                    Ok(node) => dataset.add(node),
                    Err(error) => failed.push(error),
                }
                true
            },
        );
        dataset.complete();
        (dataset, failed)
    }

    /// Adds a node. There may be very many: what arrays have in common is kept once.
    pub fn add(&mut self, node: Node) {
        match node {
            Node::Array(mut array) => {
                shrink_map(&mut array.attributes);
                self.share_chain(&mut array);
                self.arrays.insert(array.path.clone(), array);
            }
            Node::Group(group) => drop(self.groups.insert(group.path, group.attributes)),
        }
    }

    fn share_chain(&mut self, array: &mut Array) {
        match self.chains.iter().find(|chain| **chain == array.chain) {
            Some(chain) => array.chain = Arc::clone(chain),
            None if self.chains.len() < SHARED_CHAINS => self.chains.push(Arc::clone(&array.chain)),
            None => {}
        }
    }

    /// Every array, in path order.
    pub fn arrays(&self) -> impl Iterator<Item = &Array> {
        self.arrays.values().map(|array| &**array)
    }

    /// Number of arrays.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Whether it has no arrays.
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    /// The array at an absolute path.
    pub fn array(&self, path: &str) -> Option<&Array> {
        self.arrays.get(path).map(|array| &**array)
    }

    /// The same, to be completed.
    pub(crate) fn array_mut(&mut self, path: &str) -> Option<&mut Array> {
        self.arrays.get_mut(path).map(|array| &mut **array)
    }

    /// Groups and their attributes.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        self.groups.iter().map(|(path, attributes)| (path.as_str(), attributes))
    }

    /// Makes an array the coordinate of a dimension in its group.
    pub(crate) fn set_coordinate(&mut self, group: &str, dimension: &str, path: String) {
        self.aliases.insert((group.to_owned(), dimension.to_owned()), path);
    }

    /// Names the indices of a dimension in a group.
    pub(crate) fn set_labels(&mut self, group: &str, dimension: &str, labels: Vec<String>) {
        self.labels.insert((group.to_owned(), dimension.to_owned()), labels);
    }

    /// The names of the indices of a dimension of `of` that an attribute has, where there is no coordinate.
    pub fn labels(&self, of: &Array, dimension: &str) -> Option<&[String]> {
        self.labels.get(&(group_of(&of.path).to_owned(), dimension.to_owned())).map(Vec::as_slice)
    }

    /// The array called `name`, as `of` sees it: by absolute path, or in its group and those above.
    pub fn named(&self, of: &Array, name: &str) -> Option<&Array> {
        if name.starts_with('/') {
            return self.array(name);
        }
        let mut group = group_of(&of.path);
        loop {
            if let Some(array) = self.array(&format!("{group}{name}")) {
                return Some(array);
            }
            group = parent(group)?;
        }
    }

    /// The coordinate of a dimension of `of`: the one-dimensional array of its name, on that dimension.
    pub fn coordinate(&self, of: &Array, dimension: &str) -> Option<&Array> {
        if !self.aliases.is_empty()
            && let Some(path) = self.aliases.get(&(group_of(&of.path).to_owned(), dimension.to_owned()))
        {
            return self.array(path);
        }
        let array = self.named(of, dimension)?;
        let own = dimensions(array).is_some_and(|names| names == [dimension]);
        own.then_some(array)
    }

    /// The arrays that `coordinates` names, on the array itself or on its group.
    pub fn auxiliary<'a>(&'a self, of: &'a Array) -> Vec<&'a Array> {
        let group = group_of(&of.path).trim_end_matches('/');
        let group = self.groups.get(if group.is_empty() { "/" } else { group });
        let stated = [Some(&of.attributes), group].into_iter().flatten();
        let names = stated.filter_map(|attributes| attributes.get("coordinates")?.as_str());
        names.flat_map(str::split_whitespace).filter_map(|name| self.named(of, name)).collect()
    }

    /// The arrays that describe others, by path: coordinates, and what [`NAMING`] attributes name.
    pub fn described_by<'a>(&'a self) -> HashMap<&'a str, Describes> {
        let mut found: HashMap<&'a str, Describes> = HashMap::new();
        let mut add = |array: &'a Array, describes: Describes| {
            let known = found.entry(&array.path).or_insert(describes);
            *known = describes.min(*known);
        };
        self.arrays
            .values()
            .for_each(|array| self.descriptions(array).into_iter().for_each(|(found, how)| add(found, how)));
        found
    }

    /// The arrays that describe `array`, and how.
    fn descriptions<'a>(&'a self, array: &'a Array) -> Vec<(&'a Array, Describes)> {
        let names = dimensions(array).unwrap_or_default();
        let coordinates = names.into_iter().filter_map(|name| self.coordinate(array, name));
        let mut found: Vec<_> = coordinates.map(|coordinate| (coordinate, Describes::Dimension)).collect();
        found.extend(self.auxiliary(array).into_iter().map(|coordinate| (coordinate, Describes::Coordinate)));
        for text in NAMING.iter().filter_map(|name| array.attributes.get(*name)?.as_str()) {
            let words = text.split_whitespace().filter(|word| !word.ends_with(':'));
            found.extend(words.filter_map(|word| self.named(array, word)).map(|named| (named, Describes::Other)));
        }
        found
    }

    /// Paths of these arrays and of all that describe them: coordinates, their bounds, grid mappings.
    pub fn with_descriptions<'a>(&'a self, arrays: impl IntoIterator<Item = &'a Array>) -> BTreeSet<&'a str> {
        let mut waiting: Vec<&Array> = arrays.into_iter().collect();
        let mut found = BTreeSet::new();
        while let Some(array) = waiting.pop() {
            if found.insert(array.path.as_str()) {
                waiting.extend(self.descriptions(array).into_iter().map(|(describing, _)| describing));
            }
        }
        found
    }
}

/// The names of an array's dimensions; `None` if one has no name. A scalar has an empty list.
pub fn dimensions(array: &Array) -> Option<Vec<&str>> {
    if array.shape.is_empty() {
        return Some(Vec::new());
    }
    let names: Option<Vec<&str>> = array.dimension_names.as_ref()?.iter().map(Option::as_deref).collect();
    names.filter(|names| names.len() == array.shape.len())
}

/// The name of a node: the last part of its path.
pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The path of a node's group, with a slash at its end.
pub(crate) fn group_of(path: &str) -> &str {
    &path[..path.rfind('/').map_or(0, |at| at + 1)]
}

/// The group above one that is spelled with a slash at its end.
fn parent(group: &str) -> Option<&str> {
    let inner = group.strip_suffix('/')?;
    inner.rfind('/').map(|at| &group[..=at])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::array;

    fn dataset() -> Dataset {
        let mut dataset = Dataset::default();
        for (path, names, attributes) in [
            ("/lat", json!(["lat"]), json!({"bounds": "lat_bnds"})),
            ("/lat_bnds", json!(["lat", "nv"]), json!({})),
            ("/surface/t2m", json!(["time", "lat", "x"]), json!({"coordinates": "lon", "grid_mapping": "crs"})),
            ("/surface/time", json!(["time"]), json!({})),
            ("/surface/deeper/u", json!(["time"]), json!({})),
            ("/surface/x", json!(["x", "y"]), json!({})),
            ("/lon", json!(["x"]), json!({})),
            ("/crs", json!([]), json!({})),
        ] {
            dataset.add(Node::Array(Box::new(array(path, &names, &attributes))));
        }
        dataset
    }

    #[test]
    fn names_are_looked_up_from_the_inside_out() {
        let dataset = dataset();
        let t2m = &dataset.arrays["/surface/t2m"];
        let path = |array: Option<&Array>| array.map(|array| array.path.clone());
        assert_eq!(path(dataset.coordinate(t2m, "time")), Some("/surface/time".into()));
        assert_eq!(path(dataset.coordinate(t2m, "lat")), Some("/lat".into()));
        assert_eq!(path(dataset.coordinate(t2m, "x")), None, "it has two dimensions");
        assert_eq!(path(dataset.named(&dataset.arrays["/surface/deeper/u"], "time")), Some("/surface/time".into()));
        assert_eq!(path(dataset.named(t2m, "/lon")), Some("/lon".into()));
        assert_eq!(dataset.auxiliary(t2m).len(), 1);
    }

    #[test]
    fn equal_chains_are_kept_once() {
        let dataset = dataset();
        let chain = |path: &str| &dataset.arrays[path].chain;
        assert!(Arc::ptr_eq(chain("/lat"), chain("/lon")) && Arc::ptr_eq(chain("/lat"), chain("/surface/time")));
        assert!(chain("/lat") != chain("/lat_bnds"), "chunks of another size");
    }

    #[test]
    fn what_describes_an_array_comes_along() {
        let dataset = dataset();
        let with = |path: &str| dataset.with_descriptions([&*dataset.arrays[path]]).into_iter().collect::<Vec<_>>();
        assert_eq!(with("/surface/t2m"), ["/crs", "/lat", "/lat_bnds", "/lon", "/surface/t2m", "/surface/time"]);
        assert_eq!(with("/surface/deeper/u"), ["/surface/deeper/u", "/surface/time"]);
    }

    #[test]
    fn what_describes_others_is_no_data() {
        let dataset = dataset();
        let mut found: Vec<(&str, Describes)> = dataset.described_by().into_iter().collect();
        found.sort_unstable();
        let expected = [
            ("/crs", Describes::Other),
            ("/lat", Describes::Dimension),
            ("/lat_bnds", Describes::Other),
            ("/lon", Describes::Coordinate),
            ("/surface/time", Describes::Dimension),
        ];
        assert_eq!(found, expected);
    }
}
