//! An opened store and the metadata of its arrays, before they are classified.

use zarray::{Hierarchy, Pool};
use zcli::Session;
use zcoord::Dataset;
use zstore::{Store, Target};
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
    /// Threads that read from it.
    pub pool: Pool,
    /// Bytes of memory for its coordinates.
    pub memory: u64,
}

impl Opened {
    /// Opens a store and reads the metadata of all arrays. Nodes that cannot be read are reported as failed items.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn open(options: &ReadOptions, name: &Target, session: &mut Session) -> Result<Opened, Failure> {
        let store = Store::open(name, &options.store)?;
        let pool = options.pool(&store);
        let hierarchy = Hierarchy::open(&store, &pool, true)?;
        if let Some(error) = &hierarchy.unusable {
            session.status.warn(&error.to_string());
        }
        let mut dataset = Dataset::default();
        let mut failed = Vec::new();
        hierarchy.walk(
            &pool,
            |visit| visit,
            |visit| {
                match visit {
                    Ok(node) => dataset.add(node),
                    Err(error) => failed.push(Failure::from(error)),
                }
                true
            },
        );
        for failure in failed {
            session.item_failed(&failure)?;
        }
        dataset.complete();
        Ok(Opened { name: store.location().to_string(), store, dataset, pool, memory: options.memory / 2 })
    }
}
