//! The arrays of a store as a dataset: dimension names and coordinates.
//!
//! As in xarray and CF, a dimension's coordinate is the one-dimensional array of its name; others are named in
//! `coordinates`. Names are looked up in an array's own group first, then in the groups above it (CF section 2.7).

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};
use zarray::{Array, Node};

/// Attributes whose values name arrays that describe others and are not data themselves (CF appendix A).
const NAMING: [&str; 7] =
    ["bounds", "climatology", "grid_mapping", "cell_measures", "formula_terms", "coordinates", "ancillary_variables"];

/// The arrays of a store.
#[derive(Debug, Default)]
pub struct Dataset {
    /// By absolute path, in path order.
    arrays: BTreeMap<String, Array>,
    /// Attributes of groups, by absolute path.
    groups: HashMap<String, Map<String, Value>>,
}

impl Dataset {
    /// Adds a node.
    pub fn add(&mut self, node: Node) {
        match node {
            Node::Array(array) => drop(self.arrays.insert(array.path.clone(), *array)),
            Node::Group(group) => drop(self.groups.insert(group.path, group.attributes)),
        }
    }

    /// Every array, in path order.
    pub fn arrays(&self) -> impl Iterator<Item = &Array> {
        self.arrays.values()
    }

    /// Number of arrays.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Whether it has no arrays.
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    /// The arrays in the group of `array`, in path order.
    pub fn siblings<'a>(&'a self, array: &Array) -> impl Iterator<Item = &'a Array> + use<'a> {
        let group = group_of(&array.path).to_owned();
        self.arrays
            .range(group.clone()..)
            .map(|(_, array)| array)
            .take_while({
                let group = group.clone();
                move |array| array.path.starts_with(&group)
            })
            .filter(move |array| group_of(&array.path) == group)
    }

    /// The array called `name`, as `of` sees it: by absolute path, or in its group and those above.
    pub fn named(&self, of: &Array, name: &str) -> Option<&Array> {
        if name.starts_with('/') {
            return self.arrays.get(name);
        }
        let mut group = group_of(&of.path);
        loop {
            if let Some(array) = self.arrays.get(&format!("{group}{name}")) {
                return Some(array);
            }
            group = parent(group)?;
        }
    }

    /// The coordinate of a dimension of `of`: the one-dimensional array of its name, on that dimension.
    pub fn coordinate(&self, of: &Array, dimension: &str) -> Option<&Array> {
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

    /// Paths of the arrays that describe others: coordinates of dimensions, and what [`NAMING`] attributes name.
    pub fn described_by(&self) -> HashSet<&str> {
        let mut paths = HashSet::new();
        for array in self.arrays.values() {
            for dimension in dimensions(array).unwrap_or_default() {
                paths.extend(self.coordinate(array, dimension).map(|found| found.path.as_str()));
            }
            for text in NAMING.iter().filter_map(|name| array.attributes.get(*name)?.as_str()) {
                let words = text.split_whitespace().filter(|word| !word.ends_with(':'));
                paths.extend(words.filter_map(|word| self.named(array, word)).map(|found| found.path.as_str()));
            }
        }
        paths
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
fn group_of(path: &str) -> &str {
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
        let siblings: Vec<&str> = dataset.siblings(t2m).map(|array| name(&array.path)).collect();
        assert_eq!(siblings, ["t2m", "time", "x"]);
    }

    #[test]
    fn what_describes_others_is_no_data() {
        let dataset = dataset();
        let mut found: Vec<&str> = dataset.described_by().into_iter().collect();
        found.sort_unstable();
        assert_eq!(found, ["/crs", "/lat", "/lat_bnds", "/lon", "/surface/time"]);
    }
}
