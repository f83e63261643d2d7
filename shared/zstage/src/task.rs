//! The work of one process on one output: what the executor and its kernels share.

use std::path::Path;

use zstore::Store;
use zwire::Failure;

use crate::array_plan::ArrayPlan;
use crate::earlier::Earlier;
use crate::journal::{Completed, Journal};
use crate::objects::{Item, ItemSource, Work};
use crate::options::WriteOptions;
use crate::placement::Placement;
use crate::progress::Progress;
use crate::received::Arrivals;
use crate::report::ArrayRecord;
use crate::staged_store::StagedStore;
use crate::view::ObjectSource;

/// What is to be done, and with what.
pub struct Task<'a> {
    pub options: &'a WriteOptions,
    /// The source stores; the plans' own arrays lie in the first.
    pub stores: &'a [Store],
    pub staged: &'a StagedStore,
    pub plans: &'a [ArrayPlan],
    pub work: Work,
    /// What earlier runs have done.
    pub completed: Completed,
    /// Whether there may have been earlier runs, which may have left what is in no journal.
    pub again: bool,
    pub journal: Journal<'a>,
    /// Of a repair: the objects as they were before.
    pub earlier: Option<&'a Earlier>,
    /// What is known of the objects of each source store; empty if they are not checked as they arrive.
    pub arrivals: Vec<Arrivals>,
    /// Directory for scratch files.
    pub scratch: Option<&'a Path>,
    /// Where the chunks go that are replaced in place.
    pub backup: Option<&'a Path>,
    /// Limit of bytes in flight.
    pub memory_bytes: u64,
    pub record: &'a ArrayRecord<'a>,
    pub progress: &'a dyn Progress,
}

impl<'a> Task<'a> {
    /// The store of the plans' own arrays.
    pub fn store(&self) -> &'a Store {
        &self.stores[0]
    }

    /// Where the objects of an array go.
    pub fn output(&self, plan: &ArrayPlan) -> &'a Store {
        if plan.placement == Placement::Swap { self.staged.replacements() } else { self.staged.objects() }
    }

    /// The store of an object's source object; `None` if it has several.
    pub fn source_of(&self, plan: &ArrayPlan, item: &Item) -> Option<&'a Store> {
        match &item.source {
            ItemSource::Own => Some(self.store()),
            ItemSource::View(ObjectSource::Object { piece, .. }) => Some(&self.stores[plan.view.piece(*piece).store]),
            ItemSource::View(ObjectSource::Regions(_)) => None,
        }
    }

    /// Compares an object that has arrived with the one before, which it replaces in a repair; `sum` is its checksum as the journal
    /// enters it.
    ///
    /// # Errors
    /// As [`Earlier::compare`].
    pub fn compare_earlier(&self, plan: &ArrayPlan, item: &Item, sum: u32) -> Result<(), Failure> {
        let Some(earlier) = self.earlier else { return Ok(()) };
        let key = plan.new_key(&item.key, item.unit);
        let place = || match self.source_of(plan, item) {
            Some(store) => store.place(&item.key),
            None => self.output(plan).place(&key),
        };
        earlier.compare((&plan.array.path, item.unit), sum, &key, place)
    }

    /// Removes the output object of a source object that has gone.
    pub fn remove_output(&self, plan: &ArrayPlan, key: &str, unit: Option<u64>) -> Result<(), Failure> {
        Ok(self.output(plan).delete(&plan.new_key(key, unit))?)
    }
}
