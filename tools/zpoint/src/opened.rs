//! An opened store and the metadata of its arrays, before they are classified.

use std::sync::Arc;

use zarray::{Hierarchy, Node, Pool};
use zcli::Session;
use zcoord::Dataset;
use zstore::{Location, Store, Target};
use zwire::Failure;

use crate::options::ReadOptions;

/// An opened store.
pub struct Opened {
    /// Its path or URL as given.
    pub name: String,
    /// The store itself.
    pub store: Store,
    /// Its arrays.
    pub dataset: Dataset,
    /// The path of the array that was given in place of the store.
    pub only: Option<String>,
    /// Threads that read from it.
    pub pool: Arc<Pool>,
    /// Bytes of memory for its coordinates.
    pub memory: u64,
}

impl Opened {
    /// Opens a store and reads the metadata of all arrays. In place of a single array, the topmost group above it is opened,
    /// which has its coordinates. Nodes that cannot be read are reported as failed items.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn open(options: &ReadOptions, name: &Target, session: &mut Session) -> Result<Opened, Failure> {
        let location = Location::parse(name)?;
        let store = Store::open_at(&location, &options.store)?;
        let pool = options.pool(&store);
        let hierarchy = Hierarchy::open(&store, &pool, true)?;
        let above = match hierarchy.root() {
            Node::Array(_) => group_above(&location, options),
            Node::Group(_) => None,
        };
        let (store, dataset, only) = match above {
            None => {
                let dataset = arrays(&hierarchy, &pool, session)?;
                (store, dataset, None)
            }
            Some((group, path)) => {
                let store = Store::open_at(&group, &options.store)?;
                let dataset = arrays(&Hierarchy::open(&store, &pool, true)?, &pool, session)?;
                (store, dataset, Some(path))
            }
        };
        Ok(Opened { name: location.to_string(), store, dataset, only, pool, memory: options.memory / 2 })
    }

    /// Paths of all arrays.
    pub fn paths(&self) -> Vec<String> {
        self.dataset.arrays().map(|array| array.path.clone()).collect()
    }
}

/// The metadata of all arrays of a store.
fn arrays(hierarchy: &Hierarchy, pool: &Pool, session: &mut Session) -> Result<Dataset, Failure> {
    if let Some(error) = &hierarchy.unusable {
        session.status.warn(&error.to_string());
    }
    let (dataset, failed) = Dataset::read(hierarchy, pool);
    failed.into_iter().try_for_each(|error| session.item_failed(&error.into()))?;
    Ok(dataset)
}

/// The topmost group above an array, and the path of the array in it.
fn group_above(array: &Location, options: &ReadOptions) -> Option<(Location, String)> {
    let (mut found, mut path, mut below) = (None, String::new(), array.clone());
    while let Some((above, name)) = below.parent() {
        path = format!("/{name}{path}");
        let store = Store::open_at(&above, &options.store).ok()?;
        match Hierarchy::open(&store, &options.pool(&store), true) {
            Ok(hierarchy) if matches!(hierarchy.root(), Node::Group(_)) => found = Some((above.clone(), path.clone())),
            _ => break,
        }
        below = above;
    }
    found
}
