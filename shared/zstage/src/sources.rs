//! The source stores of a run: opened once, with the metadata at their root, for everything that is decided from it.

use std::sync::Arc;

use zarray::{Hierarchy, Pool};
use zstore::{Location, Store, StoreError};
use zwire::Failure;

use crate::options::{Begin, WriteOptions};

/// Source stores, of which the first is opened as a hierarchy.
#[derive(Clone)]
pub struct Sources<'a> {
    /// The stores.
    pub stores: &'a [Store],
    /// The nodes of the first.
    pub hierarchy: Arc<Hierarchy<'a>>,
    /// Whether objects are found by listing the source; otherwise their keys are computed.
    pub listed: bool,
    /// Whether arrays of the source may be left out.
    pub selects: bool,
    /// Threads that read.
    pub pool: Arc<Pool>,
}

impl<'a> Sources<'a> {
    /// Reads the metadata at the root. With `selects`, arrays may be left out: consolidated metadata of a remote store is believed, and
    /// keys are computed, so that nothing is listed of what is not needed.
    ///
    /// # Errors
    /// A source that is not a Zarr store, and what the store answers.
    pub fn open(
        stores: &'a [Store],
        output: &Location,
        options: &WriteOptions,
        selects: bool,
    ) -> Result<Sources<'a>, Failure> {
        let store = &stores[0];
        let pool = Arc::new(Pool::new(options.workers(store, output, selects)));
        let listed = !selects && is_listable(store)?;
        // Stale consolidated metadata would lose arrays, and chunks of a store that is changed: it is used only where listing costs
        // requests or cannot be done, and where a part of one store is selected.
        let trusts = !listed && (store.is_remote() || stores.len() == 1) && options.begin != Begin::InPlace;
        // A store that is written to at the same time changes its own documents.
        let keeps = selects && store.is_remote() && store.location() != output && options.begin != Begin::InPlace;
        let open = if keeps { Hierarchy::open_and_keep } else { Hierarchy::open };
        let hierarchy = Arc::new(open(store, &pool, trusts)?);
        Ok(Sources { stores, hierarchy, listed, selects, pool })
    }

    /// The first store.
    pub fn store(&self) -> &'a Store {
        &self.stores[0]
    }
}

/// Whether the server can list what it holds.
fn is_listable(store: &Store) -> Result<bool, Failure> {
    match store.list("") {
        Ok(mut objects) => Ok(objects.next().transpose().map(|_| true)?),
        Err(StoreError::NotListable { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
