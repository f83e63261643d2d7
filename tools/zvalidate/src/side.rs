//! One whole store: its arrays and groups by path, and whether it is still there.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use zarray::{Array, Hierarchy, Node, Pool, ZarrError};
use zcli::Session;
use zstore::{Stat, Store, Target};
use zwire::{Exit, Failure};

use crate::options::Options;

/// An opened store.
pub struct Side {
    /// The store.
    pub store: Store,
    /// Its path or URL as given.
    pub name: String,
    /// The selected arrays, by path.
    pub arrays: BTreeMap<String, Array>,
    /// Paths of all arrays.
    pub paths: Vec<String>,
    /// Attributes of the groups, by path.
    pub groups: BTreeMap<String, Map<String, Value>>,
    /// Nodes that cannot be read.
    pub failed: Vec<ZarrError>,
    /// A document that is there as long as the store is.
    witness: Option<(String, Stat)>,
}

impl Side {
    /// Opens a store and reads the metadata of all its nodes.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(name: &Target, options: &Options, session: &Session) -> Result<Side, Failure> {
        let store = Store::open(name, &options.access.options(&session.stop))?;
        let pool = Pool::new(options.access.readers(&store, options.jobs));
        let (mut arrays, mut groups, mut failed, mut paths) =
            (BTreeMap::new(), BTreeMap::new(), Vec::new(), Vec::new());
        // What other readers see without consolidated metadata counts, where it can be listed at a small cost.
        Hierarchy::open(&store, &pool, store.is_remote())?.walk(
            &pool,
            |visit| visit,
            |visit| {
                match visit {
                    Err(error) => failed.push(error),
                    Ok(Node::Group(group)) => drop(groups.insert(group.path, group.attributes)),
                    Ok(Node::Array(array)) => {
                        paths.push(array.path.clone());
                        if options.var.matches(&array.path) {
                            arrays.insert(array.path.clone(), *array);
                        }
                    }
                }
                true
            },
        );
        let name = store.location().to_string();
        let documents = ["zarr.json", ".zmetadata", ".zgroup", ".zarray"];
        let mut witness = None;
        for key in documents {
            if let Some(stat) = store.stat(key)? {
                witness = Some((key.to_owned(), stat));
                break;
            }
        }
        Ok(Side { store, name, arrays, paths, groups, failed, witness })
    }

    /// Makes sure that the store is still the one that was opened: chunks of a store that was removed are not missing chunks.
    ///
    /// # Errors
    /// `Exit::Unreadable` if it is not; the store's.
    pub fn still_there(&self) -> Result<(), Failure> {
        let Some((key, before)) = &self.witness else { return Ok(()) };
        let now = self.store.stat(key)?;
        if now.is_some_and(|now| now.tag == before.tag && now.size == before.size) {
            return Ok(());
        }
        let what =
            if now.is_none() { "was removed while it was being read" } else { "changed while it was being read" };
        let failure = Failure::new(Exit::Unreadable, format!("the store {what}")).at(&self.name);
        Err(failure.hint("run zvalidate again when nothing writes to it"))
    }
}
