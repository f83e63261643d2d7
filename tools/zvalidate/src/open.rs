//! An opened store: its nodes, and what every check needs.

use zarray::{Array, Hierarchy, Node, Pool, ZarrError};
use zcoord::Dataset;
use zstore::Store;

use crate::division::Division;
use crate::level::Level;
use crate::options::Options;

/// A group, as far as checks need it.
pub struct GroupInfo {
    /// Absolute path.
    pub path: String,
    /// What of its metadata has to be understood and is not.
    pub not_understood: Option<String>,
    /// Whether its arrays are the levels of a pyramid, which share dimension names and not lengths (OME-Zarr, GeoZarr).
    pub is_pyramid: bool,
}

/// The nodes of a store.
pub struct Nodes {
    /// All arrays, in path order.
    pub dataset: Dataset,
    /// All groups, in path order.
    pub groups: Vec<GroupInfo>,
    /// Nodes that cannot be read.
    pub failed: Vec<ZarrError>,
}

impl Nodes {
    /// Reads the metadata of all nodes.
    pub fn read(hierarchy: &Hierarchy, pool: &Pool) -> Nodes {
        let (mut dataset, mut groups, mut failed) = (Dataset::default(), Vec::new(), Vec::new());
        hierarchy.walk(
            pool,
            |visit| visit,
            |visit| {
                match visit {
                    Err(error) => failed.push(error),
                    Ok(node) => {
                        if let Node::Group(group) = &node {
                            let is_pyramid =
                                ["multiscales", "ome"].iter().any(|key| group.attributes.contains_key(*key));
                            let not_understood = group.not_understood.clone();
                            groups.push(GroupInfo { path: group.path.clone(), not_understood, is_pyramid });
                        }
                        dataset.add(node);
                    }
                }
                true
            },
        );
        dataset.complete();
        Nodes { dataset, groups, failed }
    }
}

/// What every check needs of the store that is being checked.
pub struct Context<'a> {
    /// The options of the run.
    pub options: &'a Options,
    /// The store.
    pub store: &'a Store,
    /// Its path or URL as given.
    pub name: &'a str,
    /// Its nodes.
    pub nodes: &'a Nodes,
    /// Threads that read from it.
    pub pool: &'a Pool,
    /// How thoroughly it is checked.
    pub level: Level,
    /// The arrays of this part.
    pub division: &'a Division,
}

impl<'a> Context<'a> {
    /// The selected arrays, in path order.
    pub fn arrays(&self) -> impl Iterator<Item = &'a Array> {
        let var = &self.options.var;
        self.nodes.dataset.arrays().filter(move |array| var.matches(&array.path))
    }

    /// Those that this part checks.
    pub fn own_arrays(&self) -> impl Iterator<Item = &'a Array> {
        let division = self.division;
        self.arrays().filter(move |array| division.has(&array.path))
    }

    /// Whether the bytes of all objects are looked at, not only of a sample.
    pub fn sample_is_all(&self) -> bool {
        self.options.sample.is_none_or(|share| share >= 1.0)
    }

    /// Name of a dimension; its number where it has none.
    pub fn dimension(&self, array: &Array, dimension: usize) -> String {
        let name = array.dimension_names.as_ref().and_then(|names| names.get(dimension)?.clone());
        name.unwrap_or_else(|| format!("dimension {dimension}"))
    }
}
